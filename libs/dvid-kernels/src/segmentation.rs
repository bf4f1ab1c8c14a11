//! Neuroglancer's compressed_segmentation: one channel, 8x8x8, uint64.

use crate::encode::{uniform, Local, Volume};
use crate::fault::{Fault, Outcome};
use crate::layout::{bits_for, CELLS, SIDE};
use std::collections::HashMap;

const LARGEST_TABLE_OFFSET: usize = (1 << 24) - 1;

/// Rounds up to the widths that the format knows.
fn width_for(count: usize) -> usize {
    match bits_for(count) {
        3 => 4,
        5..=8 => 8,
        9.. => 16,
        bits => bits,
    }
}

/// Encodes a volume whose sizes are multiples of 8. Tables are sorted, shared, and stand before all values, because
/// their offsets have only 24 bits.
pub fn encode(volume: Volume) -> Outcome<Vec<u32>> {
    let [gx, gy, gz] = volume.size.map(|n| n / SIDE);
    let blocks = gx * gy * gz;
    let mut heads = vec![0u32; 2 * blocks];
    let (mut tables, mut values): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
    let mut known: HashMap<Vec<u64>, usize> = HashMap::new();
    let mut local = Local::new();
    let (mut cells, mut numbers) = ([0; CELLS], [0; CELLS]);
    for block in 0..blocks {
        let low = [block % gx, block / gx % gy, block / (gx * gy)].map(|n| n * SIDE);
        volume.cells(low, &mut cells);
        let mut table = vec![cells[0]];
        let mut width = 0;
        if !uniform(&cells) {
            local.number(&cells, &mut numbers);
            table = sort_table(local.labels(), &mut numbers);
            width = width_for(table.len());
        }
        let start = values.len();
        append_values(&numbers, width, &mut values);
        let offset = *known.entry(table).or_insert_with_key(|table| {
            let offset = 2 * blocks + tables.len();
            tables.extend(table.iter().flat_map(|label| [*label as u32, (label >> 32) as u32]));
            offset
        });
        if offset > LARGEST_TABLE_OFFSET {
            return Fault::format("the volume has too many labels for compressed_segmentation; ask for a smaller one");
        }
        heads[2 * block] = offset as u32 | (width as u32) << 24;
        heads[2 * block + 1] = start as u32;
    }
    let first = heads.len() + tables.len();
    if first + values.len() > u32::MAX as usize {
        return Fault::format("the volume is too large for compressed_segmentation; ask for a smaller one");
    }
    for start in heads.iter_mut().skip(1).step_by(2) {
        *start += first as u32;
    }
    let mut words = Vec::with_capacity(1 + first + values.len());
    words.push(1);
    words.extend_from_slice(&heads);
    words.extend_from_slice(&tables);
    words.extend_from_slice(&values);
    Ok(words)
}

/// Sorts a table and renumbers the cells with it, so that equal sets of labels make equal tables.
fn sort_table(labels: &[u64], numbers: &mut [u16; CELLS]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_unstable_by_key(|&i| labels[i]);
    let mut renumber = [0u16; CELLS];
    for (new, &old) in order.iter().enumerate() {
        renumber[old] = new as u16;
    }
    for number in numbers.iter_mut() {
        *number = renumber[usize::from(*number) & (CELLS - 1)];
    }
    order.into_iter().map(|i| labels[i]).collect()
}

fn append_values(numbers: &[u16; CELLS], width: usize, values: &mut Vec<u32>) {
    if width == 0 {
        return;
    }
    for word in numbers.chunks_exact(32 / width) {
        let packed = word.iter().enumerate().fold(0, |packed, (i, &n)| packed | u32::from(n) << (i * width));
        values.push(packed);
    }
}
