//! Functions that read and make protocol buffers.

use crate::buffers::{bytes_list, payload, payloads};
use crate::fault::{Fault, Outcome};
use crate::label_index::{encode, Columns, Decoder, Head, Rows};
use crate::mapping_ops;
use crate::wire::{Fields, Value};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

type Numbers<'py> = PyReadonlyArray1<'py, u64>;
type Texts = Vec<String>;
type Read<'py> = (
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray2<i32>>,
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray1<u32>>,
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray1<u64>>,
    Texts,
    Texts,
    Texts,
);

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(index_messages, module)?)?;
    module.add_function(wrap_pyfunction!(read_indices, module)?)?;
    module.add_function(wrap_pyfunction!(decode_indices, module)?)?;
    module.add_function(wrap_pyfunction!(decode_mapping_ops, module)?)?;
    module.add_function(wrap_pyfunction!(encode_mapping_ops, module)?)
}

/// One LabelIndex message for each label; `firsts` cut the rows.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn index_messages<'py>(
    py: Python<'py>,
    labels: Numbers,
    firsts: PyReadonlyArray1<i64>,
    keys: Numbers,
    supervoxels: Numbers,
    counts: PyReadonlyArray1<u32>,
    surface: Numbers,
    last_mutids: Numbers,
    texts: (Texts, Texts, Texts),
) -> PyResult<Bound<'py, PyList>> {
    let (labels, mutids, firsts) = (labels.as_slice()?, last_mutids.as_slice()?, firsts.as_slice()?);
    let (keys, supervoxels) = (keys.as_slice()?, supervoxels.as_slice()?);
    let (counts, surface) = (counts.as_slice()?, surface.as_slice()?);
    let parallel = supervoxels.len() == keys.len() && counts.len() == keys.len() && surface.len() == keys.len();
    let (times, users, apps) = texts;
    let named = [mutids.len(), times.len(), users.len(), apps.len()].iter().all(|n| *n == labels.len());
    if !parallel || !named || firsts.len() != labels.len() + 1 {
        return Fault::argument("the columns differ in length").map_err(PyErr::from);
    }
    let messages = py.detach(|| {
        let heads = labels.iter().zip(mutids).zip(times.into_iter().zip(users).zip(apps));
        let cuts = firsts.windows(2);
        heads
            .zip(cuts)
            .map(|(((label, last_mutid), ((time, user), app)), cut)| {
                let head = Head { label: *label, last_mutid: *last_mutid, texts: [time, user, app] };
                let own = usize::try_from(cut[0]).unwrap_or(usize::MAX)..usize::try_from(cut[1]).unwrap_or(usize::MAX);
                let rows = match (keys.get(own.clone()), supervoxels.get(own.clone())) {
                    (Some(keys), Some(supervoxels)) => {
                        Rows { keys, supervoxels, counts: &counts[own.clone()], surface: &surface[own] }
                    }
                    _ => return Fault::argument("the firsts do not cut the rows into indices"),
                };
                Ok(encode(&head, rows))
            })
            .collect::<Outcome<Vec<_>>>()
    })?;
    bytes_list(py, &messages)
}

fn read<'a>(messages: impl Iterator<Item = &'a [u8]>) -> Outcome<Columns> {
    let mut columns = Columns { firsts: vec![0], ..Columns::default() };
    let mut decoder = Decoder::default();
    for (index, message) in messages.enumerate() {
        decoder.decode(message, &mut columns).map_err(|fault| fault.in_payload(index))?;
    }
    Ok(columns)
}

fn arrays(py: Python, columns: Columns) -> PyResult<Read> {
    let rows = columns.counts.len();
    let labels: Vec<u64> = columns.heads.iter().map(|head| head.label).collect();
    let mutids: Vec<u64> = columns.heads.iter().map(|head| head.last_mutid).collect();
    let mut texts = (Vec::new(), Vec::new(), Vec::new());
    for Head { texts: [time, user, app], .. } in columns.heads {
        texts.0.push(time);
        texts.1.push(user);
        texts.2.push(app);
    }
    Ok((
        PyArray1::from_vec(py, labels),
        PyArray1::from_vec(py, columns.firsts),
        PyArray1::from_vec(py, columns.coordinates).reshape([rows, 3])?,
        PyArray1::from_vec(py, columns.supervoxels),
        PyArray1::from_vec(py, columns.counts),
        PyArray1::from_vec(py, columns.surface),
        PyArray1::from_vec(py, mutids),
        texts.0,
        texts.1,
        texts.2,
    ))
}

/// The columns of LabelIndex messages.
#[pyfunction]
fn read_indices<'py>(py: Python<'py>, messages: &Bound<PyAny>) -> PyResult<Read<'py>> {
    let messages = payloads(messages)?;
    let columns = py.detach(|| read(messages.iter().map(|message| &message[..])))?;
    arrays(py, columns)
}

/// The columns of a LabelIndices message of at most `limit` indices.
#[pyfunction]
fn decode_indices<'py>(py: Python<'py>, body: &Bound<PyAny>, limit: usize) -> PyResult<Read<'py>> {
    let body = payload(body)?;
    let columns = py.detach(|| {
        let mut messages = Vec::new();
        let mut fields = Fields(&body);
        while let Some((number, value)) = fields.next()? {
            if let (1, Value::Bytes(message)) = (number, value) {
                if messages.len() == limit {
                    return Fault::format(format!("the message has more than {limit} label indices"));
                }
                messages.push(message);
            }
        }
        read(messages.into_iter())
    })?;
    arrays(py, columns)
}

type Pairs<'py> = (Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<u64>>);

/// Labels and what they become, out of MappingOps of at most `limit` mappings.
#[pyfunction]
fn decode_mapping_ops<'py>(py: Python<'py>, body: &Bound<PyAny>, limit: usize) -> PyResult<Pairs<'py>> {
    let body = payload(body)?;
    let (original, mapped) = py.detach(|| mapping_ops::decode(&body, limit))?;
    Ok((PyArray1::from_vec(py, original), PyArray1::from_vec(py, mapped)))
}

/// MappingOps of labels and what they become.
#[pyfunction]
fn encode_mapping_ops<'py>(
    py: Python<'py>,
    original: Numbers,
    mapped: Numbers,
    mutid: u64,
) -> PyResult<Bound<'py, PyBytes>> {
    let (original, mapped) = (original.as_slice()?, mapped.as_slice()?);
    let body = py.detach(|| mapping_ops::encode(original, mapped, mutid))?;
    Ok(PyBytes::new(py, &body))
}
