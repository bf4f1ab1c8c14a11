//! Functions that look for bodies in payloads.

use crate::binary_blocks::binary_block;
use crate::block_cache::BlockCache;
use crate::buffers::{bytes_list, optional_payloads, shape_of, triples, Payload};
use crate::changes::changes;
use crate::fault::{Fault, Outcome};
use crate::inspect;
use crate::layout::Shape;
use crate::members::{Chosen, Members};
use crate::pool;
use crate::runs::{merge, pieces, Finder};
use crate::session::Session;
use crate::target::Span;
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyList;

type Three = (usize, usize, usize);
type Changes<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<i64>>);

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(first_voxels, module)?)?;
    module.add_function(wrap_pyfunction!(body_runs, module)?)?;
    module.add_function(wrap_pyfunction!(body_binary_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(count_changes, module)?)
}

/// Checks the first voxels of blocks: all voxels are within int32.
fn check_firsts(firsts: &[[i64; 3]], blocks: usize, shape: Shape) -> Outcome<()> {
    if firsts.len() != blocks {
        return Fault::argument("there must be one block coordinate for each payload");
    }
    let within = |i: usize, n: i64| {
        let side = shape[i] as i64;
        n.rem_euclid(side) == 0 && (i64::from(i32::MIN)..=i64::from(i32::MAX) - (side - 1)).contains(&n)
    };
    if firsts.iter().any(|first| (0..3).any(|i| !within(i, first[i]))) {
        return Fault::argument("a block coordinate is out of range");
    }
    Ok(())
}

/// First voxels of blocks at block coordinates, of which no two are alike.
#[pyfunction]
fn first_voxels<'py>(
    py: Python<'py>,
    coordinates: PyReadonlyArray2<i64>,
    shape: Three,
    count: usize,
) -> PyResult<Bound<'py, PyArray2<i64>>> {
    let (places, shape) = (triples(coordinates.as_slice()?)?, shape_of(shape)?);
    let side = |i: usize| shape[i] as i64;
    let scaled = |place: &[i64; 3]| [0, 1, 2].map(|i| place[i].saturating_mul(side(i)));
    let firsts: Vec<[i64; 3]> = places.iter().map(scaled).collect();
    check_firsts(&firsts, count, shape)?;
    let mut order: Vec<&[i64; 3]> = places.iter().collect();
    if !order.is_sorted_by(|a, b| [a[2], a[1], a[0]] < [b[2], b[1], b[0]]) {
        order.sort_unstable();
        if order.windows(2).any(|pair| pair[0] == pair[1]) {
            return Fault::argument("two payloads have the same block coordinate").map_err(PyErr::from);
        }
    }
    let rows = firsts.len();
    PyArray1::from_vec(py, firsts.into_flattened()).reshape([rows, 3])
}

/// Runs of a body within `low` and `high` (half-open), rows x, y, z, length.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn body_runs<'py>(
    py: Python<'py>,
    blocks: &Bound<PyAny>,
    firsts: PyReadonlyArray2<i64>,
    shape: Three,
    supervoxels: PyReadonlyArray1<u64>,
    low: [i64; 3],
    high: [i64; 3],
    threads: usize,
    cache: Option<&Bound<BlockCache>>,
) -> PyResult<Bound<'py, PyArray2<i32>>> {
    let (blocks, shape) = (optional_payloads(blocks)?, shape_of(shape)?);
    let firsts = triples(firsts.as_slice()?)?;
    let members = Members::new(supervoxels.as_slice()?)?;
    check_firsts(firsts, blocks.len(), shape)?;
    let cache = cache.map(Bound::get);
    let runs = py.detach(|| {
        let pieces = pieces(firsts, |i| blocks[i].is_some(), shape, Span { low, high }, threads)?;
        let found = pool::run(threads, pieces.iter().collect(), || Finder::with(cache), |finder, piece| {
            finder.find(piece, &blocks, firsts, shape, members)
        })?;
        merge(&pieces, &found)
    })?;
    let rows = runs.len();
    PyArray1::from_vec(py, runs.into_flattened()).reshape([rows, 4])
}

/// One piece for each block that holds some of a body.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn body_binary_blocks<'py>(
    py: Python<'py>,
    blocks: &Bound<PyAny>,
    firsts: PyReadonlyArray2<i64>,
    shape: Three,
    supervoxels: PyReadonlyArray1<u64>,
    threads: usize,
    cache: Option<&Bound<BlockCache>>,
) -> PyResult<Bound<'py, PyList>> {
    let (blocks, shape) = (optional_payloads(blocks)?, shape_of(shape)?);
    let firsts = triples(firsts.as_slice()?)?;
    let members = Members::new(supervoxels.as_slice()?)?;
    check_firsts(firsts, blocks.len(), shape)?;
    let cache = cache.map(Bound::get);
    let found = py.detach(|| {
        let items = blocks.iter().zip(firsts).enumerate().collect();
        let state = || (Session::with(cache), Chosen::new());
        pool::run(
            threads,
            items,
            state,
            |(session, chosen), (index, (block, first)): (usize, (&Option<Payload>, _))| {
                let Some(block) = block else { return Ok(None) };
                binary_block(session, chosen, block, *first, shape, members).map_err(|fault| fault.in_payload(index))
            },
        )
    })?;
    bytes_list(py, &found.into_iter().flatten().collect::<Vec<_>>())
}

/// Voxels gained or lost per label of each block: block, label, difference.
#[pyfunction]
fn count_changes<'py>(
    py: Python<'py>,
    old: &Bound<PyAny>,
    new: &Bound<PyAny>,
    shape: Three,
    threads: usize,
) -> PyResult<Changes<'py>> {
    let (old, new, shape) = (optional_payloads(old)?, optional_payloads(new)?, shape_of(shape)?);
    if old.len() != new.len() {
        return Fault::argument("there must be one old block for each new one").map_err(PyErr::from);
    }
    let found = py.detach(|| {
        let items = old.iter().zip(&new).enumerate().collect();
        let state = || (Session::new(), Vec::new());
        pool::run(
            threads,
            items,
            state,
            |(session, numbers), (index, (old, new)): (usize, (&Option<_>, &Option<_>))| {
                let mut counts = |block: &Option<Payload>| match block {
                    None => Ok(Vec::new()),
                    Some(block) => counts_of(session, block, shape, numbers).map_err(|fault| fault.in_payload(index)),
                };
                let before = counts(old)?;
                Ok(changes(&before, &counts(new)?))
            },
        )
    })?;
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for (index, block) in found.iter().enumerate() {
        for &(label, difference) in block {
            columns.0.push(index as i64);
            columns.1.push(label);
            columns.2.push(difference);
        }
    }
    Ok((PyArray1::from_vec(py, columns.0), PyArray1::from_vec(py, columns.1), PyArray1::from_vec(py, columns.2)))
}

fn counts_of(session: &mut Session, block: &[u8], shape: Shape, numbers: &mut Vec<u32>) -> Outcome<Vec<(u64, u32)>> {
    let (layout, table) = session.open(block, shape, None)?;
    inspect::counts(&layout, table, numbers)
}
