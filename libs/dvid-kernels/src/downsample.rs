//! The next lower resolution: of 8 voxels the label with most votes, the smallest among equals; 0 does not vote.

use crate::decode::cells_of;
use crate::encode::uniform;
use crate::fault::Outcome;
use crate::layout::{local_labels, Layout, Shape, CELLS, SIDE};

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
    let (mut local, mut cells) = ([0; CELLS], [0; CELLS]);
    for sub in layout.subs() {
        local_labels(&sub, table, &mut local)?;
        let [x, y, z] = sub.at.map(|n| n * SIDE / 2);
        if sub.count() < 2 {
            for row in 0..16 {
                let start = place(x, y + row % 4, z + row / 4);
                low[start..start + 4].fill(local[0]);
            }
            continue;
        }
        cells_of(&sub, &local, &mut cells)?;
        for row in 0..16 {
            let start = place(x, y + row % 4, z + row / 4);
            let first = (row / 4 * 2 * SIDE + row % 4 * 2) * SIDE;
            for (i, slot) in low[start..start + 4].iter_mut().enumerate() {
                let at = |dy: usize, dz: usize, dx: usize| cells[first + dz * 64 + dy * SIDE + 2 * i + dx];
                *slot = vote([
                    at(0, 0, 0), at(0, 0, 1), at(1, 0, 0), at(1, 0, 1),
                    at(0, 1, 0), at(0, 1, 1), at(1, 1, 0), at(1, 1, 1),
                ]);
            }
        }
    }
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
