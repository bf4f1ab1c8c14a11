"""Volumes of every type against a plain numpy model: boxes, blocks, regions, slices and lower resolutions."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from dvid_voxels.downsample import downsample_image
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

TYPES = ("uint8blk", "uint16blk", "uint32blk", "uint64blk", "float32blk", "rgba8blk")
BLOCK = (8, 4, 6)
LOW, SIDE = -24, 72  # the model's first voxel along each axis, a multiple of all sides of a block, and its size

Volume = Any
coordinate = st.integers(LOW, LOW + SIDE - 1)
write = st.tuples(st.tuples(*[st.integers(0, 3)] * 3), st.tuples(*[st.integers(1, 3)] * 3), st.integers(0, 99))
FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Model:
    """A cube of voxels, unset ones of bytes 9, and the same at lower resolutions."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        shape = volume.shaped((SIDE,) * 3)
        self.unset = np.full(np.dtype(volume.dtype).itemsize, 9, np.uint8).view(volume.dtype)[0]
        self.voxels = np.full(shape, self.unset)

    def put(self, array: np.ndarray, offset: tuple[int, ...]) -> None:
        self.voxels[self.at(offset, array.shape[2::-1])] = array

    @staticmethod
    def at(offset: tuple[int, ...], size: tuple[int, ...]) -> tuple[slice, ...]:
        return tuple(slice(low - LOW, low - LOW + n) for low, n in zip(offset[::-1], size[::-1], strict=True))

    def box(self, offset: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
        return self.voxels[self.at(offset, size)]


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    return np.array_equal(found, expected, equal_nan=found.dtype.kind == "f")


def written(volume: Volume, writes: list[Any]) -> Model:
    model = Model(volume)
    for corner, blocks, seed in writes:
        offset = tuple(-2 * side + n * side for n, side in zip(corner, BLOCK, strict=True))
        size = tuple(n * side for n, side in zip(blocks, BLOCK, strict=True))
        array = volume.noise(size, seed)
        volume.write(array, offset).ok()
        model.put(array, offset)
    return model


@pytest.mark.parametrize("type_name", TYPES)
@FEW
@given(
    writes=st.lists(write, min_size=1, max_size=3),
    boxes=st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=2, max_size=6),
)
def test_boxes_and_blocks(
    new_volume: Callable[..., Volume], type_name: str, writes: list[Any], boxes: list[tuple[int, int, int]]
) -> None:
    volume = new_volume(type_name, BLOCK, Background="9")
    model = written(volume, writes)
    for one, other in zip(boxes[::2], boxes[1::2], strict=False):
        low = tuple(map(min, one, other))
        size = tuple(abs(a - b) + 1 for a, b in zip(one, other, strict=True))
        assert same(volume.read(size, low), model.box(low, size))
    row = volume.get("blocks/-2_-1_0/5").ok().body
    for number in range(5):
        low = ((number - 2) * BLOCK[0], -BLOCK[1], 0)
        part = row[number * len(row) // 5 : (number + 1) * len(row) // 5]
        assert same(np.frombuffer(part, volume.dtype).reshape(volume.shaped(BLOCK)), model.box(low, BLOCK))


@pytest.mark.parametrize("type_name", TYPES)
@FEW
@given(
    writes=st.lists(write, min_size=1, max_size=2), low=st.tuples(*[st.integers(-20, 10)] * 3), bits=st.integers(0, 7)
)
def test_regions(
    new_volume: Callable[..., Volume], type_name: str, writes: list[Any], low: tuple[int, int, int], bits: int
) -> None:
    volume = new_volume(type_name, BLOCK, Background="9")
    volume.client.new_instance(volume.root, "checked", "region")
    model = written(volume, writes)
    inside = np.zeros((SIDE,) * 3, bool)
    for bx, by, bz in np.ndindex(9, 18, 12):
        first = [LOW + n * side for n, side in zip((bx, by, bz), BLOCK, strict=True)]
        steps = [
            range(n // step, (n + side - 1) // step + 1) for n, side, step in zip(first, BLOCK, (6, 4, 8), strict=True)
        ]
        if any((x + y + z) % 2 for x in steps[0] for y in steps[1] for z in steps[2]):
            inside[Model.at(tuple(first), BLOCK)] = True
    size = (30, 20, 25)
    query = "?roi=region"
    outside = np.full_like(model.voxels, model.unset)
    if bits and type_name in ("uint8blk", "rgba8blk"):
        query, outside = f"{query}&attenuation={bits}", model.voxels >> bits
    shown = np.where(inside.reshape(*inside.shape, *[1] * (model.voxels.ndim - 3)), model.voxels, outside)
    assert same(volume.read(size, low, query), shown[Model.at(low, size)])

    block = tuple(3 * side for side in BLOCK)
    array = volume.noise(block, 77)
    volume.write(array, (0, 0, 0), "?roi=region").ok()
    there = Model.at((0, 0, 0), block)
    mask = inside[there].reshape(*inside[there].shape, *[1] * (array.ndim - 3))
    model.voxels[there] = np.where(mask, array, model.voxels[there])
    assert same(volume.read((SIDE,) * 3, (LOW,) * 3), model.voxels)


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("compression", ["lz4", "gzip:3", "none", "snappy"])
def test_lower_resolutions_are_in_step(new_volume: Callable[..., Volume], type_name: str, compression: str) -> None:
    volume = new_volume(type_name, (8, 8, 8), MaxDownresLevel="3", Background="9", Compression=compression)
    model = Model(volume)
    for seed, (offset, size) in enumerate(
        [((-16, 0, 0), (24, 8, 8)), ((0, -8, 8), (8, 16, 8)), ((-8, 0, 0), (8, 8, 8)), ((16, 16, 16), (16, 8, 24))]
    ):
        array = volume.noise(size, seed)
        if size == (8, 8, 8):
            volume.post("blocks/-1_0_0/1", array.tobytes()).ok()
        else:
            volume.write(array, offset).ok()
        model.put(array, offset)
        # From -16 to 48: there is no block outside it at any scale.
        scales = [model.box((-16,) * 3, (64,) * 3)]
        for scale in range(1, 4):
            scales.append(downsample_image(scales[-1]))
            side, low = 64 >> scale, -16 >> scale
            assert same(volume.read((side,) * 3, (low,) * 3, f"?scale={scale}"), scales[-1]), (seed, scale)
    assert list(volume.server.server.instances.get(*found(volume)).check(version_of(volume))) == []


def found(volume: Volume) -> tuple[Any, str]:
    return volume.server.server.repos.find(volume.root)[0], volume.name


def version_of(volume: Volume) -> Any:
    return volume.server.server.repos.find(volume.root)[1]


@pytest.mark.parametrize("type_name", ["uint8blk", "uint16blk", "rgba8blk"])
@pytest.mark.parametrize("plane", ["xy", "xz", "yz"])
def test_slices(new_volume: Callable[..., Volume], type_name: str, plane: str) -> None:
    volume = new_volume(type_name, BLOCK, Background="9")
    model = written(volume, [((0, 0, 0), (3, 3, 3), 5)])
    axes = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2)}[plane]
    size = [1, 1, 1]
    size[axes[0]], size[axes[1]] = 30, 20
    offset = (-20, -9, -13)
    expected = model.box(offset, tuple(size)).squeeze({"xy": 0, "xz": 1, "yz": 2}[plane])
    place = "_".join(map(str, offset))
    for image_format in ("", "/png", "/tif"):
        reply = volume.get(f"raw/{plane}/30_20/{place}{image_format}").ok()
        assert (np.asarray(Image.open(io.BytesIO(reply.body))) == expected).all()
    if type_name == "uint8blk":
        jpeg = np.asarray(Image.open(io.BytesIO(volume.get(f"raw/{plane}/30_20/{place}/jpg:100").ok().body)))
        assert np.abs(jpeg.astype(int) - expected).max() < 8


def test_a_box_as_one_jpeg(new_volume: Callable[..., Volume]) -> None:
    volume = new_volume("uint8blk", (8, 8, 8))
    smooth = (np.indices((8, 16, 16)).sum(axis=0) * 5).astype(np.uint8)
    volume.write(smooth, (0, 0, 0)).ok()
    image = np.asarray(Image.open(io.BytesIO(volume.get("raw/0_1_2/16_16_8/0_0_0/jpg").ok().body)))
    assert image.shape == (8 * 16, 16)
    assert np.abs(image.astype(int) - smooth.reshape(128, 16)).mean() < 3
