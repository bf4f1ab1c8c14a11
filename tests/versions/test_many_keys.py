"""Reading many keys at once gives what reading them one by one gives, on each store and for each kind of lineage."""

from __future__ import annotations

import random

import pytest

from dvid_framework.errors import Conflict
from dvid_framework.storage import keys
from dvid_framework.storage.base import Reader, Store
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.envelope import seal_value
from dvid_framework.versions.resolve import Lineage
from dvid_framework.versions.view import View

PARENTS = {1: [], 2: [1], 3: [2], 4: [2], 5: [3, 4], 6: [5]}
INSTANCE = 7
NAMES = [b"", b"\x00", b"a", b"a\x00", b"a\x00b", b"aa", b"b", b"\xff", b"\xff\xff", *(b"k%d" % n for n in range(30))]


def fill(store: Store, seed: int) -> None:
    rng, batch = random.Random(seed), Batch()
    for name in NAMES:
        for version in PARENTS:
            marker = rng.choice((keys.VALUE, keys.TOMBSTONE, None, None))
            if marker is not None:
                key = keys.data_prefix(INSTANCE) + keys.encode_type_key(name) + keys.tail_of(version, marker)
                batch.put(key, seal_value(key, b"%d of " % version + name) if marker == keys.VALUE else b"")
    for neighbour in (INSTANCE - 1, INSTANCE + 1):
        key = keys.data_prefix(neighbour) + keys.encode_type_key(b"a") + keys.tail_of(1, keys.VALUE)
        batch.put(key, seal_value(key, b"another instance"))
    store.write(batch)


def _found(reader: Reader, start: bytes, stop: bytes) -> tuple[list[bytes], bytes | None]:
    """What `find_each` is to say of a range."""
    found = list(reader.scan_keys(start, stop))
    return found, reader.get(found[0]) if found else None


def one_by_one(view: View, name: bytes) -> bytes | type[Conflict] | None:
    try:
        value = view.get(name)
    except Conflict:
        return Conflict
    return None if value is None else bytes(value)


@pytest.mark.parametrize("version", PARENTS)
@pytest.mark.parametrize("seed", range(5))
def test_values_are_those_of_single_reads(store: Store, version: int, seed: int) -> None:
    fill(store, seed)
    with View(store.snapshot(), INSTANCE, None, Lineage(version, lambda number: PARENTS[number])) as view:
        single = {name: one_by_one(view, name) for name in NAMES}
        clear = [name for name in NAMES if single[name] is not Conflict]
        random.Random(seed).shuffle(clear)
        asked = [*clear, b"never there", *clear[:5]]
        found = [None if value is None else bytes(value) for value in view.get_each(asked)]
        assert found == [single.get(name) for name in asked]
        for name in set(NAMES) - set(clear):
            with pytest.raises(Conflict):
                list(view.get_each([name]))
        assert list(view.keys()) == sorted(name for name in NAMES if single[name] is not None)


def test_many_small_ranges_are_scanned_as_one_by_one(store: Store) -> None:
    fill(store, 1)
    rng = random.Random(4)
    stored = list(store.scan_keys(b"", b"\xff" * 20))
    ends = [b"", b"\xff" * 20, *stored, *(key + b"\x00" for key in stored)]
    ranges = [(rng.choice(ends), rng.choice(ends)) for _ in range(200)]
    with_snapshot = store.snapshot()
    try:
        for reader in (store, with_snapshot):
            found = list(reader.find_each(ranges))
            assert found == [_found(reader, start, stop) for start, stop in ranges]
    finally:
        with_snapshot.close()


@pytest.mark.parametrize("version", PARENTS)
def test_what_one_version_wrote(store: Store, version: int) -> None:
    fill(store, 3)
    with View(store.snapshot(), INSTANCE, None, Lineage(version, PARENTS.__getitem__)) as view:
        for other in PARENTS:
            is_seen = other in Lineage(version, PARENTS.__getitem__).members
            expected = []
            for name in NAMES:
                stored = store.get(
                    keys.data_prefix(INSTANCE) + keys.encode_type_key(name) + keys.tail_of(other, keys.VALUE)
                )
                expected.append(b"%d of " % other + name if is_seen and stored else None)
            assert view.multi_get_of(other, NAMES) == expected
