"""What is said to the service and what it says, and images that it does not give whole."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import msgspec
import numpy as np
from dvid_voxels.geometry import Triple
from dvid_voxels.images import Format, encode_image, encode_label_image
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dvid_framework.api import BadGateway, BadRequest
from dvid_googlevoxels.model import Geometry

__all__ = ["BYTES_PER_VOXEL", "ImageFormat", "blank_image", "image_body", "padded_image", "parse_volume", "voxels_body"]

BYTES_PER_VOXEL = {"UINT8": 1, "FLOAT": 4, "UINT64": 8}
_MOST_GEOMETRIES = 256
_LARGEST_SIZE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """A format of images that the service makes: `PNG` or `JPEG`, perhaps with a quality or a level."""

    name: str
    number: int | None = None

    @property
    def content_type(self) -> str:
        """For the HTTP header."""
        return f"image/{self.name.lower()}"

    @property
    def options(self) -> str:
        """The JSON object `imageOptions` of a request."""
        extra = ""
        if self.number is not None:
            extra = f',"{"jpegQuality" if self.name == "JPEG" else "pngCompressionLevel"}":{self.number}'
        return f'{{"imageFormat":"{self.name}"{extra}}}'

    @property
    def own(self) -> Format:
        """How we encode what the service does not give."""
        if self.name == "PNG":
            return Format("png")
        return Format("jpg") if self.number is None else Format("jpg", self.number)

    @classmethod
    def parse(cls, text: str) -> ImageFormat:
        """Read `png` (also empty), `png:7`, `jpg`, `jpeg`, `jpg:80`.

        Raises:
            BadRequest: it is something else.
        """
        word, colon, digits = text.partition(":")
        name = {"": "PNG", "png": "PNG", "jpg": "JPEG", "jpeg": "JPEG"}.get(word)
        if name is None or (colon and not word):
            raise BadRequest(f"the format {text[:20]!r} is none of png, png:LEVEL, jpg, jpeg, jpeg:QUALITY")
        if not colon:
            return cls(name)
        least, most = (1, 100) if name == "JPEG" else (0, 9)
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 3 and least <= int(digits) <= most):
            raise BadRequest(f"the number in {text[:20]!r} is not {least} to {most}")
        return cls(name, int(digits))


def _geometry(corner: Triple, size: Triple, scale: int) -> str:
    texts = ",".join(map(str, corner)), ",".join(map(str, size))
    return f'{{"corner":"{texts[0]}","size":"{texts[1]}","scale": {scale}}}'


def image_body(corner: Triple, size: Triple, scale: int, image: ImageFormat) -> bytes:
    """Return the body that asks for a slice; one of its sizes is 1."""
    return f'{{"imageSpec":{{"geometry": {_geometry(corner, size, scale)},"imageOptions":{image.options}}}}}'.encode()


def voxels_body(corner: Triple, size: Triple, scale: int, image: ImageFormat | None = None) -> bytes:
    """Return the body that asks for a subvolume, as raw voxels or as a single image."""
    form = '"RAW"' if image is None else f'"SINGLE_IMAGE","imageOptions":{image.options}'
    return f'{{"geometry": {_geometry(corner, size, scale)},"subvolumeFormat": {form}}}'.encode()


def _integer(value: Any) -> int:
    number = int(value)
    if not 0 < number <= _LARGEST_SIZE:
        raise ValueError("out of range")
    return number


def parse_volume(body: bytes) -> tuple[Geometry, ...]:
    """Read what the service says of a volume.

    Raises:
        BadRequest: it says no such thing.
    """
    try:
        listed = msgspec.json.decode(body)["geometry"]
        found = []
        for one in listed[:_MOST_GEOMETRIES]:
            x, y, z = (_integer(one["volumeSize"][axis]) for axis in "xyz")
            u, v, w = (float(one["pixelSize"][axis]) for axis in "xyz")
            if not all(0 < side < 1e30 for side in (u, v, w)):
                raise ValueError("out of range")
            found.append(Geometry((x, y, z), _integer(one["channelCount"]), str(one["channelType"]), (u, v, w)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError, ValueError) as error:
        raise BadRequest("the service's description of the volume can't be read") from error
    if not found:
        raise BadRequest("the service says that the volume has no geometry")
    return tuple(found)


def blank_image(width: int, height: int, kind: str, image: ImageFormat) -> bytes:
    """Return an image of zeros.

    Raises:
        BadRequest: there is none of this kind of values.
    """
    if kind == "UINT64":
        return encode_label_image(np.zeros((height, width), np.uint64), image.own)[0]
    if kind != "UINT8":
        raise BadRequest(f"there is no blank image of {kind}: ask within the volume, or with noblanks=true")
    return encode_image(np.zeros((height, width), np.uint8), image.own)[0]


def _decoded(body: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The size is compared before anything is decoded, so that no image takes more memory than was asked for."""
    try:
        with Image.open(BytesIO(body), formats=("PNG", "JPEG")) as picture:
            if picture.size != size:
                raise BadGateway(f"the service answers with an image of {picture.size} instead of {size}")
            return np.asarray(picture.convert("L"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadGateway("the service answers with what is no image") from error


def padded_image(body: bytes, size: tuple[int, int], wanted: tuple[int, int], kind: str, image: ImageFormat) -> bytes:
    """Return an image that the border of the volume cuts, with zeros behind the border.

    Args:
        body: a gray image for UINT8, and voxels for UINT64.
        size: its width and height.
        wanted: the width and height to fill.
        kind: what a value is.
        image: the format to make.

    Raises:
        BadGateway: it is no such image.
        BadRequest: images of this kind can't be filled.
    """
    if kind == "UINT64":
        if len(body) != 8 * size[0] * size[1]:
            raise BadGateway("the service answers with another number of bytes than voxels were asked for")
        labels = np.zeros((wanted[1], wanted[0]), np.uint64)
        labels[: size[1], : size[0]] = np.frombuffer(body, "<u8").reshape(size[1], size[0])
        return encode_label_image(labels, image.own)[0]
    if kind != "UINT8":
        raise BadRequest(f"a tile of {kind} across the border of the volume can't be filled")
    pixels = np.zeros((wanted[1], wanted[0]), np.uint8)
    pixels[: size[1], : size[0]] = _decoded(body, size)
    return encode_image(pixels, image.own)[0]
