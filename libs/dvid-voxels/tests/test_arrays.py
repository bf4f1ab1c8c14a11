"""Tiling, down-sampling, pseudocolour."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dvid_voxels.downsample import downsample_labels
from dvid_voxels.geometry import Box, GeometryError
from dvid_voxels.pseudocolor import label_hash, pseudocolor
from dvid_voxels.tiling import block_coordinates, block_origins, cut_blocks, paste_block, paste_blocks


def test_blocks_of_a_box() -> None:
    coordinates = block_coordinates(Box((-1, 0, 10), (3, 40, 10)), (32, 32, 16))
    assert coordinates.dtype == np.int64
    assert coordinates.tolist() == [
        [-1, 0, 0], [0, 0, 0], [-1, 1, 0], [0, 1, 0], [-1, 0, 1], [0, 0, 1], [-1, 1, 1], [0, 1, 1],
    ]  # fmt: skip
    assert block_origins(coordinates[:2], (32, 32, 16), (-1, 0, 10)).tolist() == [[-31, 0, -10], [1, 0, -10]]


def test_cut_and_paste() -> None:
    volume = np.arange(4 * 6 * 10).reshape(4, 6, 10)
    blocks = cut_blocks(volume, (5, 3, 2))
    assert blocks.shape == (2, 2, 2, 2, 3, 5)
    assert (blocks[1, 0, 1] == volume[2:, :3, 5:]).all()
    assert (paste_blocks(blocks) == volume).all()
    with pytest.raises(GeometryError, match="multiple"):
        cut_blocks(volume, (5, 4, 2))
    colored = np.stack([volume] * 3, axis=-1)
    assert (paste_blocks(cut_blocks(colored, (5, 3, 2))) == colored).all()


def test_paste_what_fits() -> None:
    out = np.zeros((3, 3, 3), int)
    block = np.arange(8).reshape(2, 2, 2) + 1
    paste_block(block, (-1, 0, 2), out)
    assert out[2, :2, 0].tolist() == [2, 4]
    assert out.sum() == 6
    paste_block(block, (3, 0, 0), out)
    paste_block(block, (0, -2, 0), out)
    assert out.sum() == 6


@pytest.mark.parametrize(
    ("eight", "low"),
    [
        ([0] * 8, 0),
        ([0] * 7 + [9], 9),
        ([5, 5, 3, 3, 0, 0, 0, 0], 3),
        ([7, 7, 7, 2, 2, 2, 0, 9], 2),
        ([2**64 - 1] * 5 + [1] * 3, 2**64 - 1),
        ([8, 7, 6, 5, 4, 3, 2, 1], 1),
    ],
)
def test_votes(eight: list[int], low: int) -> None:
    for seed in range(5):
        mixed = np.random.default_rng(seed).permutation(np.array(eight, np.uint64)).reshape(2, 2, 2)
        assert downsample_labels(mixed).tolist() == [[[low]]]


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint64, (4, 2, 6), elements=st.integers(0, 4)))
def test_votes_spelled_out(high: np.ndarray) -> None:
    low = downsample_labels(high)
    for z, y, x in np.ndindex(low.shape):
        cells = high[2 * z : 2 * z + 2, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].ravel().tolist()
        known = [label for label in cells if label]
        assert low[z, y, x] == (min(known, key=lambda label: (-known.count(label), label)) if known else 0)


def test_odd_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        downsample_labels(np.zeros((2, 3, 2), np.uint64))


def test_colors_of_the_format() -> None:
    colors = pseudocolor(np.array([[0, 7], [7, 0]], np.uint64))
    assert colors.dtype == np.uint8
    assert colors.tolist() == [[[99, 133, 42], [247, 204, 84]], [[247, 204, 84], [99, 133, 42]]]
    assert pseudocolor(np.zeros((0, 4), np.uint64)).shape == (0, 4, 3)
    assert label_hash(np.array(0, np.uint64)).shape == ()
