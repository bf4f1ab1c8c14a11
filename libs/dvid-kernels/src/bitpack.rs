//! 512 values of 1 to 9 bits, most significant first. A row of 8 values is exactly as many bytes as a value has bits.

use crate::fault::{Fault, Outcome};
use crate::layout::{Sub, CELLS};

#[inline(always)]
fn row<const B: usize>(bytes: &[u8; B]) -> [u16; 8] {
    let mask = (1u64 << B) - 1;
    if B == 9 {
        let mut wide = [0; 16];
        wide[16 - B..].copy_from_slice(bytes);
        let word = u128::from_be_bytes(wide);
        return std::array::from_fn(|i| (((word >> (B * (7 - i))) as u64) & mask) as u16);
    }
    let mut wide = [0; 8];
    wide[8 - B.min(8)..].copy_from_slice(&bytes[..B.min(8)]);
    let word = u64::from_be_bytes(wide);
    std::array::from_fn(|i| ((word >> (B * (7 - i))) & mask) as u16)
}

#[inline(always)]
fn rows<const B: usize>(values: &[u8], count: usize, mut each: impl FnMut(usize, [u16; 8])) -> Outcome<()> {
    let mut over = 0;
    for (i, bytes) in values.as_chunks::<B>().0.iter().enumerate() {
        let row = row::<B>(bytes);
        if count < 1 << B {
            over |= row.iter().fold(0, |worst, &value| worst | (count as u32 - 1).wrapping_sub(u32::from(value)));
        }
        each(i, row);
    }
    // A value past the list borrows, which sets the top bit.
    if over >> 31 != 0 {
        return Fault::format("a voxel's value is past the end of its sub-block's list");
    }
    Ok(())
}

/// Calls `each(row, values)` for the 64 rows of a mixed sub-block; values are below 512, checked against the list at the end.
#[inline(always)]
pub fn unpack(sub: &Sub, each: impl FnMut(usize, [u16; 8])) -> Outcome<()> {
    let count = sub.count();
    match sub.bits() {
        0 => Ok(()),
        1 => rows::<1>(sub.values, count, each),
        2 => rows::<2>(sub.values, count, each),
        3 => rows::<3>(sub.values, count, each),
        4 => rows::<4>(sub.values, count, each),
        5 => rows::<5>(sub.values, count, each),
        6 => rows::<6>(sub.values, count, each),
        7 => rows::<7>(sub.values, count, each),
        8 => rows::<8>(sub.values, count, each),
        _ => rows::<9>(sub.values, count, each),
    }
}

/// The value of one voxel (0..512) of a mixed sub-block.
pub fn value_at(sub: &Sub, voxel: usize) -> Outcome<usize> {
    let bits = sub.bits();
    let first = voxel * bits;
    let mut word = 0;
    for i in 0..3 {
        word = word << 8 | usize::from(*sub.values.get(first / 8 + i).unwrap_or(&0));
    }
    let value = word >> (24 - bits - first % 8) & ((1 << bits) - 1);
    if value >= sub.count().max(1) {
        return Fault::format("a voxel's value is past the end of its sub-block's list");
    }
    Ok(value)
}

/// Appends the packed values of a sub-block.
pub fn pack(values: &[u16; CELLS], bits: usize, out: &mut Vec<u8>) {
    for row in values.as_chunks::<8>().0 {
        let word = row.iter().fold(0u128, |word, &value| word << bits | u128::from(value));
        out.extend_from_slice(&word.to_be_bytes()[16 - bits..]);
    }
}
