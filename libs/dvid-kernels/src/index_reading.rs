//! Functions that make answers of stored parts of indices.

use crate::buffers::{bytes_list, payloads, triples, Payload};
use crate::fault::{Fault, Outcome};
use crate::index_chunks::{blocks_and_supervoxels, coarse_rles, message, supervoxel_sizes, Chunk};
use crate::label_index::Head;
use crate::wire::put_head;
use lz4_flex::block::{compress_into_with_table, get_maximum_output_size, CompressTable};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

const LZ4: u8 = 0x80;
const FEW_BYTES: usize = 16 * 1024;
type Texts = (String, String, String);

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode_chunks, module)?)?;
    module.add_function(wrap_pyfunction!(chunk_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(chunk_message, module)?)?;
    module.add_function(wrap_pyfunction!(chunk_messages, module)?)?;
    module.add_function(wrap_pyfunction!(chunk_coarse_rles, module)?)?;
    module.add_function(wrap_pyfunction!(chunk_supervoxel_sizes, module)?)
}

fn parsed<'a>(corners: &[[i64; 3]], values: &'a [Payload]) -> Outcome<Vec<Chunk<'a>>> {
    corners.iter().zip(values).map(|(corner, value)| Chunk::parse(value, *corner)).collect()
}

/// Runs work on the chunks of one body, without the GIL where they are many.
fn with_chunks<R: Send>(
    py: Python,
    corners: &[[i64; 3]],
    values: &Bound<PyAny>,
    work: impl Fn(&[Chunk]) -> Outcome<R> + Sync,
) -> PyResult<R> {
    let values = payloads(values)?;
    if values.len() != corners.len() {
        return Fault::argument("there must be one coordinate for each chunk").map_err(PyErr::from);
    }
    let all = || work(&parsed(corners, &values)?);
    let bytes: usize = values.iter().map(|value| value.len()).sum();
    Ok(if bytes < FEW_BYTES { all()? } else { py.detach(all)? })
}

/// The LabelIndex of one body.
#[pyfunction]
fn chunk_message<'py>(
    py: Python<'py>,
    label: u64,
    last_mutid: u64,
    texts: Texts,
    corners: Vec<[i64; 3]>,
    chunks: &Bound<PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let head = Head { label, last_mutid, texts: texts.into() };
    let body = with_chunks(py, &corners, chunks, |chunks| message(&head, chunks))?;
    Ok(PyBytes::new(py, &body))
}

/// Runs of blocks of one body within two block coordinates, as rles.
#[pyfunction]
fn chunk_coarse_rles<'py>(
    py: Python<'py>,
    corners: Vec<[i64; 3]>,
    chunks: &Bound<PyAny>,
    low: [i64; 3],
    high: [i64; 3],
) -> PyResult<Bound<'py, PyBytes>> {
    let body = with_chunks(py, &corners, chunks, |chunks| Ok(coarse_rles(chunks, low, high)))?;
    Ok(PyBytes::new(py, &body))
}

type Blocks<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray1<u64>>);

/// Block coordinates of one body by z, y, x, and its supervoxels.
#[pyfunction]
fn chunk_blocks<'py>(py: Python<'py>, corners: Vec<[i64; 3]>, chunks: &Bound<PyAny>) -> PyResult<Blocks<'py>> {
    let (places, labels) = with_chunks(py, &corners, chunks, |chunks| Ok(blocks_and_supervoxels(chunks)))?;
    let rows = places.len() / 3;
    Ok((PyArray1::from_vec(py, places).reshape([rows, 3])?, PyArray1::from_vec(py, labels)))
}

/// Supervoxels of one body, and the voxels of each.
#[pyfunction]
fn chunk_supervoxel_sizes(py: Python, chunks: &Bound<PyAny>) -> PyResult<(Vec<u64>, Vec<u64>)> {
    let corners = vec![[0; 3]; chunks.len()?];
    with_chunks(py, &corners, chunks, |chunks| Ok(supervoxel_sizes(chunks)))
}

/// The indices of many bodies as a LabelIndices message, or as the stream of indices-compressed.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn chunk_messages<'py>(
    py: Python<'py>,
    labels: PyReadonlyArray1<u64>,
    last_mutids: PyReadonlyArray1<u64>,
    texts: Vec<(usize, Texts)>,
    counts: PyReadonlyArray1<i64>,
    corners: PyReadonlyArray2<i64>,
    chunks: &Bound<PyAny>,
    compressed: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let (labels, mutids, counts) = (labels.as_slice()?, last_mutids.as_slice()?, counts.as_slice()?);
    let (corners, values) = (triples(corners.as_slice()?)?, payloads(chunks)?);
    let total = counts.iter().try_fold(0, |sum: usize, n| sum.checked_add(usize::try_from(*n).ok()?));
    if mutids.len() != labels.len() || counts.len() != labels.len() || corners.len() != values.len() {
        return Fault::argument("the columns differ in length").map_err(PyErr::from);
    }
    if total != Some(values.len()) {
        return Fault::argument("the counts do not cut the chunks into indices").map_err(PyErr::from);
    }
    let body = py.detach(|| {
        let chunks = parsed(corners, &values)?;
        let mut heads: Vec<Head> = labels
            .iter()
            .zip(mutids)
            .map(|(label, mutid)| Head { label: *label, last_mutid: *mutid, ..Head::default() })
            .collect();
        for (place, (time, user, app)) in texts {
            let Some(head) = heads.get_mut(place) else {
                return Fault::argument("a text belongs to no index");
            };
            head.texts = [time, user, app];
        }
        let (mut out, mut rest) = (Vec::new(), &chunks[..]);
        let mut table = CompressTable::small();
        for (head, count) in heads.iter().zip(counts) {
            let (own, tail) = rest.split_at(*count as usize);
            rest = tail;
            put(&mut out, head, own, compressed.then_some(&mut table))?;
        }
        Ok::<_, Fault>(out)
    })?;
    Ok(PyBytes::new(py, &body))
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
