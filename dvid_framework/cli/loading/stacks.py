"""Images as consecutive XY slices: TIFF (also of many pages), PNG and JPEG."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dvid_framework.cli.loading.source import Triple
from dvid_framework.errors import BadRequest

__all__ = ["ImageStack"]

_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
_FORMATS = ("TIFF", "PNG", "JPEG")
_KINDS = {"L": ("uint8", 1), "F": ("float32", 1), "RGB": ("uint8", 3), "RGBA": ("uint8", 4)}


class _Slice(NamedTuple):
    file: Path
    page: int


def _in_order(path: Path) -> list[Any]:
    """Numbers in names count as numbers: 9 comes before 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def _files(text: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        found = [file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES]
    else:
        found = [Path(name) for name in glob.glob(text)]  # noqa: PTH207 - a pattern may be absolute
    if not found:
        raise BadRequest(f"{text!r} names no images; a folder or pattern of {', '.join(_SUFFIXES)} is read")
    return sorted(found, key=_in_order)


class ImageStack:
    """A stack of images, sorted by name, numbers by value.

    Args:
        text: a file, a folder, or a pattern such as `slices/*.png`.

    Raises:
        BadRequest: there are none, they can't be read, or they differ.
    """

    def __init__(self, text: str) -> None:
        self._slices: list[_Slice] = []
        first: tuple[int, int, str, int] | None = None
        for file in _files(text):
            with self._opened(file) as image:
                pages = getattr(image, "n_frames", 1)
                shape = (image.width, image.height, *self._kind(image, file))
            if first is not None and shape != first:
                raise BadRequest(f"{file} is {shape}, and the images before it are {first}")
            first = shape
            self._slices += [_Slice(file, page) for page in range(pages)]
        assert first is not None
        width, height, self.dtype, self.channels = first
        self.size: Triple = (width, height, len(self._slices))
        self.offset: Triple = (0, 0, 0)
        self.voxel_size: tuple[float, float, float] | None = None
        self.whole_rows = True

    @staticmethod
    def _opened(file: Path) -> Image.Image:
        try:
            return Image.open(file, formats=_FORMATS)
        except (OSError, UnidentifiedImageError, SyntaxError, Image.DecompressionBombError) as error:
            raise BadRequest(f"{file} is no image that can be read: {error}") from error

    @staticmethod
    def _kind(image: Image.Image, file: Path) -> tuple[str, int]:
        if image.mode.startswith("I;16"):
            return "uint16", 1
        if image.mode == "I":
            return ("uint16", 1) if image.format == "PNG" else ("uint32", 1)
        if image.mode not in _KINDS:
            raise BadRequest(f"{file} has pixels of the kind {image.mode}; gray, RGB and RGBA are read")
        return _KINDS[image.mode]

    def read(self, first: Triple, size: Triple) -> NDArray[Any]:
        """Return the voxels of a box."""
        x, y, z = first
        width, height, depth = size
        behind = (self.channels,) if self.channels > 1 else ()
        out = np.empty((depth, height, width, *behind), self.dtype)
        for number, one in enumerate(self._slices[z : z + depth]):
            with self._opened(one.file) as image:
                if one.page:
                    image.seek(one.page)
                try:
                    pixels = np.asarray(image)
                except (OSError, ValueError, SyntaxError) as error:
                    raise BadRequest(f"{one.file} is damaged: {error}") from error
            out[number] = pixels[y : y + height, x : x + width].astype(self.dtype)
        return out
