"""What every store must do.

Subclass `StoreContract` in a test file and give it a fixture `open_store`:

    class TestMine(PersistentStoreContract):
        @pytest.fixture
        def open_store(self, tmp_path):
            return lambda: MyEngine().open(tmp_path / "s", {})

The function opens the store of the test; `PersistentStoreContract` calls it again after closing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dvid_framework.errors import StorageError
from dvid_framework.storage.base import Capability, Reader, Store
from dvid_framework.storage.batch import Batch

__all__ = ["OpenStore", "PersistentStoreContract", "StoreContract", "batch_of", "run_threads"]

OpenStore = Callable[[], Store]
_END = b"\xff" * 64
_Operations = list[tuple[bytes, bytes | None]]
_keys = st.binary(max_size=6) | st.sampled_from([b"", b"\x00", b"\xff", b"\xff\xff", b"a", b"a\x00", b"ab"])
_operations = st.lists(st.tuples(_keys, st.none() | st.binary(max_size=20)), max_size=30)
_relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def batch_of(operations: _Operations) -> Batch:
    """Return a batch of puts, and of deletes where the value is None."""
    batch = Batch()
    for key, value in operations:
        if value is None:
            batch.delete(key)
        else:
            batch.put(key, value)
    return batch


def _fill(store: Store, *pairs: tuple[bytes, bytes]) -> None:
    store.write(batch_of(list(pairs)))


def _letters(store: Store) -> None:
    _fill(store, *((bytes([letter]), bytes([letter]) * 2) for letter in b"abcdef"))


def _everything(reader: Reader) -> dict[bytes, bytes]:
    return dict(reader.scan(b"", _END))


def _shift(key: bytes) -> bytes:
    """Keep the keys of a property test from the range that a store may use for itself."""
    return b"\x01" + key


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


class StoreContract:
    """The contract of a store that need not outlive its object."""

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
        _fill(store, (b"a", b"1"))
        assert store.get(b"a") == b"1"

    def test_the_value_is_bytes(self, store: Store) -> None:
        _fill(store, (b"a", b"1"))
        assert type(store.get(b"a")) is bytes

    def test_an_empty_value_is_not_an_absent_one(self, store: Store) -> None:
        _fill(store, (b"a", b""))
        assert store.get(b"a") == b""

    def test_a_later_value_replaces_an_earlier_one(self, store: Store) -> None:
        _fill(store, (b"a", b"1"))
        _fill(store, (b"a", b"2"))
        assert store.get(b"a") == b"2"
        assert _everything(store) == {b"a": b"2"}

    def test_a_deleted_key_is_absent(self, store: Store) -> None:
        _letters(store)
        store.write(batch_of([(b"c", None)]))
        assert store.get(b"c") is None
        assert list(store.scan_keys(b"", _END)) == [b"a", b"b", b"d", b"e", b"f"]

    def test_deleting_an_absent_key_does_nothing(self, store: Store) -> None:
        store.write(batch_of([(b"a", None)]))
        assert _everything(store) == {}

    def test_a_deleted_key_can_be_set_again(self, store: Store) -> None:
        _fill(store, (b"a", b"1"))
        store.write(batch_of([(b"a", None)]))
        _fill(store, (b"a", b"3"))
        assert _everything(store) == {b"a": b"3"}

    def test_keys_are_any_bytes(self, store: Store) -> None:
        keys = [b"\x00", b"\x00\x00", b"\x01\xff", b"\x01\xff\x00", "é".encode(), b"\xff\xfe", b"a/b", b"x" * 300]
        _fill(store, *((key, b"v" + key) for key in keys))
        assert [store.get(key) for key in keys] == [b"v" + key for key in keys]

    def test_values_are_any_bytes(self, store: Store) -> None:
        value = bytes(range(256)) * 3
        _fill(store, (b"a", value))
        assert store.get(b"a") == value

    def test_a_prefix_of_a_key_is_another_key(self, store: Store) -> None:
        _fill(store, (b"ab", b"1"))
        assert store.get(b"a") is None
        assert store.get(b"abc") is None

    def test_large_values_come_back(self, store: Store) -> None:
        values = [bytes([number]) * (1 << 20) + b"end" for number in range(5)]
        _fill(store, *((bytes([number]), value) for number, value in enumerate(values)))
        assert [store.get(bytes([number])) for number in range(5)] == values

    # -- several keys

    def test_multi_get_keeps_the_order_of_the_keys(self, store: Store) -> None:
        _letters(store)
        assert store.multi_get([b"c", b"a", b"f"]) == [b"cc", b"aa", b"ff"]

    def test_multi_get_gives_none_for_absent_keys(self, store: Store) -> None:
        _letters(store)
        assert store.multi_get([b"x", b"a", b""]) == [None, b"aa", None]

    def test_multi_get_of_one_key_twice(self, store: Store) -> None:
        _letters(store)
        assert store.multi_get([b"a", b"a"]) == [b"aa", b"aa"]

    def test_multi_get_of_nothing(self, store: Store) -> None:
        assert store.multi_get([]) == []

    def test_scan_keys_each_gives_a_list_for_each_range(self, store: Store) -> None:
        _letters(store)
        ranges = [(b"d", b"f"), (b"a", b"c"), (b"x", b"z"), (b"c", b"c"), (b"e", b"b"), (b"d", b"f"), (b"", _END)]
        found = list(store.scan_keys_each(ranges))
        assert found == [list(store.scan_keys(start, stop)) for start, stop in ranges]
        assert list(store.scan_keys_each([])) == []

    def test_scan_keys_each_may_be_left_early_and_nested(self, store: Store) -> None:
        _letters(store)
        outer = store.scan_keys_each([(b"a", b"c"), (b"c", b"e")])
        assert next(outer) == [b"a", b"b"]
        assert next(store.scan_keys_each([(b"e", b"g")])) == [b"e", b"f"]
        assert next(outer) == [b"c", b"d"]
        del outer
        _fill(store, (b"g", b""))

    # -- scans

    def test_a_scan_of_an_empty_store(self, store: Store) -> None:
        assert list(store.scan(b"", _END)) == []

    def test_a_scan_is_in_byte_order(self, store: Store) -> None:
        keys = [b"b", b"\xff", b"a\x00", b"a", b"\x7f", b"ab", b"\x80", b"a\xff", b"\x00"]
        _fill(store, *((key, b"") for key in keys))
        assert list(store.scan_keys(b"", _END)) == sorted(keys)

    def test_a_scan_gives_keys_and_values(self, store: Store) -> None:
        _letters(store)
        assert list(store.scan(b"b", b"d")) == [(b"b", b"bb"), (b"c", b"cc")]

    def test_the_start_is_included_and_the_stop_is_not(self, store: Store) -> None:
        _letters(store)
        assert list(store.scan_keys(b"b", b"e")) == [b"b", b"c", b"d"]

    def test_bounds_need_not_be_keys(self, store: Store) -> None:
        _letters(store)
        assert list(store.scan_keys(b"a\x00", b"d\x00")) == [b"b", b"c", b"d"]

    def test_a_reversed_scan_has_the_same_bounds(self, store: Store) -> None:
        _letters(store)
        assert list(store.scan_keys(b"b", b"e", reverse=True)) == [b"d", b"c", b"b"]
        assert list(store.scan(b"b", b"d", reverse=True)) == [(b"c", b"cc"), (b"b", b"bb")]

    def test_a_reversed_scan_may_end_behind_the_last_key(self, store: Store) -> None:
        _letters(store)
        assert next(iter(store.scan_keys(b"", _END, reverse=True))) == b"f"

    @pytest.mark.parametrize("reverse", [False, True])
    def test_an_empty_range_has_nothing(self, store: Store, reverse: bool) -> None:
        _letters(store)
        assert list(store.scan_keys(b"c", b"c", reverse=reverse)) == []
        assert list(store.scan_keys(b"x", b"z", reverse=reverse)) == []

    @pytest.mark.parametrize("reverse", [False, True])
    def test_bounds_the_wrong_way_round_have_nothing(self, store: Store, reverse: bool) -> None:
        _letters(store)
        assert list(store.scan_keys(b"e", b"b", reverse=reverse)) == []

    def test_a_scan_may_be_left_early(self, store: Store) -> None:
        _letters(store)
        scan = store.scan(b"", _END)
        assert next(scan) == (b"a", b"aa")
        del scan
        _fill(store, (b"g", b"gg"))
        assert store.get(b"g") == b"gg"

    def test_a_long_scan_is_complete(self, store: Store) -> None:
        pairs = [(number.to_bytes(4, "big"), bytes(number % 7)) for number in range(3000)]
        _fill(store, *pairs)
        assert list(store.scan(b"", _END)) == pairs
        assert list(store.scan(b"", _END, reverse=True)) == pairs[::-1]

    def test_a_scan_begun_before_a_write_is_in_order_and_sees_what_stays(self, store: Store) -> None:
        pairs = [(number.to_bytes(4, "big"), b"") for number in range(2000)]
        _fill(store, *pairs)
        scan = store.scan_keys(b"", _END)
        seen = [next(scan)]
        _fill(store, (b"\x00\x00\x00\x00\x00", b"new"))
        seen += list(scan)
        assert seen == sorted(seen)
        assert {key for key, _ in pairs} <= set(seen)

    # -- batches

    def test_a_batch_is_applied_whole(self, store: Store) -> None:
        _letters(store)
        store.write(batch_of([(b"a", None), (b"x", b"1"), (b"b", b"2"), (b"f", None)]))
        assert _everything(store) == {b"b": b"2", b"c": b"cc", b"d": b"dd", b"e": b"ee", b"x": b"1"}

    def test_the_last_operation_of_a_key_in_a_batch_wins(self, store: Store) -> None:
        store.write(batch_of([(b"a", b"1"), (b"a", None), (b"b", None), (b"b", b"2"), (b"c", b"3"), (b"c", b"4")]))
        assert _everything(store) == {b"b": b"2", b"c": b"4"}

    def test_an_empty_batch_changes_nothing(self, store: Store) -> None:
        _letters(store)
        before = _everything(store)
        store.write(Batch())
        assert _everything(store) == before

    def test_a_batch_with_a_wrong_value_changes_nothing(self, store: Store) -> None:
        _letters(store)
        before = _everything(store)
        batch = batch_of([(b"a", b"changed"), (b"x", b"new")])
        batch.put(b"y", "text")  # type: ignore[arg-type]
        with pytest.raises((TypeError, StorageError, ValueError)):
            store.write(batch)
        assert _everything(store) == before

    def test_a_batch_can_be_used_again(self, store: Store) -> None:
        batch = batch_of([(b"a", b"1")])
        store.write(batch)
        store.write(batch_of([(b"a", b"2")]))
        store.write(batch)
        assert store.get(b"a") == b"1"

    @_relaxed
    @given(batches=st.lists(_operations, max_size=4), start=_keys, stop=_keys)
    def test_it_does_as_a_dictionary(self, store: Store, batches: list[_Operations], start: bytes, stop: bytes) -> None:
        store.write(batch_of([(key, None) for key in store.scan_keys(b"", _END)]))
        model: dict[bytes, bytes] = {}
        for operations in batches:
            shifted = [(_shift(key), value) for key, value in operations]
            store.write(batch_of(shifted))
            for key, value in shifted:
                if value is None:
                    model.pop(key, None)
                else:
                    model[key] = value
        wanted = sorted((key, value) for key, value in model.items() if _shift(start) <= key < _shift(stop))
        assert list(store.scan(_shift(start), _shift(stop))) == wanted
        assert list(store.scan(_shift(start), _shift(stop), reverse=True)) == wanted[::-1]
        assert list(store.scan_keys(b"", _END)) == sorted(model)
        assert store.multi_get(list(model)) == list(model.values())

    # -- snapshots

    def test_a_snapshot_does_not_see_later_writes(self, store: Store) -> None:
        _letters(store)
        before = _everything(store)
        snapshot = store.snapshot()
        store.write(batch_of([(b"a", b"changed"), (b"c", None), (b"x", b"new")]))
        assert _everything(snapshot) == before
        assert snapshot.multi_get([b"a", b"c", b"x"]) == [b"aa", b"cc", None]
        assert list(snapshot.scan_keys_each([(b"c", b"d"), (b"w", b"z")])) == [[b"c"], []]
        assert list(snapshot.scan_keys(b"b", b"z", reverse=True)) == [b"f", b"e", b"d", b"c", b"b"]
        snapshot.close()

    def test_each_snapshot_sees_its_own_state(self, store: Store) -> None:
        snapshots = []
        for number in range(5):
            _fill(store, (b"a", b"%d" % number), (b"k%d" % number, b""))
            snapshots.append(store.snapshot())
        _fill(store, (b"a", b"last"))
        for number in (3, 0, 4, 1, 2):
            assert snapshots[number].get(b"a") == b"%d" % number
            assert len(_everything(snapshots[number])) == number + 2
            snapshots[number].close()
        assert store.get(b"a") == b"last"

    def test_a_scan_of_a_snapshot_goes_on_while_the_store_is_written(self, store: Store) -> None:
        pairs = [(number.to_bytes(4, "big"), b"old") for number in range(2000)]
        _fill(store, *pairs)
        snapshot = store.snapshot()
        scan = snapshot.scan(b"", _END)
        seen = [next(scan)]
        store.write(batch_of([(key, None if key[-1] % 2 else b"new") for key, _ in pairs]))
        assert seen + list(scan) == pairs
        snapshot.close()

    def test_closing_a_snapshot_twice_is_harmless(self, store: Store) -> None:
        _letters(store)
        snapshot = store.snapshot()
        snapshot.close()
        snapshot.close()
        assert store.get(b"a") == b"aa"

    # -- size

    def test_approximate_bytes_is_never_negative(self, store: Store) -> None:
        _letters(store)
        assert store.approximate_bytes(b"x", b"z") >= 0
        assert store.approximate_bytes(b"", _END) >= 0

    # -- the end

    def test_syncing_any_time_is_allowed(self, store: Store) -> None:
        store.sync()
        _letters(store)
        store.sync()
        store.sync()
        assert store.get(b"a") == b"aa"

    def test_closing_twice_is_harmless(self, store: Store) -> None:
        store.close()
        store.close()

    @pytest.mark.parametrize(
        "use",
        [
            lambda store: store.get(b"a"),
            lambda store: store.multi_get([b"a"]),
            lambda store: list(store.scan(b"", _END)),
            lambda store: list(store.scan_keys(b"", _END)),
            lambda store: list(store.scan_keys_each([(b"", _END)])),
            lambda store: store.write(batch_of([(b"a", b"1")])),
            lambda store: store.snapshot().get(b"a"),
        ],
        ids=["get", "multi_get", "scan", "scan_keys", "scan_keys_each", "write", "snapshot"],
    )
    def test_a_closed_store_raises_storage_errors(self, store: Store, use: Callable[[Store], object]) -> None:
        _letters(store)
        store.close()
        with pytest.raises(StorageError):
            use(store)

    # -- threads

    def test_writers_of_different_keys_do_not_disturb_each_other(self, store: Store) -> None:
        def writer(name: bytes) -> Callable[[], None]:
            def write() -> None:
                for number in range(100):
                    _fill(store, (name + b"%03d" % number, name))

            return write

        run_threads(*(writer(name) for name in (b"a", b"b", b"c", b"d")))
        assert len(_everything(store)) == 400

    def test_a_reader_never_sees_half_a_batch(self, store: Store) -> None:
        names = [b"k%02d" % number for number in range(20)]
        _fill(store, *((name, b"0") for name in names))
        done = threading.Event()

        def write() -> None:
            for number in range(100):
                _fill(store, *((name, b"%d" % number) for name in names))
            done.set()

        def read() -> None:
            while not done.is_set():
                snapshot = store.snapshot()
                assert len(set(_everything(snapshot).values())) == 1
                snapshot.close()

        run_threads(write, read, read)

    def test_snapshots_can_be_taken_and_closed_from_several_threads(self, store: Store) -> None:
        def work() -> None:
            for number in range(50):
                _fill(store, (b"n", b"%d" % number))
                snapshot = store.snapshot()
                value = snapshot.get(b"n")
                assert snapshot.get(b"n") == value
                snapshot.close()

        run_threads(work, work, work)


class PersistentStoreContract(StoreContract):
    """The contract of a store that is there again after closing and opening."""

    def test_what_was_written_is_there_after_reopening(self, open_store: OpenStore) -> None:
        store = open_store()
        _letters(store)
        store.write(batch_of([(b"a", None), (b"b", b"changed")]))
        before = _everything(store)
        store.close()
        again = open_store()
        assert _everything(again) == before
        again.close()

    def test_it_can_be_reopened_many_times(self, open_store: OpenStore) -> None:
        for number in range(5):
            store = open_store()
            assert len(_everything(store)) == number
            _fill(store, (b"%d" % number, b""))
            store.close()

    def test_large_values_are_there_after_reopening(self, open_store: OpenStore) -> None:
        store = open_store()
        _fill(store, (b"a", b"large" * 300_000), (b"b", b""))
        store.close()
        again = open_store()
        assert again.multi_get([b"a", b"b"]) == [b"large" * 300_000, b""]
        again.close()
