"""Partitions against a plain model that counts block by block."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dvid_roi import partition as module
from dvid_roi.codec import decode_runs
from dvid_roi.partition import partition
from dvid_roi.region import Region
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dvid_framework.api import TooLarge

EXAMPLE = [(-1, -2, -3, -1), (0, 0, 0, 1), (0, 0, 3, 3), (0, 2, 3, 5), (0, 2, 8, 9), (1, 2, 3, 4), (5, 0, 2, 2)]
SIZE = (32, 16, 8)
Runs = list[tuple[int, ...]]
coordinate = st.integers(-6, 9)
run_lists = st.lists(
    st.tuples(coordinate, coordinate, coordinate, st.integers(0, 6)).map(lambda r: (r[0], r[1], r[2], r[2] + r[3])),
    max_size=15,
    unique=True,
)


def cut(runs: Runs, batch: int, optimized: bool) -> dict[str, Any]:
    region = Region(decode_runs(json.dumps(runs).encode()))
    answer: dict[str, Any] = json.loads(partition(region, SIZE, batch, optimized))
    return answer


def layers(runs: Runs, batch: int, optimized: bool) -> list[tuple[int, int, Runs]]:
    depth = runs[-1][0] - runs[0][0] + 1
    rest = depth % batch
    low = runs[0][0] if optimized else runs[0][0] - rest // 2
    high, found = low + batch - 1, [(low, low + batch - 1, [])]  # type: list[tuple[int, int, Runs]]
    high = found[0][1]
    for run in runs:
        if run[0] > high:
            size = batch
            if optimized and rest > 0:
                size, rest = batch + 1, rest - 1
            found.append((high + 1, high + size, []))
            high += size
        found[-1][2].append(run)
    return found


def inside(row: Runs, x: int) -> int:
    return sum(x0 <= x <= x1 for _, _, x0, x1 in row)


class Model:
    """The rules, with no thought for speed."""

    def __init__(self, runs: Runs, batch: int) -> None:
        self.runs = sorted(runs, key=lambda run: (*run[:3], run[3] - run[2]))
        self.batch = batch
        self.total = self.active = 0
        self.found: list[dict[str, Any]] = []

    def add(self, low: tuple[int, int, int], high: tuple[int, int, int], active: int) -> None:
        volume = 1
        for a, b in zip(low, high, strict=True):
            volume *= b - a + 1
        self.found.append(
            {
                "MinPoint": [a * n for a, n in zip(low, SIZE, strict=True)],
                "MaxPoint": [(b + 1) * n - 1 for b, n in zip(high, SIZE, strict=True)],
                "MinChunk": list(low),
                "MaxChunk": list(high),
                "TotalBlocks": volume,
                "ActiveBlocks": active,
            }
        )

    def simple(self) -> None:
        batch = self.batch
        for z0, z1, layer in layers(self.runs, batch, optimized=False):
            y_low, y_high = min(run[1] for run in layer), max(run[1] for run in layer)
            y_rest = (y_high - y_low + 1) % batch
            for y0 in range(y_low - y_rest // 2, y_high + y_rest - y_rest // 2 + 1, batch):
                row = [run for run in layer if y0 <= run[1] < y0 + batch]
                if not row:
                    continue
                x_low, x_high = min(run[2] for run in row), max(run[3] for run in row)
                x_rest = (x_high - x_low + 1) % batch
                for x0 in range(x_low - x_rest // 2, x_high + x_rest - x_rest // 2 + 1, batch):
                    active = sum(inside(row, x) for x in range(x0, x0 + batch))
                    self.total += batch**3
                    self.active += active
                    if active:
                        self.add((x0, y0, z0), (x0 + batch - 1, y0 + batch - 1, z1), active)

    def optimized(self) -> None:
        batch = self.batch
        for z0, z1, layer in layers(self.runs, batch, optimized=True):
            y0, y_high = min(run[1] for run in layer), max(run[1] for run in layer)
            y_rest = (y_high - y0 + 1) % batch
            while y0 <= y_high:
                y1 = y0 + batch - 1 + (y_rest > 0)
                y_rest -= 1
                if row := [run for run in layer if y0 <= run[1] <= y1]:
                    self.optimized_row(row, (y0, y1), (z0, z1))
                y0 = y1 + 1

    def optimized_row(self, row: Runs, y: tuple[int, int], z: tuple[int, int]) -> None:
        x, x_high = min(run[2] for run in row), max(run[3] for run in row)
        rest = (x_high - x + 1) % self.batch
        while x <= x_high:
            end = x + self.batch - 1 + (rest > 0)
            rest -= 1
            holes = [
                (a, b)
                for a in range(x, end + 1)
                for b in range(a, end + 1)
                if not any(inside(row, c) for c in range(a, b + 1))
            ]
            hole = max(holes, key=lambda one: (one[1] - one[0], -one[0]), default=None)
            last = end if hole is None else hole[0] - 1
            if last >= x:
                self.stretch(x, last, row, y, z, whole=hole is None)
            x = (end if hole is None else hole[1]) + 1

    def stretch(self, x0: int, x1: int, row: Runs, y: tuple[int, int], z: tuple[int, int], *, whole: bool) -> None:
        active = sum(inside(row, x) for x in range(x0, x1 + 1))
        volume = (x1 - x0 + 1) * (y[1] - y[0] + 1) * (z[1] - z[0] + 1)
        self.total += volume
        self.active += active
        if whole or not self.found:
            self.add((x0, y[0], z[0]), (x1, y[1], z[1]), active)
            return
        before = self.found[-1]
        before["MaxChunk"] = [x1, y[1], z[1]]
        before["MaxPoint"] = [a * n for a, n in zip(before["MaxChunk"], SIZE, strict=True)]
        before["TotalBlocks"] += volume
        before["ActiveBlocks"] += active


@settings(deadline=None, max_examples=150)
@given(run_lists, st.integers(1, 7))
@example(EXAMPLE, 2)
def test_both_ways_follow_the_model(runs: Runs, batch: int) -> None:
    for optimized in (False, True):
        model = Model(runs, batch)
        if runs:
            model.optimized() if optimized else model.simple()
        answer = cut(runs, batch, optimized)
        assert answer["Subvolumes"] == model.found
        assert answer["NumTotalBlocks"] == model.total
        assert answer["NumActiveBlocks"] == model.active
        assert answer["NumSubvolumes"] == len(model.found)


def test_known_figures() -> None:
    answer = cut(EXAMPLE, 2, optimized=False)
    assert (answer["NumSubvolumes"], answer["NumTotalBlocks"], answer["NumActiveBlocks"]) == (10, 80, 14)
    assert answer["ROI"] == {"MinChunk": [-3, -2, -1], "MaxChunk": [9, 2, 5]}
    answer = cut(EXAMPLE, 2, optimized=True)
    assert (answer["NumSubvolumes"], answer["NumTotalBlocks"], answer["NumActiveBlocks"]) == (5, 80, 14)
    assert answer["Subvolumes"][0]["MaxChunk"] == [-1, 0, 0]
    assert answer["Subvolumes"][0]["TotalBlocks"] == 18


def test_an_empty_roi() -> None:
    for optimized in (False, True):
        assert cut([], 4, optimized) == {
            "NumTotalBlocks": 0,
            "NumActiveBlocks": 0,
            "NumSubvolumes": 0,
            "ROI": {"MinChunk": [0, 0, 2147483647], "MaxChunk": [0, 0, -2147483648]},
            "Subvolumes": [],
        }


LOW, HIGH = -(2**31), 2**31 - 1


def test_far_apart_runs_take_no_longer() -> None:
    far = [(0, LOW, LOW, LOW), (0, LOW, HIGH, HIGH), (0, HIGH, 0, 0), (HIGH, 0, 0, 3)]
    for batch in (1, 2, 7):
        answer = cut(far, batch, optimized=False)
        assert answer["NumActiveBlocks"] == 7
        assert cut(far, batch, optimized=True)["NumActiveBlocks"] == 7


def test_a_large_batch_is_one_subvolume() -> None:
    assert cut(EXAMPLE, 10**9, optimized=False)["NumSubvolumes"] == 1


def test_too_many_subvolumes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SUBVOLUMES", 1000)
    assert cut([(0, 0, 0, 999)], 1, optimized=False)["NumSubvolumes"] == 1000
    for optimized in (False, True):
        with pytest.raises(TooLarge, match="larger batchsize"):
            cut([(0, 0, LOW, HIGH)], 1, optimized)
