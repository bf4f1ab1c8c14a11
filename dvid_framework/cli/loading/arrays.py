"""NumPy files, mapped into memory and not read at once; and what axes mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvid_framework.cli.loading.source import Triple
from dvid_framework.errors import BadRequest

__all__ = ["MappedArray", "axis_order"]

_DTYPES = frozenset({"bool", "uint8", "uint16", "uint32", "uint64", "float32"})


def axis_order(axes: str, dimensions: int) -> str:
    """Return the order of the axes of an array that does not tell: two axes are a slice, four have channels at the end.

    Raises:
        BadRequest: there is no such order.
    """
    order = axes.lower()
    if sorted(order) not in (["x", "y", "z"], ["c", "x", "y", "z"], ["x", "y"]):
        raise BadRequest(f"axes are {axes!r}; x, y, z and perhaps c in any order are allowed, such as zyx")
    if dimensions == 2:
        order = order.replace("z", "").replace("c", "")
    elif dimensions == 4 and "c" not in order:
        order += "c"
    if len(order) != dimensions:
        raise BadRequest(f"the array has {dimensions} axes, which are not {axes!r}")
    return order


def check_dtype(dtype: Any) -> str:
    """Return the name of a type of values.

    Raises:
        BadRequest: no instance has such values.
    """
    name = np.dtype(dtype).name
    if name not in _DTYPES:
        raise BadRequest(f"the values are {name}; {', '.join(sorted(_DTYPES))} can be loaded")
    return "uint8" if name == "bool" else name


class MappedArray:
    """An array in a file of NumPy.

    Args:
        path: the file.
        axes: order of its axes, such as `zyx`.

    Raises:
        BadRequest: it can't be read.
    """

    def __init__(self, path: Path, axes: str) -> None:
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise BadRequest(f"{path} is no array that can be read: {error}") from error
        order = axis_order(axes, array.ndim)
        if "z" not in order:
            array, order = array[None], f"z{order}"
        wanted = [axis for axis in "zyxc" if axis in order]
        self._array = array.transpose([order.index(axis) for axis in wanted])
        depth, height, width = self._array.shape[:3]
        self.size: Triple = (width, height, depth)
        self.offset: Triple = (0, 0, 0)
        self.dtype = check_dtype(array.dtype)
        self.channels = self._array.shape[3] if self._array.ndim == 4 else 1
        self.voxel_size: tuple[float, float, float] | None = None
        self.whole_rows = False

    def read(self, first: Triple, size: Triple) -> NDArray[Any]:
        """Return the voxels of a box."""
        x, y, z = first
        box = self._array[z : z + size[2], y : y + size[1], x : x + size[0]]
        if box.ndim == 4 and self.channels == 1:
            box = box[..., 0]
        return np.ascontiguousarray(box, np.dtype(self.dtype).newbyteorder("<"))
