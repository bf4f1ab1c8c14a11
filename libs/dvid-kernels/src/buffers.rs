//! Python's buffers as slices that outlive the release of the GIL.

use crate::fault::{Fault, Outcome};
use crate::layout::{check_shape, Shape};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyList};
use std::ops::Deref;

/// Bytes of a caller: `bytes` are borrowed, any other buffer is copied, because it could change without the GIL.
pub enum Payload {
    Borrowed(PyBackedBytes),
    Copied(Vec<u8>),
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Payload::Borrowed(bytes) => bytes,
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
    Ok(Payload::Copied(buffer.to_vec(value.py())?))
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
