//! 512 values of 1 to 9 bits, most significant first. A row of 8 values is exactly as many bytes as a value has bits.

use crate::fault::{Fault, Outcome};
use crate::layout::{Sub, CELLS, SIDE};

/// Every other bit of a word, from the lowest.
pub const EVEN: u64 = 0x5555_5555_5555_5555;

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

/// Voxels of a row at a time for 1 and 2 bits, whose values are looked up four and two at once.
struct Groups<const N: usize> {
    labels: [[u64; N]; 16],
}

impl<const N: usize> Groups<N> {
    fn new(local: &[u64; CELLS]) -> Self {
        let bits = 4 / N;
        let one = |group: usize, i: usize| local[group >> (4 - bits * (i + 1)) & ((1 << bits) - 1)];
        Groups { labels: std::array::from_fn(|group| std::array::from_fn(|i| one(group, i))) }
    }

    #[inline(always)]
    fn put(&self, byte: u8, labels: &mut [u64]) {
        let (first, second) = labels.split_at_mut(N);
        first.copy_from_slice(&self.labels[usize::from(byte >> 4)]);
        second[..N].copy_from_slice(&self.labels[usize::from(byte & 15)]);
    }
}

/// Where the 64 rows of a sub-block go.
pub trait Rows {
    /// The 8 labels of row `i` (y fastest).
    fn row(&mut self, i: usize) -> &mut [u64];
}

impl Rows for [u64; CELLS] {
    #[inline(always)]
    fn row(&mut self, i: usize) -> &mut [u64] {
        &mut self[i * SIDE..i * SIDE + SIDE]
    }
}

/// Writes the labels of a mixed sub-block.
#[inline(always)]
pub fn unpack_labels(sub: &Sub, local: &[u64; CELLS], rows: &mut impl Rows) -> Outcome<()> {
    match sub.bits() {
        1 => {
            let groups = Groups::<4>::new(local);
            for (i, byte) in sub.values.iter().enumerate() {
                groups.put(*byte, rows.row(i));
            }
            Ok(())
        }
        2 => {
            let groups = Groups::<2>::new(local);
            for (i, bytes) in sub.values.as_chunks::<2>().0.iter().enumerate() {
                let labels = rows.row(i);
                groups.put(bytes[0], &mut labels[..4]);
                groups.put(bytes[1], &mut labels[4..]);
            }
            check_values(sub)
        }
        _ => unpack(sub, |i, values| {
            rows.row(i).copy_from_slice(&values.map(|value| local[usize::from(value) & (CELLS - 1)]));
        }),
    }
}

/// Checks that each value of a mixed sub-block is below the length of its list.
pub fn check_values(sub: &Sub) -> Outcome<()> {
    if sub.count() == 1 << sub.bits() {
        return Ok(());
    }
    if sub.bits() != 2 {
        return unpack(sub, |_, _| ());
    }
    // Of three labels only the value 3 (both bits set) is wrong.
    let threes = sub.values.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word));
    if threes.fold(0, |found, word| found | (word & word >> 1 & EVEN)) != 0 {
        return Fault::format("a voxel's value is past the end of its sub-block's list");
    }
    Ok(())
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

#[inline(always)]
fn pack_rows<const B: usize>(values: &[u16; CELLS], out: &mut Vec<u8>) {
    let mut packed = [[0u8; B]; 64];
    for (row, bytes) in values.as_chunks::<8>().0.iter().zip(&mut packed) {
        if B == 9 {
            let word = row.iter().fold(0u128, |word, &value| word << B | u128::from(value));
            bytes.copy_from_slice(&word.to_be_bytes()[16 - B..]);
        } else {
            let word = row.iter().fold(0u64, |word, &value| word << B | u64::from(value));
            bytes.copy_from_slice(&word.to_be_bytes()[8 - B.min(8)..]);
        }
    }
    out.extend_from_slice(packed.as_flattened());
}

/// Appends the packed values of a mixed sub-block.
pub fn pack(values: &[u16; CELLS], bits: usize, out: &mut Vec<u8>) {
    match bits {
        1 => pack_rows::<1>(values, out),
        2 => pack_rows::<2>(values, out),
        3 => pack_rows::<3>(values, out),
        4 => pack_rows::<4>(values, out),
        5 => pack_rows::<5>(values, out),
        6 => pack_rows::<6>(values, out),
        7 => pack_rows::<7>(values, out),
        8 => pack_rows::<8>(values, out),
        _ => pack_rows::<9>(values, out),
    }
}
