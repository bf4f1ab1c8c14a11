"""Every body of a real segmentation, whole and within bounds, at three scales, is what numpy finds in the volume."""

from __future__ import annotations

import gzip
import importlib.util
import os
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dvid_labels import kernels
from dvid_labels.runs import decode_rles, decode_runs
from numpy.typing import NDArray

Labels = NDArray[np.uint64]
Runs = NDArray[np.int64]
SIDE, CELL, LEVELS = 64, 8, 2
FOLDER = Path(os.environ.get("DVID_TEST_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
SIDE_WITHOUT_DATA = 256
SAMPLE = 40


def segmentation_volume(volumes: SimpleNamespace) -> Labels:
    """The real one, axes z, y, x; where it can't be read, one that looks like it."""
    file = FOLDER / "connectomics.npy.ckl.gz"
    if not file.exists() or importlib.util.find_spec("crackle") is None:
        return np.asarray(volumes.natural((SIDE_WITHOUT_DATA,) * 3, 5, 400))
    import crackle  # noqa: PLC0415 - not everybody has it

    array = crackle.decompress(gzip.decompress(file.read_bytes()))
    return np.ascontiguousarray(array.reshape(array.shape[:3]).T, np.uint64)


def runs_by_body(volume: Labels) -> dict[int, Runs]:
    """Runs along x, int64 (n, 4) as x, y, z, length, by z, y, x, of each label but 0."""
    _, height, width = volume.shape
    flat = volume.reshape(-1, width)
    starts = np.ones(flat.shape, bool)
    starts[:, 1:] = flat[:, 1:] != flat[:, :-1]
    rows, x = np.nonzero(starts)
    ends = np.append(x[1:], 0)
    ends[np.append(rows[1:] != rows[:-1], True)] = width
    labels = flat[rows, x]
    runs = np.stack((x, rows % height, rows // height, ends - x), axis=1)
    order = np.argsort(labels, kind="stable")
    names, firsts = np.unique(labels[order], return_index=True)
    parts = np.split(runs[order], firsts[1:])
    return {int(name): part for name, part in zip(names, parts, strict=True) if name}


def check_binary_blocks(body: bytes, label: int, volume: Labels, runs: Runs) -> None:
    """The blocks are those that hold some of the label, by z, y, x, and hold the right voxels."""
    gx, gy, gz, name = struct.unpack_from("<3IQ", body)
    assert (gx, gy, gz, name) == (SIDE // CELL,) * 3 + (label,)
    data, at, before, found = np.frombuffer(body, np.uint8), 20, (-1, -1, -1), 0
    n = SIDE // CELL
    while at < len(body):
        x, y, z = struct.unpack_from("<3i", body, at)
        assert (z, y, x) > before
        before, flag, at = (z, y, x), body[at + 12], at + 13
        mask = volume[z : z + SIDE, y : y + SIDE, x : x + SIDE] == np.uint64(label)
        cells = np.zeros((SIDE,) * 3, bool)
        cells[tuple(slice(0, side) for side in mask.shape)] = mask
        cells = cells.reshape(n, CELL, n, CELL, n, CELL).transpose(0, 2, 4, 1, 3, 5).reshape(n**3, CELL**3)
        found += int(mask.sum())
        whole, some = cells.all(axis=1), cells.any(axis=1)
        if flag == 1:
            assert whole.all()
            continue
        assert flag == 2
        mixed = some & ~whole
        places = at + np.cumsum(np.where(mixed, 65, 1)) - np.where(mixed, 65, 1)
        assert (data[places] == np.where(mixed, 2, whole)).all()
        bits = data[places[mixed][:, None] + np.arange(1, 65)]
        assert (bits == np.packbits(cells[mixed], axis=1, bitorder="little")).all()
        at = int(places[-1]) + (65 if mixed[-1] else 1)
    assert found == int(runs[:, 3].sum())


def blocks_of(runs: Runs) -> NDArray[np.int64]:
    """Block coordinates (x, y, z) that runs touch, by z, y, x."""
    first, last = runs[:, 0] // SIDE, (runs[:, 0] + runs[:, 3] - 1) // SIDE
    counts = last - first + 1
    x = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    y, z = np.repeat(runs[:, 1] // SIDE, counts), np.repeat(runs[:, 2] // SIDE, counts)
    return np.unique(np.stack((z, y, x), axis=1), axis=0)[:, ::-1]


def cut(runs: Runs, volume: Labels, label: int, low: list[int], high: list[int]) -> Runs:
    """Cut runs at bounds; at the last x those in sub-blocks of one label go on to the end of the sub-block."""
    inside = ((runs[:, 1:3] >= low[1:]) & (runs[:, 1:3] <= high[1:])).all(axis=1)
    runs = runs[inside & (runs[:, 0] <= high[0]) & (runs[:, 0] + runs[:, 3] > low[0])].copy()
    ends = np.minimum(runs[:, 0] + runs[:, 3], high[0] + 1)
    runs[:, 0] = np.maximum(runs[:, 0], low[0])
    for row in np.flatnonzero(ends == high[0] + 1).tolist() if (high[0] + 1) % CELL else ():
        x, y, z = (int(n) // CELL * CELL for n in (high[0], runs[row, 1], runs[row, 2]))
        a, b, c = (int(n) // SIDE * SIDE for n in (x, y, z))
        whole = volume[z : z + CELL, y : y + CELL, x : x + CELL]
        block = volume[c : c + SIDE, b : b + SIDE, a : a + SIDE]
        if (whole == label).all() and not (block == label).all():
            ends[row] = x + CELL
    runs[:, 3] = ends - runs[:, 0]
    return runs


def check_bounds(seg: Any, label: int, scales: list[Labels], runs: list[dict[int, Runs]]) -> None:
    rng = np.random.default_rng(label % 2**32)
    for scale, volume in enumerate(scales):
        mine = runs[scale].get(label)
        if mine is None:
            assert seg.get(f"sparsevol/{label}?scale={scale}").ok().body == b""
            continue
        assert (decode_rles(seg.get(f"sparsevol/{label}?scale={scale}").ok().body, 1 << 24) == mine).all()
        check_binary_blocks(seg.get(f"sparsevol/{label}?scale={scale}&format=blocks").ok().body, label, volume, mine)
        low, high = mine[:, :3].min(axis=0), (mine[:, :3] + [1, 0, 0] * mine[:, 3:]).max(axis=0)
        for _ in range(3):
            corners = np.sort(rng.integers(low - 20, high + 20, (2, 3)), axis=0).tolist()
            names = [f"min{axis}={n}" for axis, n in zip("xyz", corners[0], strict=True)]
            names += [f"max{axis}={n}" for axis, n in zip("xyz", corners[1], strict=True)]
            reply = seg.get(f"sparsevol/{label}?scale={scale}&format=srles&" + "&".join(names))
            expected = cut(mine, volume, label, *corners)
            if reply.status == 404:
                assert not len(expected)
                continue
            assert (decode_runs(reply.ok().body, 1 << 24) == expected).all()


def check_indices(seg: Any, names: list[int], volume: Labels, runs: dict[int, Runs]) -> None:
    """The indices of all bodies, a thousand at a time."""
    for first in range(0, len(names), 1000):
        asked = names[first : first + 1000]
        found = kernels.decode_indices(seg.get("indices", asked).ok().body, 1000)
        assert found.labels.tolist() == asked
        for number, name in enumerate(asked):
            rows, places = found.rows(number), blocks_of(runs[name])
            assert (found.coordinates[rows] == places).all()
            assert (found.supervoxels[rows] == name).all()
            counts = found.counts[rows].tolist()
            assert sum(counts) == int(runs[name][:, 3].sum())
            for (x, y, z), count in list(zip(places.tolist(), counts, strict=True))[:: 1 + len(places) // 2]:
                part = volume[z * SIDE : (z + 1) * SIDE, y * SIDE : (y + 1) * SIDE, x * SIDE : (x + 1) * SIDE]
                assert count == int((part == np.uint64(name)).sum())


def check_coarse(seg: Any, names: list[int], runs: dict[int, Runs]) -> None:
    """The blocks of all bodies in one answer."""
    body, at = seg.get(f"sparsevols-coarse/1/{2**64 - 1}").ok().body, 0
    for name in names:
        label, count = struct.unpack_from("<QI", body, at)
        assert label == name
        coarse = np.frombuffer(body, "<i4", 4 * count, at + 12).reshape(-1, 4)
        at += 12 + 16 * count
        rows = np.repeat(coarse[:, :3], coarse[:, 3], axis=0)
        steps = np.arange(len(rows)) - np.repeat(np.cumsum(coarse[:, 3]) - coarse[:, 3], coarse[:, 3])
        rows[:, 0] += steps.astype(np.int32)
        assert (rows == blocks_of(runs[name])).all()
    assert at == len(body)


def check_box(seg: Any, label: int, mine: Runs) -> None:
    places = blocks_of(mine)
    assert seg.json(f"sparsevol-size/{label}") == {
        "voxels": int(mine[:, 3].sum()),
        "numblocks": len(places),
        "minvoxel": (places.min(axis=0) * SIDE).tolist(),
        "maxvoxel": (places.max(axis=0) * SIDE + SIDE - 1).tolist(),
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_body_is_what_numpy_finds(new_segmentation: Callable[..., Any], volumes: SimpleNamespace) -> None:
    whole = segmentation_volume(volumes)
    volume = np.zeros([-(-side // SIDE) * SIDE for side in whole.shape], np.uint64)
    volume[tuple(slice(0, side) for side in whole.shape)] = whole
    seg = new_segmentation((SIDE,) * 3, MaxDownresLevel=str(LEVELS))
    for z in range(0, len(volume), SIDE):
        seg.write_raw(np.ascontiguousarray(volume[z : z + SIDE]), (0, 0, z)).ok()
    sides = [[side >> scale for side in volume.shape[::-1]] for scale in range(LEVELS + 1)]
    scales = [seg.read_raw(size, (0, 0, 0), f"?scale={scale}") for scale, size in enumerate(sides)]
    assert (scales[0] == volume).all()
    runs = [runs_by_body(part) for part in scales]
    names = sorted(runs[0])
    sizes = [int(runs[0][name][:, 3].sum()) for name in names]
    listed = np.frombuffer(seg.get("listlabels?sizes=true").ok().body, "<u8").reshape(-1, 2)
    assert listed.tolist() == [list(pair) for pair in zip(names, sizes, strict=True)]
    assert seg.get("sizes", names).ok().json() == sizes
    check_indices(seg, names, volume, runs[0])
    check_coarse(seg, names, runs[0])
    for number, name in enumerate(names):
        mine = runs[0][name]
        assert (decode_rles(seg.get(f"sparsevol/{name}").ok().body, 1 << 24) == mine).all()
        check_binary_blocks(seg.get(f"sparsevol/{name}?format=blocks").ok().body, name, volume, mine)
        if number % 20 == 0:
            check_box(seg, name, mine)
    rng = np.random.default_rng(9)
    largest = [names[place] for place in np.argsort(sizes)[-5:].tolist()]
    for name in {*largest, *rng.choice(np.array(names, np.uint64), min(SAMPLE, len(names)), replace=False).tolist()}:
        check_bounds(seg, name, scales, runs)
    target, *others = largest
    seg.post("merge", [target, *others]).ok()
    merged = runs_by_body(np.where(np.isin(volume, largest), np.uint64(target), volume))[target]
    assert (decode_rles(seg.get(f"sparsevol/{target}").ok().body, 1 << 24) == merged).all()
    assert seg.json(f"size/{target}") == {"voxels": int(merged[:, 3].sum())}
