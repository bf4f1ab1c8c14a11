//! Blocks looked into without making voxels: validation, counts, single points.

use crate::bitpack::{check_values, unpack, value_at, EVEN};
use crate::fault::{Fault, Outcome};
use crate::layout::{local_labels, Layout, Sub, CELLS, SIDE};

/// Checks what `parse` left open: each index and each packed value.
pub fn check(layout: &Layout, table: &[u64]) -> Outcome<()> {
    let mut local = [0; CELLS];
    for sub in layout.subs() {
        local_labels(&sub, table, &mut local)?;
        check_values(&sub)?;
    }
    Ok(())
}

/// Voxels per label, ascending by label; labels without voxels are left out.
pub fn counts(layout: &Layout, table: &[u64], numbers: &mut Vec<u32>) -> Outcome<Vec<(u64, u32)>> {
    numbers.clear();
    // The last place counts the voxels of sub-blocks without a list (label 0).
    numbers.resize(table.len() + 1, 0);
    if layout.solid() {
        numbers[0] = (layout.grid.iter().product::<usize>() * CELLS) as u32;
    }
    for sub in layout.subs() {
        count_sub(&sub, table.len(), numbers)?;
    }
    let mut found: Vec<(u64, u32)> = table.iter().copied().chain([0]).zip(numbers.iter().copied()).collect();
    found.retain(|(_, count)| *count > 0);
    found.sort_unstable();
    // A table may hold a label twice, above all after a mapping.
    found.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0 };
        same
    });
    Ok(found)
}

fn count_sub(sub: &Sub, labels: usize, numbers: &mut [u32]) -> Outcome<()> {
    let (few, many);
    let totals: &[u32] = match sub.bits() {
        0 => &[CELLS as u32],
        1 | 2 => {
            few = count_few(sub)?;
            &few
        }
        _ => {
            many = count_many(sub)?;
            &many
        }
    };
    if sub.count() == 0 {
        numbers[labels] += totals[0];
    }
    for (total, word) in totals.iter().zip(sub.indices.as_chunks::<4>().0) {
        let index = u32::from_le_bytes(*word) as usize;
        if index >= labels {
            return Fault::format("a sub-block names a label that is not in the table");
        }
        numbers[index] += total;
    }
    Ok(())
}

/// Counts values of 1 or 2 bits by the bits that are set.
fn count_few(sub: &Sub) -> Outcome<[u32; 4]> {
    let words = || sub.values.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word));
    if sub.bits() == 1 {
        let ones = words().map(u64::count_ones).sum();
        return Ok([CELLS as u32 - ones, ones, 0, 0]);
    }
    check_values(sub)?;
    let (mut low, mut high, mut both) = (0, 0, 0);
    for word in words() {
        let (lower, upper) = (word & EVEN, word >> 1 & EVEN);
        low += lower.count_ones();
        high += upper.count_ones();
        both += (lower & upper).count_ones();
    }
    Ok([CELLS as u32 + both - low - high, low - both, high - both, both])
}

fn count_many(sub: &Sub) -> Outcome<[u32; CELLS]> {
    // Four tables in turn, or equal neighbours would wait for each other's store.
    let mut cells = [[0u16; CELLS]; 4];
    unpack(sub, |_, values| {
        for (i, value) in values.into_iter().enumerate() {
            cells[i % 4][usize::from(value) & (CELLS - 1)] += 1;
        }
    })?;
    Ok(std::array::from_fn(|i| cells.iter().map(|table| u32::from(table[i])).sum()))
}

/// Labels of some voxels of a block (x, y, z inside it), given as (place in the answer, voxel).
pub fn points(layout: &Layout, table: &[u64], wanted: &[(usize, [usize; 3])]) -> Outcome<Vec<(usize, u64)>> {
    if layout.solid() {
        return Ok(wanted.iter().map(|(place, _)| (*place, table[0])).collect());
    }
    let [gx, gy, _] = layout.grid;
    let mut cells: Vec<(usize, usize, usize)> = wanted
        .iter()
        .map(|&(place, [x, y, z])| {
            let cell = (z % SIDE * SIDE + y % SIDE) * SIDE + x % SIDE;
            ((z / SIDE * gy + y / SIDE) * gx + x / SIDE, cell, place)
        })
        .collect();
    cells.sort_unstable();
    let subs = layout.chosen(cells.iter().map(|cell| cell.0));
    subs.zip(&cells).map(|(sub, &(_, cell, place))| Ok((place, label_at(&sub, table, cell)?))).collect()
}

fn label_at(sub: &Sub, table: &[u64], cell: usize) -> Outcome<u64> {
    let value = if sub.count() < 2 { 0 } else { value_at(sub, cell)? };
    match sub.indices.as_chunks::<4>().0.get(value) {
        None => Ok(0),
        Some(word) => match table.get(u32::from_le_bytes(*word) as usize) {
            Some(&label) => Ok(label),
            None => Fault::format("a sub-block names a label that is not in the table"),
        },
    }
}
