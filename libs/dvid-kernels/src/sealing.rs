//! Values of one version in the envelope that the store keeps them in, with their keys: what a transaction puts.

use crate::buffers::{payloads, Payload};
use crate::fault::Fault;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

const NONE: u8 = 0;
const LZ4: u8 = 1;
const SMALLEST: usize = 64;
const HEAD: usize = 5;

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(seal_puts, module)?)
}

/// A type key in its order-preserving form behind the prefix of its instance.
fn data_key(prefix: &[u8], type_key: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(prefix);
    for &byte in type_key {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 1]);
}

/// Size and LZ4 block of a value, if that is smaller.
fn packed(value: &[u8], room: &mut Vec<u8>) -> Option<usize> {
    if value.len() < SMALLEST {
        return None;
    }
    room.resize(4 + lz4_flex::block::get_maximum_output_size(value.len()), 0);
    room[..4].copy_from_slice(&(value.len() as u32).to_le_bytes());
    let size = 4 + lz4_flex::block::compress_into(value, &mut room[4..]).ok()?;
    (size < value.len()).then_some(size)
}

/// What is written for one value: the codec, the checksum, and the body where it was packed.
struct Sealed {
    key: Vec<u8>,
    codec: u8,
    checksum: u32,
    body: Option<Vec<u8>>,
}

fn seal(key: Vec<u8>, value: &[u8], codec: u8, room: &mut Vec<u8>) -> Sealed {
    let body = if codec == LZ4 { packed(value, room).map(|size| room[..size].to_vec()) } else { None };
    let codec = if body.is_some() { LZ4 } else { NONE };
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&key), &[codec]);
    let checksum = crc32c::crc32c_append(checksum, body.as_deref().unwrap_or(value));
    Sealed { key, codec, checksum, body }
}

/// The operations of puts: for each value its key and envelope, and the key of its tombstone, which goes; and the
/// bytes of all.
#[pyfunction]
fn seal_puts<'py>(
    py: Python<'py>,
    prefix: &[u8],
    value_tail: &[u8],
    tombstone_tail: &[u8],
    type_keys: &Bound<PyAny>,
    values: &Bound<PyAny>,
    codec: u8,
) -> PyResult<(Bound<'py, PyList>, usize)> {
    let (type_keys, values) = (payloads(type_keys)?, payloads(values)?);
    if type_keys.len() != values.len() {
        return Fault::argument("there must be one key for each value").map_err(PyErr::from);
    }
    if codec > LZ4 || values.iter().any(|value| u32::try_from(value.len()).is_err()) {
        return Fault::argument("a value is too long, or the codec is none of these").map_err(PyErr::from);
    }
    let sealed: Vec<Sealed> = py.detach(|| {
        let (mut room, pairs) = (Vec::new(), type_keys.iter().zip(&values));
        pairs
            .map(|(type_key, value): (&Payload, &Payload)| {
                let mut key = Vec::with_capacity(prefix.len() + type_key.len() + 16);
                data_key(prefix, type_key, &mut key);
                key.extend_from_slice(value_tail);
                seal(key, value, codec, &mut room)
            })
            .collect()
    });
    let (operations, mut bytes) = (PyList::empty(py), 0);
    for (one, value) in sealed.iter().zip(&values) {
        let body = one.body.as_deref().unwrap_or(value);
        let envelope = PyBytes::new_with(py, HEAD + body.len(), |out| {
            out[0] = one.codec;
            out[1..HEAD].copy_from_slice(&one.checksum.to_le_bytes());
            out[HEAD..].copy_from_slice(body);
            Ok(())
        })?;
        let mut tombstone = one.key[..one.key.len() - value_tail.len()].to_vec();
        tombstone.extend_from_slice(tombstone_tail);
        bytes += one.key.len() + HEAD + body.len() + tombstone.len();
        operations.append(PyTuple::new(py, [PyBytes::new(py, &one.key).into_any(), envelope.into_any()])?)?;
        operations.append(PyTuple::new(py, [PyBytes::new(py, &tombstone).into_any(), py.None().into_bound(py)])?)?;
    }
    Ok((operations, bytes))
}
