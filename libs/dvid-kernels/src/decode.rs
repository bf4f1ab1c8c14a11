//! Label block to voxels.

use crate::bitpack::{unpack_labels, Rows};
use crate::fault::Outcome;
use crate::layout::{local_labels, Layout, Sub, CELLS, SIDE};
use crate::target::{Span, Target};

/// Neighbouring solid sub-blocks of one label, written as long rows.
struct Run {
    span: Span,
    label: u64,
}

impl Run {
    /// Whether a span comes right behind in the same row of sub-blocks.
    fn continued_by(&self, span: &Span) -> bool {
        self.span.high[0] == span.low[0] && self.span.low[1..] == span.low[1..]
    }
}

/// A whole sub-block in the output.
struct Place<'a, 'b> {
    target: &'a mut Target<'b>,
    low: [i64; 3],
}

impl Rows for Place<'_, '_> {
    #[inline(always)]
    fn row(&mut self, i: usize) -> &mut [u64] {
        let [x, y, z] = self.low;
        &mut self.target.row(x, y + (i % SIDE) as i64, z + (i / SIDE) as i64)[..SIDE]
    }
}

/// Writes the voxels of a block whose first voxel is `origin` of the output; what lies outside the target's clip is left out.
pub fn decode(layout: &Layout, table: &[u64], origin: [i64; 3], target: &mut Target) -> Outcome<()> {
    let block = Span::of(origin, layout.grid.map(|n| n * SIDE)).clip(&target.clip);
    if layout.solid() {
        target.fill(&block, table.first().copied().unwrap_or(0));
        return Ok(());
    }
    let mut local = [0; CELLS];
    let mut run: Option<Run> = None;
    for sub in layout.subs() {
        let low = std::array::from_fn(|i| origin[i] + (sub.at[i] * SIDE) as i64);
        let whole = Span::of(low, [SIDE; 3]);
        let span = whole.clip(&block);
        if span.empty() {
            continue;
        }
        local_labels(&sub, table, &mut local)?;
        if sub.count() < 2 {
            match &mut run {
                Some(run) if run.label == local[0] && run.continued_by(&span) => {
                    run.span.high[0] = span.high[0];
                }
                other => {
                    if let Some(run) = other.replace(Run { span, label: local[0] }) {
                        target.fill(&run.span, run.label);
                    }
                }
            }
            continue;
        }
        if span.low == whole.low && span.high == whole.high {
            unpack_labels(&sub, &local, &mut Place { target, low })?;
        } else {
            let mut cells = [0; CELLS];
            cells_of(&sub, &local, &mut cells)?;
            copy_clipped(&cells, &whole, &span, target);
        }
    }
    if let Some(run) = run {
        target.fill(&run.span, run.label);
    }
    Ok(())
}

/// All 512 labels of a sub-block.
#[inline]
pub fn cells_of(sub: &Sub, local: &[u64; CELLS], cells: &mut [u64; CELLS]) -> Outcome<()> {
    if sub.count() < 2 {
        cells.fill(local[0]);
        return Ok(());
    }
    unpack_labels(sub, local, cells)
}

fn copy_clipped(cells: &[u64; CELLS], whole: &Span, span: &Span, target: &mut Target) {
    let width = (span.high[0] - span.low[0]) as usize;
    let x = (span.low[0] - whole.low[0]) as usize;
    for z in span.low[2]..span.high[2] {
        for y in span.low[1]..span.high[1] {
            let start = ((z - whole.low[2]) * 64 + (y - whole.low[1]) * 8) as usize + x;
            target.row(span.low[0], y, z)[..width].copy_from_slice(&cells[start..start + width]);
        }
    }
}
