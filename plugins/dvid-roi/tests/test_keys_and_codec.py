"""Stored keys, and JSON of runs and points."""

from __future__ import annotations

import json
import os
import random

import numpy as np
import pytest
from dvid_roi import codec, keys
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.api import BadRequest, TooLarge

FUZZ_COUNT = int(os.environ.get("DVID_FUZZ_COUNT", "10000"))
int32 = st.integers(-(2**31), 2**31 - 1) | st.integers(-5, 5)
runs = st.tuples(int32, int32, int32, int32).map(lambda run: (*run[:2], *sorted(run[2:])))


def by_length(run: tuple[int, ...]) -> tuple[int, ...]:
    z, y, x0, x1 = run
    return z, y, x0, x1 - x0


@given(st.lists(runs))
def test_keys_sort_as_runs_do_and_come_back(found: list[tuple[int, ...]]) -> None:
    encoded = keys.encode_runs(np.array(found, np.int32).reshape(-1, 4))
    assert all(len(key) == keys.KEY_BYTES for key in encoded)
    assert keys.decode_runs(encoded).tolist() == [list(run) for run in found]
    assert keys.decode_runs(sorted(encoded)).tolist() == [list(run) for run in sorted(found, key=by_length)]


@given(st.lists(runs))
def test_runs_are_sorted_and_come_once(found: list[tuple[int, ...]]) -> None:
    decoded = codec.decode_runs(json.dumps(found).encode())
    assert decoded.tolist() == [list(run) for run in sorted(set(found), key=by_length)]
    assert json.loads(b"".join(codec.encode_runs(decoded))) == decoded.tolist()


def test_long_lists_are_encoded_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "_RUNS_AT_ONCE", 3)
    for count in range(8):
        found = [[0, 0, x, x] for x in range(count)]
        assert (
            b"".join(codec.encode_runs(np.array(found, np.int32).reshape(-1, 4)))
            == json.dumps(found, separators=(",", ":")).encode()
        )


def test_numbers_are_cut_and_padded() -> None:
    assert codec.decode_runs(b"[[1,2,3,4,5,6]]").tolist() == [[1, 2, 3, 4]]
    assert codec.decode_runs(b"[[1,2],[],[1]]").tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [1, 2, 0, 0]]
    assert codec.decode_points(b"[[1],[1,2,3,4],[]]").tolist() == [[1, 0, 0], [1, 2, 3], [0, 0, 0]]
    assert codec.decode_points(b" null ").shape == (0, 3)
    with pytest.raises(BadRequest, match="ends before"):
        codec.decode_runs(b"[[0,0,3]]")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"xx",
        b"{}",
        b"[1,2,3,4]",
        b"[[0,0,1.5,2]]",
        b'[["a",0,0,0]]',
        b"[[0,0,0,3000000000]]",
        b"[[0,0,0,1" + b"0" * 40 + b"]]",
        b"[[0,0,0,1]",
        b"[[[]]]",
        b"null",
        b"\xff",
        b"[[0,0,5,4]]",
        b"[" * 5000,
    ],
)
def test_other_runs_are_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        codec.decode_runs(body)


def test_too_many_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MOST_RUNS", 10)
    assert len(codec.decode_runs(json.dumps([[0, 0, x, x] for x in range(10)]).encode())) == 10
    for body in (json.dumps([[0, 0, x, x] for x in range(11)]), json.dumps([list(range(200))])):
        with pytest.raises(TooLarge):
            codec.decode_runs(body.encode())


@pytest.mark.fuzz
def test_mutated_lists_are_decoded_or_refused() -> None:
    rng = random.Random(5)
    seed = b"[[-1,-2,-3,-1],[0,0,0,1],[0,0,3,3],[5,0,2,2147483647]]"
    alphabet = b'[],-0123456789.e"{}:ntu \xff'
    for _ in range(FUZZ_COUNT):
        body = bytearray(seed)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(body))
            body[at : at + rng.randint(0, 3)] = bytes(rng.choices(alphabet, k=rng.randint(0, 3)))
        for decode in (codec.decode_runs, codec.decode_points):
            try:
                found = decode(bytes(body))
            except BadRequest:
                continue
            assert found.dtype == (np.int32 if decode is codec.decode_runs else np.int64)
            assert len(found) <= len(body)
