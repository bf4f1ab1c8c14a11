//! Values of one version in the envelope that the store keeps them in, with their keys: what a transaction puts.

use crate::buffers::{payloads, Payload};
use crate::fault::Fault;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

pub const NONE: u8 = 0;
pub const LZ4: u8 = 1;
const SMALLEST: usize = 64;
pub const HEAD: usize = 5;

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(seal_puts, module)?)
}

/// Appends a type key in its order-preserving form behind the prefix of its instance.
fn data_key(prefix: &[u8], type_key: &[u8], out: &mut Vec<u8>) {
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

/// Bytes that are sealed before the GIL is asked for to give them away: few enough for a processor's cache.
const GROUP_BYTES: usize = 1 << 20;

/// Where a key and its envelope end in the room of their group.
struct Sealed {
    key: usize,
    envelope: usize,
}

/// Appends a key, and a value in its envelope.
fn seal(keys: [&[u8]; 2], type_key: &[u8], value: &[u8], codec: u8, out: &mut Vec<u8>, room: &mut Vec<u8>) -> Sealed {
    let start = out.len();
    data_key(keys[0], type_key, out);
    out.extend_from_slice(keys[1]);
    let key = out.len();
    let packed = if codec == LZ4 { packed(value, room) } else { None };
    let (codec, body) = packed.map_or((NONE, value), |size| (LZ4, &room[..size]));
    out.extend_from_slice(&[codec, 0, 0, 0, 0]);
    out.extend_from_slice(body);
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&out[start..key]), &[codec]);
    let checksum = crc32c::crc32c_append(checksum, &out[key + HEAD..]);
    out[key + 1..key + HEAD].copy_from_slice(&checksum.to_le_bytes());
    Sealed { key, envelope: out.len() }
}

/// How many of the values make a group.
fn group(values: &[Payload]) -> usize {
    let mut bytes = 0;
    let full = |value: &Payload| {
        bytes += value.len();
        bytes >= GROUP_BYTES
    };
    values.iter().position(full).map_or(values.len(), |last| last + 1)
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
    let (operations, mut bytes) = (PyList::empty(py), 0);
    let (mut out, mut room, mut done) = (Vec::new(), Vec::new(), 0);
    while done < values.len() {
        let next = done + group(&values[done..]);
        let sealed: Vec<Sealed> = py.detach(|| {
            out.clear();
            let pairs = type_keys[done..next].iter().zip(&values[done..next]);
            pairs.map(|(key, value)| seal([prefix, value_tail], key, value, codec, &mut out, &mut room)).collect()
        });
        let mut start = 0;
        for one in sealed {
            let (key, envelope) = (&out[start..one.key], &out[one.key..one.envelope]);
            let mut tombstone = key[..key.len() - value_tail.len()].to_vec();
            tombstone.extend_from_slice(tombstone_tail);
            bytes += key.len() + envelope.len() + tombstone.len();
            let (key, envelope) = (PyBytes::new(py, key).into_any(), PyBytes::new(py, envelope).into_any());
            operations.append(PyTuple::new(py, [key, envelope])?)?;
            let gone = py.None().into_bound(py);
            operations.append(PyTuple::new(py, [PyBytes::new(py, &tombstone).into_any(), gone])?)?;
            start = one.envelope;
        }
        done = next;
    }
    Ok((operations, bytes))
}
