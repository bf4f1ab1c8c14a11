//! Parts of the index of a body as labelmap stores them: columns of rows in 8x8x8 blocks, and what is made of them.

use crate::fault::{Fault, Outcome};
use crate::label_index::{encode, Head, Rows};
use std::ops::Range;

const HEAD: usize = 8;
const ROW_BYTES: usize = 14;
const SURFACE_BYTES: usize = 10;
const SIDE: i64 = 8;
const MAGNITUDE: i64 = 0xf_ffff;

/// One part; where its first block is, x, y, z in chunks.
pub struct Chunk<'a> {
    corner: [i64; 3],
    supervoxels: &'a [[u8; 8]],
    voxels: &'a [[u8; 4]],
    places: &'a [[u8; 2]],
    surface_places: &'a [[u8; 2]],
    surface_ids: &'a [[u8; 8]],
}

/// A block of a body: z, y, x for the order, its chunk, and its rows there.
struct Block {
    at: [i64; 3],
    chunk: usize,
    rows: Range<usize>,
}

fn count_at(value: &[u8], at: usize) -> Option<usize> {
    value.get(at..)?.first_chunk::<4>().map(|word| u32::from_le_bytes(*word) as usize)
}

/// Splits off the first `count` items.
fn cut<'a, const N: usize>(rest: &mut &'a [u8], count: usize) -> &'a [[u8; N]] {
    let (head, tail) = rest.split_at_checked(N * count).unwrap_or_default();
    *rest = tail;
    head.as_chunks::<N>().0
}

impl<'a> Chunk<'a> {
    pub fn parse(value: &'a [u8], corner: [i64; 3]) -> Outcome<Self> {
        let (Some(n), Some(k)) = (count_at(value, 0), count_at(value, 4)) else {
            return Fault::format("a part of a body's index is cut off");
        };
        if value.len() as u64 != (HEAD + n * ROW_BYTES) as u64 + (k * SURFACE_BYTES) as u64 {
            return Fault::format("the length of a part of a body's index is wrong");
        }
        if corner.iter().any(|n| n.unsigned_abs() > 1 << 40) {
            return Fault::argument("a chunk coordinate is out of range");
        }
        let mut rest = &value[HEAD..];
        let supervoxels = cut(&mut rest, n);
        let surface_ids = cut(&mut rest, k);
        let voxels = cut(&mut rest, n);
        let places = cut(&mut rest, n);
        Ok(Chunk { corner, supervoxels, voxels, places, surface_places: cut(&mut rest, k), surface_ids })
    }

    /// z, y, x of the block at a place.
    fn block_at(&self, place: [u8; 2]) -> [i64; 3] {
        let place = i64::from(u16::from_le_bytes(place));
        let [x, y, z] = self.corner.map(|n| n * SIDE);
        [z + place / (SIDE * SIDE) % SIDE, y + place / SIDE % SIDE, x + place % SIDE]
    }

    fn surface_of(&self, place: [u8; 2]) -> u64 {
        let found = self.surface_places.binary_search_by_key(&u16::from_le_bytes(place), |word| u16::from_le_bytes(*word));
        found.ok().and_then(|at| self.surface_ids.get(at)).map_or(0, |word| u64::from_le_bytes(*word))
    }

    /// Where its first block is, x, y, z in chunks.
    pub fn corner(&self) -> [i64; 3] {
        self.corner
    }

    pub fn places(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.places.iter().map(|word| u16::from_le_bytes(*word))
    }

    /// The places of marked blocks, and their marks.
    pub fn marks(&self) -> impl Iterator<Item = (u16, u64)> + use<'a> {
        let places = self.surface_places.iter().map(|word| u16::from_le_bytes(*word));
        places.zip(self.surface_ids.iter().map(|word| u64::from_le_bytes(*word)))
    }

    pub fn rows(&self) -> impl Iterator<Item = (u64, u32)> + use<'a> {
        let voxels = self.voxels.iter().map(|word| u32::from_le_bytes(*word));
        self.supervoxels.iter().map(|word| u64::from_le_bytes(*word)).zip(voxels)
    }
}

/// The blocks of a body by z, y, x.
fn blocks(chunks: &[Chunk]) -> Vec<Block> {
    let mut found = Vec::new();
    for (chunk, own) in chunks.iter().enumerate() {
        let mut first = 0;
        for same in own.places.chunk_by(|a, b| a == b) {
            let rows = first..first + same.len();
            first = rows.end;
            found.push(Block { at: own.block_at(same[0]), chunk, rows });
        }
    }
    if chunks.len() > 1 {
        found.sort_unstable_by_key(|block| block.at);
    }
    found
}

/// Block coordinate as a key: 21 bits each, sign and magnitude, z in the highest.
fn pack(at: [i64; 3]) -> Outcome<u64> {
    if at.iter().any(|n| n.abs() > MAGNITUDE) {
        return Fault::argument("a block coordinate is out of range of a label index");
    }
    Ok(at.iter().fold(0, |key, n| key << 21 | u64::from(*n < 0) << 20 | n.unsigned_abs()))
}

/// A body's LabelIndex.
pub fn message(head: &Head, chunks: &[Chunk]) -> Outcome<Vec<u8>> {
    let rows = chunks.iter().map(|chunk| chunk.places.len()).sum();
    let (mut keys, mut surface) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let (mut supervoxels, mut counts) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for block in blocks(chunks) {
        let (chunk, key) = (&chunks[block.chunk], pack(block.at)?);
        let mutation = chunk.surface_of(chunk.places[block.rows.start]);
        for (supervoxel, voxels) in chunk.rows().skip(block.rows.start).take(block.rows.len()) {
            keys.push(key);
            surface.push(mutation);
            supervoxels.push(supervoxel);
            counts.push(voxels);
        }
    }
    Ok(encode(head, Rows { keys: &keys, supervoxels: &supervoxels, counts: &counts, surface: &surface }))
}

/// The runs of blocks along x of a body within `low` and `high` (x, y, z; both within), as rles of block coordinates.
pub fn coarse_rles(chunks: &[Chunk], low: [i64; 3], high: [i64; 3]) -> Vec<u8> {
    let mut out = vec![0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let (mut runs, mut open): (u32, Option<([i64; 3], i64)>) = (0, None);
    let mut close = |open: Option<([i64; 3], i64)>| {
        if let Some(([z, y, x], length)) = open {
            runs += 1;
            [x, y, z, length].iter().for_each(|n| out.extend_from_slice(&(*n as i32).to_le_bytes()));
        }
    };
    for Block { at: [z, y, x], .. } in blocks(chunks) {
        if !(0..3).all(|i| (low[i]..=high[i]).contains(&[x, y, z][i])) {
            continue;
        }
        match &mut open {
            Some((first, length)) if first[..2] == [z, y] && first[2] + *length == x => *length += 1,
            Some((first, length)) if first[..2] == [z, y] && first[2] + *length > x => (),
            _ => close(open.replace(([z, y, x], 1))),
        }
    }
    close(open);
    out[8..12].copy_from_slice(&runs.to_le_bytes());
    out
}

/// The supervoxels of a body, ascending, and the voxels of each.
pub fn supervoxel_sizes(chunks: &[Chunk]) -> (Vec<u64>, Vec<u64>) {
    let mut rows: Vec<(u64, u64)> =
        chunks.iter().flat_map(Chunk::rows).map(|(label, voxels)| (label, u64::from(voxels))).collect();
    rows.sort_unstable();
    rows.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0 };
        same
    });
    rows.into_iter().unzip()
}

/// Block coordinates of a body, x, y, z one after the other, sorted by z, y, x; and its supervoxels, ascending.
pub fn blocks_and_supervoxels(chunks: &[Chunk]) -> (Vec<i64>, Vec<u64>) {
    let places = blocks(chunks).iter().flat_map(|Block { at: [z, y, x], .. }| [*x, *y, *z]).collect();
    let mut labels: Vec<u64> = chunks.iter().flat_map(Chunk::rows).map(|(label, _)| label).collect();
    labels.sort_unstable();
    labels.dedup();
    (places, labels)
}
