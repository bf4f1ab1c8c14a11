//! Functions that read payloads.

use crate::block_cache::BlockCache;
use crate::buffers::{optional_payloads, payload, payloads, shape_of, triples, Payload};
use crate::decode;
use crate::fault::{Fault, Outcome};
use crate::inspect;
use crate::layout::{block_shape_of, parse, Shape};
use crate::mapping::Mapping;
use crate::pool;
use crate::session::Session;
use crate::target::{strips, Span, Target};
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray3, PyUntypedArrayMethods};
use pyo3::prelude::*;

type Three = (usize, usize, usize);
type Labels<'py> = PyReadonlyArray1<'py, u64>;
type Counts<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<u32>>);

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(block_shape, module)?)?;
    module.add_function(wrap_pyfunction!(check_block, module)?)?;
    module.add_function(wrap_pyfunction!(decode_block, module)?)?;
    module.add_function(wrap_pyfunction!(read_voxels, module)?)?;
    module.add_function(wrap_pyfunction!(check_payloads, module)?)?;
    module.add_function(wrap_pyfunction!(check_and_count, module)?)?;
    module.add_function(wrap_pyfunction!(label_counts, module)?)?;
    module.add_function(wrap_pyfunction!(labels_at, module)?)
}

/// Size of a block in voxels (x, y, z), from its header.
#[pyfunction]
fn block_shape(block: &Bound<PyAny>) -> PyResult<Three> {
    let [x, y, z] = block_shape_of(&payload(block)?)?;
    Ok((x, y, z))
}

/// Checks a block; answers its label table.
#[pyfunction]
fn check_block<'py>(py: Python<'py>, block: &Bound<PyAny>, shape: Three) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let (block, shape) = (payload(block)?, shape_of(shape)?);
    let table = py.detach(|| {
        let mut table = Vec::new();
        let layout = parse(&block, shape, &mut table)?;
        inspect::check(&layout, &table).map(|()| table)
    })?;
    Ok(PyArray1::from_vec(py, table))
}

/// Decodes one block (not gzipped) into `out` of its size.
#[pyfunction]
fn decode_block(py: Python, block: &Bound<PyAny>, mut out: PyReadwriteArray3<u64>) -> PyResult<()> {
    let size = size_of(out.shape());
    let block = payload(block)?;
    let voxels = out.as_slice_mut()?;
    py.detach(|| {
        let mut table = Vec::new();
        let layout = parse(&block, size, &mut table)?;
        decode::decode(&layout, &table, [0; 3], &mut Target::volume(voxels, size))
    })?;
    Ok(())
}

/// (x, y, z) of a numpy shape (z, y, x).
fn size_of(shape: &[usize]) -> Shape {
    std::array::from_fn(|i| shape.get(2 - i).copied().unwrap_or(0))
}

/// Writes the voxels of all blocks into `out`, within `low` and `high`.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn read_voxels(
    py: Python,
    blocks: &Bound<PyAny>,
    origins: PyReadonlyArray2<i64>,
    shape: Three,
    mut out: PyReadwriteArray3<u64>,
    mapping: Option<(Labels, Labels)>,
    threads: usize,
    low: [i64; 3],
    high: [i64; 3],
) -> PyResult<()> {
    let blocks = optional_payloads(blocks)?;
    let shape = shape_of(shape)?;
    let size = size_of(out.shape());
    let origins = triples(origins.as_slice()?)?;
    let mapping = mapping_of(&mapping)?;
    let voxels = out.as_slice_mut()?;
    if origins.len() != blocks.len() {
        return Fault::argument("there must be one origin for each payload").map_err(PyErr::from);
    }
    // Beyond this no sum of coordinates could be trusted.
    if origins.iter().flatten().any(|n| n.unsigned_abs() > 1 << 40) {
        return Fault::argument("an origin is out of range").map_err(PyErr::from);
    }
    py.detach(|| {
        let strips = strips(voxels, size, Span { low, high }, origins, shape)?;
        pool::run(threads, strips, Session::new, |session, mut strip| {
            for &index in &strip.blocks {
                one_block(session, &blocks[index], origins[index], shape, mapping, &mut strip.target)
                    .map_err(|fault| fault.in_payload(index))?;
            }
            Ok(())
        })
    })?;
    Ok(())
}

fn one_block(
    session: &mut Session,
    block: &Option<Payload>,
    origin: [i64; 3],
    shape: Shape,
    mapping: Option<Mapping>,
    target: &mut Target,
) -> Outcome<()> {
    match block {
        None => {
            let span = Span::of(origin, shape).clip(&target.clip);
            target.fill(&span, 0);
            Ok(())
        }
        Some(block) => {
            let (layout, table) = session.open(block, shape, mapping)?;
            decode::decode(&layout, table, origin, target)
        }
    }
}

pub fn mapping_of<'a>(mapping: &'a Option<(Labels, Labels)>) -> PyResult<Option<Mapping<'a>>> {
    match mapping {
        None => Ok(None),
        Some((from, to)) => Ok(Some(Mapping::new(from.as_slice()?, to.as_slice()?)?)),
    }
}

/// Inflates and checks every payload; the largest label of each one's table.
#[pyfunction]
fn check_payloads<'py>(
    py: Python<'py>,
    blocks: &Bound<PyAny>,
    shape: Three,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let (blocks, shape) = (payloads(blocks)?, shape_of(shape)?);
    let largest = py.detach(|| {
        let items = blocks.iter().enumerate().collect();
        pool::run(threads, items, Session::new, |session, (index, block)| {
            let look = |session: &mut Session| {
                let (layout, table) = session.open(block, shape, None)?;
                inspect::check(&layout, table)?;
                Ok(table.iter().copied().max().unwrap_or(0))
            };
            look(session).map_err(|fault: Fault| fault.in_payload(index))
        })
    })?;
    Ok(PyArray1::from_vec(py, largest))
}

/// Voxels per label of each payload: block, label, count.
#[pyfunction]
fn label_counts<'py>(
    py: Python<'py>,
    blocks: &Bound<PyAny>,
    shape: Three,
    mapping: Option<(Labels, Labels)>,
    threads: usize,
) -> PyResult<Counts<'py>> {
    let (blocks, shape) = (optional_payloads(blocks)?, shape_of(shape)?);
    let mapping = mapping_of(&mapping)?;
    let found = py.detach(|| {
        let items = blocks.iter().enumerate().collect();
        let state = || (Session::new(), Vec::new());
        pool::run(threads, items, state, |(session, numbers), (index, block): (usize, &Option<Payload>)| {
            let Some(block) = block else { return Ok(Vec::new()) };
            session
                .open(block, shape, mapping)
                .and_then(|(layout, table)| inspect::counts(&layout, table, numbers))
                .map_err(|fault| fault.in_payload(index))
        })
    })?;
    Ok(columns(py, found.iter().map(|block| &block[..])))
}

fn columns<'a, 'py>(py: Python<'py>, found: impl Iterator<Item = &'a [(u64, u32)]> + Clone) -> Counts<'py> {
    let rows: usize = found.clone().map(<[_]>::len).sum();
    let mut columns = (Vec::with_capacity(rows), Vec::with_capacity(rows), Vec::with_capacity(rows));
    for (index, block) in found.enumerate() {
        for &(label, count) in block {
            columns.0.push(index as i64);
            columns.1.push(label);
            columns.2.push(count);
        }
    }
    (PyArray1::from_vec(py, columns.0), PyArray1::from_vec(py, columns.1), PyArray1::from_vec(py, columns.2))
}

type Checked<'py> = (Bound<'py, PyArray1<u64>>, Counts<'py>);

/// As `check_payloads` and `label_counts`; each payload is inflated once.
#[pyfunction]
fn check_and_count<'py>(
    py: Python<'py>,
    blocks: &Bound<PyAny>,
    shape: Three,
    threads: usize,
) -> PyResult<Checked<'py>> {
    let (blocks, shape) = (payloads(blocks)?, shape_of(shape)?);
    let found = py.detach(|| {
        let items = blocks.iter().enumerate().collect();
        let state = || (Session::new(), Vec::new());
        pool::run(threads, items, state, |(session, numbers), (index, block): (usize, &Payload)| {
            let mut look = |session: &mut Session| {
                let (layout, table) = session.open(block, shape, None)?;
                inspect::check(&layout, table)?;
                Ok((table.iter().copied().max().unwrap_or(0), inspect::counts(&layout, table, numbers)?))
            };
            look(session).map_err(|fault: Fault| fault.in_payload(index))
        })
    })?;
    let largest = found.iter().map(|(label, _)| *label).collect();
    Ok((PyArray1::from_vec(py, largest), columns(py, found.iter().map(|(_, counts)| &counts[..]))))
}

/// Labels of single voxels.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn labels_at<'py>(
    py: Python<'py>,
    blocks: &Bound<PyAny>,
    block_of_point: PyReadonlyArray1<i64>,
    offsets: PyReadonlyArray2<i64>,
    shape: Three,
    mapping: Option<(Labels, Labels)>,
    threads: usize,
    cache: Option<&Bound<BlockCache>>,
) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let (blocks, shape) = (optional_payloads(blocks)?, shape_of(shape)?);
    let mapping = mapping_of(&mapping)?;
    let cache = cache.map(Bound::get);
    let (owners, offsets) = (block_of_point.as_slice()?, triples(offsets.as_slice()?)?);
    let labels = py.detach(|| {
        let wanted = by_block(owners, offsets, blocks.len(), shape)?;
        let (kept, others): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(index, _)| match (&blocks[*index], cache) {
            (Some(block), Some(cache)) => cache.has(block),
            (block, _) => block.is_none(),
        });
        let state = || Session::with(cache);
        let look = |session: &mut Session, (index, points): (usize, Vec<(usize, Shape)>)| match &blocks[index] {
            None => Ok(Vec::new()),
            Some(block) => session
                .open(block, shape, mapping)
                .and_then(|(layout, table)| inspect::points(&layout, table, &points))
                .map_err(|fault| fault.in_payload(index)),
        };
        // What need not be inflated is done before another thread would have begun.
        let mut found = pool::run(1, kept, state, look)?;
        found.extend(pool::run(threads, others, state, look)?);
        let mut labels = vec![0; owners.len()];
        for (place, label) in found.into_iter().flatten() {
            labels[place] = label;
        }
        Ok::<_, Fault>(labels)
    })?;
    Ok(PyArray1::from_vec(py, labels))
}

type Points = Vec<(usize, Vec<(usize, Shape)>)>;

fn by_block(owners: &[i64], offsets: &[[i64; 3]], blocks: usize, shape: Shape) -> Outcome<Points> {
    if owners.len() != offsets.len() {
        return Fault::argument("there must be one block number for each point");
    }
    let mut points: Vec<Vec<(usize, Shape)>> = vec![Vec::new(); blocks];
    for (place, (&owner, offset)) in owners.iter().zip(offsets).enumerate() {
        let inside = (0..3).all(|i| offset[i] >= 0 && offset[i] < shape[i] as i64);
        let Some(block) = usize::try_from(owner).ok().and_then(|owner| points.get_mut(owner)).filter(|_| inside) else {
            return Fault::argument(format!("point {place} lies outside its block, or its block is not given"));
        };
        block.push((place, offset.map(|n| n as usize)));
    }
    Ok(points.into_iter().enumerate().filter(|(_, points)| !points.is_empty()).collect())
}
