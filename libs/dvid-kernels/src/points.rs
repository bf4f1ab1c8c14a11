//! Points by the blocks that they lie in.

use crate::block_cache::{BlockCache, Found, State};
use crate::buffers::{shape_of, triples};
use crate::fault::{Fault, Outcome};
use crate::inspect;
use crate::layout::{parse, Shape};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;
use std::collections::HashMap;

type Three = (usize, usize, usize);

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(group_points, module)?)?;
    module.add_function(wrap_pyfunction!(labels_kept, module)?)
}

/// Points by block: block coordinates (x, y, z) by z, y, x; the number of each point's block; its voxel there.
struct Grouped {
    blocks: Vec<[i64; 3]>,
    owners: Vec<usize>,
    offsets: Vec<Shape>,
}

fn grouped(points: &[[i64; 3]], shape: Shape) -> Grouped {
    let mut numbers: HashMap<[i64; 3], usize> = HashMap::new();
    let mut blocks = Vec::new();
    let mut last = None;
    let mut owners: Vec<usize> = points
        .iter()
        .map(|point| {
            let block: [i64; 3] = std::array::from_fn(|i| point[i].div_euclid(shape[i] as i64));
            match last {
                Some((same, number)) if same == block => number,
                _ => {
                    let number = *numbers.entry(block).or_insert_with(|| {
                        blocks.push(block);
                        blocks.len() - 1
                    });
                    last = Some((block, number));
                    number
                }
            }
        })
        .collect();
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_unstable_by_key(|number| {
        let [x, y, z] = blocks[*number];
        [z, y, x]
    });
    let mut ranks = vec![0; order.len()];
    order.iter().enumerate().for_each(|(rank, number)| ranks[*number] = rank);
    owners.iter_mut().for_each(|number| *number = ranks[*number]);
    let offsets =
        points.iter().map(|point| std::array::from_fn(|i| point[i].rem_euclid(shape[i] as i64) as usize)).collect();
    Grouped { blocks: order.iter().map(|number| blocks[*number]).collect(), owners, offsets }
}

type Groups<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray2<i64>>);

/// The blocks of points by z, y, x, which of them each point is in, and where there.
#[pyfunction]
fn group_points<'py>(py: Python<'py>, points: PyReadonlyArray2<i64>, shape: Three) -> PyResult<Groups<'py>> {
    let (points, shape) = (triples(points.as_slice()?)?, shape_of(shape)?);
    let (blocks, owners, offsets) = py.detach(|| {
        let found = grouped(points, shape);
        let offsets: Vec<i64> = found.offsets.iter().flatten().map(|n| *n as i64).collect();
        let owners: Vec<i64> = found.owners.iter().map(|n| *n as i64).collect();
        (found.blocks.into_iter().flatten().collect::<Vec<i64>>(), owners, offsets)
    });
    let (count, rows) = (blocks.len() / 3, owners.len());
    Ok((
        PyArray1::from_vec(py, blocks).reshape([count, 3])?,
        PyArray1::from_vec(py, owners),
        PyArray1::from_vec(py, offsets).reshape([rows, 3])?,
    ))
}

/// Labels at points of a state, if all of their blocks have names in the cache; else None.
#[pyfunction]
fn labels_kept<'py>(
    py: Python<'py>,
    cache: &Bound<BlockCache>,
    state: State,
    points: PyReadonlyArray2<i64>,
    shape: Three,
) -> PyResult<Option<Bound<'py, PyArray1<u64>>>> {
    let (points, shape) = (triples(points.as_slice()?)?, shape_of(shape)?);
    let cache = cache.get();
    let labels = py.detach(|| {
        let found = grouped(points, shape);
        let Some(blocks) = cache.named(state, found.blocks.iter()) else { return Ok(None) };
        labels_of(&found, &blocks, shape).map(Some)
    });
    Ok(labels?.map(|labels: Vec<u64>| PyArray1::from_vec(py, labels)))
}

fn labels_of(found: &Grouped, blocks: &[Found], shape: Shape) -> Outcome<Vec<u64>> {
    let mut wanted: Vec<Vec<(usize, Shape)>> = vec![Vec::new(); blocks.len()];
    for (place, (owner, offset)) in found.owners.iter().zip(&found.offsets).enumerate() {
        wanted[*owner].push((place, *offset));
    }
    let mut labels = vec![0; found.owners.len()];
    let mut table = Vec::new();
    for (number, (block, wanted)) in blocks.iter().zip(&wanted).enumerate() {
        let Found::Block(block) = block else { continue };
        let layout = parse(block, shape, &mut table).map_err(|fault: Fault| fault.in_payload(number))?;
        for (place, label) in inspect::points(&layout, &table, wanted).map_err(|fault| fault.in_payload(number))? {
            labels[place] = label;
        }
    }
    Ok(labels)
}
