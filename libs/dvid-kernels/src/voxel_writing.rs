//! Blocks cut out of a volume that came in pieces, each compressed. All sizes along x are in bytes.

use crate::buffers::payloads;
use crate::fault::{Fault, Outcome};
use crate::pieces::Pieces;
use crate::pool;
use crate::voxels::{block_bytes, Codec};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

type Three = (usize, usize, usize);

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode_voxel_pieces, module)?)
}

/// Bytes that a thread encodes before it asks for the GIL to give them away: few enough for its cache.
const GROUP_BYTES: usize = 1 << 20;

/// What a thread keeps between groups of blocks.
struct Scratch {
    raw: Vec<u8>,
    room: Vec<u8>,
    hint: usize,
}

impl Scratch {
    /// What is in `raw`, compressed into `room` from `at` on; returns where it ends.
    fn encode(&mut self, codec: Codec, at: usize) -> Outcome<usize> {
        let room = &mut self.room[at..];
        match codec {
            Codec::None => {
                room[..self.raw.len()].copy_from_slice(&self.raw);
                Ok(at + self.raw.len())
            }
            Codec::Lz4 => {
                room[..4].copy_from_slice(&(self.raw.len() as u32).to_le_bytes());
                match lz4_flex::block::compress_into(&self.raw, &mut room[4..]) {
                    Ok(made) => Ok(at + 4 + made),
                    Err(error) => Fault::argument(format!("a block can't be compressed: {error}")),
                }
            }
            Codec::Gzip => Fault::argument("gzip is not made here"),
        }
    }
}

/// Each chosen block of a volume (z, y, x), numbered x fastest, then y, z: its voxels (z, y, x), compressed.
#[pyfunction]
fn encode_voxel_pieces<'py>(
    py: Python<'py>,
    pieces: &Bound<PyAny>,
    size: Three,
    shape: Three,
    codec: &str,
    threads: usize,
    chosen: Option<Vec<usize>>,
) -> PyResult<Bound<'py, PyList>> {
    let pieces = payloads(pieces)?;
    let (codec, each) = (Codec::named(codec)?, block_bytes(shape)?);
    let whole = size.0.checked_mul(size.1).and_then(|n| n.checked_mul(size.2)).unwrap_or(usize::MAX);
    let encoded = py.detach(|| {
        let pieces = Pieces::new(&pieces);
        if pieces.len() != whole {
            return Fault::argument(format!("the volume has {whole} bytes, but its pieces {}", pieces.len()));
        }
        let grid = (size.0 / shape.0, size.1 / shape.1, size.2 / shape.2);
        let count = grid.0 * grid.1 * grid.2;
        if whole == 0 || grid.0 * shape.0 != size.0 || grid.1 * shape.1 != size.1 || grid.2 * shape.2 != size.2 {
            return Fault::argument("the volume is not of whole blocks");
        }
        let numbers = chosen.unwrap_or_else(|| (0..count).collect());
        if numbers.iter().any(|number| *number >= count) {
            return Fault::argument("there is no block of such a number");
        }
        let (most, together) = (4 + lz4_flex::block::get_maximum_output_size(each), (GROUP_BYTES / each).max(1));
        let state = || Scratch { raw: vec![0; each], room: Vec::new(), hint: 0 };
        let groups = numbers.chunks(together).collect();
        pool::run(threads, groups, state, |scratch, group| {
            scratch.room.resize(group.len() * most, 0);
            let mut ends = vec![0];
            for number in group {
                let layer = number / grid.0;
                let first = (number % grid.0 * shape.0, layer % grid.1 * shape.1, layer / grid.1 * shape.2);
                for (row, out) in scratch.raw.chunks_exact_mut(shape.0).enumerate() {
                    let (y, z) = (first.1 + row % shape.1, first.2 + row / shape.1);
                    pieces.copy((z * size.1 + y) * size.0 + first.0, out, &mut scratch.hint);
                }
                ends.push(scratch.encode(codec, ends[ends.len() - 1])?);
            }
            // While they are in the processor's cache, and many at a time: the GIL may have to be waited for.
            Ok(Python::attach(|py| -> Vec<Py<PyBytes>> {
                ends.windows(2).map(|two| PyBytes::new(py, &scratch.room[two[0]..two[1]]).unbind()).collect()
            }))
        })
    })?;
    PyList::new(py, encoded.into_iter().flatten().collect::<Vec<_>>())
}
