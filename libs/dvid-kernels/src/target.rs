//! Where voxels are written: rows of an output volume, cut into strips that threads may fill side by side.

use crate::fault::{Fault, Outcome};
use crate::layout::Shape;

/// A half-open box of output voxels, x, y, z.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub low: [i64; 3],
    pub high: [i64; 3],
}

impl Span {
    pub fn of(low: [i64; 3], size: Shape) -> Span {
        Span { low, high: std::array::from_fn(|i| low[i].saturating_add(size[i] as i64)) }
    }

    pub fn clip(&self, other: &Span) -> Span {
        Span {
            low: std::array::from_fn(|i| self.low[i].max(other.low[i])),
            high: std::array::from_fn(|i| self.high[i].min(other.high[i])),
        }
    }

    pub fn empty(&self) -> bool {
        (0..3).any(|i| self.low[i] >= self.high[i])
    }
}

/// Some planes of the output, each cut to the same rows; `clip` is what may be written.
pub struct Target<'a> {
    planes: Vec<&'a mut [u64]>,
    stride: usize,
    first_row: i64,
    first_plane: i64,
    pub clip: Span,
}

impl<'a> Target<'a> {
    /// A whole volume of `size` voxels.
    pub fn volume(voxels: &'a mut [u64], size: Shape) -> Target<'a> {
        Target {
            planes: voxels.chunks_exact_mut(size[0] * size[1]).collect(),
            stride: size[0],
            first_row: 0,
            first_plane: 0,
            clip: Span::of([0; 3], size),
        }
    }

    /// The row (y, z) from x to the end of the row; y, z, x lie within `clip`.
    #[inline(always)]
    pub fn row(&mut self, x: i64, y: i64, z: i64) -> &mut [u64] {
        let start = (y - self.first_row) as usize * self.stride;
        &mut self.planes[(z - self.first_plane) as usize][start + x as usize..start + self.stride]
    }

    pub fn fill(&mut self, span: &Span, label: u64) {
        let [width, ..] = std::array::from_fn::<usize, 3, _>(|i| (span.high[i] - span.low[i]).max(0) as usize);
        for z in span.low[2]..span.high[2] {
            for y in span.low[1]..span.high[1] {
                self.row(span.low[0], y, z)[..width].fill(label);
            }
        }
    }
}

/// One thread's share of a read: a strip of the output, and which blocks lie in it.
pub struct Strip<'a> {
    pub target: Target<'a>,
    pub blocks: Vec<usize>,
}

/// Cuts the output along the planes of the block lattice (z and y); strips without blocks are left out.
pub fn strips<'a>(
    out: &'a mut [u64],
    size: Shape,
    region: Span,
    origins: &[[i64; 3]],
    shape: Shape,
) -> Outcome<Vec<Strip<'a>>> {
    let region = region.clip(&Span::of([0; 3], size));
    let Some(first) = origins.first() else { return Ok(Vec::new()) };
    let side = shape.map(|n| n as i64);
    let base: [i64; 3] = std::array::from_fn(|i| first[i].rem_euclid(side[i]));
    if origins.iter().any(|origin| (0..3).any(|i| origin[i].rem_euclid(side[i]) != base[i])) {
        return Fault::argument("the origins of the blocks do not lie on one lattice of the block shape");
    }
    if region.empty() {
        return Ok(Vec::new());
    }
    let layer = |axis: usize, at: i64| (at - base[axis]).div_euclid(side[axis]);
    let lowest: [i64; 3] = std::array::from_fn(|i| layer(i, region.low[i]));
    let rows = (layer(1, region.high[1] - 1) - lowest[1] + 1) as usize;
    let mut strips = empty_strips(size, region, lowest, base, side, rows);
    for (z, plane) in out.chunks_exact_mut(size[0] * size[1]).enumerate() {
        let z = z as i64;
        if z < region.low[2] || z >= region.high[2] {
            continue;
        }
        let above = (layer(2, z) - lowest[2]) as usize * rows;
        let mut rest = plane.split_at_mut(region.low[1] as usize * size[0]).1;
        for strip in &mut strips[above..above + rows] {
            let height = (strip.target.clip.high[1] - strip.target.clip.low[1]) as usize;
            let (head, tail) = rest.split_at_mut(height * size[0]);
            strip.target.planes.push(head);
            rest = tail;
        }
    }
    for (index, origin) in origins.iter().enumerate() {
        if !Span::of(*origin, shape).clip(&region).empty() {
            let at = (layer(2, origin[2]) - lowest[2]) as usize * rows + (layer(1, origin[1]) - lowest[1]) as usize;
            strips[at].blocks.push(index);
        }
    }
    strips.retain(|strip| !strip.blocks.is_empty());
    Ok(strips)
}

fn empty_strips<'a>(
    size: Shape,
    region: Span,
    lowest: [i64; 3],
    base: [i64; 3],
    side: [i64; 3],
    rows: usize,
) -> Vec<Strip<'a>> {
    let layers = (region.high[2] - 1 - base[2]).div_euclid(side[2]) - lowest[2] + 1;
    let mut strips = Vec::with_capacity(layers as usize * rows);
    for z in lowest[2]..lowest[2] + layers {
        for y in lowest[1]..lowest[1] + rows as i64 {
            let low = [region.low[0], base[1] + y * side[1], base[2] + z * side[2]];
            let high = [region.high[0], low[1] + side[1], low[2] + side[2]];
            let clip = Span { low, high }.clip(&region);
            strips.push(Strip {
                target: Target {
                    planes: Vec::new(),
                    stride: size[0],
                    first_row: clip.low[1],
                    first_plane: clip.low[2],
                    clip,
                },
                blocks: Vec::new(),
            });
        }
    }
    strips
}
