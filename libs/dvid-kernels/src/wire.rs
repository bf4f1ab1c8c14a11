//! The wire format of protocol buffers, as far as the messages of labels need it.

use crate::fault::{Fault, Outcome};

/// The fields of a message that are not read yet.
pub struct Fields<'a>(pub &'a [u8]);

pub enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// One of the fixed widths, which no label message has.
    Other,
}

/// Takes a number off the front.
#[inline(always)]
pub fn take_number(rest: &mut &[u8]) -> Outcome<u64> {
    if let [byte @ 0..128, tail @ ..] = rest {
        *rest = tail;
        return Ok(u64::from(*byte));
    }
    take_long_number(rest)
}

#[inline]
fn take_long_number(rest: &mut &[u8]) -> Outcome<u64> {
    let mut value = 0;
    for (i, byte) in rest.iter().enumerate().take(10) {
        value |= u64::from(byte & 127) << (7 * i);
        if *byte < 128 {
            if i == 9 && *byte > 1 {
                break;
            }
            *rest = &rest[i + 1..];
            return Ok(value);
        }
    }
    Fault::format(if rest.len() < 10 { CUT_OFF } else { "a number of the message is longer than 64 bits" })
}

const CUT_OFF: &str = "the message is cut off";

impl<'a> Fields<'a> {
    fn take(&mut self, size: u64) -> Outcome<&'a [u8]> {
        let cut = usize::try_from(size).ok().and_then(|size| self.0.split_at_checked(size));
        let Some((head, tail)) = cut else { return Fault::format(CUT_OFF) };
        self.0 = tail;
        Ok(head)
    }

    /// The next field, its number and value.
    #[inline]
    pub fn next(&mut self) -> Outcome<Option<(u64, Value<'a>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = take_number(&mut self.0)?;
        let number = tag >> 3;
        if number == 0 || number >= 1 << 29 {
            return Fault::format("a field of the message has no legal number");
        }
        let value = match tag & 7 {
            0 => Value::Number(take_number(&mut self.0)?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let size = take_number(&mut self.0)?;
                Value::Bytes(self.take(size)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            other => return Fault::format(format!("a field of the message is of the unknown wire type {other}")),
        };
        Ok(Some((number, value)))
    }
}

/// Bytes that a number takes.
#[inline(always)]
pub fn number_size(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[inline(always)]
pub fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value > 127 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field that is a number; nothing at all if it is 0.
pub fn put_field(out: &mut Vec<u8>, number: u8, value: u64) {
    if value != 0 {
        out.push(number << 3);
        put_number(out, value);
    }
}

/// Bytes that `put_field` takes.
pub fn field_size(value: u64) -> usize {
    if value == 0 {
        0
    } else {
        1 + number_size(value)
    }
}

/// The head of a field of so many bytes.
pub fn put_head(out: &mut Vec<u8>, number: u8, size: usize) {
    out.push(number << 3 | 2);
    put_number(out, size as u64);
}

/// Bytes of a field of so many bytes with its head.
pub fn bytes_size(size: usize) -> usize {
    1 + number_size(size as u64) + size
}
