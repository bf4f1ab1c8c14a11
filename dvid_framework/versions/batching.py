"""Records of a linear descent taken some at a time, so that their envelopes are opened together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from dvid_framework.storage import keys
from dvid_framework.storage.opening import Pair

__all__ = ["BATCH_BYTES", "BATCH_KEYS", "in_batches", "places_seen"]

BATCH_KEYS = 256
"""Records that are taken at a time."""
BATCH_BYTES = 4 << 20
"""Bytes of values that are held at a time, but for a single one."""
_TAIL = -keys.TAIL.size


def in_batches(entries: Iterable[Pair], state_of: Callable[[bytes], bool | None]) -> Iterator[list[Pair]]:
    """Yield records some at a time: at first one, then more and more; those of a type key come together.

    Of a type key with many records, those may be left out that a later one hides.

    Args:
        entries: stored keys and what is stored under them, in byte order.
        state_of: tells of the tail of a stored key whether it is a value; None outside the descent.
    """
    held: list[Pair] = []
    most, room = 1, BATCH_BYTES
    for entry in entries:
        if room < 0 or len(held) >= most:
            base = entry[0][:_TAIL]
            own = [one for one in held if one[0][:_TAIL] == base]
            if len(own) < len(held):
                yield held[: len(held) - len(own)]
                most = min(2 * most, BATCH_KEYS)
            held = [one for one in own if state_of(one[0][_TAIL:]) is not None][-1:]
            room = BATCH_BYTES - sum(len(value) for _, value in held)
        held.append(entry)
        room -= len(entry[1])
    if held:
        yield held


def places_seen(names: Sequence[bytes], states: Sequence[bool | None]) -> list[int]:
    """Return which records are seen: of each type key the last one of the descent, if it is a value.

    Args:
        names: the type key of each record, in byte order; of a type key the younger versions come later.
        states: whether it is a value; None outside the descent.
    """
    last = {name: at for at, (name, state) in enumerate(zip(names, states, strict=True)) if state is not None}
    return [at for at in last.values() if states[at]]
