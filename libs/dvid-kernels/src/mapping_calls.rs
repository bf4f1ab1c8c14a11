//! Functions of sorted mappings.

use crate::buffers::{bytes_list, payloads};
use crate::fault::{Fault, Outcome};
use crate::mapping_chunks::{encode, sorted, Chunk};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyList;

type Numbers<'py> = PyReadonlyArray1<'py, u64>;
type Entries<'py> = (Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<u64>>);

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(sort_mapping, module)?)?;
    module.add_function(wrap_pyfunction!(encode_mapping, module)?)?;
    module.add_function(wrap_pyfunction!(decode_mapping, module)?)?;
    module.add_function(wrap_pyfunction!(find_mapping, module)?)
}

fn entries(py: Python<'_>, (source, target): (Vec<u64>, Vec<u64>)) -> Entries<'_> {
    (PyArray1::from_vec(py, source), PyArray1::from_vec(py, target))
}

/// Entries sorted by source; of several of one source the last counts.
#[pyfunction]
fn sort_mapping<'py>(py: Python<'py>, source: Numbers, target: Numbers) -> PyResult<Entries<'py>> {
    let (labels, bodies) = (source.as_slice()?, target.as_slice()?);
    let made = py.detach(|| sorted(labels, bodies))?;
    Ok(entries(py, made))
}

/// The stored chunks of sorted entries.
#[pyfunction]
fn encode_mapping<'py>(py: Python<'py>, source: Numbers, target: Numbers, each: usize) -> PyResult<Bound<'py, PyList>> {
    let (labels, bodies) = (source.as_slice()?, target.as_slice()?);
    let made = py.detach(|| encode(labels, bodies, each))?;
    bytes_list(py, &made)
}

/// The entries of chunks, one behind the other.
#[pyfunction]
fn decode_mapping<'py>(py: Python<'py>, chunks: &Bound<PyAny>) -> PyResult<Entries<'py>> {
    let values = payloads(chunks)?;
    let made = py.detach(|| -> Outcome<_> {
        let (mut source, mut target) = (Vec::new(), Vec::new());
        for (number, value) in values.iter().enumerate() {
            let chunk = Chunk::parse(value).map_err(|fault| fault.in_payload(number))?;
            source.reserve(chunk.len());
            target.reserve(chunk.len());
            chunk.decode(&mut source, &mut target).map_err(|fault| fault.in_payload(number))?;
        }
        Ok((source, target))
    })?;
    Ok(entries(py, made))
}

/// Which labels have an entry in the chunk that each is looked up in, and its target.
#[pyfunction]
fn find_mapping<'py>(
    py: Python<'py>,
    chunks: &Bound<PyAny>,
    owners: PyReadonlyArray1<i64>,
    labels: Numbers,
) -> PyResult<(Bound<'py, PyArray1<bool>>, Bound<'py, PyArray1<u64>>)> {
    let values = payloads(chunks)?;
    let (owners, labels) = (owners.as_slice()?, labels.as_slice()?);
    if owners.len() != labels.len() {
        return Fault::argument("each label is looked up in one chunk").map_err(PyErr::from);
    }
    let (hits, targets) = py.detach(|| -> Outcome<_> {
        let (mut hits, mut targets) = (Vec::with_capacity(labels.len()), Vec::with_capacity(labels.len()));
        let mut open: Option<(i64, Chunk)> = None;
        for (label, owner) in labels.iter().zip(owners) {
            if open.as_ref().is_none_or(|(number, _)| number != owner) {
                let Some(value) = usize::try_from(*owner).ok().and_then(|number| values.get(number)) else {
                    return Fault::argument("a label is looked up in a chunk that is not there");
                };
                open = Some((*owner, Chunk::parse(value).map_err(|fault| fault.in_payload(*owner as usize))?));
            }
            let found = match &open {
                Some((number, chunk)) => chunk.find(*label).map_err(|fault| fault.in_payload(*number as usize))?,
                None => None,
            };
            hits.push(found.is_some());
            targets.push(found.unwrap_or(*label));
        }
        Ok((hits, targets))
    })?;
    Ok((PyArray1::from_vec(py, hits), PyArray1::from_vec(py, targets)))
}
