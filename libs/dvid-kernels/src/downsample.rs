//! The next lower resolution: of 8 voxels the label with most votes, the smallest among equals; 0 does not vote.

use crate::bitpack::unpack;
use crate::decode::cells_of;
use crate::encode::{uniform, Encoder};
use crate::fault::Outcome;
use crate::layout::{local_labels, Layout, Shape, Sub, CELLS, SIDE};
use std::collections::BTreeMap;

#[inline]
fn vote(eight: [u64; 8]) -> u64 {
    if uniform(&eight) {
        return eight[0];
    }
    let (mut best, mut most) = (0, 0);
    for label in eight {
        let votes = eight.iter().filter(|other| **other == label).count();
        if label != 0 && (votes > most || (votes == most && label < best)) {
            (best, most) = (label, votes);
        }
    }
    best
}

/// Brings a high block down into the octant of `low` (of `shape` voxels) that begins at `corner`.
pub fn bring_down(layout: &Layout, table: &[u64], low: &mut [u64], shape: Shape, corner: Shape) -> Outcome<()> {
    let place = |x: usize, y: usize, z: usize| ((corner[2] + z) * shape[1] + corner[1] + y) * shape[0] + corner[0] + x;
    if layout.solid() {
        fill(low, shape, corner, layout.grid.map(|n| n * SIDE / 2), table[0]);
        return Ok(());
    }
    let mut scratch = Scratch::new();
    for sub in layout.subs() {
        let [x, y, z] = sub.at.map(|n| n * SIDE / 2);
        let rows = scratch.rows_of(&sub, table)?;
        for (row, labels) in rows.iter().enumerate() {
            let start = place(x, y + row % 4, z + row / 4);
            low[start..start + 4].copy_from_slice(labels);
        }
    }
    Ok(())
}

/// What one high sub-block becomes: 4x4x4 labels.
type Rows = [[u64; 4]; 16];

/// Memory that is used for one sub-block after the other.
struct Scratch {
    local: [u64; CELLS],
    cells: [u64; CELLS],
}

impl Scratch {
    fn new() -> Self {
        Scratch { local: [0; CELLS], cells: [0; CELLS] }
    }

    #[inline]
    fn rows_of(&mut self, sub: &Sub, table: &[u64]) -> Outcome<Rows> {
        let Scratch { local, cells } = self;
        local_labels(sub, table, local)?;
        let mut rows = [[0; 4]; 16];
        match (sub.bits(), Ranking::of(local, sub.count())) {
            (0, _) => rows = [[local[0]; 4]; 16],
            (1, _) => two_labels(sub.values, local[0], local[1], &mut rows),
            (_, Some(ranking)) => ranked(sub, &ranking, &mut rows)?,
            _ => {
                cells_of(sub, local, cells)?;
                for_each_eight(cells, |row, i, eight| rows[row][i] = vote(eight));
            }
        }
        Ok(rows)
    }
}

/// Some sub-blocks of a low block that are made anew: by number, x fastest, 512 labels each.
pub type Patches = BTreeMap<usize, Box<[u64; CELLS]>>;

/// Brings those sub-blocks of a high block down of which `patches` has the low one; `corner` and `grid` of the low
/// block count sub-blocks, and the octant is of whole ones.
pub fn patch(layout: &Layout, table: &[u64], patches: &mut Patches, grid: [usize; 3], corner: [usize; 3]) -> Outcome<()> {
    let low_of = |at: [usize; 3]| {
        let [x, y, z]: [usize; 3] = std::array::from_fn(|i| corner[i] + at[i] / 2);
        (z * grid[1] + y) * grid[0] + x
    };
    if layout.solid() {
        let half = layout.grid.map(|n| n / 2);
        for i in 0..half.iter().product() {
            let at = [i % half[0], i / half[0] % half[1], i / (half[0] * half[1])];
            if let Some(cells) = patches.get_mut(&low_of(at.map(|n| 2 * n))) {
                cells.fill(table[0]);
            }
        }
        return Ok(());
    }
    let mut scratch = Scratch::new();
    for sub in layout.subs() {
        let Some(cells) = patches.get_mut(&low_of(sub.at)) else { continue };
        let [x, y, z] = sub.at.map(|n| n % 2 * SIDE / 2);
        for (row, labels) in scratch.rows_of(&sub, table)?.iter().enumerate() {
            let start = ((z + row / 4) * SIDE + y + row % 4) * SIDE + x;
            cells[start..start + 4].copy_from_slice(labels);
        }
    }
    Ok(())
}

/// Writes a low block with patches.
pub fn patched(layout: &Layout, table: &[u64], patches: &Patches, encoder: &mut Encoder) -> Outcome<Vec<u8>> {
    encoder.begin();
    if layout.solid() {
        for i in 0..layout.grid.iter().product() {
            match patches.get(&i) {
                Some(cells) => encoder.add(cells),
                None => encoder.add_packed(&table[..1], &[]),
            }
        }
    }
    let mut local = [0; CELLS];
    for (i, sub) in layout.subs().enumerate() {
        match patches.get(&i) {
            Some(cells) => encoder.add(cells),
            None => {
                local_labels(&sub, table, &mut local)?;
                encoder.add_packed(&local[..sub.count().max(1)], sub.values);
            }
        }
    }
    Ok(encoder.finish(layout.grid))
}

/// Calls `each(row, column, eight)` for the 4x4x4 groups of eight neighbours.
#[inline(always)]
fn for_each_eight<T: Copy>(cells: &[T; CELLS], mut each: impl FnMut(usize, usize, [T; 8])) {
    for row in 0..16 {
        let first = (row / 4 * 2 * SIDE + row % 4 * 2) * SIDE;
        let lines: [&[T]; 4] = [0, 8, 64, 72].map(|skip| &cells[first + skip..first + skip + SIDE]);
        for i in 0..4 {
            each(row, i, std::array::from_fn(|k| lines[k / 2][2 * i + k % 2]));
        }
    }
}

/// Two labels: who wins depends only on how many of eight bits are set.
fn two_labels(values: &[u8], zero: u64, one: u64, rows: &mut [[u64; 4]; 16]) {
    let winners: [u64; 9] = std::array::from_fn(|ones| match ones {
        0 => zero,
        8 => one,
        _ if zero == 0 => one,
        _ if one == 0 => zero,
        4 => zero.min(one),
        _ => if ones > 4 { one } else { zero },
    });
    for (row, labels) in rows.iter_mut().enumerate() {
        let first = row / 4 * 2 * SIDE + row % 4 * 2;
        let bits = [0, 1, 8, 9].map(|skip| values.get(first + skip).copied().unwrap_or(0));
        let word = u32::from_le_bytes(bits);
        for (i, label) in labels.iter_mut().enumerate() {
            *label = winners[(word & 0xc0c0_c0c0 >> (2 * i)).count_ones() as usize];
        }
    }
}

const MOST_RANKED: usize = 8;

/// Up to eight different labels in ascending order, so that votes can be counted side by side in one word.
struct Ranking {
    labels: [u64; MOST_RANKED],
    ranks: [u8; MOST_RANKED],
    count: usize,
}

impl Ranking {
    /// None if there are too many labels, or one stands twice.
    fn of(local: &[u64; CELLS], count: usize) -> Option<Ranking> {
        if !(2..=MOST_RANKED).contains(&count) {
            return None;
        }
        let mut ranking = Ranking { labels: [0; MOST_RANKED], ranks: [0; MOST_RANKED], count };
        for (i, label) in local[..count].iter().enumerate() {
            let rank = local[..count].iter().filter(|other| *other < label).count();
            ranking.ranks[i] = rank as u8;
            ranking.labels[rank] = *label;
        }
        let ascending = ranking.labels[..count].windows(2).all(|pair| pair[0] < pair[1]);
        ascending.then_some(ranking)
    }

    #[inline(always)]
    fn winner(&self, eight: [u8; 8]) -> u64 {
        let word = u64::from_le_bytes(eight);
        if word == u64::from(eight[0]) * 0x0101_0101_0101_0101 {
            return self.labels[usize::from(eight[0]) & 7];
        }
        let votes = eight.iter().fold(0u64, |votes, rank| votes + (1 << (8 * (rank & 7))));
        let (mut best, mut most) = (0, 0);
        // Label 0 is always first, and does not vote.
        for rank in usize::from(self.labels[0] == 0)..self.count {
            let own = votes >> (8 * rank) & 0xff;
            if own > most {
                (best, most) = (rank, own);
            }
        }
        self.labels[best & 7]
    }
}

fn ranked(sub: &Sub, ranking: &Ranking, rows: &mut [[u64; 4]; 16]) -> Outcome<()> {
    let mut ranks = [0u8; CELLS];
    unpack(sub, |row, values| {
        let own = values.map(|value| ranking.ranks[usize::from(value) & 7]);
        ranks[row * SIDE..row * SIDE + SIDE].copy_from_slice(&own);
    })?;
    for_each_eight(&ranks, |row, i, eight| rows[row][i] = ranking.winner(eight));
    Ok(())
}

/// Fills a box of a block of `shape` voxels.
pub fn fill(voxels: &mut [u64], shape: Shape, corner: Shape, size: Shape, label: u64) {
    for z in corner[2]..corner[2] + size[2] {
        for y in corner[1]..corner[1] + size[1] {
            let start = (z * shape[1] + y) * shape[0] + corner[0];
            voxels[start..start + size[0]].fill(label);
        }
    }
}
