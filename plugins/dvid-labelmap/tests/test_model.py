"""Random writes in random versions, against a plain numpy dictionary of blocks."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

Labels = NDArray[np.uint64]
Triple = tuple[int, int, int]
LEVELS = 2
BLOCK = (16, 32, 16)
coordinate = st.tuples(*[st.integers(-3, 2)] * 3)


class Model:
    """What every version holds: blocks uint64 (z, y, x) by scale and block coordinate."""

    def __init__(self, halved: Callable[[Labels], Labels]) -> None:
        self.halved = halved
        self.blocks: dict[tuple[int, Triple], Labels] = {}

    def child(self) -> Model:
        made = Model(self.halved)
        made.blocks = dict(self.blocks)
        return made

    def write(self, written: dict[Triple, Labels], *, downres: bool) -> None:
        self.blocks |= {(0, at): labels for at, labels in written.items()}
        for scale in range(1, LEVELS + 1 if downres else 1):
            lower: dict[Triple, Labels] = {}
            for (x, y, z), labels in written.items():
                at = (x // 2, y // 2, z // 2)
                if at not in lower:
                    lower[at] = self.blocks.get((scale, at), np.zeros_like(labels)).copy()
                depth, height, width = (side // 2 for side in labels.shape)
                k, j, i = z % 2 * depth, y % 2 * height, x % 2 * width
                lower[at][k : k + depth, j : j + height, i : i + width] = self.halved(labels)
            self.blocks |= {(scale, at): labels for at, labels in lower.items()}
            written = lower

    def read(self, size: Triple, offset: Triple, scale: int) -> Labels:
        out = np.zeros(size[::-1], np.uint64)
        x, y, z = offset
        for (level, at), labels in self.blocks.items():
            if level == scale:
                bx, by, bz = (a * side for a, side in zip(at, BLOCK, strict=True))
                spans = [
                    (max(low, first), min(low + side, first + length))
                    for low, side, first, length in zip((bz, by, bx), BLOCK[::-1], (z, y, x), size[::-1], strict=True)
                ]
                if all(a < b for a, b in spans):
                    source = tuple(slice(a - low, b - low) for (a, b), low in zip(spans, (bz, by, bx), strict=True))
                    target = tuple(slice(a - low, b - low) for (a, b), low in zip(spans, (z, y, x), strict=True))
                    out[target] = labels[source]
        return out


def content(seed: int) -> Labels:
    """A block of few labels, or of one."""
    rng = np.random.default_rng(seed)
    z, y, x = BLOCK[::-1]
    if seed % 3 == 0:
        return np.full((z, y, x), seed % 5, np.uint64)
    coarse = rng.integers(0, 2 + seed % 9, (z // 2, y // 4, x // 2)).astype(np.uint64) * np.uint64(2**40 + seed)
    return np.repeat(np.repeat(np.repeat(coarse, 2, 0), 4, 1), 2, 2)


def write_something(data: st.DataObject, seg: Any, model: Model, version: str, volumes: SimpleNamespace) -> None:
    seed = data.draw(st.integers(0, 10_000), "seed")
    if data.draw(st.booleans(), "raw"):
        first, count = data.draw(coordinate, "first"), data.draw(st.tuples(*[st.integers(1, 2)] * 3), "count")
        written = {
            (first[0] + i, first[1] + j, first[2] + k): content(seed + i + 2 * j + 4 * k)
            for k in range(count[2])
            for j in range(count[1])
            for i in range(count[0])
        }
        part = Model(volumes.halved)
        part.write(written, downres=False)
        size = tuple(n * side for n, side in zip(count, BLOCK, strict=True))
        offset = tuple(n * side for n, side in zip(first, BLOCK, strict=True))
        seg.write_raw(part.read(size, offset, 0), offset, version=version).ok()
        model.write(written, downres=True)
        return
    places = data.draw(st.lists(coordinate, min_size=1, max_size=4, unique=True), "places")
    written = {at: content(seed + i) for i, at in enumerate(places)}
    blocks = {at: volumes.encoded(labels, at, BLOCK)[at] for at, labels in written.items()}
    downres = data.draw(st.booleans(), "downres")
    seg.post("blocks?downres=true" if downres else "blocks", volumes.stream_of(blocks), version).ok()
    model.write(written, downres=downres)


def check_reads(data: st.DataObject, seg: Any, model: Model, version: str, volumes: SimpleNamespace) -> None:
    for _ in range(3):
        size = data.draw(st.tuples(*[st.integers(1, 70)] * 3), "size")
        offset = data.draw(st.tuples(*[st.integers(-70, 70)] * 3), "offset")
        scale = data.draw(st.integers(0, LEVELS + 1), "scale")
        expected = model.read(size, offset, scale)
        assert (seg.read_raw(size, offset, f"?scale={scale}", version) == expected).all()
        points = [[int(n) for n in offset], [offset[0] + size[0] - 1, offset[1], offset[2] + size[2] - 1]]
        labels = seg.get(f"labels?scale={scale}", points, version).ok().json()
        assert labels == [int(expected[0, 0, 0]), int(expected[-1, 0, -1])]
    scale = data.draw(st.integers(0, LEVELS), "scale of blocks")
    compression = data.draw(st.sampled_from(["lz4", "gzip", "blocks", "uncompressed"]))
    size, offset = tuple(7 * side for side in BLOCK), tuple(-3 * side for side in BLOCK)
    rest = f"blocks/{volumes.joined(size)}/{volumes.joined(offset)}?compression={compression}&scale={scale}"
    found = volumes.decoded(seg.get(rest, version=version).ok().body, BLOCK, compression)
    expected_blocks = {at: labels for (level, at), labels in model.blocks.items() if level == scale}
    assert found.keys() == expected_blocks.keys()
    assert all((found[at] == labels).all() for at, labels in expected_blocks.items())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_versions_hold_what_was_written(
    data: st.DataObject, new_segmentation: Callable[..., Any], volumes: SimpleNamespace
) -> None:
    seg = new_segmentation(BLOCK, MaxDownresLevel=str(LEVELS))
    known: dict[str, Model] = {seg.root: Model(volumes.halved)}
    writable = seg.root
    for step in range(data.draw(st.integers(1, 5), "steps")):
        for _ in range(data.draw(st.integers(1, 3), "writes")):
            write_something(data, seg, known[writable], writable, volumes)
        check_reads(data, seg, known[writable], writable, volumes)
        seg.client.commit(writable)
        parent = data.draw(st.sampled_from(sorted(known)), "parent")
        child = seg.client.child(parent, branch=f"b{step}")
        known[child] = known[parent].child()
        writable = child
    for version, model in known.items():
        check_reads(data, seg, model, version, volumes)
