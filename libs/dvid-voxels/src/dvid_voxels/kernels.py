"""The kernels that run here: native where dvid-kernels is installed, else numpy.

The choice is made once, at import. `DVID_KERNELS=numpy` in the environment asks for numpy. Both have the same
interface; `dvid_voxels.numpy_kernels` says what each function means.
"""

import importlib.util
import os
from typing import TYPE_CHECKING, Literal

__all__ = ["IMPLEMENTATION", "decode_blocks", "encode_blocks", "encode_pieces", "json_points", "read_voxel_blocks"]


def _implementation() -> Literal["native", "numpy"]:
    if os.environ.get("DVID_KERNELS") == "numpy" or importlib.util.find_spec("dvid_kernels") is None:
        return "numpy"
    return "native"


IMPLEMENTATION: Literal["native", "numpy"] = _implementation()

if TYPE_CHECKING or IMPLEMENTATION == "numpy":
    from dvid_voxels.numpy_kernels import decode_blocks, encode_blocks, encode_pieces, json_points, read_voxel_blocks
else:
    from dvid_voxels.native_kernels import decode_blocks, encode_blocks, encode_pieces, json_points, read_voxel_blocks
