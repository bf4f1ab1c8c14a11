"""Blocks in regions: as asked one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dvid_voxels.geometry import Triple
from dvid_voxels.regions import blocks_inside

_BLOCKS = st.lists(st.tuples(*[st.integers(-5, 5)] * 3), max_size=600)


def _is_inside(x: int, y: int, z: int) -> bool:
    return (3 * x + 5 * y + 7 * z) % 4 == 0


@given(_BLOCKS)
def test_blocks_are_told_as_if_each_was_asked_for(blocks: list[Triple]) -> None:
    def ask(first: Triple, count: Triple) -> bytes:
        assert count[2] == 1
        x, y, z = first
        return bytes(_is_inside(x + i, y + j, z) for j in range(count[1]) for i in range(count[0]))

    found = blocks_inside(ask, np.array(blocks, np.int64).reshape(-1, 3))
    assert found.tolist() == [_is_inside(*block) for block in blocks]
