//! Runs along x of the voxels of a body, joined across blocks.

use crate::block_cache::BlockCache;
use crate::buffers::Payload;
use crate::fault::{Fault, Outcome};
use crate::layout::{Shape, SIDE};
use crate::members::{shares, Chosen, Members, Share};
use crate::session::Session;
use crate::target::Span;

/// First voxel x, y, z, and length.
pub type Run = [i32; 4];

/// The bits of blocks that are looked at together stay in the cache.
const MOST_BYTES: usize = 512 * 1024;

/// Some neighbouring blocks of one row of blocks, x ascending: places in the request.
pub struct Piece {
    pub blocks: Vec<usize>,
    /// The voxels of the row of blocks that may be given.
    pub clip: Span,
}

/// The runs of a piece, and how many there are up to the end of each row of voxels within its clip.
pub struct PieceRuns {
    runs: Vec<Run>,
    ends: Vec<usize>,
}

/// Cuts the blocks that touch the bounds into pieces, sorted by z, y, x: enough of them that each thread has some.
pub fn pieces(
    firsts: &[[i64; 3]],
    present: impl Fn(usize) -> bool,
    shape: Shape,
    bounds: Span,
    threads: usize,
) -> Outcome<Vec<Piece>> {
    let mut order: Vec<usize> = (0..firsts.len()).filter(|i| present(*i)).collect();
    order.retain(|i| !Span::of(firsts[*i], shape).clip(&bounds).empty());
    let key = |i: usize| [firsts[i][2], firsts[i][1], firsts[i][0]];
    order.sort_unstable_by_key(|i| key(*i));
    if order.windows(2).any(|pair| key(pair[0]) == key(pair[1])) {
        return Fault::argument("two payloads have the same block coordinate");
    }
    let fit = MOST_BYTES / (shape.iter().product::<usize>() / SIDE);
    let together = fit.min(order.len() / threads.max(1)).max(1);
    let rows = order.chunk_by(|a, b| firsts[*a][1..] == firsts[*b][1..]);
    Ok(rows
        .flat_map(|row| row.chunks(together))
        .map(|blocks| {
            let mut clip = Span::of(firsts[blocks[0]], shape).clip(&bounds);
            (clip.low[0], clip.high[0]) = (bounds.low[0], bounds.high[0]);
            Piece { blocks: blocks.to_vec(), clip }
        })
        .collect())
}

/// What a thread keeps from piece to piece.
pub struct Finder<'c> {
    session: Session<'c>,
    chosen: Chosen,
    bits: Vec<u8>,
    /// Whether a row of sub-blocks (y fastest) has any.
    touched: Vec<bool>,
}

impl<'c> Finder<'c> {
    pub fn with(cache: Option<&'c BlockCache>) -> Self {
        Finder { session: Session::with(cache), chosen: Chosen::new(), bits: Vec::new(), touched: Vec::new() }
    }

    /// The runs of a piece, sorted by z, y, x.
    pub fn find(
        &mut self,
        piece: &Piece,
        payloads: &[Option<Payload>],
        firsts: &[[i64; 3]],
        shape: Shape,
        members: Members,
    ) -> Outcome<PieceRuns> {
        let width = shape[0] / SIDE;
        let stride = piece.blocks.len() * width;
        self.bits.clear();
        self.bits.resize(stride * shape[1] * shape[2], 0);
        self.touched.clear();
        self.touched.resize(shape[1] * shape[2] / (SIDE * SIDE), false);
        for (place, &index) in piece.blocks.iter().enumerate() {
            if let Some(payload) = &payloads[index] {
                self.mark(payload, shape, members, place * width, stride).map_err(|fault| fault.in_payload(index))?;
            }
        }
        if !self.touched.contains(&true) {
            return Ok(PieceRuns { runs: Vec::new(), ends: Vec::new() });
        }
        let heads: Vec<i64> = piece.blocks.iter().map(|index| firsts[*index][0]).collect();
        Ok(self.read(&piece.clip, &heads, firsts[piece.blocks[0]], shape))
    }

    /// Sets the bits of a block, which begin at byte `at` of each row.
    fn mark(&mut self, payload: &[u8], shape: Shape, members: Members, at: usize, stride: usize) -> Outcome<()> {
        let Finder { session, chosen, bits, touched } = self;
        let (layout, table) = session.open(payload, shape, None)?;
        match chosen.choose(table, members) {
            Share::Nothing => (),
            Share::Everything => {
                touched.fill(true);
                for row in bits.chunks_exact_mut(stride) {
                    row[at..at + layout.grid[0]].fill(u8::MAX);
                }
            }
            Share::Some => shares(&layout, chosen, |sub, share, own| {
                if share == Share::Nothing {
                    return;
                }
                let [x, y, z] = sub.at;
                touched[z * layout.grid[1] + y] = true;
                for (i, rows) in own.as_chunks::<SIDE>().0.iter().enumerate() {
                    let start = ((z * SIDE + i) * shape[1] + y * SIDE) * stride + at + x;
                    let lines = bits[start..].iter_mut().step_by(stride);
                    if share == Share::Everything {
                        lines.take(SIDE).for_each(|byte| *byte = u8::MAX);
                    } else {
                        lines.zip(rows).for_each(|(byte, row)| *byte = *row);
                    }
                }
            })?,
        }
        Ok(())
    }

    /// Reads the bits of blocks whose first voxels are at `heads` along x.
    fn read(&self, clip: &Span, heads: &[i64], first: [i64; 3], shape: Shape) -> PieceRuns {
        let stride = heads.len() * shape[0] / SIDE;
        let mut runs = Vec::new();
        let mut ends = Vec::with_capacity(((clip.high[2] - clip.low[2]) * (clip.high[1] - clip.low[1])) as usize);
        for z in clip.low[2]..clip.high[2] {
            for y in clip.low[1]..clip.high[1] {
                let (below, above) = ((y - first[1]) as usize, (z - first[2]) as usize);
                if !self.touched[above / SIDE * (shape[1] / SIDE) + below / SIDE] {
                    ends.push(runs.len());
                    continue;
                }
                let start = (above * shape[1] + below) * stride;
                let mut line = Line { runs: &mut runs, clip, y, z, start: 0, open: false, end: heads[0] };
                for (head, bytes) in heads.iter().zip(self.bits[start..start + stride].chunks_exact(shape[0] / SIDE)) {
                    line.block(*head, bytes);
                }
                line.close();
                ends.push(runs.len());
            }
        }
        PieceRuns { runs, ends }
    }
}

/// A row of voxels that is read from left to right.
struct Line<'a> {
    runs: &'a mut Vec<Run>,
    clip: &'a Span,
    y: i64,
    z: i64,
    /// Where the run began, if one is open.
    start: i64,
    open: bool,
    /// Where the last block ended.
    end: i64,
}

impl Line<'_> {
    #[inline(always)]
    fn block(&mut self, head: i64, bytes: &[u8]) {
        if head != self.end {
            self.close();
        }
        self.end = head + (bytes.len() * SIDE) as i64;
        match bytes.as_chunks::<8>() {
            (words, []) => words
                .iter()
                .zip(0..)
                .for_each(|(word, i)| self.word(head + 64 * i, u64::from_le_bytes(*word), u64::MAX)),
            _ => bytes.iter().zip(0..).for_each(|(byte, i)| self.word(head + 8 * i, u64::from(*byte), 0xff)),
        }
    }

    /// Takes as many voxels as `mask` has bits.
    #[inline(always)]
    fn word(&mut self, x: i64, word: u64, mask: u64) {
        let mut edges = (word ^ (word << 1 | u64::from(self.open))) & mask;
        while edges != 0 {
            let at = x + i64::from(edges.trailing_zeros());
            edges &= edges - 1;
            if self.open {
                self.emit(at);
            }
            self.start = at;
            self.open = !self.open;
        }
    }

    fn close(&mut self) {
        if self.open {
            self.emit(self.end);
            self.open = false;
        }
    }

    #[inline(always)]
    fn emit(&mut self, end: i64) {
        let (low, high) = (self.start.max(self.clip.low[0]), end.min(self.clip.high[0]));
        if low < high {
            self.runs.push([low as i32, self.y as i32, self.z as i32, (high - low) as i32]);
        }
    }
}

impl PieceRuns {
    /// The runs of some rows of voxels.
    fn of(&self, first: usize, end: usize) -> &[Run] {
        if self.ends.is_empty() {
            return &[];
        }
        let start = if first == 0 { 0 } else { self.ends[first - 1] };
        &self.runs[start..self.ends[end - 1]]
    }
}

/// Puts the runs of all pieces in order of z, y, x, and joins those of neighbouring pieces.
pub fn merge(pieces: &[Piece], found: &[PieceRuns]) -> Outcome<Vec<Run>> {
    let both: Vec<(&Piece, &PieceRuns)> = pieces.iter().zip(found).collect();
    let mut out = Vec::with_capacity(found.iter().map(|piece| piece.runs.len()).sum());
    for slab in both.chunk_by(|a, b| a.0.clip.low[2] == b.0.clip.low[2]) {
        let rows: Vec<_> = slab.chunk_by(|a, b| a.0.clip.low[1] == b.0.clip.low[1]).collect();
        let clip = &slab[0].0.clip;
        for plane in 0..(clip.high[2] - clip.low[2]) as usize {
            for row in &rows {
                let height = (row[0].0.clip.high[1] - row[0].0.clip.low[1]) as usize;
                let lines = plane * height..(plane + 1) * height;
                if let [(_, runs)] = row {
                    out.extend_from_slice(runs.of(lines.start, lines.end));
                    continue;
                }
                for line in lines {
                    for (_, runs) in row.iter() {
                        append(&mut out, runs.of(line, line + 1))?;
                    }
                }
            }
        }
    }
    Ok(out)
}

/// Appends runs of one row of voxels, of which the first may go on where the last one ended.
fn append(out: &mut Vec<Run>, runs: &[Run]) -> Outcome<()> {
    let mut rest = runs;
    if let (Some(last), [first, tail @ ..]) = (out.last_mut(), runs) {
        if last[1..3] == first[1..3] && i64::from(last[0]) + i64::from(last[3]) == i64::from(first[0]) {
            let Some(length) = last[3].checked_add(first[3]) else {
                return Fault::argument("a run is longer than an int32 can tell");
            };
            last[3] = length;
            rest = tail;
        }
    }
    out.extend_from_slice(rest);
    Ok(())
}
