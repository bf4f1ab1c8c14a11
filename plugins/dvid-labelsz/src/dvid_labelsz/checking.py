"""Whether ranks say what counts say: for `dvid fsck`."""

from __future__ import annotations

from collections.abc import Iterator

from dvid_framework.api import View
from dvid_labelsz.counting import rows_of
from dvid_labelsz.ranks import COUNTS, MARK, RANKS, decode_counts
from dvid_labelsz.recounting import RUNNING

__all__ = ["wrong_ranks"]


def wrong_ranks(view: View) -> Iterator[str]:
    """Yield a sentence for each row of ranks that differs from the counts."""
    if bytes(view.get(MARK) or b"") == RUNNING:
        return  # a reload was interrupted, and begins anew with the server
    wanted: dict[bytes, bytes] = {}
    for _, value in view.scan(COUNTS, bytes([COUNTS[0] + 1])):
        rows = rows_of(*decode_counts(value))
        wanted |= {key: row for key, row in rows.items() if key[:1] == RANKS}
    for key, value in view.scan(RANKS, bytes([RANKS[0] + 1])):
        if wanted.pop(key, b"") != bytes(value):
            yield f"the row {key.hex()} of ranks is not what the counts say"
    for key in wanted:
        yield f"the row {key.hex()} of ranks is missing"
