//! Voxels in runs get other labels. Only sub-blocks that the runs touch are unpacked; of the others only the lists change.

use crate::buffers::{bytes_list, payloads, shape_of, Payload};
use crate::decode::cells_of;
use crate::encode::Encoder;
use crate::fault::{Fault, Outcome};
use crate::layout::{local_labels, Layout, Shape, Sub, CELLS, SIDE};
use crate::pool;
use crate::session::Session;
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::collections::BTreeMap;

type Three = (usize, usize, usize);
type Labels<'py> = PyReadonlyArray1<'py, u64>;
type Column<'py, T> = Bound<'py, PyArray1<T>>;
type Made<'py> = (Bound<'py, PyList>, Column<'py, i64>, Column<'py, u64>, Column<'py, i64>, Column<'py, u8>);
/// A run within a block: x, y, z, length.
type Run = [i64; 4];
/// The 512 voxels of a sub-block, a word for each z.
type Mask = [u64; SIDE];

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(split_blocks, module)?)
}

/// What labels become inside the runs and outside of them; `source` ascends.
#[derive(Clone, Copy)]
struct Parts<'a> {
    source: &'a [u64],
    inside: &'a [u64],
    outside: &'a [u64],
}

impl<'a> Parts<'a> {
    fn new(source: &'a [u64], inside: &'a [u64], outside: &'a [u64]) -> Outcome<Self> {
        let sorted = source.windows(2).all(|pair| pair[0] < pair[1]);
        if !sorted || inside.len() != source.len() || outside.len() != source.len() {
            return Fault::argument("the labels must ascend, and each needs one label inside and one outside");
        }
        Ok(Parts { source, inside, outside })
    }

    #[inline]
    fn find(&self, label: u64) -> Option<usize> {
        match self.source {
            [one] => (*one == label).then_some(0),
            many => many.binary_search(&label).ok(),
        }
    }
}

/// Marks the voxels of runs, sub-block by sub-block.
fn masks_of(runs: &[Run], shape: Shape) -> Outcome<Vec<Mask>> {
    let grid = shape.map(|n| n / SIDE);
    let mut masks = vec![[0; SIDE]; grid.iter().product()];
    for &[x, y, z, length] in runs {
        let inside = |n: i64, size: usize| n >= 0 && n < size as i64;
        let within = inside(x, shape[0]) && inside(y, shape[1]) && inside(z, shape[2]);
        if !within || length < 1 || length > shape[0] as i64 - x {
            return Fault::argument("a run lies outside its block");
        }
        let (y, z, end) = (y as usize, z as usize, (x + length) as usize);
        let mut x = x as usize;
        while x < end {
            let stop = (x / SIDE * SIDE + SIDE).min(end);
            let bits = ((1u64 << (stop - x)) - 1) << (x % SIDE);
            let sub = ((z / SIDE) * grid[1] + y / SIDE) * grid[0] + x / SIDE;
            masks[sub][z % SIDE] |= bits << (y % SIDE * SIDE);
            x = stop;
        }
    }
    Ok(masks)
}

/// How many voxels of each label lay inside, by its place in `source`.
type Counts = BTreeMap<usize, i64>;

/// Writes one sub-block with other labels; tells whether it has any of those that become others.
fn split_sub(sub: &Sub, local: &mut [u64; CELLS], mask: &Mask, parts: Parts, encoder: &mut Encoder, counts: &mut Counts) -> Outcome<bool> {
    let labels = sub.count().max(1);
    let changes = local[..labels].iter().any(|label| parts.find(*label).is_some());
    if !changes || mask.iter().all(|plane| *plane == 0) {
        for label in &mut local[..labels] {
            if let Some(found) = parts.find(*label) {
                *label = parts.outside[found];
            }
        }
        encoder.add_packed(&local[..labels], sub.values);
        return Ok(changes);
    }
    let mut cells = [0; CELLS];
    cells_of(sub, local, &mut cells)?;
    let (mut last, mut found) = (cells[0], parts.find(cells[0]));
    let mut number = 0;
    for (i, cell) in cells.iter_mut().enumerate() {
        if *cell != last {
            if let Some(place) = found {
                *counts.entry(place).or_default() += number;
            }
            number = 0;
            last = *cell;
            found = parts.find(last);
        }
        if let Some(place) = found {
            if mask[i >> 6] >> (i & 63) & 1 == 1 {
                *cell = parts.inside[place];
                number += 1;
            } else {
                *cell = parts.outside[place];
            }
        }
    }
    if let Some(place) = found {
        *counts.entry(place).or_default() += number;
    }
    encoder.add(&cells);
    Ok(true)
}

/// A block, the counts of its labels, and a flag for each sub-block that changed.
type Split = (Vec<u8>, Counts, Vec<u8>);

fn split_layout(layout: &Layout, table: &[u64], masks: &[Mask], parts: Parts, encoder: &mut Encoder) -> Outcome<Split> {
    let (mut local, mut counts) = ([0; CELLS], Counts::new());
    let mut changed = Vec::with_capacity(masks.len());
    encoder.begin();
    if layout.solid() {
        for mask in masks {
            local[0] = table[0];
            let sub = Sub { at: [0; 3], indices: &[0; 4], values: &[] };
            changed.push(split_sub(&sub, &mut local, mask, parts, encoder, &mut counts)?.into());
        }
    }
    for (sub, mask) in layout.subs().zip(masks) {
        local_labels(&sub, table, &mut local)?;
        changed.push(split_sub(&sub, &mut local, mask, parts, encoder, &mut counts)?.into());
    }
    Ok((encoder.finish(layout.grid), counts, changed))
}

/// Blocks (not gzipped) whose voxels of some labels have others, the rows block, label, voxels of those in runs, and
/// a flag for each sub-block of each block.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn split_blocks<'py>(
    py: Python<'py>,
    blocks: &Bound<PyAny>,
    runs: PyReadonlyArray2<i64>,
    starts: PyReadonlyArray1<i64>,
    shape: Three,
    source: Labels,
    inside: Labels,
    outside: Labels,
    threads: usize,
) -> PyResult<Made<'py>> {
    let (blocks, shape) = (payloads(blocks)?, shape_of(shape)?);
    let (runs, rest) = runs.as_slice()?.as_chunks::<4>();
    let parts = Parts::new(source.as_slice()?, inside.as_slice()?, outside.as_slice()?)?;
    let starts = starts.as_slice()?;
    let sorted = starts.windows(2).all(|pair| pair[0] <= pair[1]);
    let ends = starts.first() == Some(&0) && starts.last() == Some(&(runs.len() as i64));
    if !rest.is_empty() || starts.len() != blocks.len() + 1 || !sorted || !ends {
        return Fault::argument("each block needs its runs").map_err(PyErr::from);
    }
    let made = py.detach(|| {
        let state = || (Session::new(), Encoder::new());
        let items: Vec<(usize, &Payload)> = blocks.iter().enumerate().collect();
        pool::run(threads, items, state, |(session, encoder), (index, block)| {
            let mine = &runs[starts[index] as usize..starts[index + 1] as usize];
            let masks = masks_of(mine, shape)?;
            let (layout, table) = session.open(block, shape, None).map_err(|fault| fault.in_payload(index))?;
            split_layout(&layout, table, &masks, parts, encoder).map_err(|fault| fault.in_payload(index))
        })
    })?;
    let flags = made.iter().flat_map(|(_, _, changed)| changed).copied().collect();
    let (pieces, counts): (Vec<_>, Vec<_>) = made.into_iter().map(|(block, counts, _)| (block, counts)).unzip();
    let rows = || counts.iter().enumerate().flat_map(|(i, counts)| counts.iter().map(move |row| (i, row)));
    Ok((
        bytes_list(py, &pieces)?,
        PyArray1::from_vec(py, rows().map(|(i, _)| i as i64).collect()),
        PyArray1::from_vec(py, rows().map(|(_, (place, _))| parts.source[*place]).collect()),
        PyArray1::from_vec(py, rows().map(|(_, (_, number))| *number).collect()),
        PyArray1::from_vec(py, flags),
    ))
}
