//! Blocks cut out of a volume that came in pieces, each compressed. All sizes along x are in bytes.

use crate::buffers::{bytes_list, payloads};
use crate::fault::{Fault, Outcome};
use crate::pieces::Pieces;
use crate::pool;
use crate::voxels::{block_bytes, Codec};
use pyo3::prelude::*;
use pyo3::types::PyList;

type Three = (usize, usize, usize);

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode_voxel_pieces, module)?)
}

/// What a thread keeps between blocks.
struct Scratch {
    raw: Vec<u8>,
    packed: Vec<u8>,
    hint: usize,
}

impl Scratch {
    fn encode(&mut self, codec: Codec) -> Outcome<Vec<u8>> {
        match codec {
            Codec::None => Ok(self.raw.clone()),
            Codec::Lz4 => {
                self.packed.resize(4 + lz4_flex::block::get_maximum_output_size(self.raw.len()), 0);
                self.packed[..4].copy_from_slice(&(self.raw.len() as u32).to_le_bytes());
                match lz4_flex::block::compress_into(&self.raw, &mut self.packed[4..]) {
                    Ok(made) => Ok(self.packed[..4 + made].to_vec()),
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
        let state = || Scratch { raw: vec![0; each], packed: Vec::new(), hint: 0 };
        pool::run(threads, numbers, state, |scratch, number| {
            let first = (number % grid.0 * shape.0, number / grid.0 % grid.1 * shape.1, number / grid.0 / grid.1 * shape.2);
            for (row, out) in scratch.raw.chunks_exact_mut(shape.0).enumerate() {
                let (y, z) = (first.1 + row % shape.1, first.2 + row / shape.1);
                pieces.copy((z * size.1 + y) * size.0 + first.0, out, &mut scratch.hint);
            }
            scratch.encode(codec)
        })
    })?;
    bytes_list(py, &encoded)
}
