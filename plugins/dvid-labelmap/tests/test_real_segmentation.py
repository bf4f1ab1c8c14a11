"""A real segmentation in by POST blocks and back voxel for voxel, in three scales, at two versions."""

from __future__ import annotations

import gzip
import importlib.util
import os
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Labels = NDArray[np.uint64]
BLOCK = (64, 64, 64)
LEVELS = 2
FOLDER = Path(os.environ.get("DVID_TEST_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
SIDE_WITHOUT_DATA = 256


def segmentation_volume(volumes: SimpleNamespace) -> Labels:
    """The real one, axes z, y, x; where it can't be read, one that looks like it."""
    file = FOLDER / "connectomics.npy.ckl.gz"
    if not file.exists() or importlib.util.find_spec("crackle") is None:
        return np.asarray(volumes.natural((SIDE_WITHOUT_DATA,) * 3, 5, 400))
    import crackle  # noqa: PLC0415 - not everybody has it

    array = crackle.decompress(gzip.decompress(file.read_bytes()))
    return np.ascontiguousarray(array.reshape(array.shape[:3]).T, np.uint64)


def scales_of(volume: Labels, halved: Callable[[Labels], Labels]) -> list[Labels]:
    scales = [volume]
    for _ in range(LEVELS):
        scales.append(halved(scales[-1]))
    return scales


def post_blocks(seg: Any, volume: Labels, version: str, volumes: SimpleNamespace) -> None:
    for z in range(0, len(volume), BLOCK[2]):
        blocks = volumes.encoded(np.ascontiguousarray(volume[z : z + BLOCK[2]]), (0, 0, z // BLOCK[2]), BLOCK)
        reply = seg.post("blocks?downres=true", volumes.stream_of(blocks), version).ok()
        assert reply.headers["dvid-durable"] == "false"


def check(seg: Any, scales: list[Labels], version: str, volumes: SimpleNamespace) -> None:
    rng = random.Random(7)
    for scale, expected in enumerate(scales):
        size = expected.shape[::-1]
        assert (seg.read_raw(size, (0, 0, 0), f"?scale={scale}", version) == expected).all()
        for compression in ("blocks", "lz4", "gzip", "uncompressed"):
            rest = f"blocks/{volumes.joined(size)}/0_0_0?scale={scale}&compression={compression}"
            check_blocks(seg.get(rest, version=version).ok().body, expected, compression, volumes)
        grid = [side // step for side, step in zip(size, BLOCK, strict=True)]
        chosen = {tuple(rng.randrange(count) for count in grid) for _ in range(9)}
        listed = ",".join(str(n) for at in chosen for n in at)
        body = seg.get(f"specificblocks?scale={scale}&blocks={listed}", version=version).ok().body
        assert check_blocks(body, expected, "blocks", volumes) == chosen


def check_blocks(body: bytes, expected: Labels, compression: str, volumes: SimpleNamespace) -> set[tuple[int, ...]]:
    found = volumes.decoded(body, BLOCK, compression)
    for (x, y, z), labels in found.items():
        a, b, c = z * BLOCK[2], y * BLOCK[1], x * BLOCK[0]
        assert (labels == expected[a : a + BLOCK[2], b : b + BLOCK[1], c : c + BLOCK[0]]).all()
    return set(found)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_real_segmentation_comes_back(new_segmentation: Callable[..., Any], volumes: SimpleNamespace) -> None:
    volume = segmentation_volume(volumes)
    seg = new_segmentation(BLOCK, MaxDownresLevel=str(LEVELS))
    post_blocks(seg, volume, seg.root, volumes)
    first = scales_of(volume, volumes.halved)
    check(seg, first, seg.root, volumes)
    seg.client.commit(seg.root)
    child = seg.client.child(seg.root)

    changed = volume.copy()
    changed[64:128, 0:128, 64:192] = np.where(
        changed[64:128, 0:128, 64:192] % 2 == 0, changed[64:128, 0:128, 64:192], 0
    )
    seg.write_raw(np.ascontiguousarray(changed[64:128, 0:128, 64:192]), (64, 0, 64), version=child).ok()
    changed[128:192, 128:192] += np.uint64(2**40)
    row = np.ascontiguousarray(changed[128:192, 128:192])
    seg.post("blocks?downres=true", volumes.stream_of(volumes.encoded(row, (0, 2, 2), BLOCK)), child).ok()
    check(seg, scales_of(changed, volumes.halved), child, volumes)
    check(seg, first, seg.root, volumes)
