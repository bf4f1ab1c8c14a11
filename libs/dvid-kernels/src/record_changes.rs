//! Changes of whole bodies: rows come to their records, or take the place of what they say.

use crate::body_records::{encode, Record, Summary, Texts};
use crate::fault::{Fault, Outcome};

/// A supervoxel in a block: chunk as z, y, x, place in the chunk, supervoxel, voxels. They sort as they are stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub block: Place,
    pub supervoxel: u64,
    pub voxels: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    chunk: [i32; 3],
    place: u16,
}

impl Place {
    /// The place of a block (x, y, z).
    pub fn of(block: [i64; 3]) -> Outcome<Self> {
        if block.iter().any(|n| i32::try_from(*n).is_err()) {
            return Fault::argument("a block coordinate is no int32");
        }
        let [x, y, z] = block.map(|n| n as i32);
        let place = (z.rem_euclid(8) * 64 + y.rem_euclid(8) * 8 + x.rem_euclid(8)) as u16;
        Ok(Place { chunk: [z, y, x].map(|n| n.div_euclid(8)), place })
    }

    /// The block (x, y, z).
    fn block(self) -> [i32; 3] {
        let [z, y, x] = self.chunk.map(|n| n.wrapping_mul(8));
        let place = i32::from(self.place);
        [x.wrapping_add(place % 8), y.wrapping_add(place / 8 % 8), z.wrapping_add(place / 64)]
    }
}

/// What a mutation leaves in a body.
pub struct Stamp<'a> {
    pub mutation: u64,
    pub texts: Texts<'a>,
}

/// Rows and marks of one body: what there is and what comes; kept from body to body for their memory.
#[derive(Default)]
pub struct Change {
    rows: Vec<Row>,
    marks: Vec<(Place, u64)>,
}

impl Change {
    fn take_in(&mut self, record: &Record) {
        for chunk in &record.chunks {
            let [x, y, z] = chunk.corner().map(|n| n as i32);
            let at = |place| Place { chunk: [z, y, x], place };
            self.rows.extend(
                chunk
                    .rows()
                    .zip(chunk.places())
                    .map(|((supervoxel, voxels), place)| Row { block: at(place), supervoxel, voxels: i64::from(voxels) }),
            );
            self.marks.extend(chunk.marks().map(|(place, id)| (at(place), id)));
        }
    }

    /// One row for each block and supervoxel, none without voxels. What there was stands before what comes.
    fn join(&mut self, adding: bool) {
        self.rows.sort_by_key(|row| (row.block, row.supervoxel)); // stable
        self.rows.dedup_by(|next, kept| {
            let same = (next.block, next.supervoxel) == (kept.block, kept.supervoxel);
            if same {
                kept.voxels = if adding { kept.voxels.wrapping_add(next.voxels) } else { next.voxels };
            }
            same
        });
        self.rows.retain(|row| row.voxels > 0);
        self.marks.sort_unstable_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1))); // the largest first
        self.marks.dedup_by_key(|mark| mark.0);
        let rows = &self.rows;
        self.marks.retain(|mark| rows.binary_search_by_key(&mark.0, |row| row.block).is_ok());
    }

    /// The record after the change; None if no voxels are left.
    pub fn apply(
        &mut self,
        label: u64,
        before: Option<&[u8]>,
        rows: impl Iterator<Item = Outcome<(Row, u64)>>,
        adding: bool,
        stamp: Option<&Stamp>,
    ) -> Outcome<Option<Vec<u8>>> {
        self.rows.clear();
        self.marks.clear();
        let before = before.map(Record::parse).transpose()?;
        if let Some(record) = &before {
            self.take_in(record);
        }
        for row in rows {
            let (row, mark) = row?;
            self.rows.push(row);
            if mark != 0 {
                self.marks.push((row.block, mark));
            }
        }
        self.join(adding);
        if self.rows.is_empty() {
            return Ok(None);
        }
        let (mutation, texts) = match (stamp, &before) {
            (Some(stamp), _) => (stamp.mutation, stamp.texts),
            (None, Some(record)) => (record.summary.mutation, record.texts),
            (None, None) => (0, Texts::default()),
        };
        Ok(Some(self.encoded(label, mutation, texts)))
    }

    /// The record of a body to which others come, and the supervoxels of each of these, ascending.
    pub fn merge(&mut self, label: u64, records: &[&[u8]], stamp: &Stamp) -> Outcome<(Vec<u8>, Vec<Vec<u64>>)> {
        self.rows.clear();
        self.marks.clear();
        let mut members = Vec::with_capacity(records.len());
        for (number, record) in records.iter().enumerate() {
            let (first, marked) = (self.rows.len(), self.marks.len());
            self.take_in(&Record::parse(record)?);
            if number == 0 {
                continue;
            }
            let come = &self.rows[first..];
            self.marks.truncate(marked);
            self.marks.extend(come.iter().map(|row| (row.block, stamp.mutation)));
            let mut names: Vec<u64> = come.iter().map(|row| row.supervoxel).collect();
            names.sort_unstable();
            names.dedup();
            members.push(names);
        }
        self.join(true);
        if self.rows.is_empty() {
            return Fault::format("what is known of a body names no voxels");
        }
        Ok((self.encoded(label, stamp.mutation, stamp.texts), members))
    }

    /// The records of what stays of a body and of what leaves it, and the blocks (x, y, z) that this is in.
    pub fn cleave(
        &mut self,
        labels: [u64; 2],
        record: &[u8],
        supervoxels: &[u64],
        stamp: &Stamp,
    ) -> Outcome<([Vec<u8>; 2], Vec<[i32; 3]>)> {
        self.rows.clear();
        self.marks.clear();
        self.take_in(&Record::parse(record)?);
        let leaves = |row: &Row| supervoxels.binary_search(&row.supervoxel).is_ok();
        let mut gone = Change { rows: self.rows.iter().copied().filter(leaves).collect(), marks: Vec::new() };
        self.rows.retain(|row| !leaves(row));
        gone.marks.extend(gone.rows.iter().map(|row| (row.block, stamp.mutation)));
        self.marks.extend_from_slice(&gone.marks);
        let mut blocks: Vec<_> = gone.rows.iter().map(|row| row.block.block()).collect();
        blocks.sort_unstable();
        blocks.dedup();
        self.join(true);
        gone.join(true);
        if self.rows.is_empty() || gone.rows.is_empty() {
            return Fault::argument("all of the body would leave it, or nothing");
        }
        let encoded = |half: &Change, label| half.encoded(label, stamp.mutation, stamp.texts);
        Ok(([encoded(self, labels[0]), encoded(&gone, labels[1])], blocks))
    }

    fn encoded(&self, label: u64, mutation: u64, texts: Texts) -> Vec<u8> {
        let mut summary = Summary { mutation, low: [i32::MAX; 3], high: [i32::MIN; 3], ..Summary::default() };
        let (mut parts, mut out, mut marks) = (Vec::new(), Vec::new(), &self.marks[..]);
        for own in self.rows.chunk_by(|a, b| a.block.chunk == b.block.chunk) {
            let [z, y, x] = own[0].block.chunk;
            let count = marks.iter().take_while(|mark| mark.0.chunk == own[0].block.chunk).count();
            let (here, rest) = marks.split_at(count);
            marks = rest;
            let start = out.len();
            put_chunk(&mut out, own, here);
            parts.push(([x, y, z], (out.len() - start) as u32));
        }
        for block in self.rows.chunk_by(|a, b| a.block == b.block) {
            summary.blocks += 1;
            let at = block[0].block.block();
            for i in 0..3 {
                summary.low[i] = summary.low[i].min(at[i]);
                summary.high[i] = summary.high[i].max(at[i]);
            }
            for row in block {
                summary.voxels = summary.voxels.wrapping_add(row.voxels as u64);
                summary.own_voxels =
                    summary.own_voxels.wrapping_add(if row.supervoxel == label { row.voxels as u64 } else { 0 });
            }
        }
        encode(&summary, texts, &parts, &out)
    }
}

fn put_chunk(out: &mut Vec<u8>, rows: &[Row], marks: &[(Place, u64)]) {
    out.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    out.extend_from_slice(&(marks.len() as u32).to_le_bytes());
    rows.iter().for_each(|row| out.extend_from_slice(&row.supervoxel.to_le_bytes()));
    marks.iter().for_each(|mark| out.extend_from_slice(&mark.1.to_le_bytes()));
    rows.iter().for_each(|row| out.extend_from_slice(&(row.voxels as u32).to_le_bytes()));
    rows.iter().for_each(|row| out.extend_from_slice(&row.block.place.to_le_bytes()));
    marks.iter().for_each(|mark| out.extend_from_slice(&mark.0.place.to_le_bytes()));
}

/// Which of some supervoxels, ascending, a body has, and how many voxels these have in it.
pub fn share(record: &[u8], supervoxels: &[u64]) -> Outcome<(Vec<u64>, u64)> {
    let record = Record::parse(record)?;
    let (mut voxels, mut found) = (0u64, vec![false; supervoxels.len()]);
    for (supervoxel, count) in record.chunks.iter().flat_map(|chunk| chunk.rows()) {
        if let Ok(at) = supervoxels.binary_search(&supervoxel) {
            found[at] = true;
            voxels = voxels.wrapping_add(u64::from(count));
        }
    }
    let names = supervoxels.iter().zip(&found).filter(|(_, there)| **there).map(|(name, _)| *name).collect();
    Ok((names, voxels))
}
