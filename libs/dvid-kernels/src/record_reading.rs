//! Functions that make answers of stored bodies, and change them.

use crate::body_records::{is_whole, sizes_of, Record};
use crate::buffers::{bytes_list, optional_payloads, payload, triples};
use crate::fault::{Fault, Outcome};
use crate::index_chunks::{blocks_and_supervoxels, coarse_rles, message, supervoxel_sizes, Chunk};
use crate::label_index::Head;
use crate::record_changes::{Change, Place, Row, Stamp};
use crate::wire::put_head;
use lz4_flex::block::{compress_into_with_table, get_maximum_output_size, CompressTable};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

const LZ4: u8 = 0x80;
const FEW_BYTES: usize = 16 * 1024;

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode_chunks, module)?)?;
    module.add_function(wrap_pyfunction!(change_records, module)?)?;
    module.add_function(wrap_pyfunction!(record_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(stored_sizes, module)?)?;
    module.add_function(wrap_pyfunction!(record_message, module)?)?;
    module.add_function(wrap_pyfunction!(record_messages, module)?)?;
    module.add_function(wrap_pyfunction!(record_coarse_rles, module)?)?;
    module.add_function(wrap_pyfunction!(record_supervoxel_sizes, module)?)
}

/// Runs work on the record of one body, without the GIL where it is large.
fn with_record<R: Send>(py: Python, value: &Bound<PyAny>, work: impl Fn(&Record) -> Outcome<R> + Sync) -> PyResult<R> {
    let value = payload(value)?;
    let all = || work(&Record::parse(&value)?);
    Ok(if value.len() < FEW_BYTES { all()? } else { py.detach(all)? })
}

/// The LabelIndex of one body.
#[pyfunction]
fn record_message<'py>(py: Python<'py>, label: u64, record: &Bound<PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let body = with_record(py, record, |record| message(&record.head(label), &record.chunks))?;
    Ok(PyBytes::new(py, &body))
}

/// Runs of blocks of one body within two block coordinates, as rles.
#[pyfunction]
fn record_coarse_rles<'py>(
    py: Python<'py>,
    record: &Bound<PyAny>,
    low: [i64; 3],
    high: [i64; 3],
) -> PyResult<Bound<'py, PyBytes>> {
    let body = with_record(py, record, |record| Ok(coarse_rles(&record.chunks, low, high)))?;
    Ok(PyBytes::new(py, &body))
}

type Blocks<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray1<u64>>);

/// Block coordinates of one body by z, y, x, and its supervoxels.
#[pyfunction]
fn record_blocks<'py>(py: Python<'py>, record: &Bound<PyAny>) -> PyResult<Blocks<'py>> {
    let (places, labels) = with_record(py, record, |record| Ok(blocks_and_supervoxels(&record.chunks)))?;
    let rows = places.len() / 3;
    Ok((PyArray1::from_vec(py, places).reshape([rows, 3])?, PyArray1::from_vec(py, labels)))
}

/// Supervoxels of one body, and the voxels of each.
#[pyfunction]
fn record_supervoxel_sizes(py: Python, record: &Bound<PyAny>) -> PyResult<(Vec<u64>, Vec<u64>)> {
    with_record(py, record, |record| Ok(supervoxel_sizes(&record.chunks)))
}

/// The indices of many bodies as a LabelIndices message, or as the stream of indices-compressed; None if some are apart.
#[pyfunction]
fn record_messages<'py>(
    py: Python<'py>,
    labels: PyReadonlyArray1<u64>,
    records: &Bound<PyAny>,
    compressed: bool,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let (labels, records) = (labels.as_slice()?, optional_payloads(records)?);
    if labels.len() != records.len() {
        return Fault::argument("there must be one record for each label").map_err(PyErr::from);
    }
    if records.iter().flatten().any(|record| !is_whole(record)) {
        return Ok(None);
    }
    let body = py.detach(|| {
        let mut out = Vec::new();
        let mut table = CompressTable::small();
        for (label, record) in labels.iter().zip(&records) {
            let table = compressed.then_some(&mut table);
            match record {
                None => put(&mut out, &Head { label: *label, ..Head::default() }, &[], table)?,
                Some(record) => {
                    let record = Record::parse(record)?;
                    put(&mut out, &record.head(*label), &record.chunks, table)?;
                }
            }
        }
        Ok::<_, Fault>(out)
    })?;
    Ok(Some(PyBytes::new(py, &body)))
}

type Sizes<'py> = (Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<u64>>);

/// The voxels of bodies, and those of their own ids, by what is stored of each; 0 for None.
#[pyfunction]
fn stored_sizes<'py>(py: Python<'py>, values: &Bound<PyAny>) -> PyResult<Sizes<'py>> {
    let mut sizes = (Vec::new(), Vec::new());
    for value in optional_payloads(values)? {
        let (voxels, own) = value.map_or(Ok((0, 0)), |value| sizes_of(&value))?;
        sizes.0.push(voxels);
        sizes.1.push(own);
    }
    Ok((PyArray1::from_vec(py, sizes.0), PyArray1::from_vec(py, sizes.1)))
}

fn put(out: &mut Vec<u8>, head: &Head, chunks: &[Chunk], table: Option<&mut CompressTable>) -> Outcome<()> {
    let Some(table) = table else {
        let message = message(head, chunks)?;
        put_head(out, 1, message.len());
        out.extend_from_slice(&message);
        return Ok(());
    };
    let at = out.len();
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&head.label.to_le_bytes());
    if !chunks.is_empty() {
        let message = message(head, chunks)?;
        out.push(LZ4);
        out.extend_from_slice(&(message.len() as u32).to_le_bytes());
        let start = out.len();
        out.resize(start + get_maximum_output_size(message.len()), 0);
        match compress_into_with_table(&message, &mut out[start..], table) {
            Ok(size) => out.truncate(start + size),
            Err(_) => return Fault::argument("a label index could not be compressed"),
        }
    }
    let size = (out.len() - at - 16) as u64;
    out[at..at + 8].copy_from_slice(&size.to_le_bytes());
    Ok(())
}

type Columns<'py> = (PyReadonlyArray2<'py, i64>, PyReadonlyArray1<'py, u64>, PyReadonlyArray1<'py, i64>);

/// The records of bodies after rows came to them, or took the place of what they say; None for bodies without voxels.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn change_records<'py>(
    py: Python<'py>,
    labels: PyReadonlyArray1<u64>,
    records: &Bound<PyAny>,
    owners: PyReadonlyArray1<i64>,
    rows: Columns,
    marks: PyReadonlyArray1<u64>,
    adding: bool,
    stamp: Option<(u64, String, String, String)>,
) -> PyResult<Bound<'py, PyList>> {
    let (labels, records) = (labels.as_slice()?, optional_payloads(records)?);
    let (owners, marks) = (owners.as_slice()?, marks.as_slice()?);
    let (blocks, supervoxels, voxels) = (triples(rows.0.as_slice()?)?, rows.1.as_slice()?, rows.2.as_slice()?);
    let count = owners.len();
    if labels.len() != records.len() || [blocks.len(), supervoxels.len(), voxels.len(), marks.len()] != [count; 4] {
        return Fault::argument("the columns differ in length").map_err(PyErr::from);
    }
    let stamp = stamp.as_ref().map(|(mutation, time, user, app)| Stamp { mutation: *mutation, texts: [time, user, app] });
    let out = py.detach(|| {
        let order = by_owner(owners, labels.len())?;
        let mut change = Change::default();
        let (mut rest, mut out) = (&order[..], Vec::with_capacity(labels.len()));
        for (number, (label, record)) in labels.iter().zip(&records).enumerate() {
            let own = rest.iter().take_while(|row| owners[**row] == number as i64).count();
            let (mine, tail) = rest.split_at(own);
            rest = tail;
            let rows = mine.iter().map(|&row| {
                let block = Place::of(blocks[row])?;
                Ok((Row { block, supervoxel: supervoxels[row], voxels: voxels[row] }, marks[row]))
            });
            out.push(change.apply(*label, record.as_deref(), rows, adding, stamp.as_ref())?);
        }
        Ok::<_, Fault>(out)
    })?;
    PyList::new(py, out.iter().map(|record| record.as_ref().map(|record| PyBytes::new(py, record))))
}

/// The rows by the number of their body, otherwise as they are.
fn by_owner(owners: &[i64], bodies: usize) -> Outcome<Vec<usize>> {
    if owners.iter().any(|owner| usize::try_from(*owner).map_or(true, |owner| owner >= bodies)) {
        return Fault::argument("a row is of no body");
    }
    let mut order: Vec<usize> = (0..owners.len()).collect();
    order.sort_by_key(|row| owners[*row]); // stable
    Ok(order)
}

/// The stored bytes of chunks, whose rows and marks end at the given places.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn encode_chunks<'py>(
    py: Python<'py>,
    ends: PyReadonlyArray1<i64>,
    places: PyReadonlyArray1<i64>,
    supervoxels: PyReadonlyArray1<u64>,
    voxels: PyReadonlyArray1<i64>,
    surface_ends: PyReadonlyArray1<i64>,
    surface_places: PyReadonlyArray1<i64>,
    surface_ids: PyReadonlyArray1<u64>,
) -> PyResult<Bound<'py, PyList>> {
    let columns = (places.as_slice()?, supervoxels.as_slice()?, voxels.as_slice()?);
    let marks = (surface_places.as_slice()?, surface_ids.as_slice()?);
    let (ends, surface_ends) = (ends.as_slice()?, surface_ends.as_slice()?);
    if ends.len() != surface_ends.len() || columns.0.len() != columns.1.len() || columns.0.len() != columns.2.len() {
        return Fault::argument("the columns differ in length").map_err(PyErr::from);
    }
    if marks.0.len() != marks.1.len() {
        return Fault::argument("the columns differ in length").map_err(PyErr::from);
    }
    let out = py.detach(|| {
        let (mut first, mut marked) = (0, 0);
        let cuts = ends.iter().zip(surface_ends);
        cuts.map(|(end, mark)| encoded(columns, marks, &mut first, &mut marked, *end, *mark))
            .collect::<Outcome<Vec<_>>>()
    })?;
    bytes_list(py, &out)
}

type Rows<'a> = (&'a [i64], &'a [u64], &'a [i64]);

fn encoded(
    rows: Rows,
    marks: (&[i64], &[u64]),
    first: &mut usize,
    marked: &mut usize,
    end: i64,
    mark: i64,
) -> Outcome<Vec<u8>> {
    let range = |start: &mut usize, end: i64, most: usize| {
        let end = usize::try_from(end).ok().filter(|end| *start <= *end && *end <= most);
        match end {
            Some(end) => Ok(std::mem::replace(start, end)..end),
            None => Fault::argument("the ends do not cut the rows into chunks"),
        }
    };
    let (own, own_marks) = (range(first, end, rows.0.len())?, range(marked, mark, marks.0.len())?);
    let mut out = Vec::with_capacity(8 + 14 * own.len() + 10 * own_marks.len());
    out.extend_from_slice(&(own.len() as u32).to_le_bytes());
    out.extend_from_slice(&(own_marks.len() as u32).to_le_bytes());
    rows.1[own.clone()].iter().for_each(|label| out.extend_from_slice(&label.to_le_bytes()));
    marks.1[own_marks.clone()].iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
    rows.2[own.clone()].iter().for_each(|count| out.extend_from_slice(&(*count as u32).to_le_bytes()));
    rows.0[own].iter().for_each(|place| out.extend_from_slice(&(*place as u16).to_le_bytes()));
    marks.0[own_marks].iter().for_each(|place| out.extend_from_slice(&(*place as u16).to_le_bytes()));
    Ok(out)
}
