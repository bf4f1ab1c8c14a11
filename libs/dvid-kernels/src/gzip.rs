//! Bounded gunzip (RFC 1952) over the raw inflate of zlib-rs. Compression is left to Python's isal, which is faster and denser.

use crate::fault::{Fault, Outcome};
use flate2::{Crc, Decompress, FlushDecompress, Status};

const FIRST_BUFFER: usize = 128 * 1024;

/// A reusable inflater; its buffer lives as long as the call that made it.
pub struct Inflater {
    stream: Decompress,
    out: Vec<u8>,
}

impl Inflater {
    pub fn new() -> Self {
        Inflater { stream: Decompress::new(false), out: Vec::new() }
    }

    /// Inflates all members of `data`; refuses more than `limit` bytes, bad checksums and trailing bytes.
    pub fn gunzip(&mut self, data: &[u8], limit: usize) -> Outcome<&mut [u8]> {
        let mut at = 0;
        let mut filled = 0;
        if data.is_empty() {
            return Fault::format("it is empty, not gzip");
        }
        while at < data.len() {
            at += header_length(&data[at..])?;
            let start = filled;
            at += self.member(&data[at..], &mut filled, limit)?;
            let Some(trailer) = data.get(at..at + 8) else {
                return Fault::format("the gzip stream is cut off");
            };
            let mut crc = Crc::new();
            crc.update(&self.out[start..filled]);
            if crc.sum().to_le_bytes() != trailer[..4] || crc.amount().to_le_bytes() != trailer[4..] {
                return Fault::format("the gzip checksum or length does not match");
            }
            at += 8;
        }
        Ok(&mut self.out[..filled])
    }

    /// Inflates one deflate stream behind `filled`; returns how many bytes of `data` it took.
    fn member(&mut self, data: &[u8], filled: &mut usize, limit: usize) -> Outcome<usize> {
        self.stream.reset(false);
        loop {
            if *filled == self.out.len() {
                if *filled > limit {
                    return Fault::format(format!("it inflates to more than {limit} bytes"));
                }
                // One byte more than the limit, so that reaching the limit is not yet exceeding it.
                self.out.resize((self.out.len() * 2).clamp(FIRST_BUFFER.min(limit + 1), limit + 1), 0);
            }
            let taken = self.stream.total_in() as usize;
            let before = self.stream.total_out();
            let rest = data.get(taken..).unwrap_or_default();
            let status = self
                .stream
                .decompress(rest, &mut self.out[*filled..], FlushDecompress::Finish)
                .or_else(|_| Fault::format("the deflate data is damaged"))?;
            let made = (self.stream.total_out() - before) as usize;
            *filled += made;
            if *filled > limit {
                return Fault::format(format!("it inflates to more than {limit} bytes"));
            }
            let took = self.stream.total_in() as usize - taken;
            if status == Status::StreamEnd {
                return Ok(taken + took);
            }
            if made == 0 && took == 0 && *filled < self.out.len() {
                return Fault::format("the gzip stream is cut off");
            }
        }
    }
}

/// Length of a gzip member header.
fn header_length(data: &[u8]) -> Outcome<usize> {
    let Some(&[0x1f, 0x8b, method, flags, ..]) = data.first_chunk::<10>() else {
        return Fault::format("it is not gzip (or trailing bytes follow it)");
    };
    if method != 8 || flags & 0xe0 != 0 {
        return Fault::format("the gzip header has an unknown method or flag");
    }
    let mut at = 10;
    if flags & 4 != 0 {
        let Some(&[low, high]) = data.get(at..).and_then(|rest| rest.first_chunk::<2>()) else {
            return Fault::format("the gzip header is cut off");
        };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = data.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0));
            let Some(end) = end else {
                return Fault::format("the gzip header is cut off");
            };
            at += end + 1;
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    if at > data.len() {
        return Fault::format("the gzip header is cut off");
    }
    Ok(at)
}
