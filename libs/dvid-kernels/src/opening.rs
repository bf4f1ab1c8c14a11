//! Envelopes of stored values, many opened at once; `sealing` makes them.

use crate::buffers::{payload, Payload};
use crate::sealing::{HEAD, LZ4, NONE};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PySlice, PyTuple};

const FEW_BYTES: usize = 16 * 1024; // up to which it takes longer to release the GIL
const VIEWED: usize = 16 * 1024; // bytes from which a view is made rather than a copy
const MOST_UNPACKED: usize = 64 * 1024; // larger ones are unpacked where they are to be, by the caller
const MOST_EXPANSION: usize = 255; // of LZ4

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(open_values, module)?)
}

enum Opened {
    /// What is behind the head is the value.
    Plain,
    Unpacked(Vec<u8>),
    /// It is damaged, or of a kind that is not opened here.
    Left,
}

fn open(key: &[u8], sealed: &[u8]) -> Opened {
    let Some(([codec, checksum @ ..], body)) = sealed.split_first_chunk::<HEAD>() else {
        return Opened::Left;
    };
    let sound = || {
        let found = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(key), &[*codec]), body);
        found == u32::from_le_bytes(*checksum)
    };
    match *codec {
        NONE if sound() => Opened::Plain,
        LZ4 => packed(body).filter(|_| sound()).and_then(unpacked).map_or(Opened::Left, Opened::Unpacked),
        _ => Opened::Left,
    }
}

/// A small LZ4 block, and the bytes that it is said to become.
fn packed(body: &[u8]) -> Option<(&[u8], usize)> {
    let (size, block) = body.split_first_chunk::<4>()?;
    let size = u32::from_le_bytes(*size) as usize;
    (size <= MOST_UNPACKED.min(block.len() * MOST_EXPANSION)).then_some((block, size))
}

fn unpacked((block, size): (&[u8], usize)) -> Option<Vec<u8>> {
    let mut out = vec![0; size];
    (lz4_flex::block::decompress_into(block, &mut out).ok()? == size).then_some(out)
}

/// A view of the value behind the head of an envelope.
fn view_of<'py>(sealed: &Bound<'py, PyAny>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let py = sealed.py();
    if bytes.len() < VIEWED {
        let value = PyBytes::new(py, bytes.get(HEAD..).unwrap_or_default());
        return Ok(PyMemoryView::from(&value)?.into_any());
    }
    PyMemoryView::from(sealed)?.get_item(PySlice::new(py, HEAD as isize, isize::MAX, 1))
}

/// For each key and envelope a view of the value, or None where it is left to the caller; and whether any is.
#[pyfunction]
fn open_values<'py>(py: Python<'py>, pairs: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyList>, bool)> {
    let mut envelopes: Vec<(Payload, Payload, Bound<PyAny>)> = Vec::new();
    let mut bytes = 0;
    for pair in pairs.try_iter()? {
        let pair = pair?.cast_into::<PyTuple>()?;
        let (key, sealed) = (payload(&pair.get_item(0)?)?, pair.get_item(1)?);
        let borrowed = payload(&sealed)?;
        bytes += borrowed.len();
        envelopes.push((key, borrowed, sealed));
    }
    let slices: Vec<(&[u8], &[u8])> = envelopes.iter().map(|(key, sealed, _)| (&key[..], &sealed[..])).collect();
    let all = || slices.iter().map(|(key, sealed)| open(key, sealed)).collect::<Vec<_>>();
    let opened = if bytes < FEW_BYTES { all() } else { py.detach(all) };
    let (values, mut left) = (PyList::empty(py), false);
    for (one, (_, bytes, sealed)) in opened.iter().zip(&envelopes) {
        match one {
            Opened::Plain => values.append(view_of(sealed, bytes)?)?,
            Opened::Unpacked(value) => values.append(PyMemoryView::from(&PyBytes::new(py, value))?)?,
            Opened::Left => {
                left = true;
                values.append(py.None())?;
            }
        }
    }
    Ok((values, left))
}
