"""One labelgraph instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from dvid_framework.api import Instance, InstanceContext, Txn, VersionRecord, View
from dvid_labelgraph.graph import Changes, Stored
from dvid_labelgraph.keys import property_key
from dvid_labelgraph.transactions import Numbers, Request, Wanted, encode_answer

__all__ = ["GraphInstance", "GraphSettings"]

_AT_ONCE = 1 << 32  # numbers of transactions that a server has for itself, of 2^64


class GraphSettings(msgspec.Struct):
    """Settings.

    Attributes:
        numbers: numbers of transactions up to here may have been given.
    """

    numbers: int = 0


class GraphInstance(Instance):
    """One graph of labels."""

    settings: GraphSettings

    def __init__(self, context: InstanceContext) -> None:
        super().__init__(context)
        self.numbers = Numbers(self._reserve)

    def _reserve(self) -> int:
        """Take numbers that no server gave before; what clients know from before a restart holds no more."""
        before = self.settings.numbers
        self.save_settings(GraphSettings(before + _AT_ONCE))
        return before

    @contextmanager
    def changing(
        self, version: VersionRecord, begin: Callable[[], Txn], action: str
    ) -> Iterator[tuple[Stored, Changes]]:
        """Change the graph while nobody else does, as one mutation; it is durable once this is left.

        Args:
            version: the version.
            begin: begins a mutation that need not be durable at its end.
            action: what the log calls it.
        """
        with self.lock, self.view(version) as view, begin() as txn:
            stored = Stored(view)
            yield stored, Changes(stored, txn)
            txn.emit(action)
            txn.mark_internal()
        self.log.make_durable(txn.number)  # without the lock: one fsync serves all who wait

    def check(self, version: VersionRecord) -> Iterator[str]:
        """Yield a sentence for each edge that lacks a vertex, or is not the same seen from both."""
        with self.view(version) as view:
            stored = Stored(view)
            for (one, other), weight in stored.edges():
                if stored.weight(one) is None or stored.weight(other) is None:
                    yield f"the edge between {one} and {other} lacks a vertex"
                if stored.reverse(one, other) != weight:
                    yield f"the edge between {one} and {other} is another one seen from {other}"
            for larger, smaller in stored.reversed_edges():
                if stored.edge(smaller, larger) is None:
                    yield f"the edge between {smaller} and {larger} is not seen from {smaller}"

    def read_properties(self, view: View, request: Request, name: str) -> bytes:
        """Return the answer to a transaction that reads properties."""
        locked = self.numbers.look_at(dict.fromkeys(vertex for vertex, _ in request.numbers))
        known = {vertex for vertex, _ in locked}
        found = (
            (one, bytes(view.get(property_key(name, *one.ends)) or b""))
            for one in request.wanted
            if known.issuperset(one.ends)
        )
        return encode_answer(locked, [], found)

    def write_properties(self, version: VersionRecord, begin: Callable[[], Txn], request: Request, name: str) -> bytes:
        """Write properties of the vertices whose numbers hold, as one mutation; return the answer."""
        with self.lock, self.view(version) as view:
            held, failed = self.numbers.holding(request.numbers)
            known, stored = set(held), Stored(view)
            writes = [
                one for one in request.wanted if one.value and known.issuperset(one.ends) and _is_there(stored, one)
            ]
            if writes:
                with begin() as txn:
                    for one in writes:
                        txn.put(property_key(name, *one.ends), one.value)
                    txn.emit("postproperties", Name=name, Count=len(writes))
                    txn.mark_internal()
            return encode_answer(self.numbers.advance(held), failed, None)


def _is_there(stored: Stored, wanted: Wanted) -> bool:
    if len(wanted.ends) == 1:
        return stored.weight(wanted.ends[0]) is not None
    return stored.edge(wanted.ends[0], wanted.ends[1]) is not None
