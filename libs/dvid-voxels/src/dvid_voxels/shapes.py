"""The `dims/size/offset` part of URLs: a volume, or a plane of one."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dvid_voxels.geometry import Box, GeometryError, parse_ints, parse_triple

__all__ = ["Dims", "Shape", "parse_dims", "parse_shape"]

Scalar = TypeVar("Scalar", bound=np.generic)


class Dims(Enum):
    """Which axes are asked for; the value is the axes that vary (x is 0, y is 1, z is 2)."""

    VOLUME = (0, 1, 2)
    XY = (0, 1)
    XZ = (0, 2)
    YZ = (1, 2)

    @property
    def is_plane(self) -> bool:
        """Whether it is 2d."""
        return len(self.value) == 2


_NAMES = {"0_1_2": Dims.VOLUME, "vol": Dims.VOLUME, "0_1": Dims.XY, "xy": Dims.XY, "0_2": Dims.XZ, "xz": Dims.XZ}
_NAMES |= {"1_2": Dims.YZ, "yz": Dims.YZ}


def parse_dims(text: str) -> Dims:
    """Parse `0_1_2`, `vol`, `0_1`, `xy`, `0_2`, `xz`, `1_2`, `yz`; also with commas, in any case.

    Raises:
        GeometryError: it is something else.
    """
    dims = _NAMES.get(text.lower().replace(",", "_"))
    if dims is None:
        raise GeometryError(f"the dimensions {text[:20]!r} are none of 0_1_2, vol, xy, xz, yz, 0_1, 0_2, 1_2")
    return dims


@dataclass(frozen=True, slots=True)
class Shape:
    """What a URL asks for.

    Attributes:
        dims: volume or which plane.
        box: the voxels; a plane has one voxel along the third axis.
    """

    dims: Dims
    box: Box

    def image_of(self, array: NDArray[Scalar]) -> NDArray[Scalar]:
        """Turn the voxels of a plane into an image, without a copy.

        Args:
            array: the box's voxels (z, y, x), perhaps with channels behind.

        Returns:
            (rows, columns, ...): xy has rows y, columns x; xz rows z, columns x; yz rows z, columns y.

        Raises:
            GeometryError: it is not a plane.
        """
        return array.squeeze(self._flat_axis())

    def voxels_of(self, image: NDArray[Scalar]) -> NDArray[Scalar]:
        """Turn an image of a plane (rows, columns, ...) into voxels (z, y, x, ...): the reverse of `image_of`.

        Raises:
            GeometryError: it is not a plane.
        """
        return np.expand_dims(image, self._flat_axis())

    def _flat_axis(self) -> int:
        """Axis of (z, y, x) that has one voxel."""
        axes = {Dims.XY: 0, Dims.XZ: 1, Dims.YZ: 2}
        if self.dims not in axes:
            raise GeometryError("a volume is not an image")
        return axes[self.dims]


def parse_shape(dims: str, size: str, offset: str) -> Shape:
    """Parse the three parts, e.g. `0_1_2`, `64_64_64`, `-3_0_7` or `xz`, `512_256`, `0_10_0`.

    Args:
        dims: see `parse_dims`.
        size: two sizes for a plane (width, height), three for a volume (x, y, z).
        offset: first voxel, three integers.

    Raises:
        GeometryError: a part can't be parsed, the number of sizes does not fit, or the box is not legal.
    """
    kind = parse_dims(dims)
    sizes = parse_ints(size, 3)
    if len(sizes) != len(kind.value):
        raise GeometryError(f"the size {size[:60]!r} does not have {len(kind.value)} numbers")
    whole = dict(zip(kind.value, sizes, strict=True))
    return Shape(kind, Box(parse_triple(offset), (whole.get(0, 1), whole.get(1, 1), whole.get(2, 1))))
