"""Reading many keys at once gives what reading them one by one gives, on each store and for each kind of lineage."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.errors import Conflict
from dvid_framework.storage import keys
from dvid_framework.storage.base import Reader, Store
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.envelope import seal_value
from dvid_framework.versions import batching
from dvid_framework.versions import view as versioned_view
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
        assert [None if value is None else bytes(value) for value in view.multi_get(asked)] == found
        if len(clear) == len(NAMES):
            seen = [(name, bytes(value)) for name, value in view.scan()]
            assert seen == [(name, single[name]) for name in sorted(NAMES) if single[name] is not None]


@pytest.mark.parametrize("version", [2, 3])
def test_however_few_bytes_are_held_the_values_are_the_same(
    store: Store, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 8)
    with View(store.snapshot(), INSTANCE, None, Lineage(version, PARENTS.__getitem__)) as view:
        asked = [*NAMES[::-1], b"never there"]
        expected = [one_by_one(view, name) for name in asked]
        pairs = [(name, value) for name, value in sorted(zip(asked, expected, strict=True)) if value is not None]
        for room in (0, 5, 30, 100):
            monkeypatch.setattr(batching, "BATCH_BYTES", room)
            monkeypatch.setattr(versioned_view, "BATCH_BYTES", room)
            for most in (1, 3, 50):
                monkeypatch.setattr(batching, "BATCH_KEYS", most)
                monkeypatch.setattr(versioned_view, "BATCH_KEYS", most)
                assert list(view.get_each(asked)) == expected
                assert list(view.scan()) == pairs


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4), st.booleans()), unique_by=lambda one: one[:2]))
def test_batches_keep_the_records_of_a_key_together(records: list[tuple[int, int, bool]]) -> None:
    states = {keys.tail_of(version, marker): marker == 1 for version in (1, 2, 4) for marker in (0, 1)}
    stored = [
        (bytes([name]) + keys.tail_of(version, is_value), b"%d" % name) for name, version, is_value in sorted(records)
    ]
    batches = list(batching.in_batches(stored, states.get))
    names = [{key[:1] for key, _ in batch} for batch in batches]
    assert sum(map(len, names)) == len(set().union(*names))
    seen = []
    for batch in batches:
        places = batching.places_seen([key[:1] for key, _ in batch], [states.get(key[1:]) for key, _ in batch])
        seen += [batch[at] for at in places]
    last = {key[:1]: (key, value) for key, value in stored if key[1:] in states}
    assert seen == [pair for pair in last.values() if pair[0][-1]]


def test_little_is_held_of_a_key_with_many_records() -> None:
    large = bytes(batching.BATCH_BYTES // 2)
    tails = [keys.tail_of(version, keys.VALUE) for version in range(1, 101)]
    entries = [(b"a" + tail, large) for tail in tails] + [(b"b" + tails[0], b"")]
    sizes = [len(batch) for batch in batching.in_batches(iter(entries), dict.fromkeys(tails, True).get)]
    assert sum(sizes) <= 5


def test_find_all_ends_before_too_many_bytes(store: Store) -> None:
    batch = Batch()
    for number in range(10):
        batch.put(b"k%d-" % number, bytes(100))
    store.write(batch)
    starts = [b"k%d" % number for number in range(12)]
    whole = store.find_all(starts, b"\xff")
    assert whole == [(b"k%d-" % number, bytes(100)) for number in range(10)] + [None, None]
    for room, count in ((0, 0), (99, 0), (100, 1), (550, 5), (999, 9), (1000, 12)):
        assert store.find_all(starts, b"\xff", room) == whole[:count]


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
