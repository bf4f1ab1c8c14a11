//! Blocks of voxels of any type: decoded, and copied to where a request wants them. All sizes along x are in bytes.

use crate::buffers::{optional_payloads, payloads, triples, Payload};
use crate::fault::{Fault, Outcome};
use crate::gzip::Inflater;
use crate::pool;
use numpy::{PyReadonlyArray2, PyReadwriteArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

const MOST_BYTES: usize = 1 << 30;
/// Planes of a block that a slice across x is read from side by side.
const PLANES: usize = 8;
type Three = (usize, usize, usize);

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(read_voxel_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(decode_voxel_blocks, module)?)
}

#[derive(Clone, Copy, PartialEq)]
pub enum Codec {
    None,
    Lz4,
    Gzip,
}

impl Codec {
    pub fn named(name: &str) -> Outcome<Codec> {
        match name {
            "none" => Ok(Codec::None),
            "lz4" => Ok(Codec::Lz4),
            "gzip" => Ok(Codec::Gzip),
            _ => Fault::argument(format!("no native codec is named {name:?}")),
        }
    }
}

/// What a thread keeps between blocks.
struct Scratch {
    inflater: Inflater,
    room: Vec<u8>,
}

impl Scratch {
    fn new() -> Scratch {
        Scratch { inflater: Inflater::new(), room: Vec::new() }
    }

    /// The `size` bytes of a block.
    fn open<'a>(&'a mut self, payload: &'a [u8], codec: Codec, size: usize) -> Outcome<&'a [u8]> {
        let found: &[u8] = match codec {
            Codec::None => payload,
            Codec::Lz4 => {
                self.room.resize(size, 0);
                unlz4(payload, &mut self.room)?;
                &self.room
            }
            Codec::Gzip => self.inflater.gunzip(payload, size)?,
        };
        if found.len() == size {
            Ok(found)
        } else {
            Fault::format(format!("it has {} bytes and not {size}", found.len()))
        }
    }
}

/// Decodes a size (uint32, little-endian) and one LZ4 block, which must fill `room`.
fn unlz4(payload: &[u8], room: &mut [u8]) -> Outcome<()> {
    let Some((head, packed)) = payload.split_first_chunk::<4>() else {
        return Fault::format("it is too short");
    };
    if u32::from_le_bytes(*head) as usize != room.len() {
        return Fault::format(format!("it does not say that it has {} bytes", room.len()));
    }
    match lz4_flex::block::decompress_into(packed, room) {
        Ok(made) if made == room.len() => Ok(()),
        Ok(made) => Fault::format(format!("it has {made} bytes and not {}", room.len())),
        Err(error) => Fault::format(format!("the LZ4 data is damaged: {error}")),
    }
}

pub fn block_bytes(shape: Three) -> Outcome<usize> {
    let size = shape.0.checked_mul(shape.1).and_then(|n| n.checked_mul(shape.2)).unwrap_or(0);
    if size == 0 || size > MOST_BYTES { Fault::argument("the size of a block is out of range") } else { Ok(size) }
}

/// Some planes of the output, and the blocks that reach into them.
struct Layer<'a> {
    out: &'a mut [u8],
    first: i64,
    blocks: Vec<usize>,
}

/// Cuts the output along z where a layer of blocks ends, so that threads may fill the parts side by side.
fn layers<'a>(out: &'a mut [u8], size: Three, origins: &[[i64; 3]], depth: usize) -> Vec<Layer<'a>> {
    let (plane, depth) = (size.0 * size.1, depth as i64);
    let mut starts: Vec<i64> = origins.iter().map(|origin| origin[2]).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut parts = Vec::with_capacity(starts.len());
    let (mut rest, mut at) = (out, 0i64);
    for (index, &start) in starts.iter().enumerate() {
        let next = starts.get(index + 1).copied().unwrap_or(i64::MAX);
        let end = (start + depth).min(next).min(size.2 as i64);
        if end <= at {
            continue;
        }
        let (part, behind) = rest.split_at_mut((end - at) as usize * plane);
        parts.push(Layer { out: part, first: at, blocks: Vec::new() });
        (rest, at) = (behind, end);
    }
    for (index, origin) in origins.iter().enumerate() {
        for part in &mut parts {
            let end = part.first + (part.out.len() / plane.max(1)) as i64;
            if origin[2] < end && origin[2] + depth > part.first {
                part.blocks.push(index);
            }
        }
    }
    parts.retain(|part| !part.blocks.is_empty());
    parts
}

/// Copies what of a block lies within a layer; without a block its place is filled.
fn place(block: Option<&[u8]>, origin: [i64; 3], shape: Three, size: Three, background: u8, layer: &mut Layer) {
    let plane = size.0 * size.1;
    let depth = (layer.out.len() / plane.max(1)) as i64;
    let clip = |low: i64, side: usize, first: i64, room: i64| (low.max(first), (low + side as i64).min(first + room));
    let (x0, x1) = clip(origin[0], shape.0, 0, size.0 as i64);
    let (y0, y1) = clip(origin[1], shape.1, 0, size.1 as i64);
    let (z0, z1) = clip(origin[2], shape.2, layer.first, depth);
    if x0 >= x1 || y0 >= y1 || z0 >= z1 {
        return;
    }
    let width = (x1 - x0) as usize;
    let target_of = |z: i64| (z - layer.first) as usize * plane + x0 as usize;
    let source_of = |z: i64| (z - origin[2]) as usize * shape.0 * shape.1 + (x0 - origin[0]) as usize;
    if let (1, Some(block)) = (width, block) {
        // Of a slice across x, whose rows are single bytes, each in a line of memory of its own: several planes at a
        // time, since the processor reads ahead within a page and not beyond it.
        for first in (z0..z1).step_by(PLANES) {
            let planes = first..z1.min(first + PLANES as i64);
            for y in y0..y1 {
                let (to, from) = (y as usize * size.0, (y - origin[1]) as usize * shape.0);
                for z in planes.clone() {
                    layer.out[target_of(z) + to] = block[source_of(z) + from];
                }
            }
        }
        return;
    }
    for z in z0..z1 {
        let (target, source) = (target_of(z), source_of(z));
        for y in y0..y1 {
            let to = target + y as usize * size.0;
            let row = &mut layer.out[to..to + width];
            match block {
                Some(block) => {
                    let from = source + (y - origin[1]) as usize * shape.0;
                    row.copy_from_slice(&block[from..from + width]);
                }
                None => row.fill(background),
            }
        }
    }
}

/// Writes the voxels of all blocks into `out`.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn read_voxel_blocks(
    py: Python,
    blocks: &Bound<PyAny>,
    origins: PyReadonlyArray2<i64>,
    shape: Three,
    codec: &str,
    mut out: PyReadwriteArray1<u8>,
    size: Three,
    background: u8,
    threads: usize,
) -> PyResult<()> {
    let blocks = optional_payloads(blocks)?;
    let origins = triples(origins.as_slice()?)?;
    let (codec, each) = (Codec::named(codec)?, block_bytes(shape)?);
    let voxels = out.as_slice_mut()?;
    if origins.len() != blocks.len() {
        return Fault::argument("there must be one origin for each payload").map_err(PyErr::from);
    }
    if size.0.checked_mul(size.1).and_then(|n| n.checked_mul(size.2)) != Some(voxels.len()) || voxels.is_empty() {
        return Fault::argument("the output is not of its size").map_err(PyErr::from);
    }
    // Beyond this no sum of coordinates could be trusted.
    if origins.iter().flatten().any(|n| n.unsigned_abs() > 1 << 40) {
        return Fault::argument("an origin is out of range").map_err(PyErr::from);
    }
    py.detach(|| {
        let parts = layers(voxels, size, origins, shape.2);
        pool::run(threads, parts, Scratch::new, |scratch, mut layer| {
            for index in std::mem::take(&mut layer.blocks) {
                let opened = match &blocks[index] {
                    None => None,
                    Some(block) => Some(scratch.open(block, codec, each).map_err(|fault| fault.in_payload(index))?),
                };
                place(opened, origins[index], shape, size, background, &mut layer);
            }
            Ok(())
        })
    })?;
    Ok(())
}

/// The bytes of each block.
#[pyfunction]
fn decode_voxel_blocks<'py>(
    py: Python<'py>,
    blocks: &Bound<PyAny>,
    codec: &str,
    size: usize,
    threads: usize,
) -> PyResult<Bound<'py, PyList>> {
    let blocks = payloads(blocks)?;
    let (codec, size) = (Codec::named(codec)?, block_bytes((size, 1, 1))?);
    let decoded = py.detach(|| {
        let items: Vec<(usize, &Payload)> = blocks.iter().enumerate().collect();
        pool::run(threads, items, Scratch::new, |scratch, (index, block)| {
            scratch.open(block, codec, size).map(<[u8]>::to_vec).map_err(|fault| fault.in_payload(index))
        })
    })?;
    PyList::new(py, decoded.iter().map(|block| PyBytes::new(py, block)))
}
