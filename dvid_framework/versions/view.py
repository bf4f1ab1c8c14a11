"""Reads of an instance's data at a version, over one snapshot of the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from dvid_framework.errors import Conflict
from dvid_framework.storage import keys
from dvid_framework.storage.base import UNBOUNDED, Reader
from dvid_framework.storage.opening import Pair, open_each, open_one
from dvid_framework.versions.batching import BATCH_BYTES, BATCH_KEYS, in_batches, places_seen
from dvid_framework.versions.resolve import Lineage

__all__ = ["View"]

_TAIL_BYTES = keys.TAIL.size
_FEW_KEYS = 4
_unpack_tail = keys.TAIL.unpack
_Found = list[tuple[int, int, bytes]]  # version, marker, whole key


class _States(dict[bytes, bool | None]):
    """By the tail of a stored key: whether it is a value; None outside the lineage."""

    def __init__(self, members: Collection[int]) -> None:
        super().__init__()
        self._members = members

    def __missing__(self, tail: bytes) -> bool | None:
        version, marker = _unpack_tail(tail)
        state = self[tail] = marker == keys.VALUE if version in self._members else None
        return state


class View:
    """One state of an instance's data as a version sees it.

    Type keys are bytes and sort as bytes; what a key holds is the value written at the version or the nearest ancestor
    by the visible-value rule (`versions.resolve`). A read of a key on which merged branches disagree raises `Conflict`.
    A view holds a snapshot: close it, or use it in a `with` statement.

    Attributes:
        version: id of the version that is read.
        epoch: which state it is: equal in views of a version between which no mutation came of the instance at that
            version or an ancestor, for caches; None where that is not known.
    """

    __slots__ = ("_lineage", "_newest", "_own", "_prefix", "_reader", "epoch", "version")

    def __init__(self, reader: Reader, instance: int, epoch: int | None, lineage: Lineage) -> None:
        self._reader = reader
        self.epoch = epoch
        self._prefix = keys.data_prefix(instance)
        self._lineage = lineage
        self.version = lineage.version
        self._own = keys.tail_of(lineage.version, keys.VALUE)
        self._newest = keys.tail_of(lineage.version, keys.VALUE + 1)

    def close(self) -> None:
        """Release the snapshot."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- single keys

    def get(self, type_key: bytes) -> memoryview | None:
        """Return the value of a type key, or None.

        Raises:
            Conflict: merged branches disagree.
            CorruptValue: the stored bytes are damaged.
        """
        prefix = self._prefix + keys.encode_type_key(type_key)
        if self._lineage.linear:
            # At first the one key of the version itself: to find its neighbours, LevelDB walks over all that was ever
            # written over a key until it is compacted, which takes long for what every mutation writes anew.
            own = prefix + self._own
            sealed = self._reader.get(own)
            if sealed is not None:
                return open_one(own, sealed)
            members, last, stop = self._lineage.members, self._reader.last, prefix + self._newest
            if len(members) == 1:
                return None
            while (found := last(prefix, stop)) is not None:
                key, value = found
                if int.from_bytes(key[-_TAIL_BYTES:-1], "big") in members:
                    return open_one(key, value) if key[-1] else None
                stop = key  # of a sibling: go on to what is older
            return None
        chosen = self._resolve(type_key, self._records(prefix))
        if chosen is None:
            return None
        sealed = self._reader.get(chosen)
        return None if sealed is None else open_one(chosen, sealed)

    def multi_get(self, type_keys: Iterable[bytes]) -> list[memoryview | None]:
        """Return the values of several type keys, in their order.

        Raises:
            Conflict: merged branches disagree about one of them.
            CorruptValue: stored bytes are damaged.
        """
        wanted = list(type_keys)
        if len(wanted) <= _FEW_KEYS and self._lineage.linear:
            return [self.get(key) for key in wanted]
        return list(map(self._values_of(wanted, UNBOUNDED)[0].get, wanted))

    def _values_of(self, type_keys: Iterable[bytes], room: int) -> tuple[dict[bytes, memoryview], set[bytes]]:
        """Return the values of type keys, and the keys that were not read because `room` bytes were not enough."""
        names = sorted(dict.fromkeys(type_keys))  # neighbours are quicker to find
        groups = self._reader.find_all(keys.data_starts(self._prefix, names), self._newest, room)
        states, tail = _States(self._lineage.members), -_TAIL_BYTES
        single: list[bytes] = []
        pairs: list[Pair] = []
        several: list[tuple[bytes, list[bytes]]] = []
        for name, found in zip(names, groups, strict=False):
            if isinstance(found, tuple):  # as most are: it is seen or not, whatever the descent
                if states[found[0][tail:]]:
                    single.append(name)
                    pairs.append(found)
            elif found is not None:
                several.append((name, found))
        values = dict(zip(single, open_each(pairs), strict=True))
        left = set(names[len(groups) :])
        for name, stored in several:
            value = self._value_of(name, stored) if room > 0 else None
            if value is not None:
                values[name] = value
                room -= len(value)
            elif room <= 0:
                left.add(name)
        return values, left

    def multi_get_of(self, version: int, type_keys: Iterable[bytes]) -> list[memoryview | None]:
        """Return the values that one version wrote itself of several type keys, in their order; None for others.

        Quicker than `multi_get` for keys that only one version writes, such as those that name it.

        Args:
            version: id of this version or one of its ancestors; of others nothing is seen.
            type_keys: the keys.

        Raises:
            CorruptValue: stored bytes are damaged.
        """
        prefix, tail, encode = self._prefix, keys.tail_of(version, keys.VALUE), keys.encode_type_key
        names = [prefix + encode(type_key) + tail for type_key in type_keys]
        if version not in self._lineage.members:
            return [None] * len(names)
        found = self._reader.multi_get(names)
        values = open_each([(name, sealed) for name, sealed in zip(names, found, strict=True) if sealed is not None])
        return [None if sealed is None else next(values) for sealed in found]

    def get_shared(self, type_key: bytes) -> memoryview | None:
        """Return the value of a type key that is set by `Txn.put_shared` alone, for all versions at once."""
        key = self._prefix + keys.encode_type_key(type_key) + keys.tail_of(min(self._lineage.members), keys.VALUE)
        sealed = self._reader.get(key)
        return None if sealed is None else open_one(key, sealed)

    def get_each(self, type_keys: Iterable[bytes]) -> Iterator[memoryview | None]:
        """Yield the values of several type keys, in their order; small ones are read some at a time, large ones singly.

        Raises:
            Conflict: merged branches disagree about one of them.
            CorruptValue: stored bytes are damaged.
        """
        wanted = list(type_keys)
        for first in range(0, len(wanted), BATCH_KEYS):
            some = wanted[first : first + BATCH_KEYS]
            values, left = self._values_of(some, BATCH_BYTES)
            if not left:
                yield from map(values.get, some)
                continue
            singly = self._get_singly([name for name in some if name in left])
            for name in some:
                yield next(singly) if name in left else values.get(name)

    def _get_singly(self, wanted: Sequence[bytes]) -> Iterator[memoryview | None]:
        """Yield the values of several type keys, in their order, each read when it is asked for."""
        starts = [self._prefix + keys.encode_type_key(type_key) for type_key in wanted]
        groups = self._reader.find_each((start, start + self._newest) for start in starts)
        for type_key, (stored, first) in zip(wanted, groups, strict=True):
            yield self._value_of(type_key, stored, first) if stored else None

    def _value_of(self, type_key: bytes, stored: list[bytes], first: bytes | None = None) -> memoryview | None:
        """Return the visible value among the stored keys of a type key, of which the first one's value may be known."""
        chosen = self._youngest(stored) if self._lineage.linear else self._resolve(type_key, self._split(stored))
        known = first is not None and chosen is stored[0]
        sealed = None if chosen is None else first if known else self._reader.get(chosen)
        return None if chosen is None or sealed is None else open_one(chosen, sealed)

    def _youngest(self, stored: list[bytes]) -> bytes | None:
        """Return the stored key of the value that a linear version sees."""
        members = self._lineage.members
        for key in reversed(stored):
            if int.from_bytes(key[-_TAIL_BYTES:-1], "big") in members:
                return key if key[-1] else None
        return None

    def version_of(self, type_key: bytes) -> int | None:
        """Return the id of the version whose value of a type key is seen, or None."""
        key = self._resolve(type_key, self._records(self._prefix + keys.encode_type_key(type_key)))
        return None if key is None else _unpack_tail(key[-_TAIL_BYTES:])[0]

    def __contains__(self, type_key: bytes) -> bool:
        return self.version_of(type_key) is not None

    def _records(self, prefix: bytes) -> _Found:
        return self._split(self._reader.scan_keys(prefix, prefix + self._newest))

    @staticmethod
    def _split(stored: Iterable[bytes]) -> _Found:
        return [(*_unpack_tail(key[-_TAIL_BYTES:]), key) for key in stored]

    def _resolve(self, type_key: bytes, records: _Found) -> bytes | None:
        """Return the stored key of the visible value."""
        visible = self._lineage.resolve({version: marker == keys.VALUE for version, marker, _ in records})
        if len(visible) > 1:
            raise Conflict(
                f"branches disagree about key {type_key!r}: it was changed in {len(visible)} merged versions; "
                "write it in this version, or merge with a resolve"
            )
        for version, _, key in records:
            if version in visible:
                return key
        return None

    # -- ranges

    def keys(self, start: bytes = b"", stop: bytes | None = None) -> Iterator[bytes]:
        """Yield the type keys with start <= key < stop that have a value, in byte order.

        A key on which merged branches disagree is among them: it is there, though its value can't be read.
        """
        if self._lineage.linear:
            yield from self._linear_keys(start, stop)
            return
        for type_key, records in self._groups(start, stop):
            if len(records) == 1:
                if records[0][0] in self._lineage.members and records[0][1]:
                    yield type_key
            elif self._lineage.resolve({version: marker == keys.VALUE for version, marker, _ in records}):
                yield type_key

    def _linear_keys(self, start: bytes, stop: bytes | None) -> Iterator[bytes]:
        """The youngest record of a version of the lineage, the last in byte order, decides."""
        first, last = self._bounds(start, stop)
        skip, tail, state_of = len(self._prefix), -_TAIL_BYTES, _States(self._lineage.members).__getitem__
        base, is_value = b"", False
        for key in self._reader.scan_keys(first, last):
            here, end = key[:tail], key[tail:]
            if here != base:
                if is_value:
                    yield keys.decode_type_key(base[skip:])
                base, is_value = here, False
            state = state_of(end)
            if state is not None:
                is_value = state
        if is_value:
            yield keys.decode_type_key(base[skip:])

    def scan(self, start: bytes = b"", stop: bytes | None = None) -> Iterator[tuple[bytes, memoryview]]:
        """Yield (type key, value) with start <= key < stop in byte order.

        Raises:
            Conflict: merged branches disagree about a key of the range.
            CorruptValue: stored bytes are damaged.
        """
        if self._lineage.linear:
            yield from self._linear_scan(start, stop)
            return
        first, last = self._bounds(start, stop)
        members, tail = self._lineage.members, -_TAIL_BYTES
        base: bytes | None = None
        group: list[tuple[bytes, bytes]] = []
        for key, value in self._reader.scan(first, last):
            if key[:tail] != base:
                if base is not None and group:
                    yield from self._visible(base, group)
                base, group = key[:tail], []
            if _unpack_tail(key[tail:])[0] in members:
                group.append((key, value))
        if base is not None and group:
            yield from self._visible(base, group)

    def _linear_scan(self, start: bytes, stop: bytes | None) -> Iterator[tuple[bytes, memoryview]]:
        """As `_linear_keys`, with values."""
        first, last = self._bounds(start, stop)
        prefix, tail, state_of = self._prefix, -_TAIL_BYTES, _States(self._lineage.members).__getitem__
        for records in in_batches(self._reader.scan(first, last), state_of):
            names, pairs = keys.type_keys_of([key for key, _ in records], prefix), records
            states = [state_of(key[tail:]) for key, _ in records]
            if not all(states) or len(set(names)) < len(names):
                seen = places_seen(names, states)
                names, pairs = [names[at] for at in seen], [records[at] for at in seen]
            yield from zip(names, open_each(pairs), strict=True)

    def _visible(self, base: bytes, group: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, memoryview]]:
        type_key = keys.decode_type_key(base[len(self._prefix) :])
        if len(group) == 1:
            key, value = group[-1]
            if key[-1]:
                yield type_key, open_one(key, value)
            return
        chosen = self._resolve(type_key, [(*_unpack_tail(key[-_TAIL_BYTES:]), key) for key, _ in group])
        for key, value in group:
            if key == chosen:
                yield type_key, open_one(key, value)

    def _bounds(self, start: bytes, stop: bytes | None) -> tuple[bytes, bytes]:
        # Not the encoded type keys: without its end, an encoded key comes before all that it is a prefix of.
        first = self._prefix + start.replace(b"\x00", b"\x00\xff")
        last = keys.after_prefix(self._prefix) if stop is None else self._prefix + keys.encode_type_key(stop)
        return first, last

    def _groups(self, start: bytes, stop: bytes | None) -> Iterator[tuple[bytes, _Found]]:
        first, last = self._bounds(start, stop)
        skip, tail = len(self._prefix), -_TAIL_BYTES
        base: bytes | None = None
        group: _Found = []
        for key in self._reader.scan_keys(first, last):
            if key[:tail] != base:
                if base is not None:
                    yield keys.decode_type_key(base[skip:]), group
                base, group = key[:tail], []
            version, marker = _unpack_tail(key[tail:])
            group.append((version, marker, key))
        if base is not None:
            yield keys.decode_type_key(base[skip:]), group
