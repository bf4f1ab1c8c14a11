"""Points and boxes of voxels; always x, y, z unless a name says otherwise."""

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["INT32_MAX", "INT32_MIN", "Box", "GeometryError", "Triple", "parse_ints", "parse_triple"]

Triple: TypeAlias = tuple[int, int, int]

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1
#: Decimal digits of an int32 and its sign; longer text is refused before it is converted.
_LONGEST_NUMBER = 11


class GeometryError(ValueError):
    """Coordinates, sizes or dimensions that make no sense; the text is one sentence."""


def parse_ints(text: str, most: int, separator: str = "_") -> tuple[int, ...]:
    """Parse `64_64_64` or `-3_0_7`.

    Args:
        text: decimal integers, perhaps with a sign and blanks around them, joined by `separator`.
        most: how many there may be.
        separator: what joins them.

    Raises:
        GeometryError: a part is no integer or not an int32, or there are too many.
    """
    parts = text.split(separator, most)
    if len(parts) > most:
        raise GeometryError(f"more than {most} numbers in {text[:60]!r}")
    return tuple(_parse_int(part, text) for part in parts)


def _parse_int(part: str, text: str) -> int:
    part = part.strip(" ")
    digits = part[1:] if part[:1] in ("-", "+") else part
    if not (digits.isascii() and digits.isdigit()) or len(part) > _LONGEST_NUMBER:
        raise GeometryError(f"{part[:20]!r} in {text[:60]!r} is not an integer of 32 bits")
    number = int(part)
    if not INT32_MIN <= number <= INT32_MAX:
        raise GeometryError(f"{part!r} in {text[:60]!r} is not an integer of 32 bits")
    return number


def parse_triple(text: str, separator: str = "_") -> Triple:
    """Parse exactly three integers, x, y, z.

    Raises:
        GeometryError: there are not three, or one is not an int32.
    """
    numbers = parse_ints(text, 3, separator)
    if len(numbers) != 3:
        raise GeometryError(f"{text[:60]!r} is not three integers joined by {separator!r}")
    return numbers[0], numbers[1], numbers[2]


@dataclass(frozen=True, slots=True)
class Box:
    """A box of voxels, not empty, with corners inside int32.

    Attributes:
        offset: its first voxel (x, y, z).
        size: voxels along x, y, z.

    Raises:
        GeometryError: a size is not positive, or a corner is not an int32.
    """

    offset: Triple
    size: Triple

    def __post_init__(self) -> None:
        if any(n <= 0 for n in self.size):
            raise GeometryError(f"the size {self.size} is not positive")
        if any(not INT32_MIN <= n <= INT32_MAX for n in (*self.offset, *self.last)):
            raise GeometryError(
                f"the box of {self.size} voxels at {self.offset} does not lie within 32-bit coordinates"
            )

    @classmethod
    def between(cls, first: Triple, last: Triple) -> "Box":
        """Make the box of both voxels (x, y, z) and all between.

        Raises:
            GeometryError: `last` lies before `first`, or a corner is not an int32.
        """
        (x0, y0, z0), (x1, y1, z1) = first, last
        return cls(first, (x1 - x0 + 1, y1 - y0 + 1, z1 - z0 + 1))

    @property
    def last(self) -> Triple:
        """The last voxel (x, y, z)."""
        (x, y, z), (width, height, depth) = self.offset, self.size
        return x + width - 1, y + height - 1, z + depth - 1

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        width, height, depth = self.size
        return width * height * depth

    @property
    def shape(self) -> Triple:
        """Shape of a numpy array of the box: (z, y, x)."""
        width, height, depth = self.size
        return depth, height, width

    def limited(self, most_voxels: int) -> "Box":
        """Give the box itself if it is not too large.

        Raises:
            GeometryError: it has more than `most_voxels` voxels.
        """
        if self.voxels > most_voxels:
            raise GeometryError(f"the box of {self.size} has {self.voxels} voxels, more than {most_voxels}")
        return self

    def intersection(self, other: "Box") -> "Box | None":
        """Give the voxels of both boxes, or None if there are none."""
        (ax, ay, az), (bx, by, bz) = self.offset, other.offset
        (cx, cy, cz), (dx, dy, dz) = self.last, other.last
        first = max(ax, bx), max(ay, by), max(az, bz)
        last = min(cx, dx), min(cy, dy), min(cz, dz)
        return None if any(a > b for a, b in zip(first, last, strict=True)) else Box.between(first, last)

    def blocks(self, block_size: Triple) -> "Box":
        """Give the box of block coordinates that the box touches (floor division, also below 0)."""
        width, height, depth = block_size
        (x, y, z), (u, v, w) = self.offset, self.last
        return Box.between((x // width, y // height, z // depth), (u // width, v // height, w // depth))

    def is_aligned(self, block_size: Triple) -> bool:
        """Tell whether the box is a whole number of blocks."""
        axes = zip(self.offset, self.size, block_size, strict=True)
        return all(low % side == 0 and size % side == 0 for low, size, side in axes)
