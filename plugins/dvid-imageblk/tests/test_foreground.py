"""Where a volume holds something, by blocks; and what the log of activity is told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from dvid_imageblk.ops import foreground
from dvid_imageblk.ops.foreground import foreground_runs
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.testing.running import ServerThread

Volume = Any


def runs_of(inside: np.ndarray, first: tuple[int, int, int]) -> list[list[int]]:
    """The runs of a (z, y, x) of blocks, one by one."""
    found: list[list[int]] = []
    for z, y, x in np.argwhere(inside).tolist():
        place = [z + first[2], y + first[1], x + first[0]]
        if found and found[-1][:2] == place[:2] and found[-1][3] == place[2] - 1:
            found[-1][3] = place[2]
        else:
            found.append([*place, place[2]])
    return found


@pytest.mark.parametrize("compression", ["lz4", "gzip", "none"])
def test_blocks_with_other_values(
    new_volume: Callable[..., Volume], compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreground, "_MOST_BATCH", 3)  # so that runs go over the ends of batches
    volume = new_volume(Compression=compression)
    random = np.random.default_rng(3)
    inside = random.random((4, 3, 9)) < 0.6
    voxels = np.full((32, 24, 72), 7, np.uint8)
    for z, y, x in np.argwhere(inside).tolist():
        voxels[8 * z + random.integers(8), 8 * y + random.integers(8), 8 * x + random.integers(8)] = 9
    voxels[0, 0, 0] = 255
    volume.write(voxels, (-24, 8, -16)).ok()
    inside[0, 0, 0] = True
    reply = volume.get("roi?background=7").ok()
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == runs_of(inside, (-3, 1, -2))
    assert volume.get("roi?background=7,9").ok().json() == [[-2, 1, -3, -3]]
    assert volume.get("roi?background=7,9,255").ok().json() == []
    assert volume.get("roi").ok().json() == runs_of(np.ones_like(inside), (-3, 1, -2))


@given(
    st.lists(st.tuples(*[st.integers(-2, 2)] * 3), unique=True, max_size=40).map(sorted),
    st.lists(st.integers(1, 4), max_size=40),
)
def test_runs_over_the_ends_of_batches(blocks: list[tuple[int, int, int]], cuts: list[int]) -> None:
    parts, at = [], 0
    for cut in [*cuts, len(blocks)]:
        if blocks[at : at + cut]:
            parts.append(np.array(blocks[at : at + cut], np.int64))
        at += cut
    joined = [run for part in foreground._joined(map(foreground._runs, parts)) for run in part.tolist()]
    inside = np.zeros((5, 5, 5), bool)
    for z, y, x in blocks:
        inside[z + 2, y + 2, x + 2] = True
    assert joined == runs_of(inside, (-2, -2, -2))


def test_what_is_refused(new_volume: Callable[..., Volume]) -> None:
    for background in ("", "a", "-1", "256", "1,,2", "1;2", "1.0"):
        assert new_volume().get(f"roi?background={background}").status == 400
    assert new_volume("uint16blk").get("roi").status == 400
    assert new_volume("rgba8blk").get("roi?background=0").status == 400


def test_a_damaged_block_is_an_error(new_volume: Callable[..., Volume]) -> None:
    volume = new_volume()
    volume.write(volume.noise((8, 8, 8)), (0, 0, 0)).ok()
    repo, version = volume.server.server.repos.find(volume.root)
    instance = volume.server.server.instances.get(repo, "vol")
    with instance.begin(version) as txn:
        txn.put(b"\x17" + b"\x80\0\0\0" * 3, b"no LZ4")
    assert volume.get("roi").status == 500
    with instance.view(version) as view, pytest.raises(Exception, match="damaged"):
        list(foreground_runs(instance.stored(view), [0]))


def test_the_log_is_told_how_many_blocks_were_asked_for(
    new_volume: Callable[..., Volume], server: ServerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(server.server.activity, "publish", told.append)
    new_volume().get("specificblocks?blocks=0,0,0,1,2,3&compression=uncompressed").ok()
    until = time.monotonic() + 10  # a request is recorded behind its answer
    while not any("num_blocks" in fields for fields in told) and time.monotonic() < until:
        time.sleep(0.01)
    assert told[-1]["num_blocks"] == 2, json.dumps(told)
