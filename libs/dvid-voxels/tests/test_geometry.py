"""Integers of URLs, boxes, shapes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Box, GeometryError, parse_ints, parse_triple
from dvid_voxels.shapes import Dims, parse_dims, parse_shape


def test_numbers() -> None:
    assert parse_triple("-3_0_7") == (-3, 0, 7)
    assert parse_triple("1,2,3", ",") == (1, 2, 3)
    assert parse_ints("64_64", 3) == (64, 64)
    assert parse_triple(f"{INT32_MIN}_{INT32_MAX}_0") == (INT32_MIN, INT32_MAX, 0)


BAD = [
    "",
    "1_2",
    "1_2_3_4",
    "a_b_c",
    "1_2_",
    "1.0_2_3",
    "2147483648_0_0",
    "9" * 5000 + "_0_0",
    "1 1_2_3",
    "--1_2_3",
    "٣_1_2",
]


@pytest.mark.parametrize("text", BAD)
def test_bad_numbers(text: str) -> None:
    with pytest.raises(GeometryError):
        parse_triple(text)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for call in (
        parse_triple,
        parse_dims,
        lambda value: parse_ints(value, 2),
        lambda value: parse_shape("xy", value, value),
    ):
        try:
            call(text)
        except GeometryError:
            continue


def test_box() -> None:
    box = Box((-5, 0, 60), (10, 64, 8))
    assert (box.last, box.voxels, box.shape) == ((4, 63, 67), 5120, (8, 64, 10))
    assert box.blocks((64, 64, 64)) == Box((-1, 0, 0), (2, 1, 2))
    assert box.intersection(Box((0, 0, 0), (64, 64, 64))) == Box((0, 0, 60), (5, 64, 4))
    assert box.intersection(Box((5, 0, 0), (64, 64, 64))) is None
    assert box.limited(5120) is box
    with pytest.raises(GeometryError, match="more than"):
        box.limited(5119)


def test_alignment() -> None:
    assert Box((-64, 0, 64), (64, 128, 64)).is_aligned((64, 64, 64))
    assert not Box((-63, 0, 64), (64, 128, 64)).is_aligned((64, 64, 64))
    assert not Box((-64, 0, 64), (64, 100, 64)).is_aligned((64, 64, 64))
    assert Box((-32, 0, 64), (32, 16, 64)).is_aligned((32, 16, 64))


@pytest.mark.parametrize(
    ("offset", "size"),
    [
        ((0, 0, 0), (0, 1, 1)),
        ((0, 0, 0), (1, -1, 1)),
        ((INT32_MAX, 0, 0), (2, 1, 1)),
        ((0, INT32_MIN - 1, 0), (1, 1, 1)),
    ],
)
def test_illegal_boxes(offset: tuple[int, int, int], size: tuple[int, int, int]) -> None:
    with pytest.raises(GeometryError):
        Box(offset, size)


@pytest.mark.parametrize(
    ("texts", "dims"),
    [
        (("0_1_2", "vol", "0,1,2", "VOL"), Dims.VOLUME),
        (("0_1", "xy", "XY", "0,1"), Dims.XY),
        (("0_2", "xz", "0,2"), Dims.XZ),
        (("1_2", "yz", "Yz"), Dims.YZ),
    ],
)
def test_dims(texts: tuple[str, ...], dims: Dims) -> None:
    assert {parse_dims(text) for text in texts} == {dims}
    assert dims.is_plane == (dims is not Dims.VOLUME)


@pytest.mark.parametrize("text", ["", "zy", "2_1", "0_1_2_3", "x_y", "0-1"])
def test_bad_dims(text: str) -> None:
    with pytest.raises(GeometryError):
        parse_dims(text)


def test_planes_as_images() -> None:
    volume = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    for dims, size, shape, image in (
        ("xy", "6_5", (1, 5, 6), volume[2]),
        ("xz", "6_4", (4, 1, 6), volume[:, 2]),
        ("yz", "5_4", (4, 5, 1), volume[:, :, 2]),
    ):
        offset = {"xy": "0_0_2", "xz": "0_2_0", "yz": "2_0_0"}[dims]
        plane = parse_shape(dims, size, offset)
        assert plane.box.shape == shape
        cut = volume[tuple(slice(a, a + n) for a, n in zip(plane.box.offset[::-1], shape, strict=True))]
        assert (plane.image_of(cut) == image).all()
        assert (plane.voxels_of(image) == cut).all()
    whole = parse_shape("0_1_2", "6_5_4", "0_0_0")
    assert whole.box == Box((0, 0, 0), (6, 5, 4))
    for call in (whole.image_of, whole.voxels_of):
        with pytest.raises(GeometryError, match="not an image"):
            call(volume)
    for dims, size in (("xy", "1_2_3"), ("0_1_2", "1_2")):
        with pytest.raises(GeometryError, match="numbers"):
            parse_shape(dims, size, "0_0_0")
