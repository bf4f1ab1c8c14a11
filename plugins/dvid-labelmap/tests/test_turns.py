"""Whose turn it is, which labels are given, and where supervoxels of large bodies are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from dvid_labelmap.ops.turns import Turns
from dvid_labels.indices import encode_index
from dvid_labels.runs import encode_rles


def finishes(work: Callable[[], None], seconds: float = 0.2) -> bool:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def holds(turns: Turns, kind: str, *names: Any) -> Callable[[], None]:
    def work() -> None:
        with getattr(turns, kind)(*names):
            pass

    return work


def test_different_bodies_change_side_by_side() -> None:
    turns = Turns()
    with turns.with_bodies(1, (5, 9)), turns.with_blocks(1, ((0, 0, 0),)):
        assert finishes(holds(turns, "with_bodies", 1, (6, 7)))
        assert finishes(holds(turns, "with_bodies", 2, (5, 9)))
        assert finishes(holds(turns, "with_blocks", 1, ((0, 0, 1),)))
        assert not finishes(holds(turns, "with_bodies", 1, (7, 9)))
        assert not finishes(holds(turns, "with_blocks", 1, ((0, 0, 0),)))
        assert finishes(holds(turns, "alone", 2))


def test_who_writes_voxels_is_alone_and_is_not_kept_waiting() -> None:
    turns, entered = Turns(), threading.Event()

    def write() -> None:
        with turns.alone(1):
            entered.set()

    with turns.with_bodies(1, (5,)):
        writer = threading.Thread(target=write)
        writer.start()
        assert not entered.wait(0.2)
        late = threading.Thread(target=holds(turns, "with_bodies", 1, (6,)))
        late.start()
        late.join(0.1)
        assert late.is_alive()  # newcomers let the writer go first
    assert entered.wait(5)
    writer.join()
    late.join(5)
    assert not late.is_alive()


def test_a_failure_gives_the_turn_back() -> None:
    turns = Turns()
    for kind, names in (("alone", (1,)), ("with_bodies", (1, (5,)))):
        with pytest.raises(ValueError, match="no"), getattr(turns, kind)(*names):
            raise ValueError("no")
    assert finishes(holds(turns, "alone", 1), 5)


def test_who_waits_for_nobody_has_the_turn_or_not() -> None:
    turns = Turns()

    def is_turn(*bodies: int, version: int = 1) -> bool:
        with turns.with_bodies_at_hand(version, bodies) as mine:
            return mine

    assert is_turn(5, 6)
    with turns.with_bodies(1, (5,)):
        assert not is_turn(4, 5)
        assert is_turn(4, 6)
        assert is_turn(5, version=2)
    with turns.alone(1):
        assert not is_turn(5)
        assert is_turn(5, version=2)
    with turns.with_bodies_at_hand(1, (5, 6)) as mine:
        assert mine
        assert not is_turn(6)
        waiting = threading.Thread(target=holds(turns, "with_bodies", 1, (6,)))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
    waiting.join(5)
    assert not waiting.is_alive()
    with pytest.raises(ValueError, match="no"), turns.with_bodies_at_hand(1, (5, 6)):
        raise ValueError("no")
    assert is_turn(5, 6)
    assert finishes(holds(turns, "alone", 1), 5)


CELLS = 4  # supervoxels along each axis, of 4x4x4 blocks each; chunks have 8x8x8 blocks
BODY = 1000


@pytest.fixture
def large(new_segmentation: Callable[..., Any]) -> Any:
    """A body of 64 supervoxels in 32x32x32 blocks, by its index alone: 64 parts."""
    seg = new_segmentation()
    grid = np.argwhere(np.ones((32, 32, 32))).astype(np.int32)
    cells = grid // 8
    names = (1 + cells[:, 0] + CELLS * cells[:, 1] + CELLS**2 * cells[:, 2]).astype(np.uint64)
    seg.post(f"index/{BODY}", encode_index(BODY, grid, names, np.full(len(grid), 7, np.uint32))).ok()
    seg.post(
        f"index/{BODY + 1}", encode_index(BODY + 1, grid[:3], np.full(3, 500, np.uint64), np.full(3, 7, np.uint32))
    )
    return seg


def sizes(seg: Any, *bodies: int) -> list[int]:
    return list(seg.get("sizes", list(bodies)).ok().json())


def test_changes_of_a_large_body_find_what_came_to_it(large: Any) -> None:
    cell = 7 * 8**3
    one = large.post(f"cleave/{BODY}", [1]).ok().json()["CleavedLabel"]  # reads all of the index
    large.post("merge", [BODY, BODY + 1]).ok()
    two = large.post(f"cleave/{BODY}", [500, 2]).ok().json()["CleavedLabel"]
    assert sizes(large, BODY, one, two) == [62 * cell, cell, cell + 21]
    large.post("merge", [BODY, one]).ok()
    assert sizes(large, large.post(f"cleave/{BODY}", [1]).ok().json()["CleavedLabel"]) == [cell]
    large.post("renumber", [7777, BODY]).ok()
    again = large.post("cleave/7777", [3, 64]).ok().json()["CleavedLabel"]
    assert sizes(large, 7777, again) == [60 * cell, 2 * cell]
    box = large.json("sparsevol-size/7777")
    assert (box["minvoxel"], box["maxvoxel"]) == ([0, 0, 0], [511, 511, 511])


def test_bounds_shrink_where_the_last_blocks_went(large: Any) -> None:
    far = [name for name in range(1, 65) if (name - 1) % CELLS == CELLS - 1]
    large.post(f"cleave/{BODY}", far[:-1]).ok()
    assert large.json(f"sparsevol-size/{BODY}")["maxvoxel"] == [511, 511, 511]
    large.post(f"cleave/{BODY}", far[-1:]).ok()
    assert large.json(f"sparsevol-size/{BODY}")["maxvoxel"] == [383, 511, 511]


def test_labels_of_refused_splits_are_not_given_again(new_segmentation: Callable[..., Any]) -> None:
    seg = new_segmentation()
    seg.write_raw(np.ones((16, 16, 16), np.uint64), (0, 0, 0)).ok()
    runs = encode_rles(np.array([(0, 0, 0, 3), (0, 0, 0, 3)], np.int32))
    assert seg.post("split-supervoxel/1", runs).status == 400
    assert seg.json("nextlabel") == {"nextlabel": 4}
    assert seg.post("nextlabel/2").ok().json() == {"start": 4, "end": 5}
    seg.server.restart()
    assert seg.server.client.json(seg.path("nextlabel")) == {"nextlabel": 6}
