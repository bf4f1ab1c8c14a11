"""Points as JSON, by both implementations of the kernels."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvid_voxels import kernels as chosen
from dvid_voxels import numpy_kernels

IMPLEMENTATIONS = {chosen.IMPLEMENTATION: chosen, "numpy": numpy_kernels}


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def kernels(request: pytest.FixtureRequest) -> ModuleType:
    return IMPLEMENTATIONS[request.param]


@given(st.lists(st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 3), max_size=20), st.sampled_from(["", " ", "\n\t "]))
def test_points_are_read(kernels: ModuleType, points: list[tuple[int, int, int]], space: str) -> None:
    inner = (f"[{space}{x}{space},{y}{space},{space}{z}]" for x, y, z in points)
    text = f"{space}[{space}{f'{space},{space}'.join(inner)}{space}]{space}"
    found = kernels.json_points(text.encode(), 20)
    assert found.dtype == np.int64
    assert found.tolist() == [list(point) for point in points]
    if points:
        assert kernels.json_points(text.encode(), len(points) - 1) is None


NO_POINTS = """
[|[[|[[1,2,3]|[[1,2,3],]|[[1,2]]|[[1,2,3,4]]|[[1,2,3][4,5,6]]|[[1,2,3]]]|[1,2,3]|{}|[[1,2,3]] x|[[1 2,3,4]]|[[1,2,3]
[[1.0,2,3]]|[[1e2,2,3]]|[[01,2,3]]|[[+1,2,3]]|[[--1,2,3]]|[[-,2,3]]|[[1,2,null]]|[[true,1,1]]|[,[1,2,3]]|[[1,2,3],,[1,2,3]]
[[2147483648,0,0]]|[[-2147483649,0,0]]|[[99999999999999999999999999999999999999999,0,0]]
"""


@pytest.mark.parametrize("text", NO_POINTS.replace("\n", "|").split("|"))
def test_what_are_no_points_is_left_to_others(kernels: ModuleType, text: str) -> None:
    assert kernels.json_points(text.encode(), 100) is None
