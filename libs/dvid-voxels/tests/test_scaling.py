"""Scaling by area, slices of any orientation and down-sampling against plain models of one voxel at a time."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvid_voxels.downsample import downsample_image
from dvid_voxels.geometry import GeometryError
from dvid_voxels.oblique import ObliqueSlice, parse_point, sample_slice
from dvid_voxels.scaling import isotropic_size, scale_image

UNSIGNED = (np.uint8, np.uint16, np.uint32, np.uint64)


def noise(shape: tuple[int, ...], dtype: Any, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 100, shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def covered(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Sums of source times overlap, by Python's integers."""

    def weights(count: int, wanted: int) -> np.ndarray:
        table = [
            [max(0, min((i + 1) * wanted, (j + 1) * count) - max(i * wanted, j * count)) for i in range(count)]
            for j in range(wanted)
        ]
        return np.array(table, object)

    return weights(image.shape[0], rows) @ image.astype(object) @ weights(image.shape[1], columns).T


@settings(max_examples=80, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    wanted=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    dtype=st.sampled_from(UNSIGNED),
    seed=st.integers(0, 1000),
)
def test_scaling_of_integers_is_exact(shape: tuple[int, int], wanted: tuple[int, int], dtype: Any, seed: int) -> None:
    image = noise(shape, dtype, seed)
    scaled = scale_image(image, *wanted)
    assert scaled.dtype == dtype
    assert (scaled.astype(object) == covered(image, *wanted) // (shape[0] * shape[1])).all()
    colours = np.stack([image, image[::-1]], axis=-1)
    assert (scale_image(colours, *wanted)[:, :, 0] == scaled).all()


@given(seed=st.integers(0, 50))
def test_scaling_of_floats(seed: int) -> None:
    image = noise((3, 7), np.float32, seed)
    expected = covered(image.astype(np.float64), 5, 11).astype(float) / 21
    assert np.allclose(scale_image(image, 5, 11), expected, rtol=1e-6)


def test_size_of_an_isotropic_image() -> None:
    assert isotropic_size((20, 10), (4, 8)) == (20, 5)
    assert isotropic_size((21, 10), (8, 4)) == (11, 10)  # halves up
    assert isotropic_size((20, 10), (3.2, 3.2)) == (20, 10)
    with pytest.raises(GeometryError, match="half a voxel"):
        isotropic_size((20, 1), (1, 3))


def sample(volume: np.ndarray, low: np.ndarray, point: list[float], size: tuple[float, ...]) -> Any:
    """One point between its eight voxels, in plain doubles; 9 outside."""

    def voxel(x: int, y: int, z: int) -> float:
        at = (z - low[2], y - low[1], x - low[0])
        inside = all(0 <= n < side for n, side in zip(at, volume.shape, strict=True))
        return float(volume[at]) if inside else 9.0

    ends, weights = [], []
    for p, r in zip(point, size, strict=True):
        f, c = math.floor(p / r), math.ceil(p / r)
        ends.append((f, c))
        weights.append(0.0 if f == c else (p - f * r) / ((c - f) * r))
    along_x = {
        (j, k): voxel(ends[0][0], ends[1][j], ends[2][k]) * (1 - weights[0])
        + voxel(ends[0][1], ends[1][j], ends[2][k]) * weights[0]
        for j in (0, 1)
        for k in (0, 1)
    }
    along_y = [along_x[0, k] * (1 - weights[1]) + along_x[1, k] * weights[1] for k in (0, 1)]
    return along_y[0] * (1 - weights[2]) + along_y[1] * weights[2]


coordinate = st.floats(-60, 120, width=32)
point = st.tuples(coordinate, coordinate, coordinate)


@settings(max_examples=60, deadline=None)
@given(
    corners=st.tuples(point, point, point),
    resolution=st.floats(4, 30),
    size=st.tuples(*[st.sampled_from([1.0, 3.2, 4.0, 10.0])] * 3),
    dtype=st.sampled_from([*UNSIGNED, np.float32]),
    seed=st.integers(0, 20),
)
def test_slices_of_any_orientation(
    corners: Any, resolution: float, size: tuple[float, float, float], dtype: Any, seed: int
) -> None:
    block, low = (4, 5, 6), np.array([-4, 0, 6])
    volume = noise((12, 10, 12), dtype, seed)

    def read(coordinates: np.ndarray) -> np.ndarray:
        blocks = np.full((len(coordinates), 6, 5, 4), 9).astype(dtype)
        for row, first in enumerate((coordinates * block - low).tolist()):
            if all(0 <= n < side for n, side in zip(first, volume.shape[::-1], strict=True)):
                x, y, z = first
                blocks[row] = volume[z : z + 6, y : y + 5, x : x + 4]
        return blocks

    piece = ObliqueSlice(*corners, resolution)
    points = piece.points(piece.row_starts())
    assert points.shape == (*piece.shape, 3)
    image = sample_slice(points, size, block, read)
    assert image.dtype == dtype
    for found, at in zip(image.ravel().tolist(), points.reshape(-1, 3).tolist(), strict=True):
        exact = sample(volume, low, at, size)
        if np.dtype(dtype).kind == "f":
            assert found == np.float32(exact)
        else:
            assert found == min(math.floor(exact + 0.5), int(np.iinfo(dtype).max))


def test_rows_and_columns_of_a_slice() -> None:
    piece = ObliqueSlice((0, 0, 0), (10, 0, 0), (0, 0, 7), 3)
    assert piece.shape == (3, 4)
    points = piece.points(piece.row_starts())
    assert points[0, -1].tolist() == pytest.approx([10, 0, 0])
    assert points[-1, 0].tolist() == pytest.approx([0, 0, 7])
    assert ObliqueSlice((1, 1, 1), (1, 1, 1), (1, 1, 1), 5).shape == (1, 1)


@pytest.mark.parametrize("resolution", [0, -1, math.nan, math.inf, 1e-9])
def test_slices_that_are_refused(resolution: float) -> None:
    with pytest.raises(GeometryError):
        ObliqueSlice((0, 0, 0), (9, 0, 0), (0, 9, 0), resolution)


def test_a_slice_outside_32_bits_is_refused() -> None:
    piece = ObliqueSlice((0, 0, 0), (1e30, 0, 0), (0, 0, 0), 1e29)
    with pytest.raises(GeometryError, match="32-bit"):
        sample_slice(piece.points(piece.row_starts()), (1, 1, 1), (8, 8, 8), lambda _: np.zeros((1, 8, 8, 8)))


@pytest.mark.parametrize("text", ["1_2", "1_2_3_4", "a_2_3", "nan_1_2", "1_2_inf", "1_2_" + "3" * 50, "", "1e999_0_0"])
def test_points_that_are_refused(text: str) -> None:
    with pytest.raises(GeometryError, match="three numbers"):
        parse_point(text)
    assert parse_point("-1.5_2_3e2") == (-1.5, 2, 300)


@pytest.mark.parametrize("dtype", [*UNSIGNED, np.float32])
@pytest.mark.parametrize("channels", [(), (4,)])
def test_halving_is_the_mean(dtype: Any, channels: tuple[int, ...]) -> None:
    volume = noise((4, 6, 8, *channels), dtype, 3)
    low = downsample_image(volume)
    assert (low.dtype, low.shape) == (dtype, (2, 3, 4, *channels))
    for at in np.ndindex(2, 3, 4):
        z, y, x = (2 * n for n in at)
        eight = volume[z : z + 2, y : y + 2, x : x + 2].reshape(8, *channels).astype(object)
        mean = np.array(sum(eight), object)
        if np.dtype(dtype).kind == "f":
            assert np.allclose(low[at], mean.astype(float) / 8)
        else:
            assert np.array_equal(low[at], (mean + 4) // 8)


def test_odd_sizes_are_not_halved() -> None:
    with pytest.raises(ValueError, match="even"):
        downsample_image(np.zeros((2, 3, 2), np.uint8))


def test_the_model_of_areas() -> None:
    assert covered(np.array([[1, 2]]), 1, 3).tolist() == [[2, 3, 4]]
    assert Fraction(9, 6) == Fraction(sum([2, 3, 4]), 6)
