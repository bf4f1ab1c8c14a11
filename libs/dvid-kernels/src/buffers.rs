//! Python's buffers as slices that outlive the release of the GIL.

use crate::fault::{Fault, Outcome};
use crate::layout::{check_shape, Shape};
use pyo3::buffer::PyBuffer;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyMemoryView};
use std::ops::{Deref, Range};

const WORTH_BORROWING: usize = 512;

/// Bytes of a caller: `bytes` and views of them are borrowed, any other buffer is copied, because it could change
/// without the GIL.
pub enum Payload {
    Borrowed(PyBackedBytes),
    Window(PyBackedBytes, Range<usize>),
    Copied(Vec<u8>),
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Payload::Borrowed(bytes) => bytes,
            Payload::Window(bytes, range) => bytes.get(range.clone()).unwrap_or_default(),
            Payload::Copied(bytes) => bytes,
        }
    }
}

pub fn payload(value: &Bound<PyAny>) -> PyResult<Payload> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Payload::Borrowed(PyBackedBytes::from(bytes.clone())));
    }
    if let Ok(bytes) = value.cast::<PyByteArray>() {
        return Ok(Payload::Copied(bytes.to_vec()));
    }
    let buffer = PyBuffer::<u8>::get(value)?;
    if buffer.len_bytes() >= WORTH_BORROWING && buffer.is_c_contiguous() {
        if let Some(window) = window(value, &buffer) {
            return Ok(window);
        }
    }
    Ok(Payload::Copied(buffer.to_vec(value.py())?))
}

/// What a view shows of `bytes`; None if it is a view of something else.
fn window(view: &Bound<PyAny>, buffer: &PyBuffer<u8>) -> Option<Payload> {
    let owner = view.cast::<PyMemoryView>().ok()?.getattr(intern!(view.py(), "obj")).ok()?;
    let bytes = owner.cast::<PyBytes>().ok()?;
    let start = (buffer.buf_ptr() as usize).checked_sub(bytes.as_bytes().as_ptr() as usize)?;
    let end = start.checked_add(buffer.len_bytes()).filter(|end| *end <= bytes.as_bytes().len())?;
    Some(Payload::Window(PyBackedBytes::from(bytes.clone()), start..end))
}

pub fn payloads(values: &Bound<PyAny>) -> PyResult<Vec<Payload>> {
    values.try_iter()?.map(|value| payload(&value?)).collect()
}

/// Payloads of which some may be None.
pub fn optional_payloads(values: &Bound<PyAny>) -> PyResult<Vec<Option<Payload>>> {
    values
        .try_iter()?
        .map(|value| {
            let value = value?;
            if value.is_none() { Ok(None) } else { payload(&value).map(Some) }
        })
        .collect()
}

pub fn shape_of(shape: (usize, usize, usize)) -> Outcome<Shape> {
    check_shape([shape.0, shape.1, shape.2])
}

pub fn bytes_list<'py>(py: Python<'py>, pieces: &[Vec<u8>]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, pieces.iter().map(|piece| PyBytes::new(py, piece)))
}

/// Rows of three numbers, as the caller's int64 array has them.
pub fn triples(flat: &[i64]) -> Outcome<&[[i64; 3]]> {
    match flat.as_chunks::<3>() {
        (rows, []) => Ok(rows),
        _ => Fault::argument("coordinates must be rows of three"),
    }
}
