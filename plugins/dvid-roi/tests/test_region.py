"""Regions against sets of blocks, and masks voxel by voxel."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dvid_roi import mask
from dvid_roi.cache import RegionCache
from dvid_roi.codec import decode_runs
from dvid_roi.ops import points_inside
from dvid_roi.region import Region
from dvid_voxels.geometry import Box
from hypothesis import given, settings
from hypothesis import strategies as st

from dvid_framework.api import BadRequest

small = st.integers(-4, 4)
run_lists = st.lists(st.tuples(small, small, small, small).map(lambda run: (*run[:2], *sorted(run[2:]))), max_size=12)
triples = st.tuples(small, small, small)
sizes = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))
LOW, HIGH = -(2**31), 2**31 - 1


def region_of(runs: object) -> Region:
    return Region(decode_runs(json.dumps(runs).encode()))


def blocks_of(runs: list[tuple[int, ...]]) -> set[tuple[int, int, int]]:
    return {(x, y, z) for z, y, x0, x1 in runs for x in range(x0, x1 + 1)}


@given(run_lists)
def test_blocks_are_found(runs: list[tuple[int, ...]]) -> None:
    region, blocks = region_of(runs), blocks_of(runs)
    asked = [(x, y, z) for x in range(-6, 7) for y in range(-5, 6) for z in range(-5, 6)]
    assert region.contains(np.array(asked)).tolist() == [block in blocks for block in asked]


@given(run_lists, triples, sizes)
def test_boxes_of_blocks(runs: list[tuple[int, ...]], first: tuple[int, int, int], count: tuple[int, int, int]) -> None:
    blocks, (x, y, z), (width, height, depth) = blocks_of(runs), first, count
    wanted = bytes(
        (a, b, c) in blocks for c in range(z, z + depth) for b in range(y, y + height) for a in range(x, x + width)
    )
    assert region_of(runs).blocks(first, count) == wanted


@settings(deadline=None)
@given(
    run_lists, sizes, st.tuples(*[st.integers(-20, 20)] * 3), st.tuples(*[st.integers(1, 14)] * 3), st.integers(1, 400)
)
def test_masks_voxel_by_voxel(
    runs: list[tuple[int, ...]],
    block_size: tuple[int, int, int],
    offset: tuple[int, int, int],
    size: tuple[int, int, int],
    slab: int,
) -> None:
    region, box = region_of(runs), Box(offset, size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mask, "_SLAB_VOXELS", slab)
        pieces = list(mask.mask_pieces(region, block_size, box))
    z, y, x = np.meshgrid(
        *(np.arange(low, low + n) for low, n in zip(offset[::-1], size[::-1], strict=True)), indexing="ij"
    )
    points = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1).astype(np.int32)
    assert b"".join(pieces) == points_inside(region, block_size, points).astype(np.uint8).tobytes()
    assert all(len(piece) <= max(8 * slab, size[0]) for piece in pieces)


def test_the_ends_of_the_coordinates() -> None:
    region = region_of([[LOW, LOW, LOW, LOW], [LOW, LOW, HIGH, HIGH], [HIGH, HIGH, LOW, HIGH], [0, HIGH, HIGH, HIGH]])
    asked = [(LOW, LOW, LOW), (LOW + 1, LOW, LOW), (HIGH, LOW, LOW), (0, HIGH, HIGH), (HIGH, HIGH, 0), (LOW, LOW, 1)]
    assert region.contains(np.array(asked, np.int64)).tolist() == [True, False, True, True, True, False]
    assert region.z_range == (LOW, HIGH)
    assert region.blocks((HIGH - 1, HIGH, HIGH), (2, 1, 1)) == b"\x01\x01"
    assert region.blocks((LOW, LOW, LOW), (2, 2, 1)) == b"\x01\x00\x00\x00"


def test_an_empty_region() -> None:
    region = region_of([])
    assert region.z_range == (HIGH, LOW)
    assert region.contains(np.zeros((2, 3), np.int64)).tolist() == [False, False]
    assert region.blocks((0, 0, 0), (2, 2, 2)) == bytes(8)


def test_boxes_are_parsed_and_bounded() -> None:
    assert mask.parse_box("0_1_2", "4_5_6", "-1_0_1") == Box((-1, 0, 1), (4, 5, 6))
    assert mask.parse_box("vol", "4_0_6", "0_0_0") is None
    for dims, size, offset in (
        ("xy", "4_4", "0_0_0"),
        ("0_1_2", "4_4", "0_0_0"),
        ("0_1_2", "4_-4_4", "0_0_0"),
        ("0_1_2", "0_-4_4", "0_0_0"),
        ("0_1_2", "4_4_4", "0_0"),
        ("0_1_2", "0_4_4", "0_0"),
        ("0_1_2", "1025_1024_1024", "0_0_0"),
        ("0_1_2", "67108865_1_1", "0_0_0"),
        ("0_1_2", "2_1_1", f"{HIGH}_0_0"),
        ("foo", "4_4_4", "0_0_0"),
    ):
        with pytest.raises(BadRequest):
            mask.parse_box(dims, size, offset)


def test_a_long_mask_is_made_in_small_pieces() -> None:
    region = region_of([[0, 0, 0, 0], [3, 1, 2, 5]])
    most = max(len(piece) for piece in mask.mask_pieces(region, (1, 1, 1), Box((0, 0, 0), (512, 512, 300))))
    assert most <= 8 << 20
    first = next(iter(mask.mask_pieces(region, (1 << 20, 1 << 20, 1 << 20), Box((0, 0, 0), (1 << 14, 1 << 15, 2)))))
    assert len(first) <= 8 << 20


def test_the_cache_is_bounded_and_forgets_what_changed() -> None:
    region = region_of([[0, 0, 0, 1]])
    reads: list[int] = []
    cache = RegionCache(most_bytes=2 * region.nbytes)

    def get(version: int) -> None:
        def read() -> Region:
            reads.append(version)
            return region

        assert cache.get(version, read) is region

    for version in (1, 1, 2, 1, 3, 1, 2):
        get(version)
    assert reads == [1, 2, 3, 2]
    cache.clear()
    get(1)
    assert reads[-1] == 1

    def read_while_written() -> Region:
        cache.clear()
        return region

    cache.get(9, read_while_written)
    get(9)
    assert reads[-1] == 9
    small_cache = RegionCache(most_bytes=region.nbytes - 1)
    assert small_cache.get(1, lambda: region) is small_cache.get(1, lambda: region)
    assert not small_cache._regions
