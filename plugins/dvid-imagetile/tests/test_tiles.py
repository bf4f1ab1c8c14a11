"""Single tiles, the levels, and images that are stitched."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from dvid_imagetile.codec import decode_pixels, encode_tile_image, lz4_as_png, voxels_of
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dvid_framework.api import BadRequest, PixelType

SPEC = {"Levels": {"0": {"Resolution": [8, 8, 8], "TileSize": [16, 8, 4]}}}
FRAMED = bytes.fromhex("802b000000f5030a000000010000050075696e7438000400000400f001000102030405060708090a0b0c0d0e0f")
KINDS = {"uint8": 1, "uint16": 1, "uint32": 1, "float32": 1, "uint64": 1}


def png(pixels: np.ndarray) -> bytes:
    made = BytesIO()
    Image.fromarray(pixels).save(made, "PNG")
    return made.getvalue()


def test_the_example_of_the_framing() -> None:
    with Image.open(BytesIO(lz4_as_png(FRAMED))) as picture:
        assert np.array_equal(np.asarray(picture), np.arange(16).reshape(4, 4))
    ours = encode_tile_image(np.arange(16, dtype=np.uint8).reshape(4, 4), PixelType("uint8"), "lz4")
    assert ours[:5] == FRAMED[:5]
    assert lz4_as_png(ours) == lz4_as_png(FRAMED)


@pytest.mark.parametrize("kind", [*(PixelType(name) for name in KINDS), PixelType("uint8", 4)])
def test_tiles_in_the_framing_keep_all_bits(kind: PixelType) -> None:
    shape = (5, 7) if kind.channels == 1 else (5, 7, 4)
    size = int(np.prod(shape)) * np.dtype(kind.data_type).itemsize
    voxels = np.frombuffer(np.random.default_rng(1).bytes(size), kind.data_type).reshape(shape)
    pixels = decode_pixels(encode_tile_image(voxels, kind, "lz4"), "lz4", kind)
    assert pixels is not None
    assert voxels_of(pixels, kind).tobytes() == voxels.tobytes()


@given(st.binary(max_size=80), st.integers(0, 60), st.binary(min_size=1, max_size=4))
def test_damaged_framing_is_refused(noise: bytes, at: int, change: bytes) -> None:
    for tile in (noise, FRAMED[:at] + change + FRAMED[at + len(change) :], FRAMED[:at]):
        try:
            assert lz4_as_png(tile)[:4] == b"\x89PNG"
        except BadRequest:
            assert decode_pixels(tile, "lz4", PixelType("uint8")) is None


def test_pictures_of_enormous_sizes_are_not_decoded() -> None:
    bomb = bytearray(png(np.zeros((4, 4), np.uint8)))
    bomb[16:24] = (60000).to_bytes(4, "big") * 2
    assert decode_pixels(bytes(bomb), "png", PixelType("uint8")) is None
    assert decode_pixels(b"no picture", "png", PixelType("uint8")) is None
    huge = FRAMED[:1] + (1 << 31).to_bytes(4, "little") + FRAMED[5:]
    with pytest.raises(BadRequest, match="too large"):
        lz4_as_png(huge)


def test_a_malformed_tile_in_lz4_is_refused_when_it_is_read(tiles: Any) -> None:
    made = tiles.make("l", Format="lz4")
    made.post("metadata", SPEC).ok()
    made.post("tile/xy/0/0_0_0", b"anything").ok()
    assert made.get("tile/xy/0/0_0_0").status == 400
    made.post("tile/xy/0/0_0_1", FRAMED).ok()
    assert made.image("tile/xy/0/0_0_1").shape == (4, 4)
    assert made.get("info").ok().json()["Base"]["Compression"] == "LZ4 compression, level -1"


def test_tiles_at_negative_coordinates(tiles: Any) -> None:
    tiles.post("metadata", SPEC).ok()
    tiles.post("tile/xy/0/-1_-2_-3", b"there").ok()
    assert tiles.get("tile/xy/0/-1_-2_-3").ok().body == b"there"
    assert tiles.image("tile/xy/0/-1_-2_-4").shape == (8, 16)
    assert tiles.get("tile/xy/0/-1_-2_-4?noblanks=true").status == 404


def test_the_key_of_a_tile(tiles: Any) -> None:
    key = bytes.fromhex(tiles.get("tilekey/xz/1/5_6_7").ok().json()["key"])
    assert (key[0], key[-1]) == (1, 3)
    assert key[5:26] == bytes.fromhex("030200020000000103800000078000000680000005")
    assert len(key) == 35


@pytest.mark.parametrize(
    "levels",
    [
        {
            "0": {"Resolution": [10, 10, 10], "TileSize": [8, 8, 8]},
            "1": {"Resolution": [15, 20, 20], "TileSize": [8, 8, 8]},
        },
        {"0": {"Resolution": [10, 10, 10], "TileSize": [8, 8, 0]}},
        {"0": {"Resolution": [10, 10, 10], "TileSize": [8, 8, 1 << 20]}},
        {"0": {"Resolution": [10, 10, -1], "TileSize": [8, 8, 8]}},
        {"00": {"Resolution": [10, 10, 10], "TileSize": [8, 8, 8]}},
        {str(number): {"Resolution": [1, 1, 1], "TileSize": [8, 8, 8]} for number in range(300)},
    ],
)
def test_levels_that_make_no_sense(tiles: Any, levels: Any) -> None:
    assert tiles.post("metadata", {"Levels": levels}).status == 400
    assert tiles.get("metadata").status == 400


def test_stitched_images_and_what_is_missing(tiles: Any) -> None:
    tiles.volume(np.zeros((1, 1, 1), np.uint8), voxel_size="8,4,8")
    tiles.post("metadata", SPEC).ok()
    pixels = np.arange(128, dtype=np.uint8).reshape(8, 16) + 1
    tiles.post("tile/xy/0/1_1_5", png(pixels)).ok()
    tiles.post("tile/xy/0/0_1_5", b"no picture").ok()
    whole = np.zeros((16, 40), np.uint8)
    whole[8:16, 16:32] = pixels
    assert np.array_equal(tiles.image("raw/xy/40_16/0_0_5"), whole)
    assert np.array_equal(tiles.image("raw/xy/20_10/14_5_5"), whole[5:15, 14:34])
    shifted = tiles.image("raw/xy/20_20/-3_-4_5")
    assert np.array_equal(shifted[4:, 3:], whole[:16, :17])
    assert not shifted[:4].any()
    # pixels are twice as wide as high: half as many columns are read
    squared = tiles.image("isotropic/xy/32_16/16_8_5")
    assert squared.shape == (16, 32)
    assert np.array_equal(squared[:8, ::2], pixels)
    assert np.array_equal(squared[:8, 1::2], pixels)
    assert not squared[8:].any()


def test_placeholders(tiles: Any) -> None:
    tiles.volume(np.zeros((1, 1, 1), np.uint16))
    made = tiles.make("p", Source="gray", Placeholder="1")
    spec = {"Levels": {"0": {"Resolution": [8, 8, 8], "TileSize": [128, 64, 64]}}}
    made.post("metadata", spec).ok()
    painted = made.image("raw/xy/128_64/0_0_3")
    assert painted.shape == (64, 128)
    assert painted.max() > 60000
    assert 0 < (painted > 0).mean() < 0.3
    assert made.image("tile/xy/0/0_0_3").max() == 0, "single tiles have none"


def test_images_are_bounded(tiles: Any) -> None:
    tiles.volume(np.zeros((1, 1, 1), np.uint8))
    tiles.post("metadata", {"Levels": {"0": {"Resolution": [8, 8, 8], "TileSize": [1, 1, 1]}}}).ok()
    assert "tiles" in tiles.get("raw/xy/1000_1000/0_0_0").text
    assert tiles.get("raw/xy/100000_100000/0_0_0").status == 400
    assert tiles.get("raw/vol/4_4_4/0_0_0").status == 400
