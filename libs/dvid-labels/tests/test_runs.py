"""Runs and the streams that hold them."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvid_labels import LabelFormatError
from dvid_labels.runs import (
    binary_blocks_header,
    coarse_runs,
    decode_rles,
    decode_runs,
    encode_coarse_volume,
    encode_rles,
    joined_runs,
    rles_header,
)

RUNS = np.array([(16, 0, 0, 1), (16, 1, 0, 3), (-5, 1, -2, 7)], np.int32)
Runs = list[tuple[int, int, int, int]]


def test_examples_of_the_format() -> None:
    seven, nine = coarse_runs([(1, 0, 0)]), coarse_runs(np.array([(1, 0, 0)], np.int32))
    assert encode_rles(seven).hex() == "000300000000000001000000" + "01000000000000000000000001000000"
    assert (encode_coarse_volume(7, seven) + encode_coarse_volume(9, nine)).hex() == (
        "070000000000000001000000" + "01000000000000000000000001000000"
        "090000000000000001000000" + "01000000000000000000000001000000"
    )
    assert binary_blocks_header((16, 16, 16), 7).hex() == "0200000002000000020000000700000000000000"
    assert encode_coarse_volume(2**64 - 1, seven[:0]) == b"\xff" * 8 + bytes(4)


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-2, 2), st.integers(-2, 2), st.integers(1, 5))))
def test_joined_runs_are_the_same_voxels(runs: Runs) -> None:
    voxels = {(z, y, x + i) for x, y, z, length in runs for i in range(length)}
    joined = joined_runs(np.array(runs, np.int32).reshape(-1, 4))
    assert joined.dtype == np.int32
    again = [(z, y, x + i) for x, y, z, length in joined.tolist() for i in range(length)]
    assert again == sorted(voxels)
    starts = {(z, y, x) for x, y, z, _ in joined.tolist()}
    assert not any((z, y, x - 1) in voxels for z, y, x in starts)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(-3, 3))))
def test_coarse_runs(blocks: list[tuple[int, int, int]]) -> None:
    runs = coarse_runs(np.array(blocks, np.int32).reshape(-1, 3))
    again = [(z, y, x + i) for x, y, z, length in runs.tolist() for i in range(length)]
    assert again == sorted({(z, y, x) for x, y, z in blocks})


def test_farthest_runs() -> None:
    ends = np.array([(2**31 - 1, 2**31 - 1, 2**31 - 1, 1), (-(2**31), -(2**31), -(2**31), 2**31 - 1)], np.int32)
    assert joined_runs(ends).tolist() == ends[::-1].tolist()
    with pytest.raises(ValueError, match="int32"):
        joined_runs([(-(2**31), 0, 0, 2**31 - 1), (-1, 0, 0, 2)])


def test_rles_come_back() -> None:
    body = encode_rles(RUNS)
    for form in (bytes, bytearray, memoryview):
        found = decode_rles(form(body), 3)
        assert found.dtype == np.int32
        assert (found == RUNS).all()
    assert (decode_runs(body[12:], 3) == RUNS).all()
    assert decode_rles(encode_rles(RUNS[:0]), 0).shape == (0, 4)
    assert decode_runs(b"", 0).shape == (0, 4)
    # Bytes 1 to 7 are not looked at.
    assert (decode_rles(b"\0" + b"\xff" * 7 + body[8:], 3) == RUNS).all()
    assert (encode_rles(RUNS[::-1])[12:]) == RUNS[::-1].tobytes()


def rles(*run: int, count: int = 1, kind: int = 0) -> bytes:
    return struct.pack("<4B2I", kind, 3, 0, 0, 0, count) + struct.pack(f"<{len(run)}i", *run)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        rles()[:11],
        rles(1, 2, 3, 4, kind=1),
        rles(1, 2, 3, 4, count=0),
        rles(1, 2, 3, 4, count=2),
        rles(1, 2, 3, 4, count=2**32 - 1),
        rles(1, 2, 3),
        rles(1, 2, 3, 4) + b"\0",
        rles(1, 2, 3, 0),
        rles(1, 2, 3, -1),
        rles(1, 2, 3, -(2**31)),
        rles(2**31 - 1, 2, 3, 2),
        rles(1, 2, 3, 4, 1, 2, 3, 4, count=2),
    ],
)
def test_every_rule_is_checked(body: bytes) -> None:
    with pytest.raises(LabelFormatError):
        decode_rles(body, 1)


def test_last_voxel_is_reached() -> None:
    assert len(decode_rles(rles(2**31 - 1, 2, 3, 1), 1)) == 1


def test_headers_are_bounded() -> None:
    with pytest.raises(ValueError, match="fit"):
        rles_header(2**32)
    with pytest.raises(ValueError, match="fit"):
        rles_header(-1)
    with pytest.raises(ValueError, match="multiples of 8"):
        binary_blocks_header((8, 8, 9), 7)
