"""The kernels that run here; `dvid_voxels.numpy_kernels` says what each function means."""

from dvid_voxels.numpy_kernels import decode_blocks, encode_blocks, read_voxel_blocks

__all__ = ["decode_blocks", "encode_blocks", "read_voxel_blocks"]
