"""Slices as images; 16-bit PNG against a reader of its own."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dvid_voxels.geometry import GeometryError
from dvid_voxels.images import Format, encode_image, encode_label_image, encode_png_rgba16, parse_format


def read_png16(data: bytes) -> np.ndarray:
    """Labels of a 16-bit RGBA PNG with filters none and up; checks every chunk's checksum."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, []
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(kind + body)
        chunks.append((kind, body))
        at += 12 + size
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    columns, rows, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    assert rest == [16, 6, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(chunks[1][1]), np.uint8).reshape(rows, 1 + 8 * columns)
    pixels = np.zeros((rows, 8 * columns), np.uint8)
    for i, line in enumerate(lines):
        assert line[0] in (0, 2)
        pixels[i] = line[1:] + (pixels[i - 1] if line[0] == 2 and i else 0)
    return pixels.view("<u8")


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (64, 33), (1, 300)])
def test_png_keeps_labels(shape: tuple[int, int]) -> None:
    labels = np.random.default_rng(1).integers(0, 2**64 - 1, shape, np.uint64, endpoint=True)
    assert (read_png16(encode_png_rgba16(labels)) == labels).all()
    strided = np.repeat(labels, 2, axis=1)[:, ::2]
    assert encode_label_image(strided, parse_format())[0] == encode_png_rgba16(labels)


def test_png_of_labels_is_read_by_pillow() -> None:
    labels = np.array([[0x1122334455667788]], np.uint64)
    image = Image.open(io.BytesIO(encode_png_rgba16(labels)))
    # Pillow cuts 16 bits to the high 8; the first byte in the file is the label's lowest.
    assert image.getpixel((0, 0)) == (0x88, 0x66, 0x44, 0x22)


@pytest.mark.parametrize("name", ["tif", "bmp", "jpg", "png"])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_formats(name: str, channels: int) -> None:
    rows, columns = np.mgrid[0:40, 0:30]
    gray = (4 * rows + 3 * columns).astype(np.uint8)
    pixels = np.stack([gray] * channels, axis=-1) if channels else gray
    data, content_type = encode_image(pixels, parse_format(name))
    kinds = {"tif": "image/tiff", "bmp": "image/bmp", "jpg": "image/jpeg", "png": "image/png"}
    assert content_type == kinds[name]
    image = Image.open(io.BytesIO(data))
    assert image.size == (30, 40)
    read = np.asarray(image.convert("L")).astype(int)
    assert np.abs(read - gray).max() <= (12 if name == "jpg" else 0)


def test_high_bytes_of_labels() -> None:
    labels = np.full((9, 8), 0x1122334455667788, np.uint64)
    tiff = Image.open(io.BytesIO(encode_label_image(labels, Format("tif"))[0]))
    assert tiff.getpixel((3, 3)) == (0x88, 0x66, 0x44, 0x22)
    jpeg = Image.open(io.BytesIO(encode_label_image(labels, Format("jpg"))[0]))
    assert jpeg.mode == "RGB"


def test_quality() -> None:
    assert parse_format("jpg:35") == Format("jpg", 35)
    assert parse_format("JPEG").name == "jpg"
    assert [parse_format(f"jpg:{number}").quality for number in (-5, 0, 101)] == [1, 1, 100]
    assert parse_format("png:9") == Format("png")
    assert parse_format("tiff").content_type == "image/tiff"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    assert len(encode_image(noise, Format("jpg", 10))[0]) < len(encode_image(noise, Format("jpg", 95))[0])


@pytest.mark.parametrize("text", ["gif", "png:y", "jpg:", "jpg:x", "jpg:1:2", "jpg:--5", "jpg:٣", "jpg:" + "1" * 5000])
def test_other_formats_are_refused(text: str) -> None:
    with pytest.raises(GeometryError, match=r"none of|quality"):
        parse_format(text)


@pytest.mark.parametrize(
    "pixels", [np.zeros((3, 3), np.uint16), np.zeros((3, 3, 2), np.uint8), np.zeros((0, 3), np.uint8)]
)
def test_no_image(pixels: np.ndarray) -> None:
    with pytest.raises(GeometryError, match="no image"):
        encode_image(pixels, Format("png"))


def test_no_label_image() -> None:
    with pytest.raises(GeometryError, match="no image"):
        encode_png_rgba16(np.zeros((2, 0), np.uint64))
