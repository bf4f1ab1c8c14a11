//! Merges and cleaves of bodies that are one record each: all of a change in one call.

use crate::buffers::{payload, payloads, Payload};
use crate::fault::Fault;
use crate::record_changes::{share, Change, Stamp};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// Up to here nothing is gained by letting another thread run Python meanwhile: to get it back may take longer.
const FEW_BYTES: usize = 64 * 1024;

type Texts = (u64, String, String, String);
type Labels<'py> = Bound<'py, PyArray1<u64>>;

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(merge_records, module)?)?;
    module.add_function(wrap_pyfunction!(cleave_record, module)?)?;
    module.add_function(wrap_pyfunction!(record_share, module)?)
}

fn stamp(texts: &Texts) -> Stamp<'_> {
    Stamp { mutation: texts.0, texts: [&texts.1, &texts.2, &texts.3] }
}

/// Runs work, without the GIL where it is much.
fn run<R: Send>(py: Python, bytes: usize, work: impl FnOnce() -> R + Send) -> R {
    if bytes < FEW_BYTES { work() } else { py.detach(work) }
}

/// The record of a body to which others come; the supervoxels of each of these as bytes; and all of them.
#[pyfunction]
fn merge_records<'py>(
    py: Python<'py>,
    label: u64,
    records: &Bound<PyAny>,
    texts: Texts,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyList>, Labels<'py>)> {
    let records: Vec<Payload> = payloads(records)?;
    if records.is_empty() {
        return Fault::argument("there is no body that stays").map_err(PyErr::from);
    }
    let all: Vec<&[u8]> = records.iter().map(|record| &record[..]).collect();
    let bytes = all.iter().map(|record| record.len()).sum();
    let (record, members) = run(py, bytes, || Change::default().merge(label, &all, &stamp(&texts)))?;
    let mut names = members.concat();
    names.sort_unstable();
    names.dedup();
    let each = PyList::empty(py);
    for own in &members {
        let bytes: Vec<u8> = own.iter().flat_map(|name| name.to_le_bytes()).collect();
        each.append(PyBytes::new(py, &bytes))?;
    }
    Ok((PyBytes::new(py, &record), each, PyArray1::from_vec(py, names)))
}

type Halves<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// The records of what stays of a body and of what leaves it, and the blocks that this is in, int32 x, y, z each.
#[pyfunction]
fn cleave_record<'py>(
    py: Python<'py>,
    labels: [u64; 2],
    record: &Bound<PyAny>,
    supervoxels: PyReadonlyArray1<u64>,
    texts: Texts,
) -> PyResult<Halves<'py>> {
    let (record, supervoxels) = (payload(record)?, ascending(supervoxels.as_slice()?)?);
    let ([stays, leaves], blocks) =
        run(py, record.len(), || Change::default().cleave(labels, &record, supervoxels, &stamp(&texts)))?;
    let places: Vec<u8> = blocks.iter().flatten().flat_map(|n| n.to_le_bytes()).collect();
    Ok((PyBytes::new(py, &stays), PyBytes::new(py, &leaves), PyBytes::new(py, &places)))
}

/// Which of some supervoxels a body has, and how many voxels these have in it.
#[pyfunction]
fn record_share<'py>(
    py: Python<'py>,
    record: &Bound<PyAny>,
    supervoxels: PyReadonlyArray1<u64>,
) -> PyResult<(Labels<'py>, u64)> {
    let (record, supervoxels) = (payload(record)?, ascending(supervoxels.as_slice()?)?);
    let (names, voxels) = run(py, record.len(), || share(&record, supervoxels))?;
    Ok((PyArray1::from_vec(py, names), voxels))
}

fn ascending(supervoxels: &[u64]) -> PyResult<&[u64]> {
    if supervoxels.is_sorted_by(|a, b| a < b) {
        return Ok(supervoxels);
    }
    Fault::argument("the supervoxels must be one ascending list, each of them once").map_err(PyErr::from)
}
