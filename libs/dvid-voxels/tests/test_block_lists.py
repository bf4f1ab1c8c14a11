"""The blocks that requests name."""

import pytest

from dvid_voxels.block_lists import parse_block_list, whole_blocks
from dvid_voxels.geometry import Box, GeometryError


def test_lists() -> None:
    assert parse_block_list("", 2) == []
    assert parse_block_list("1,-2,+3,4,5,6", 2) == [(1, -2, 3), (4, 5, 6)]


@pytest.mark.parametrize("text", ["1,2", "1,2,3,4,5,6,7,8,9", "1,2,x", "1,2,+-3", "1,2,2147483648", "1,2,123456789012"])
def test_lists_that_are_refused(text: str) -> None:
    with pytest.raises(GeometryError, match="blocks="):
        parse_block_list(text, 2)


def test_boxes() -> None:
    assert whole_blocks(Box((-16, 0, 32), (32, 16, 16)), (16, 16, 16), 2) == Box((-1, 0, 2), (2, 1, 1))
    with pytest.raises(GeometryError, match="at most 1 blocks"):
        whole_blocks(Box((-16, 0, 32), (32, 16, 16)), (16, 16, 16), 1)
    with pytest.raises(GeometryError, match="multiples of the block size"):
        whole_blocks(Box((0, 0, 1), (16, 16, 16)), (16, 16, 16), 1)
