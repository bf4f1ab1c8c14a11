"""Voxels in runs get other labels: against the voxels themselves, in both implementations."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvid_labels import LabelFormatError, numpy_kernels

SHAPE = (24, 16, 8)


def uint64(*labels: int) -> np.ndarray:
    return np.array(labels, np.uint64)


def volume(seed: int) -> np.ndarray:
    """Labels 0 to 9 in 24x16x16 voxels: patches, noise in one block, at times a block of one label."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 10, (4, 4, 6)).astype(np.uint64)
    voxels = np.ascontiguousarray(patches.repeat(4, 0).repeat(4, 1).repeat(4, 2))
    if seed % 3 == 0:
        voxels[8:] = 4
    elif seed % 3 == 1:
        voxels[8:] = rng.integers(0, 10, (8, 16, 24))
    return voxels


def some_runs(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, y, z = SHAPE
    runs = np.stack([rng.integers(0, n, count) for n in (x, y, z)] + [np.zeros(count, np.int64)], axis=1)
    runs[:, 3] = rng.integers(1, x - runs[:, 0] + 1)
    return runs.astype(np.int64), np.array((0, count // 3, count), np.int64)


@given(seed=st.integers(0, 1000), count=st.integers(0, 40))
@settings(max_examples=60)
def test_split_voxels(kernels: ModuleType, seed: int, count: int) -> None:
    voxels, (runs, starts) = volume(seed), some_runs(seed, count)
    source, inside, outside = uint64(0, 4, 7), uint64(100, 101, 7), uint64(0, 201, 202)
    payloads = numpy_kernels.write_blocks(voxels, SHAPE)
    made = kernels.split_blocks(payloads, (runs, starts), SHAPE, (source, inside, outside))
    rows = {(b, int(label)): int(n) for b, label, n in zip(made.blocks, made.labels, made.voxels, strict=True)}
    for block in range(2):
        before = voxels[8 * block : 8 * block + 8]
        mask = np.zeros(before.shape, bool)
        for x, y, z, length in runs[starts[block] : starts[block + 1]].tolist():
            mask[z, y, x : x + length] = True
        expected = before.copy()
        for old, inner, outer in zip(source, inside, outside, strict=True):
            expected[mask & (before == old)] = inner
            expected[~mask & (before == old)] = outer
            assert rows.get((block, int(old)), 0) == (mask & (before == old)).sum()
        parts = np.isin(before, source).reshape(1, 8, 2, 8, 3, 8).any(axis=(1, 3, 5))
        assert (made.changed[block] == parts).all()
        found = numpy_kernels.decode_block(made.made[block])
        assert (found == expected).all()
    assert all(n > 0 for n in rows.values())
    assert list(rows) == sorted(rows)


def test_no_blocks(kernels: ModuleType) -> None:
    none = np.zeros((0, 4), np.int64), np.zeros(1, np.int64)
    made = kernels.split_blocks([], none, SHAPE, (uint64(1), uint64(2), uint64(3)))
    assert [len(part) for part in made] == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "row",
    [(0, 0, 0, 25), (24, 0, 0, 1), (0, 16, 0, 1), (0, 0, 8, 1), (-1, 0, 0, 2), (3, 0, 0, 0), (3, 0, 0, 1 << 62)],
)
def test_runs_outside_are_refused(kernels: ModuleType, row: tuple[int, ...]) -> None:
    payload = numpy_kernels.write_blocks(np.zeros(SHAPE[::-1], np.uint64), SHAPE)
    runs = np.array([row], np.int64), np.array((0, 1), np.int64)
    with pytest.raises(ValueError, match="outside its block"):
        kernels.split_blocks(payload, runs, SHAPE, (uint64(1), uint64(2), uint64(3)))


def test_arguments_are_checked(kernels: ModuleType) -> None:
    payload = numpy_kernels.write_blocks(np.zeros(SHAPE[::-1], np.uint64), SHAPE)
    none = np.zeros((0, 4), np.int64)
    good = uint64(1), uint64(2), uint64(3)
    for starts in ((0,), (0, 1), (1, 0), (0, 0, 0)):
        with pytest.raises(ValueError, match="needs its runs"):
            kernels.split_blocks(payload, (none, np.array(starts, np.int64)), SHAPE, good)
    for parts in ((uint64(2, 1), uint64(1, 2), uint64(1, 2)), (uint64(1), uint64(), uint64(1))):
        with pytest.raises(ValueError, match="must"):
            kernels.split_blocks(payload, (none, np.zeros(2, np.int64)), SHAPE, parts)


def test_a_damaged_block_is_named(kernels: ModuleType) -> None:
    payloads = [*numpy_kernels.write_blocks(np.zeros(SHAPE[::-1], np.uint64), SHAPE), b"no gzip"]
    none = np.zeros((0, 4), np.int64), np.zeros(3, np.int64)
    with pytest.raises(LabelFormatError) as caught:
        kernels.split_blocks(payloads, none, SHAPE, (uint64(1), uint64(2), uint64(3)))
    assert caught.value.payload == 1
