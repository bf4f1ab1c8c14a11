//! Label indices as the message LabelIndex.

use crate::fault::{Fault, Outcome};
use crate::wire::{bytes_size, field_size, number_size, put_field, put_head, put_number, Fields, Value};

/// A supervoxel in a block: the packed block coordinate, the supervoxel, its voxels, the block's surface mutation.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub keys: &'a [u64],
    pub supervoxels: &'a [u64],
    pub counts: &'a [u32],
    pub surface: &'a [u64],
}

/// What an index says besides its rows.
#[derive(Default)]
pub struct Head {
    pub label: u64,
    pub last_mutid: u64,
    /// Time, user and application of the last mutation.
    pub texts: [String; 3],
}

/// Bytes of an entry of a map whose value is a number.
fn pair_size(key: u64, value: u64) -> usize {
    2 + number_size(key) + number_size(value)
}

/// One message; rows of a block stand together.
pub fn encode(head: &Head, rows: Rows) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + 16 * rows.keys.len());
    let mut at = 0;
    for block in rows.keys.chunk_by(|a, b| a == b) {
        let own = at..at + block.len();
        at = own.end;
        put_block(
            &mut out,
            block[0],
            &rows.supervoxels[own.clone()],
            &rows.counts[own.clone()],
            rows.surface[own.start],
        );
    }
    put_field(&mut out, 2, head.label);
    put_field(&mut out, 3, head.last_mutid);
    for (number, text) in (4..).zip(&head.texts) {
        if !text.is_empty() {
            put_head(&mut out, number, text.len());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

fn put_block(out: &mut Vec<u8>, key: u64, supervoxels: &[u64], counts: &[u32], surface: u64) {
    let pairs = || supervoxels.iter().zip(counts).map(|(supervoxel, count)| (*supervoxel, u64::from(*count)));
    let inner: usize =
        pairs().map(|(key, value)| bytes_size(pair_size(key, value))).sum::<usize>() + field_size(surface);
    put_head(out, 1, 1 + number_size(key) + bytes_size(inner));
    out.push(1 << 3);
    put_number(out, key);
    put_head(out, 2, inner);
    for (supervoxel, count) in pairs() {
        put_head(out, 1, pair_size(supervoxel, count));
        out.push(1 << 3);
        put_number(out, supervoxel);
        out.push(2 << 3);
        put_number(out, count);
    }
    put_field(out, 2, surface);
}

/// The columns of some indices.
#[derive(Default)]
pub struct Columns {
    pub heads: Vec<Head>,
    pub firsts: Vec<i64>,
    /// x, y, z of the block of each row, one after the other.
    pub coordinates: Vec<i32>,
    pub supervoxels: Vec<u64>,
    pub counts: Vec<u32>,
    pub surface: Vec<u64>,
}

/// Block coordinate out of its key: 21 bits each, sign and magnitude, z in the highest.
fn unpack(key: u64) -> Outcome<[i32; 3]> {
    if key >> 63 != 0 {
        return Fault::format("a key of a label index is no block coordinate");
    }
    Ok([0, 21, 42].map(|shift| {
        let part = (key >> shift) as i32 & 0x1f_ffff;
        let magnitude = part & 0xf_ffff;
        if part == magnitude {
            magnitude
        } else {
            -magnitude
        }
    }))
}

/// A block of an index: z, y, x for the order, where its rows are among those read, its surface mutation.
struct Block {
    place: [i32; 3],
    rows: std::ops::Range<usize>,
    surface: u64,
}

/// What is used again from index to index.
#[derive(Default)]
pub struct Decoder {
    blocks: Vec<Block>,
    rows: Vec<(u64, u32)>,
}

impl Decoder {
    /// Appends an index, its rows sorted by z, y, x, supervoxel.
    pub fn decode(&mut self, message: &[u8], columns: &mut Columns) -> Outcome<()> {
        self.blocks.clear();
        self.rows.clear();
        let mut head = Head::default();
        let mut fields = Fields(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Bytes(entry)) => self.block(entry)?,
                (2, Value::Number(label)) => head.label = label,
                (3, Value::Number(mutid)) => head.last_mutid = mutid,
                (4..=6, Value::Bytes(text)) => match std::str::from_utf8(text) {
                    Ok(text) => head.texts[number as usize - 4] = text.to_owned(),
                    Err(_) => return Fault::format("a text of the label index is not UTF-8"),
                },
                _ => (),
            }
        }
        self.blocks.sort_unstable_by_key(|block| block.place);
        if self.blocks.windows(2).any(|pair| pair[0].place == pair[1].place) {
            return Fault::format("a block is twice in the label index");
        }
        for block in &self.blocks {
            let [z, y, x] = block.place;
            for (supervoxel, count) in &self.rows[block.rows.clone()] {
                columns.coordinates.extend_from_slice(&[x, y, z]);
                columns.supervoxels.push(*supervoxel);
                columns.counts.push(*count);
                columns.surface.push(block.surface);
            }
        }
        columns.heads.push(head);
        columns.firsts.push(columns.supervoxels.len() as i64);
        Ok(())
    }

    fn block(&mut self, entry: &[u8]) -> Outcome<()> {
        let (mut key, mut list): (u64, Option<&[u8]>) = (0, None);
        let mut fields = Fields(entry);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Number(value)) => key = value,
                (2, Value::Bytes(_)) if list.is_some() => {
                    return Fault::format("a block of the label index has two lists of supervoxels");
                }
                (2, Value::Bytes(bytes)) => list = Some(bytes),
                _ => (),
            }
        }
        let [x, y, z] = unpack(key)?;
        let first = self.rows.len();
        let surface = self.supervoxels(list.unwrap_or_default())?;
        let own = &mut self.rows[first..];
        if !own.is_sorted_by(|a, b| a.0 < b.0) {
            own.sort_unstable();
        }
        if own.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Fault::format("a supervoxel is twice in a block of the label index");
        }
        self.blocks.push(Block { place: [z, y, x], rows: first..self.rows.len(), surface });
        Ok(())
    }

    /// Appends the supervoxels of a block; its surface mutation.
    fn supervoxels(&mut self, list: &[u8]) -> Outcome<u64> {
        let mut surface = 0;
        let mut fields = Fields(list);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Bytes(entry)) => self.rows.push(pair(entry)?),
                (2, Value::Number(mutid)) => surface = mutid,
                _ => (),
            }
        }
        Ok(surface)
    }
}

fn pair(entry: &[u8]) -> Outcome<(u64, u32)> {
    let (mut key, mut count) = (0, 0);
    let mut fields = Fields(entry);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Number(value)) => key = value,
            (2, Value::Number(value)) => match u32::try_from(value) {
                Ok(value) => count = value,
                Err(_) => {
                    return Fault::format("a supervoxel of the label index has more voxels than a uint32 can tell");
                }
            },
            _ => (),
        }
    }
    Ok((key, count))
}
