"""The part of the store contract about reading: single keys, several keys, scans."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from dvid_framework.storage.base import Capability, Reader, Store
from dvid_framework.storage.batch import Batch

__all__ = [
    "END",
    "OpenStore",
    "Operations",
    "ReadingContract",
    "batch_of",
    "everything",
    "fill",
    "letters",
    "run_threads",
]

OpenStore = Callable[[], Store]
END = b"\xff" * 64
Operations = list[tuple[bytes, bytes | None]]


def batch_of(operations: Operations) -> Batch:
    """Return a batch of puts, and of deletes where the value is None."""
    batch = Batch()
    for key, value in operations:
        if value is None:
            batch.delete(key)
        else:
            batch.put(key, value)
    return batch


def fill(store: Store, *pairs: tuple[bytes, bytes]) -> None:
    """Put pairs in one batch."""
    store.write(batch_of(list(pairs)))


def letters(store: Store) -> None:
    """Put the letters a to f, each with itself twice as the value."""
    fill(store, *((bytes([letter]), bytes([letter]) * 2) for letter in b"abcdef"))


def everything(reader: Reader) -> dict[bytes, bytes]:
    """Return all keys and values."""
    return dict(reader.scan(b"", END))


def _found(reader: Reader, start: bytes, stop: bytes) -> tuple[list[bytes], bytes | None]:
    """What `find_each` is to say of a range."""
    keys = list(reader.scan_keys(start, stop))
    return keys, reader.get(keys[0]) if keys else None


def run_threads(*functions: Callable[[], None]) -> None:
    """Run functions at once and raise what the first failing one raised."""
    errors: list[BaseException] = []

    def guarded(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class ReadingContract:
    """What reads of a store give."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Give a function that opens the store of this test."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[Store]:
        """An open, empty store."""
        store = open_store()
        yield store
        store.close()

    # -- capabilities

    def test_it_is_ordered_atomic_and_writable(self, store: Store) -> None:
        needed = Capability.ORDERED | Capability.ATOMIC_BATCHES | Capability.SNAPSHOTS | Capability.WRITABLE
        assert store.capabilities & needed == needed

    # -- single keys

    def test_an_absent_key_reads_as_none(self, store: Store) -> None:
        assert store.get(b"a") is None

    def test_a_value_comes_back(self, store: Store) -> None:
        fill(store, (b"a", b"1"))
        assert store.get(b"a") == b"1"

    def test_the_value_is_bytes(self, store: Store) -> None:
        fill(store, (b"a", b"1"))
        assert type(store.get(b"a")) is bytes

    def test_an_empty_value_is_not_an_absent_one(self, store: Store) -> None:
        fill(store, (b"a", b""))
        assert store.get(b"a") == b""

    def test_a_later_value_replaces_an_earlier_one(self, store: Store) -> None:
        fill(store, (b"a", b"1"))
        fill(store, (b"a", b"2"))
        assert store.get(b"a") == b"2"
        assert everything(store) == {b"a": b"2"}

    def test_a_deleted_key_is_absent(self, store: Store) -> None:
        letters(store)
        store.write(batch_of([(b"c", None)]))
        assert store.get(b"c") is None
        assert list(store.scan_keys(b"", END)) == [b"a", b"b", b"d", b"e", b"f"]

    def test_deleting_an_absent_key_does_nothing(self, store: Store) -> None:
        store.write(batch_of([(b"a", None)]))
        assert everything(store) == {}

    def test_a_deleted_key_can_be_set_again(self, store: Store) -> None:
        fill(store, (b"a", b"1"))
        store.write(batch_of([(b"a", None)]))
        fill(store, (b"a", b"3"))
        assert everything(store) == {b"a": b"3"}

    def test_keys_are_any_bytes(self, store: Store) -> None:
        keys = [b"\x00", b"\x00\x00", b"\x01\xff", b"\x01\xff\x00", "é".encode(), b"\xff\xfe", b"a/b", b"x" * 300]
        fill(store, *((key, b"v" + key) for key in keys))
        assert [store.get(key) for key in keys] == [b"v" + key for key in keys]

    def test_values_are_any_bytes(self, store: Store) -> None:
        value = bytes(range(256)) * 3
        fill(store, (b"a", value))
        assert store.get(b"a") == value

    def test_a_prefix_of_a_key_is_another_key(self, store: Store) -> None:
        fill(store, (b"ab", b"1"))
        assert store.get(b"a") is None
        assert store.get(b"abc") is None

    def test_large_values_come_back(self, store: Store) -> None:
        values = [bytes([number]) * (1 << 20) + b"end" for number in range(5)]
        fill(store, *((bytes([number]), value) for number, value in enumerate(values)))
        assert [store.get(bytes([number])) for number in range(5)] == values

    # -- several keys

    def test_multi_get_keeps_the_order_of_the_keys(self, store: Store) -> None:
        letters(store)
        assert store.multi_get([b"c", b"a", b"f"]) == [b"cc", b"aa", b"ff"]

    def test_multi_get_gives_none_for_absent_keys(self, store: Store) -> None:
        letters(store)
        assert store.multi_get([b"x", b"a", b""]) == [None, b"aa", None]

    def test_multi_get_of_one_key_twice(self, store: Store) -> None:
        letters(store)
        assert store.multi_get([b"a", b"a"]) == [b"aa", b"aa"]

    def test_multi_get_of_nothing(self, store: Store) -> None:
        assert store.multi_get([]) == []

    def test_find_each_gives_keys_and_first_value_of_each_range(self, store: Store) -> None:
        letters(store)
        ranges = [(b"d", b"f"), (b"a", b"c"), (b"x", b"z"), (b"c", b"c"), (b"e", b"b"), (b"d", b"f"), (b"", END)]
        found = list(store.find_each(ranges))
        assert found == [_found(store, start, stop) for start, stop in ranges]
        assert list(store.find_each([])) == []

    def test_find_each_may_be_left_early_and_nested(self, store: Store) -> None:
        letters(store)
        outer = store.find_each([(b"a", b"c"), (b"c", b"e")])
        assert next(outer) == ([b"a", b"b"], b"aa")
        assert next(store.find_each([(b"e", b"g")])) == ([b"e", b"f"], b"ee")
        assert next(outer) == ([b"c", b"d"], b"cc")
        del outer
        fill(store, (b"g", b""))

    # -- scans

    def test_a_scan_of_an_empty_store(self, store: Store) -> None:
        assert list(store.scan(b"", END)) == []

    def test_a_scan_is_in_byte_order(self, store: Store) -> None:
        keys = [b"b", b"\xff", b"a\x00", b"a", b"\x7f", b"ab", b"\x80", b"a\xff", b"\x00"]
        fill(store, *((key, b"") for key in keys))
        assert list(store.scan_keys(b"", END)) == sorted(keys)

    def test_a_scan_gives_keys_and_values(self, store: Store) -> None:
        letters(store)
        assert list(store.scan(b"b", b"d")) == [(b"b", b"bb"), (b"c", b"cc")]

    def test_the_start_is_included_and_the_stop_is_not(self, store: Store) -> None:
        letters(store)
        assert list(store.scan_keys(b"b", b"e")) == [b"b", b"c", b"d"]

    def test_bounds_need_not_be_keys(self, store: Store) -> None:
        letters(store)
        assert list(store.scan_keys(b"a\x00", b"d\x00")) == [b"b", b"c", b"d"]

    def test_a_reversed_scan_has_the_same_bounds(self, store: Store) -> None:
        letters(store)
        assert list(store.scan_keys(b"b", b"e", reverse=True)) == [b"d", b"c", b"b"]
        assert list(store.scan(b"b", b"d", reverse=True)) == [(b"c", b"cc"), (b"b", b"bb")]

    def test_a_reversed_scan_may_end_behind_the_last_key(self, store: Store) -> None:
        letters(store)
        assert next(iter(store.scan_keys(b"", END, reverse=True))) == b"f"

    @pytest.mark.parametrize("number", [1, 2, 15, 16, 17, 100])
    def test_the_last_of_a_range(self, store: Store, number: int) -> None:
        fill(store, *((b"k%03d" % at, b"v%d" % at) for at in range(number)), (b"", b"before"), (b"z", b"behind"))
        assert store.last(b"k", b"l") == (b"k%03d" % (number - 1), b"v%d" % (number - 1))
        assert store.last(b"k000", b"k001") == (b"k000", b"v0")
        assert store.last(b"", b"k") == (b"", b"before")
        assert store.last(b"l", b"z") is None
        assert store.last(b"z", b"k") is None
        assert store.last(b"zz", END) is None

    @pytest.mark.parametrize("reverse", [False, True])
    def test_an_empty_range_has_nothing(self, store: Store, reverse: bool) -> None:
        letters(store)
        assert list(store.scan_keys(b"c", b"c", reverse=reverse)) == []
        assert list(store.scan_keys(b"x", b"z", reverse=reverse)) == []

    @pytest.mark.parametrize("reverse", [False, True])
    def test_bounds_the_wrong_way_round_have_nothing(self, store: Store, reverse: bool) -> None:
        letters(store)
        assert list(store.scan_keys(b"e", b"b", reverse=reverse)) == []

    def test_a_scan_may_be_left_early(self, store: Store) -> None:
        letters(store)
        scan = store.scan(b"", END)
        assert next(scan) == (b"a", b"aa")
        del scan
        fill(store, (b"g", b"gg"))
        assert store.get(b"g") == b"gg"

    def test_a_long_scan_is_complete(self, store: Store) -> None:
        pairs = [(number.to_bytes(4, "big"), bytes(number % 7)) for number in range(3000)]
        fill(store, *pairs)
        assert list(store.scan(b"", END)) == pairs
        assert list(store.scan(b"", END, reverse=True)) == pairs[::-1]

    def test_a_scan_begun_before_a_write_is_in_order_and_sees_what_stays(self, store: Store) -> None:
        pairs = [(number.to_bytes(4, "big"), b"") for number in range(2000)]
        fill(store, *pairs)
        scan = store.scan_keys(b"", END)
        seen = [next(scan)]
        fill(store, (b"\x00\x00\x00\x00\x00", b"new"))
        seen += list(scan)
        assert seen == sorted(seen)
        assert {key for key, _ in pairs} <= set(seen)
