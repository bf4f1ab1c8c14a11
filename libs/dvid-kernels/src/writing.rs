//! Functions that make blocks. They are gzipped by Python's isal.

use crate::buffers::{bytes_list, optional_payloads, payload, payloads, shape_of, Payload};
use crate::decode;
use crate::downsample;
use crate::encode::{Encoder, Volume};
use crate::fault::{Fault, Outcome};
use crate::layout::{block_shape_of, parse, Layout, Shape, CELLS, SIDE};
use crate::mapping::Mapping;
use crate::pieces::Pieces;
use crate::pool;
use crate::reading::mapping_of;
use crate::segmentation;
use crate::session::{relabel, Session};
use crate::target::Target;
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

type Three = (usize, usize, usize);
type Labels<'py> = PyReadonlyArray1<'py, u64>;

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode_block, module)?)?;
    module.add_function(wrap_pyfunction!(relabel_block, module)?)?;
    module.add_function(wrap_pyfunction!(write_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(write_pieces, module)?)?;
    module.add_function(wrap_pyfunction!(relabel_payloads, module)?)?;
    module.add_function(wrap_pyfunction!(downsample_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(encode_segmentation, module)?)
}

/// A volume whose sizes are multiples of `of`.
fn volume_of<'a>(volume: &'a PyReadonlyArray3<u64>, of: Shape) -> PyResult<Volume<'a>> {
    let shape = volume.shape();
    let size: Shape = [shape[2], shape[1], shape[0]];
    if (0..3).any(|i| size[i] == 0 || !size[i].is_multiple_of(of[i])) {
        return Fault::argument(format!("the volume's size {size:?} is not a multiple of {of:?}")).map_err(PyErr::from);
    }
    Ok(Volume { voxels: volume.as_slice()?, size })
}

/// One label block (not gzipped) of a whole volume.
#[pyfunction]
fn encode_block<'py>(py: Python<'py>, volume: PyReadonlyArray3<u64>) -> PyResult<Bound<'py, PyBytes>> {
    let volume = volume_of(&volume, [SIDE; 3])?;
    shape_of((volume.size[0], volume.size[1], volume.size[2]))?;
    let block = py.detach(|| Encoder::new().encode(volume, [0; 3], volume.size));
    Ok(PyBytes::new(py, &block))
}

/// A block (not gzipped) with its table mapped.
#[pyfunction]
fn relabel_block<'py>(
    py: Python<'py>,
    block: &Bound<PyAny>,
    mapping: Option<(Labels, Labels)>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut block = payload(block)?.to_vec();
    let mapping = mapping_of(&mapping)?;
    let mut table = Vec::new();
    let shape = block_shape_of(&block)?;
    parse(&block, shape, &mut table)?;
    if let Some(mapping) = mapping {
        relabel(&mut block, &mut table, mapping);
    }
    Ok(PyBytes::new(py, &block))
}

/// All blocks of a volume, x fastest (not gzipped).
#[pyfunction]
fn write_blocks<'py>(
    py: Python<'py>,
    volume: PyReadonlyArray3<u64>,
    shape: Three,
    threads: usize,
) -> PyResult<Bound<'py, PyList>> {
    let shape = shape_of(shape)?;
    let volume = volume_of(&volume, shape)?;
    let blocks = py.detach(|| {
        let grid: Shape = std::array::from_fn(|i| volume.size[i] / shape[i]);
        let items = (0..grid.iter().product()).collect();
        pool::run(threads, items, Encoder::new, |encoder, i: usize| {
            let at = [i % grid[0], i / grid[0] % grid[1], i / (grid[0] * grid[1])];
            let low = std::array::from_fn(|axis| at[axis] * shape[axis]);
            Ok(encoder.encode(volume, low, shape))
        })
    })?;
    bytes_list(py, &blocks)
}

/// The 512 labels of the 8x8x8 cells that begin at a place of a volume of `size` voxels.
fn cells_of(pieces: &Pieces, size: Shape, at: Shape, cells: &mut [u64; CELLS], hint: &mut usize) {
    let mut bytes = [0; 8 * SIDE];
    for (row, labels) in cells.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
        let (y, z) = (at[1] + row % SIDE, at[2] + row / SIDE);
        pieces.copy(8 * ((z * size[1] + y) * size[0] + at[0]), &mut bytes, hint);
        for (label, word) in labels.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *label = u64::from_le_bytes(*word);
        }
    }
}

/// All blocks of a volume that came in pieces, x fastest (not gzipped), and its largest label.
#[pyfunction]
fn write_pieces<'py>(
    py: Python<'py>,
    pieces: &Bound<PyAny>,
    size: Three,
    shape: Three,
    threads: usize,
) -> PyResult<(Bound<'py, PyList>, u64)> {
    let (pieces, shape, size) = (payloads(pieces)?, shape_of(shape)?, [size.0, size.1, size.2]);
    let made = py.detach(|| {
        let pieces = Pieces::new(&pieces);
        let voxels = size.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
        if voxels.and_then(|n| n.checked_mul(8)) != Some(pieces.len()) || pieces.len() == 0 {
            return Fault::argument(format!("{size:?} labels are not {} bytes", pieces.len()));
        }
        if (0..3).any(|i| !size[i].is_multiple_of(shape[i])) {
            return Fault::argument(format!("the volume's size {size:?} is not a multiple of {shape:?}"));
        }
        let grid: Shape = std::array::from_fn(|i| size[i] / shape[i]);
        let items = (0..grid.iter().product()).collect();
        pool::run(threads, items, || (Encoder::new(), 0), |(encoder, hint), i: usize| {
            let at = [i % grid[0], i / grid[0] % grid[1], i / (grid[0] * grid[1])];
            let low = std::array::from_fn(|axis| at[axis] * shape[axis]);
            let block = encoder.encode_by(low, shape, |at, cells| cells_of(&pieces, size, at, cells, hint));
            Ok((block, encoder.largest()))
        })
    })?;
    let (blocks, largest): (Vec<_>, Vec<_>) = made.into_iter().unzip();
    Ok((bytes_list(py, &blocks)?, largest.into_iter().max().unwrap_or(0)))
}

/// The blocks of payloads with their tables mapped (not gzipped).
#[pyfunction]
fn relabel_payloads<'py>(
    py: Python<'py>,
    blocks: &Bound<PyAny>,
    shape: Three,
    mapping: (Labels, Labels),
    threads: usize,
) -> PyResult<Bound<'py, PyList>> {
    let (blocks, shape) = (payloads(blocks)?, shape_of(shape)?);
    let mapping = Mapping::new(mapping.0.as_slice()?, mapping.1.as_slice()?)?;
    let made = py.detach(|| {
        let items = blocks.iter().enumerate().collect();
        pool::run(threads, items, Session::new, |session, (index, block): (usize, &Payload)| {
            session.relabeled(block, shape, mapping).map(<[u8]>::to_vec).map_err(|fault| fault.in_payload(index))
        })
    })?;
    bytes_list(py, &made)
}

/// The high blocks of one low block, which of them were written, and the low block as it was.
struct Octants {
    high: Vec<Option<Payload>>,
    plain: bool,
    written: [bool; 8],
    old: Option<Payload>,
}

impl Octants {
    /// Opens one of the high blocks.
    fn open<'s>(&self, session: &'s mut Session, high: &'s [u8], shape: Shape) -> Outcome<(Layout<'s>, &'s [u64])> {
        if self.plain { session.open_plain(high, shape) } else { session.open(high, shape, None) }
    }
}

/// Low blocks made of the written ones of their eight high blocks (not gzipped).
#[pyfunction]
#[pyo3(signature = (octants, written, old, shape, threads, changed=None, plain=false))]
fn downsample_blocks<'py>(
    py: Python<'py>,
    octants: &Bound<PyAny>,
    written: PyReadonlyArray2<u8>,
    old: &Bound<PyAny>,
    shape: Three,
    threads: usize,
    changed: Option<PyReadonlyArray2<u8>>,
    plain: bool,
) -> PyResult<Bound<'py, PyList>> {
    let shape = shape_of(shape)?;
    let old = optional_payloads(old)?;
    let high = octants.try_iter()?.map(|eight| optional_payloads(&eight?)).collect::<PyResult<Vec<_>>>()?;
    let flags = written.as_slice()?.as_chunks::<8>().0;
    let eights = high.iter().all(|eight| eight.len() == 8);
    if !eights || written.shape()[1] != 8 || flags.len() != high.len() || old.len() != high.len() {
        return Fault::argument("each low block needs eight octants, eight flags and one old block").map_err(PyErr::from);
    }
    let subs = shape.map(|n| n / SIDE).iter().product();
    let changed = match &changed {
        None => Vec::new(),
        Some(changed) if changed.shape() == [high.len(), subs] => changed.as_slice()?.chunks_exact(subs).collect(),
        Some(_) => return Fault::argument("each low block needs a flag for each of its sub-blocks").map_err(PyErr::from),
    };
    let items: Vec<Octants> = high
        .into_iter()
        .zip(flags.iter().zip(old))
        .map(|(high, (flags, old))| Octants { high, plain, written: flags.map(|flag| flag != 0), old })
        .collect();
    let blocks = py.detach(|| {
        let voxels: usize = shape.iter().product();
        if !changed.is_empty() && shape.iter().all(|n| n % (2 * SIDE) == 0) {
            let state = || (Session::new(), Encoder::new());
            let items = items.iter().zip(changed).enumerate().collect();
            return pool::run(threads, items, state, |(session, encoder), (index, (octants, changed))| {
                changed_block(session, encoder, octants, changed, shape).map_err(|fault| fault.in_payload(index))
            });
        }
        if let ([octants], 2..) = (&items[..], threads) {
            let low = lone_low_block(octants, shape, threads).map_err(|fault| fault.in_payload(0))?;
            return Ok(vec![Encoder::new().encode(Volume { voxels: &low, size: shape }, [0; 3], shape)]);
        }
        let state = || (Session::new(), Encoder::new(), vec![0u64; voxels]);
        pool::run(threads, items.iter().enumerate().collect(), state, |(session, encoder, low), (index, octants)| {
            low_block(session, octants, low, shape).map_err(|fault| fault.in_payload(index))?;
            Ok(encoder.encode(Volume { voxels: low, size: shape }, [0; 3], shape))
        })
    })?;
    bytes_list(py, &blocks)
}

/// A low block of which only the changed sub-blocks in written octants are made; all of those if there was none before.
fn changed_block(session: &mut Session, encoder: &mut Encoder, octants: &Octants, changed: &[u8], shape: Shape) -> Outcome<Vec<u8>> {
    let Some(old) = &octants.old else {
        let mut low = vec![0; shape.iter().product()];
        low_block(session, octants, &mut low, shape)?;
        return Ok(encoder.encode(Volume { voxels: &low, size: shape }, [0; 3], shape));
    };
    let grid = shape.map(|n| n / SIDE);
    let half = grid.map(|n| n / 2);
    let octant_of = |i: usize| {
        let at = [i % grid[0], i / grid[0] % grid[1], i / (grid[0] * grid[1])];
        (0..3).map(|axis| (at[axis] / half[axis]) << axis).sum::<usize>()
    };
    let mut patches = downsample::Patches::new();
    let mut touched = [false; 8];
    for (i, _) in changed.iter().enumerate().filter(|(_, flag)| **flag != 0) {
        let octant = octant_of(i);
        if octants.written[octant] {
            touched[octant] = true;
            patches.insert(i, Box::new([0; CELLS]));
        }
    }
    for (i, high) in octants.high.iter().enumerate().filter(|(i, _)| touched[*i]) {
        if let Some(high) = high {
            let (layout, table) = octants.open(session, high, shape)?;
            downsample::patch(&layout, table, &mut patches, grid, corner_of(i, half))?;
        }
    }
    let (layout, table) = session.open(old, shape, None)?;
    downsample::patched(&layout, table, &patches, encoder)
}

/// The low block before its written octants are made.
fn old_block(session: &mut Session, octants: &Octants, low: &mut [u64], shape: Shape) -> Outcome<()> {
    if octants.written.contains(&false) {
        match &octants.old {
            None => low.fill(0),
            Some(old) => {
                let (layout, table) = session.open(old, shape, None)?;
                decode::decode(&layout, table, [0; 3], &mut Target::volume(low, shape))?;
            }
        }
    }
    Ok(())
}

/// First voxel of an octant in its low block.
fn corner_of(octant: usize, half: Shape) -> Shape {
    [(octant & 1) * half[0], (octant >> 1 & 1) * half[1], (octant >> 2) * half[2]]
}

/// One low block alone: the threads share its octants.
fn lone_low_block(octants: &Octants, shape: Shape, threads: usize) -> Outcome<Vec<u64>> {
    let mut low = vec![0; shape.iter().product()];
    old_block(&mut Session::new(), octants, &mut low, shape)?;
    let half = shape.map(|n| n / 2);
    let written = octants.high.iter().enumerate().filter(|(i, _)| octants.written[*i]).collect();
    let made = pool::run(threads, written, Session::new, |session, (i, high): (usize, &Option<Payload>)| {
        let mut octant = vec![0; half.iter().product()];
        if let Some(high) = high {
            let (layout, table) = octants.open(session, high, shape)?;
            downsample::bring_down(&layout, table, &mut octant, half, [0; 3])?;
        }
        Ok((i, octant))
    })?;
    for (i, octant) in made {
        let [x, y, z] = corner_of(i, half);
        for (row, labels) in octant.chunks_exact(half[0]).enumerate() {
            let start = ((z + row / half[1]) * shape[1] + y + row % half[1]) * shape[0] + x;
            low[start..start + half[0]].copy_from_slice(labels);
        }
    }
    Ok(low)
}

fn low_block(session: &mut Session, octants: &Octants, low: &mut [u64], shape: Shape) -> Outcome<()> {
    old_block(session, octants, low, shape)?;
    let half = shape.map(|n| n / 2);
    for (i, high) in octants.high.iter().enumerate().filter(|(i, _)| octants.written[*i]) {
        let corner = corner_of(i, half);
        match high {
            None => downsample::fill(low, shape, corner, half, 0),
            Some(high) => {
                let (layout, table) = octants.open(session, high, shape)?;
                downsample::bring_down(&layout, table, low, shape, corner)?;
            }
        }
    }
    Ok(())
}

/// A volume as compressed_segmentation, in words.
#[pyfunction]
fn encode_segmentation<'py>(py: Python<'py>, volume: PyReadonlyArray3<u64>) -> PyResult<Bound<'py, PyArray1<u32>>> {
    let volume = volume_of(&volume, [SIDE; 3])?;
    let words = py.detach(|| segmentation::encode(volume))?;
    Ok(PyArray1::from_vec(py, words))
}
