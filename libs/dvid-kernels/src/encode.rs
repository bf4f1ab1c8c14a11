//! Voxels to label block.

use crate::bitpack::pack;
use crate::label_set::LabelSet;
use crate::layout::{bits_for, Shape, CELLS, SIDE};

/// A volume that blocks are cut from: C order, x fastest.
#[derive(Clone, Copy)]
pub struct Volume<'a> {
    pub voxels: &'a [u64],
    pub size: Shape,
}

impl Volume<'_> {
    /// The 512 labels of the 8x8x8 cells that begin at `low`, which lie within the volume.
    #[inline]
    pub fn cells(&self, low: Shape, cells: &mut [u64; CELLS]) {
        for (row, labels) in cells.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
            let (y, z) = (low[1] + row % SIDE, low[2] + row / SIDE);
            let start = (z * self.size[1] + y) * self.size[0] + low[0];
            labels.copy_from_slice(&self.voxels[start..start + SIDE]);
        }
    }
}

/// Reusable memory of an encoder.
pub struct Encoder {
    table: LabelSet,
    local: Local,
    values: Vec<u8>,
    indices: Vec<u8>,
    counts: Vec<u8>,
}

/// A sub-block's own labels, in order of appearance.
pub struct Local {
    few: [u64; FEW],
    count: usize,
    many: LabelSet,
}

/// As many labels are looked up faster by looking at each one than by hashing.
const FEW: usize = 12;

impl Local {
    pub fn new() -> Self {
        Local { few: [0; FEW], count: 0, many: LabelSet::new() }
    }

    pub fn labels(&self) -> &[u64] {
        self.few.get(..self.count).unwrap_or_else(|| self.many.labels())
    }

    /// Numbers the labels of one sub-block.
    #[inline]
    pub fn number(&mut self, cells: &[u64; CELLS], numbers: &mut [u16; CELLS]) {
        self.few[0] = cells[0];
        self.count = 1;
        let mut last = 0;
        for (label, slot) in cells.iter().zip(numbers.iter_mut()) {
            if *label != self.few[last] {
                last = match self.few[..self.count].iter().position(|known| known == label) {
                    Some(known) => known,
                    None if self.count == FEW => return self.number_many(cells, numbers),
                    None => {
                        self.few[self.count] = *label;
                        self.count += 1;
                        self.count - 1
                    }
                };
            }
            *slot = last as u16;
        }
    }

    fn number_many(&mut self, cells: &[u64; CELLS], numbers: &mut [u16; CELLS]) {
        self.count = usize::MAX;
        self.many.clear();
        let (mut last, mut number) = (cells[0], self.many.number(cells[0]) as u16);
        for (label, slot) in cells.iter().zip(numbers.iter_mut()) {
            if *label != last {
                last = *label;
                number = self.many.number(last) as u16;
            }
            *slot = number;
        }
    }
}

/// Whether all labels are the same.
#[inline]
pub fn uniform(cells: &[u64]) -> bool {
    cells.iter().fold(0, |differs, label| differs | (label ^ cells[0])) == 0
}

impl Encoder {
    pub fn new() -> Self {
        Encoder {
            table: LabelSet::new(),
            local: Local::new(),
            values: Vec::new(),
            indices: Vec::new(),
            counts: Vec::new(),
        }
    }

    /// The label block of `shape` voxels from `low`; every table entry is used.
    pub fn encode(&mut self, volume: Volume, low: Shape, shape: Shape) -> Vec<u8> {
        self.encode_by(low, shape, |at, cells| volume.cells(at, cells))
    }

    /// As `encode`; `cells_at` gives the 512 labels of the 8x8x8 cells that begin at a place.
    pub fn encode_by(
        &mut self,
        low: Shape,
        shape: Shape,
        mut cells_at: impl FnMut(Shape, &mut [u64; CELLS]),
    ) -> Vec<u8> {
        self.begin();
        let grid = shape.map(|n| n / SIDE);
        let mut cells = [0; CELLS];
        for z in 0..grid[2] {
            for y in 0..grid[1] {
                for x in 0..grid[0] {
                    cells_at([low[0] + x * SIDE, low[1] + y * SIDE, low[2] + z * SIDE], &mut cells);
                    self.add(&cells);
                }
            }
        }
        self.finish(grid)
    }

    /// The largest label of the last block.
    pub fn largest(&self) -> u64 {
        self.table.labels().iter().copied().max().unwrap_or(0)
    }

    /// Begins a block, whose sub-blocks follow with x fastest.
    pub fn begin(&mut self) {
        self.table.clear();
        self.values.clear();
        self.indices.clear();
        self.counts.clear();
    }

    /// Adds a sub-block that is packed already: its own list of labels, and its values.
    pub fn add_packed(&mut self, labels: &[u64], values: &[u8]) {
        self.counts.extend_from_slice(&(labels.len() as u16).to_le_bytes());
        for &label in labels {
            self.indices.extend_from_slice(&self.table.number(label).to_le_bytes());
        }
        self.values.extend_from_slice(values);
    }

    /// Adds a sub-block.
    pub fn add(&mut self, cells: &[u64; CELLS]) {
        if uniform(cells) {
            self.counts.extend_from_slice(&1u16.to_le_bytes());
            self.indices.extend_from_slice(&self.table.number(cells[0]).to_le_bytes());
            return;
        }
        let mut numbers = [0; CELLS];
        self.local.number(cells, &mut numbers);
        let count = self.local.labels().len();
        self.counts.extend_from_slice(&(count as u16).to_le_bytes());
        for &label in self.local.labels() {
            self.indices.extend_from_slice(&self.table.number(label).to_le_bytes());
        }
        pack(&numbers, bits_for(count), &mut self.values);
    }

    /// Ends the block.
    pub fn finish(&mut self, grid: [usize; 3]) -> Vec<u8> {
        let table = self.table.labels();
        let body = self.counts.len() + self.indices.len() + self.values.len();
        let mut block = Vec::with_capacity(16 + 8 * table.len() + body);
        for word in [grid[0], grid[1], grid[2], table.len()] {
            block.extend_from_slice(&(word as u32).to_le_bytes());
        }
        block.extend(table.iter().flat_map(|label| label.to_le_bytes()));
        if table.len() > 1 {
            block.extend_from_slice(&self.counts);
            block.extend_from_slice(&self.indices);
            block.extend_from_slice(&self.values);
        }
        block
    }
}
