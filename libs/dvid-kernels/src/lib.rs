//! Native loops of dvid-labels and dvid-voxels. Each function takes a whole request and runs without the GIL on a few threads.
//! The numpy twins in `dvid_labels.numpy_kernels` and `dvid_voxels.numpy_kernels` say what each one means.
#![forbid(unsafe_code)]

#[cfg(not(target_endian = "little"))]
compile_error!("dvid-kernels reads and writes little-endian volumes in place");

mod binary_blocks;
mod bitpack;
mod block_cache;
mod body_records;
mod bodies;
mod buffers;
mod changes;
mod decode;
mod downsample;
mod encode;
mod fault;
mod gzip;
mod index_chunks;
mod json_points;
mod inspect;
mod label_index;
mod label_set;
mod layout;
mod mapping;
mod mapping_calls;
mod mapping_chunks;
mod mapping_ops;
mod members;
mod messages;
mod opening;
mod packed;
mod points;
mod pieces;
mod pool;
mod proofreading;
mod reading;
mod record_changes;
mod record_reading;
mod runs;
mod sealing;
mod segmentation;
mod session;
mod splitting;
mod target;
mod voxel_writing;
mod voxels;
mod wire;
mod writing;

use pyo3::prelude::*;

#[pymodule]
fn _dvid_kernels(module: &Bound<PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("LabelFormatError", module.py().get_type::<fault::LabelFormatError>())?;
    module.add_class::<block_cache::BlockCache>()?;
    reading::register(module)?;
    writing::register(module)?;
    bodies::register(module)?;
    splitting::register(module)?;
    record_reading::register(module)?;
    proofreading::register(module)?;
    json_points::register(module)?;
    sealing::register(module)?;
    opening::register(module)?;
    mapping_calls::register(module)?;
    points::register(module)?;
    voxels::register(module)?;
    voxel_writing::register(module)?;
    messages::register(module)
}
