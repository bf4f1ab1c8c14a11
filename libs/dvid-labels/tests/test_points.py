"""Points by blocks; labels as JSON; inflated blocks that are kept, and those that have names."""

import json
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dvid_labels import LabelFormatError

Volumes = Callable[..., NDArray[np.uint64]]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30))
def test_labels_are_written(kernels: ModuleType, labels: list[int]) -> None:
    assert kernels.json_numbers(np.array(labels, np.uint64)) == json.dumps(labels, separators=(",", ":")).encode()


near = st.integers(-70, 70)


@given(st.lists(st.tuples(near, near, near) | st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 3), max_size=30))
def test_points_are_put_into_blocks(kernels: ModuleType, points: list[tuple[int, int, int]]) -> None:
    places, shape = np.array(points, np.int64).reshape(-1, 3), (16, 32, 8)
    blocks, owners, offsets = kernels.group_points(places, shape)
    rows = [tuple(block) for block in blocks.tolist()]
    assert rows == sorted(set(rows), key=lambda block: block[::-1])
    assert set(owners.tolist()) == set(range(len(rows)))
    assert (blocks[owners] * shape + offsets).tolist() == places.tolist()
    assert ((offsets >= 0) & (offsets < shape)).all()


def test_wrong_points_are_refused(kernels: ModuleType) -> None:
    for points, shape in ((np.zeros((2, 2), np.int64), (16,) * 3), (np.zeros((2, 3), np.int64), (16, 16, 7))):
        with pytest.raises(ValueError, match=r"rows of three|shape"):
            kernels.group_points(points, shape)
        with pytest.raises(ValueError, match=r"rows of three|shape"):
            kernels.labels_kept(kernels.BlockCache(1 << 20), (1, 1, 1, 0), points, shape)


def test_kept_blocks_change_no_answer(kernels: ModuleType, volume: Volumes) -> None:
    cache, shape = kernels.BlockCache(1 << 20), (32, 32, 32)
    labels = [volume((64, 64, 64), 9, seed) for seed in range(6)]
    blocks = [kernels.write_blocks(one, shape, 1) for one in labels]
    rng = np.random.default_rng(1)
    at = np.argwhere(np.ones((2, 2, 2), bool))[:, ::-1]
    for _ in range(3):
        for one, payloads in zip(labels, blocks, strict=True):
            owners, places = rng.integers(0, 8, 50), rng.integers(0, 32, (50, 3))
            x, y, z = (at[owners] * 32 + places).T
            found = kernels.labels_at(payloads, owners, places, shape, None, 2, cache)
            assert (found == one[z, y, x]).all()
            body = np.array([one[5, 5, 5]], np.uint64)
            plain = kernels.body_runs(payloads, at, shape, body, None, 2)
            assert (kernels.body_runs(payloads, at, shape, body, None, 2, cache) == plain).all()
            binary = kernels.body_binary_blocks(payloads, at, shape, body, 2)
            assert kernels.body_binary_blocks(payloads, at, shape, body, 2, cache) == binary
    assert cache.size() <= 1 << 20
    with pytest.raises(LabelFormatError):
        kernels.labels_at([blocks[0][0][:-1]], [0], [[0, 0, 0]], shape, None, 1, cache)
    forged = bytearray(blocks[0][0])
    forged[len(forged) // 2] ^= 1  # the same checksum and length at the end
    with pytest.raises(LabelFormatError):
        kernels.labels_at([bytes(forged)], [0], [[0, 0, 0]], shape, None, 1, cache)
    with pytest.raises(LabelFormatError):
        kernels.labels_at([blocks[0][0]], [0], [[0, 0, 0]], (16, 16, 16), None, 1, cache)


def test_blocks_with_names_are_found_without_what_is_stored(kernels: ModuleType, volume: Volumes) -> None:
    cache, shape = kernels.BlockCache(1 << 20), (32, 32, 32)
    labels = volume((64, 64, 64), 9, 2)
    payloads: list[bytes | None] = list(kernels.write_blocks(labels, shape, 1))
    payloads[5] = None
    labels[32:, :32, 32:] = 0
    at = np.ascontiguousarray(np.argwhere(np.ones((2, 2, 2), bool))[:, ::-1])
    points = np.random.default_rng(1).integers(0, 64, (200, 3))
    blocks, owners, offsets = kernels.group_points(points, shape)
    assert blocks.tolist() == at.tolist()
    state = (7, 3, 12, 0)
    assert kernels.labels_kept(cache, state, points, shape) is None
    cache.name(state, at, payloads)
    assert kernels.labels_kept(cache, state, points, shape) is None, "they were never inflated"
    plain = kernels.labels_at(payloads, owners, offsets, shape, None, 2, cache)
    x, y, z = points.T
    assert (plain == labels[z, y, x]).all()
    cache.name(state, at, payloads)
    found = kernels.labels_kept(cache, state, points, shape)
    assert found is None if cache.size() == 0 else (found == plain).all()
    for other in ((8, 3, 12, 0), (7, 4, 12, 0), (7, 3, 13, 0), (7, 3, 12, 1)):
        assert kernels.labels_kept(cache, other, points, shape) is None
    assert kernels.labels_kept(cache, state, points + 64, shape) is None
    nothing = kernels.labels_kept(cache, state, points[:0], shape)
    assert nothing.tolist() == []
    with pytest.raises(ValueError, match="one payload"):
        cache.name(state, at, payloads[1:])


def test_names_of_blocks_that_went_mean_nothing(native: ModuleType, volume: Volumes) -> None:
    cache, shape = native.BlockCache(400_000), (32, 32, 32)
    where, points = np.zeros((1, 3), np.int64), np.array([[3, 4, 5]])
    values = [volume((32, 32, 32), 9, seed) for seed in range(30)]
    for state, value in enumerate(values):
        payloads = native.write_blocks(value, shape, 1)
        native.labels_at(payloads, [0], [[3, 4, 5]], shape, None, 1, cache)
        cache.name((1, 1, state, 0), where, payloads)
    answers = [native.labels_kept(cache, (1, 1, state, 0), points, shape) for state in range(30)]
    assert any(answer is None for answer in answers)
    assert any(answer is not None for answer in answers)
    for value, answer in zip(values, answers, strict=True):
        assert answer is None or answer.tolist() == [value[5, 4, 3]]
