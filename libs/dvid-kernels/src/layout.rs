//! The parts of a DVID label block, checked before use (format: see the README of dvid-labels).

use crate::fault::{Fault, Outcome};

pub const SIDE: usize = 8;
pub const CELLS: usize = 512;
const LARGEST_GRID: usize = 128;

/// Voxels of a block along x, y, z.
pub type Shape = [usize; 3];

pub fn check_shape(shape: Shape) -> Outcome<Shape> {
    if shape.iter().any(|&n| n == 0 || n % SIDE != 0 || n > SIDE * LARGEST_GRID) {
        return Fault::argument(format!("block shape {shape:?} is not of multiples of 8 from 8 to 1024"));
    }
    Ok(shape)
}

/// Bytes of the largest legal block of this shape; nothing larger is ever inflated.
pub fn largest_block(shape: Shape) -> usize {
    let voxels: usize = shape.iter().product();
    16 + 8 * voxels + 2 * (voxels / CELLS) + 4 * voxels + voxels * 9 / 8
}

/// Bits per value of a sub-block with `count` labels.
pub fn bits_for(count: usize) -> usize {
    if count < 2 { 0 } else { (usize::BITS - (count - 1).leading_zeros()) as usize }
}

/// A checked block; the label table is kept apart, so that it can be mapped.
pub struct Layout<'a> {
    pub grid: [usize; 3],
    pub labels: usize,
    counts: &'a [u8],
    indices: &'a [u8],
    values: &'a [u8],
}

/// One sub-block: its place in the grid, its indices into the table, its packed values.
pub struct Sub<'a> {
    pub at: [usize; 3],
    pub indices: &'a [u8],
    pub values: &'a [u8],
}

impl Sub<'_> {
    pub fn count(&self) -> usize {
        self.indices.len() / 4
    }

    pub fn bits(&self) -> usize {
        self.values.len() / 64
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*word) as usize)
}

fn cut<'a>(rest: &mut &'a [u8], bytes: usize, what: &str) -> Outcome<&'a [u8]> {
    match rest.split_at_checked(bytes) {
        Some((head, tail)) => {
            *rest = tail;
            Ok(head)
        }
        None => Fault::format(format!("the {what} is cut off")),
    }
}

/// Sizes of the block in voxels, from its header alone.
pub fn block_shape_of(block: &[u8]) -> Outcome<Shape> {
    let mut shape = [0; 3];
    for (axis, size) in shape.iter_mut().enumerate() {
        let grid = u32_at(block, 4 * axis).unwrap_or(0);
        if grid == 0 || grid > LARGEST_GRID {
            return Fault::format("the block header is cut off or its size is not 1 to 128 sub-blocks");
        }
        *size = grid * SIDE;
    }
    Ok(shape)
}

/// Splits a block into its parts, reads its table into `table`; every length is checked here.
pub fn parse<'a>(block: &'a [u8], shape: Shape, table: &mut Vec<u64>) -> Outcome<Layout<'a>> {
    if block.len() < 24 {
        return Fault::format("the block has fewer than 24 bytes");
    }
    let found = block_shape_of(block)?;
    if found != shape {
        return Fault::format(format!("the block is of {found:?} voxels, not {shape:?}"));
    }
    let grid = shape.map(|n| n / SIDE);
    let subs: usize = grid.iter().product();
    let labels = u32_at(block, 12).unwrap_or(0);
    if labels == 0 || labels > subs * CELLS {
        return Fault::format(format!("the label table has {labels} entries"));
    }
    let mut rest = &block[16..];
    let words = cut(&mut rest, 8 * labels, "label table")?;
    table.clear();
    table.extend(words.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)));
    let (mut counts, mut indices): (&[u8], &[u8]) = (&[], &[]);
    let mut values = 0;
    if labels > 1 {
        counts = cut(&mut rest, 2 * subs, "list of label counts")?;
        let mut total = 0;
        for count in counts.as_chunks::<2>().0 {
            let count = usize::from(u16::from_le_bytes(*count));
            if count > CELLS {
                return Fault::format(format!("a sub-block claims {count} labels"));
            }
            total += count;
            values += 64 * bits_for(count);
        }
        indices = cut(&mut rest, 4 * total, "list of label indices")?;
    }
    let values = cut(&mut rest, values, "list of values")?;
    if !rest.is_empty() {
        return Fault::format(format!("{} bytes follow the block", rest.len()));
    }
    Ok(Layout { grid, labels, counts, indices, values })
}

impl<'a> Layout<'a> {
    pub fn solid(&self) -> bool {
        self.labels == 1
    }

    /// The sub-blocks of some numbers (x fastest), which must ascend; none of a solid block.
    pub fn chosen(&self, numbers: impl Iterator<Item = usize>) -> impl Iterator<Item = Sub<'a>> {
        let (indices, values, counts) = (self.indices, self.values, self.counts.as_chunks::<2>().0);
        let [gx, gy, _] = self.grid;
        let (mut next, mut index, mut value) = (0, 0, 0);
        numbers.map_while(move |number| {
            for count in counts.get(next..number)? {
                let count = usize::from(u16::from_le_bytes(*count));
                index += 4 * count;
                value += 64 * bits_for(count);
            }
            next = number;
            let count = usize::from(u16::from_le_bytes(*counts.get(number)?));
            // The sums were checked by parse, so neither range can come up short.
            Some(Sub {
                at: [number % gx, number / gx % gy, number / gx / gy],
                indices: indices.get(index..index + 4 * count).unwrap_or_default(),
                values: values.get(value..value + 64 * bits_for(count)).unwrap_or_default(),
            })
        })
    }

    /// All sub-blocks, x fastest; none for a solid block.
    pub fn subs(&self) -> impl Iterator<Item = Sub<'a>> {
        let [gx, gy, _] = self.grid;
        let (mut indices, mut values) = (self.indices, self.values);
        let mut next = [0; 3];
        self.counts.as_chunks::<2>().0.iter().map(move |count| {
            let at = next;
            next[0] += 1;
            if next[0] == gx {
                next = if at[1] + 1 == gy { [0, 0, at[2] + 1] } else { [0, at[1] + 1, at[2]] };
            }
            let count = usize::from(u16::from_le_bytes(*count));
            // The sums were checked by parse, so neither split can come up short.
            let (own, tail) = indices.split_at_checked(4 * count).unwrap_or_default();
            indices = tail;
            let (packed, tail) = values.split_at_checked(64 * bits_for(count)).unwrap_or_default();
            values = tail;
            Sub { at, indices: own, values: packed }
        })
    }
}

/// Labels of a sub-block's own list; an empty list means label 0.
pub fn local_labels(sub: &Sub, table: &[u64], local: &mut [u64; CELLS]) -> Outcome<()> {
    local[0] = 0;
    for (label, word) in local.iter_mut().zip(sub.indices.as_chunks::<4>().0) {
        match table.get(u32::from_le_bytes(*word) as usize) {
            Some(&found) => *label = found,
            None => return Fault::format("a sub-block names a label that is not in the table"),
        }
    }
    Ok(())
}
