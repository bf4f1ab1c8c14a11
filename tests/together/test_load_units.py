"""The units of a load: whole blocks, each voxel of the source in exactly one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dvid_framework.cli.loading.units import plan_units

TRIPLE = st.tuples(*[st.integers(1, 40)] * 3)


@settings(max_examples=80, deadline=None)
@given(
    offset=st.tuples(*[st.integers(-50, 50)] * 3),
    size=TRIPLE,
    block=st.tuples(*[st.integers(1, 12)] * 3),
    data=st.data(),
)
def test_units_tile_the_source(offset: Any, size: Any, block: Any, data: st.DataObject) -> None:
    wide = data.draw(st.sampled_from([1, 8, 1 << 22]))
    seen = np.zeros(size[::-1], np.uint8)
    for number, unit in enumerate(plan_units(offset, size, block, wide, data.draw(st.booleans()))):
        assert unit.number == number
        assert all(
            low % side == 0 and count % side == 0 for low, count, side in zip(unit.first, unit.size, block, strict=True)
        )
        first = [at - low for at, low in zip(unit.source_first, offset, strict=True)]
        box = tuple(slice(low, low + count) for low, count in zip(first[::-1], unit.source_size[::-1], strict=True))
        assert all(part.start >= 0 for part in box)
        inside = zip(unit.source_first, unit.first, unit.source_size, unit.size, strict=True)
        assert all(low >= begin and low + count <= begin + most for low, begin, count, most in inside)
        assert math.prod(unit.size) * wide <= 128 << 20 or unit.size == block
        seen[box] += 1
    assert (seen == 1).all()
