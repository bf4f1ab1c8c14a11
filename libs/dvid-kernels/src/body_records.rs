//! Records of whole bodies as labelmap stores them: what is known of a body, and all parts of its index.

use crate::fault::{Fault, Outcome};
use crate::index_chunks::Chunk;
use crate::label_index::Head;

const HEAD: usize = 56;
const FRAME: usize = HEAD + 20;
const PART: usize = 16;
pub const WHOLE: u32 = 0xc1;

/// What is known of a body as a whole.
#[derive(Clone, Copy, Default)]
pub struct Summary {
    pub voxels: u64,
    pub own_voxels: u64,
    pub blocks: u64,
    /// Smallest and largest block coordinate, x, y, z each.
    pub low: [i32; 3],
    pub high: [i32; 3],
    pub mutation: u64,
}

/// Time, user and application of a body's last mutation.
pub type Texts<'a> = [&'a str; 3];

pub struct Record<'a> {
    pub summary: Summary,
    pub texts: Texts<'a>,
    pub chunks: Vec<Chunk<'a>>,
}

/// Reads one number after the other; what is cut off is zero, and noticed by the lengths.
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (word, tail) = self.0.split_first_chunk::<N>().map_or(([0; N], &[][..]), |(word, tail)| (*word, tail));
        self.0 = tail;
        word
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn triple(&mut self) -> [i32; 3] {
        [self.u32() as i32, self.u32() as i32, self.u32() as i32]
    }

    fn bytes(&mut self, count: u32) -> Outcome<&'a [u8]> {
        let Some((head, tail)) = self.0.split_at_checked(count as usize) else {
            return Fault::format("what is known of a body is cut off");
        };
        self.0 = tail;
        Ok(head)
    }
}

impl<'a> Record<'a> {
    pub fn parse(value: &'a [u8]) -> Outcome<Self> {
        if value.len() < FRAME {
            return Fault::format("what is known of a body is cut off");
        }
        let mut words = Words(value);
        let summary = Summary {
            voxels: words.u64(),
            own_voxels: words.u64(),
            blocks: words.u64(),
            low: words.triple(),
            high: words.triple(),
            mutation: words.u64(),
        };
        if words.u32() != WHOLE {
            return Fault::format("a record is not one of a whole body");
        }
        let (lengths, parts) = ([words.u32(), words.u32(), words.u32()], words.u32() as usize);
        let mut texts: Texts = Default::default();
        for (text, length) in texts.iter_mut().zip(lengths) {
            let Ok(found) = std::str::from_utf8(words.bytes(length)?) else {
                return Fault::format("a text of what is known of a body is not UTF-8");
            };
            *text = found;
        }
        if words.0.len() / PART < parts {
            return Fault::format("what is known of a body is cut off");
        }
        let mut table = Words(&words.0[..PART * parts]);
        words.0 = &words.0[PART * parts..];
        let mut chunks = Vec::with_capacity(parts);
        for _ in 0..parts {
            let (corner, size) = (table.triple(), table.u32());
            chunks.push(Chunk::parse(words.bytes(size)?, corner.map(i64::from))?);
        }
        if !words.0.is_empty() {
            return Fault::format("there is something behind what is known of a body");
        }
        Ok(Record { summary, texts, chunks })
    }

    pub fn head(&self, label: u64) -> Head {
        Head { label, last_mutid: self.summary.mutation, texts: self.texts.map(str::to_owned) }
    }
}

/// Whether stored bytes are a record of a whole body, and not of one whose index is stored apart.
pub fn is_whole(value: &[u8]) -> bool {
    value.len() != HEAD && value.get(HEAD).is_none_or(|byte| u32::from(*byte) == WHOLE) // too short: not told here
}

/// How many voxels a body has, and how many of its own id, by what is stored of it.
pub fn sizes_of(value: &[u8]) -> Outcome<(u64, u64)> {
    if value.len() < HEAD {
        return Fault::format("what is known of a body is cut off");
    }
    let mut words = Words(value);
    Ok((words.u64(), words.u64()))
}

/// The stored bytes of a record; coordinates of its chunks (x, y, z), and their stored bytes one behind the other.
pub fn encode(summary: &Summary, texts: Texts, parts: &[([i32; 3], u32)], chunks: &[u8]) -> Vec<u8> {
    let size = FRAME + texts.iter().map(|text| text.len()).sum::<usize>() + PART * parts.len() + chunks.len();
    let mut out = Vec::with_capacity(size);
    for number in [summary.voxels, summary.own_voxels, summary.blocks] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for number in summary.low.iter().chain(&summary.high) {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&summary.mutation.to_le_bytes());
    out.extend_from_slice(&WHOLE.to_le_bytes());
    for text in texts {
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    }
    out.extend_from_slice(&(parts.len() as u32).to_le_bytes());
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
    for (corner, size) in parts {
        corner.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        out.extend_from_slice(&size.to_le_bytes());
    }
    out.extend_from_slice(chunks);
    out
}
