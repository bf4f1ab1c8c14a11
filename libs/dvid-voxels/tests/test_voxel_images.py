"""Slices of voxels of any type as images: read back by Pillow, and by a reader of 16 bits."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dvid_voxels.block_codec import snappy_block
from dvid_voxels.geometry import GeometryError
from dvid_voxels.images import Format
from dvid_voxels.png import encode_png
from dvid_voxels.tiff import encode_tiff
from dvid_voxels.voxel_images import encode_voxel_image, pixels_of

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def png_pixels(data: bytes) -> np.ndarray:
    """Pixels of a PNG whose rows have the filter up."""
    columns, rows, bits, kind = struct.unpack_from(">IIBB", data, 16)
    channels = {0: 1, 2: 3, 6: 4}[kind]
    (size,) = struct.unpack_from(">I", data, 33)
    assert data[37:41] == b"IDAT"
    lines = np.frombuffer(zlib.decompress(data[41 : 41 + size]), np.uint8).reshape(rows, -1)
    assert (lines[:, 0] == 2).all()
    stored = np.add.accumulate(lines[:, 1:], axis=0, dtype=np.uint8)
    pixels = stored.view(">u2" if bits == 16 else np.uint8).reshape(rows, columns, channels)
    return pixels[:, :, 0] if channels == 1 else pixels


@settings(max_examples=50, deadline=None)
@given(
    shape=SHAPES, dtype=st.sampled_from([np.uint8, np.uint16]), channels=st.sampled_from([1, 3, 4]), seed=st.integers()
)
def test_png_and_tiff_keep_every_bit(shape: tuple[int, int], dtype: Any, channels: int, seed: int) -> None:
    full = shape if channels == 1 else (*shape, channels)
    pixels = np.random.default_rng(seed % 2**32).integers(0, np.iinfo(dtype).max, full, dtype, endpoint=True)
    png, tiff = encode_png(pixels), encode_tiff(pixels)
    assert (png_pixels(png) == pixels).all()
    if dtype == np.uint8 or channels == 1:
        for data in (png, tiff):
            assert (np.asarray(Image.open(io.BytesIO(data))).astype(dtype) == pixels).all()
    at = int.from_bytes(tiff[8 + 2 + 12 * 5 + 8 :][:4], "little")  # the sixth field tells where the strip is
    assert (np.frombuffer(zlib.decompress(tiff[at:]), dtype).reshape(full) == pixels).all()


@pytest.mark.parametrize("encode", [encode_png, encode_tiff])
@pytest.mark.parametrize(
    "pixels", [np.zeros((2, 2, 2), np.uint8), np.zeros((0, 2), np.uint8), np.zeros((2, 2)), np.zeros((2, 2), np.uint32)]
)
def test_other_arrays_are_no_image(encode: Any, pixels: np.ndarray) -> None:
    with pytest.raises(GeometryError, match="no image"):
        encode(pixels)


def test_pixels_of_wide_voxels_are_their_bytes() -> None:
    assert pixels_of(np.array([[0x44332211]], np.uint32)).tolist() == [[[0x11, 0x22, 0x33, 0x44]]]
    assert pixels_of(np.array([[1.0]], np.float32)).tolist() == [[[0, 0, 0x80, 0x3F]]]
    assert pixels_of(np.array([[0x8877665544332211]], np.uint64)).tolist() == [[[0x1122, 0x3344, 0x5566, 0x7788]]]
    with pytest.raises(GeometryError, match="no image"):
        pixels_of(np.zeros((2, 2, 3), np.uint16))


def test_alpha_is_laid_over_black_where_there_is_none() -> None:
    voxels = np.full((8, 8, 4), (200, 100, 0, 128), np.uint8)
    for name, close in (("bmp", 0), ("jpg", 3)):
        image = Image.open(io.BytesIO(encode_voxel_image(voxels, Format(name, 95))[0]))
        assert image.mode == "RGB"
        assert np.abs(np.asarray(image).astype(int) - (100, 50, 0)).max() <= close
    gray16 = np.full((8, 8), 0x80FF, np.uint16)
    assert (np.asarray(Image.open(io.BytesIO(encode_voxel_image(gray16, Format("bmp"))[0]))) == 0x80).all()


def test_png_leaves_out_what_is_opaque() -> None:
    voxels = np.full((3, 4, 4), 255, np.uint8)
    assert Image.open(io.BytesIO(encode_voxel_image(voxels, Format("png"))[0])).mode == "RGB"
    voxels[0, 0, 3] = 254
    assert Image.open(io.BytesIO(encode_voxel_image(voxels, Format("png"))[0])).mode == "RGBA"


@given(st.binary(max_size=1000), st.integers(1, 300))
def test_snappy_literals_are_read_back(data: bytes, times: int) -> None:
    raw = data * times
    packed, at, size, shift = snappy_block(raw), 0, 0, 0
    while True:
        size |= (packed[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if packed[at - 1] < 128:
            break
    out = b""
    while at < len(packed):
        assert packed[at] == 61 << 2
        length = int.from_bytes(packed[at + 1 : at + 3], "little") + 1
        out += packed[at + 3 : at + 3 + length]
        at += 3 + length
    assert (out, len(out)) == (raw, size)
