"""JSON of runs and points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from dvid_voxels.kernels import json_points
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, TooLarge
from dvid_roi.model import MOST_POINTS, MOST_RUNS, Runs

__all__ = ["decode_points", "decode_runs", "encode_answers", "encode_runs"]

_RUNS_AT_ONCE = 50_000
_INT32 = np.iinfo(np.int32)
_encode = msgspec.json.Encoder().encode
_decode_runs = msgspec.json.Decoder(list[tuple[int, int, int, int]]).decode
_decode_points = msgspec.json.Decoder(list[tuple[int, int, int]]).decode
_decode_any = msgspec.json.Decoder(list[list[int]]).decode


def _check_count(body: bytes, width: int, most: int, what: str) -> None:
    if body.count(b"[") > most + 1 or body.count(b",") > 2 * width * most:
        raise TooLarge(f"at most {most} {what} are allowed in one request")


def _decode(body: bytes, decode: Any, width: int, what: str) -> NDArray[np.int32]:
    """Decode a list of lists of `width` numbers; longer ones are cut, and missing numbers are 0."""
    try:
        try:
            rows = decode(body)
        except msgspec.ValidationError:
            rows = [(*row[:width], *[0] * (width - len(row))) for row in _decode_any(body)]
        numbers = np.array(rows, np.int64).reshape(-1, width)
    except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError) as error:
        raise BadRequest(f"the body must be a JSON list of {what} of {width} integers: {error}") from error
    if numbers.size and (numbers.min() < _INT32.min or numbers.max() > _INT32.max):
        raise BadRequest(f"the {what} must be integers of 32 bits")
    return numbers.astype(np.int32)


def decode_runs(body: bytes) -> Runs:
    """Decode `[[z, y, x0, x1], ...]`; sort it by z, y, x0 and length, and drop what comes twice.

    Raises:
        BadRequest: it is something else, or a run ends before it begins.
        TooLarge: there are too many runs.
    """
    _check_count(body, 4, MOST_RUNS, "runs")
    runs = _decode(body, _decode_runs, 4, "runs")
    bad = runs[runs[:, 3] < runs[:, 2]]
    if len(bad):
        raise BadRequest(f"the run {bad[0].tolist()} ends before it begins")
    runs = runs[np.lexsort((runs[:, 3], runs[:, 2], runs[:, 1], runs[:, 0]))]
    fresh = np.ones(len(runs), bool)
    fresh[1:] = (runs[1:] != runs[:-1]).any(axis=1)
    return runs[fresh]


def encode_runs(runs: Runs) -> Iterator[bytes]:
    """Encode `[[z,y,x0,x1],...]`, in pieces."""
    if len(runs) == 0:
        yield b"[]"
        return
    for at in range(0, len(runs), _RUNS_AT_ONCE):
        text = _encode(runs[at : at + _RUNS_AT_ONCE].tolist())
        yield (b"," if at else b"[") + text[1:-1]
    yield b"]"


def decode_points(body: bytes) -> NDArray[np.int64]:
    """Decode `[[x, y, z], ...]`; null is no point.

    Raises:
        BadRequest: it is something else.
        TooLarge: there are too many points.
    """
    _check_count(body, 3, MOST_POINTS, "points")
    plain = json_points(body, MOST_POINTS)
    if plain is not None:
        return plain
    if body.strip() == b"null":
        return np.empty((0, 3), np.int64)
    return _decode(body, _decode_points, 3, "points").astype(np.int64)


def encode_answers(answers: NDArray[np.bool_]) -> bytes:
    """Encode `[true,false,...]`."""
    return _encode(answers.tolist())
