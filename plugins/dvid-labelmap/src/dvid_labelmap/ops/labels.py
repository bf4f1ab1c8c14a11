"""Labels as clients give them: alone in a path, or as a JSON list."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np
from dvid_labels.types import Labels

from dvid_framework.api import BadRequest
from dvid_labelmap.ops.counters import LARGEST_LABEL

__all__ = ["MOST_ASKED", "parse_labels", "parse_limit"]

MOST_ASKED = 10_000_000
"""Labels of one request, and of one answer."""
_list = msgspec.json.Decoder(list[int]).decode


def parse_labels(body: bytes, md5: str | None = None, most: int = MOST_ASKED) -> Labels:
    """Parse a JSON list of labels, uint64 (n,).

    Args:
        body: the JSON.
        md5: what the MD5 of the body must be, in hexadecimal.
        most: how many there may be.

    Raises:
        BadRequest: it is something else, a number is no uint64, or there are too many.
    """
    if md5 and hashlib.md5(body, usedforsecurity=False).hexdigest() != md5.lower():
        raise BadRequest("the MD5 of the body is not the one of hash=")
    if body.count(b",") >= most:
        raise BadRequest(f"at most {most} labels can be given at once")
    try:
        return np.array(_list(body), np.uint64)
    except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError) as error:
        raise BadRequest(
            f"the body must be a JSON list of labels, integers from 0 to {LARGEST_LABEL}: {error}"
        ) from error


def parse_limit(text: str | None, name: str, default: int, largest: int = LARGEST_LABEL) -> int:
    """Return a number that a query may give.

    Raises:
        BadRequest: it is no integer from 0 to `largest`.
    """
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= LARGEST_LABEL):
        raise BadRequest(f"{name}={text[:30]!r} is no integer from 0 to {LARGEST_LABEL}")
    return min(int(text), largest)
