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
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dvid_framework.errors import StorageError
from dvid_framework.storage.base import Store
from dvid_framework.storage.batch import Batch
from dvid_framework.testing.store_reading import (
    END,
    OpenStore,
    Operations,
    ReadingContract,
    batch_of,
    everything,
    fill,
    letters,
    run_threads,
)

__all__ = ["OpenStore", "PersistentStoreContract", "StoreContract", "batch_of", "run_threads"]

_keys = st.binary(max_size=6) | st.sampled_from([b"", b"\x00", b"\xff", b"\xff\xff", b"a", b"a\x00", b"ab"])
_operations = st.lists(st.tuples(_keys, st.none() | st.binary(max_size=20)), max_size=30)
_relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _shift(key: bytes) -> bytes:
    """Keep the keys of a property test from the range that a store may use for itself."""
    return b"\x01" + key


class StoreContract(ReadingContract):
    """The contract of a store that need not outlive its object."""

    # -- batches

    def test_a_batch_is_applied_whole(self, store: Store) -> None:
        letters(store)
        store.write(batch_of([(b"a", None), (b"x", b"1"), (b"b", b"2"), (b"f", None)]))
        assert everything(store) == {b"b": b"2", b"c": b"cc", b"d": b"dd", b"e": b"ee", b"x": b"1"}

    def test_the_last_operation_of_a_key_in_a_batch_wins(self, store: Store) -> None:
        store.write(batch_of([(b"a", b"1"), (b"a", None), (b"b", None), (b"b", b"2"), (b"c", b"3"), (b"c", b"4")]))
        assert everything(store) == {b"b": b"2", b"c": b"4"}

    def test_an_empty_batch_changes_nothing(self, store: Store) -> None:
        letters(store)
        before = everything(store)
        store.write(Batch())
        assert everything(store) == before

    def test_a_batch_with_a_wrong_value_changes_nothing(self, store: Store) -> None:
        letters(store)
        before = everything(store)
        batch = batch_of([(b"a", b"changed"), (b"x", b"new")])
        batch.put(b"y", "text")  # type: ignore[arg-type]
        with pytest.raises((TypeError, StorageError, ValueError)):
            store.write(batch)
        assert everything(store) == before

    def test_a_batch_can_be_used_again(self, store: Store) -> None:
        batch = batch_of([(b"a", b"1")])
        store.write(batch)
        store.write(batch_of([(b"a", b"2")]))
        store.write(batch)
        assert store.get(b"a") == b"1"

    @_relaxed
    @given(batches=st.lists(_operations, max_size=4), start=_keys, stop=_keys)
    def test_it_does_as_a_dictionary(self, store: Store, batches: list[Operations], start: bytes, stop: bytes) -> None:
        store.write(batch_of([(key, None) for key in store.scan_keys(b"", END)]))
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
        assert list(store.scan_keys(b"", END)) == sorted(model)
        assert store.multi_get(list(model)) == list(model.values())

    # -- snapshots

    def test_a_snapshot_does_not_see_later_writes(self, store: Store) -> None:
        letters(store)
        before = everything(store)
        snapshot = store.snapshot()
        store.write(batch_of([(b"a", b"changed"), (b"c", None), (b"x", b"new")]))
        assert everything(snapshot) == before
        assert snapshot.multi_get([b"a", b"c", b"x"]) == [b"aa", b"cc", None]
        assert list(snapshot.find_each([(b"c", b"d"), (b"w", b"z")])) == [([b"c"], snapshot.get(b"c")), ([], None)]
        assert list(snapshot.scan_keys(b"b", b"z", reverse=True)) == [b"f", b"e", b"d", b"c", b"b"]
        snapshot.close()

    def test_each_snapshot_sees_its_own_state(self, store: Store) -> None:
        snapshots = []
        for number in range(5):
            fill(store, (b"a", b"%d" % number), (b"k%d" % number, b""))
            snapshots.append(store.snapshot())
        fill(store, (b"a", b"last"))
        for number in (3, 0, 4, 1, 2):
            assert snapshots[number].get(b"a") == b"%d" % number
            assert len(everything(snapshots[number])) == number + 2
            snapshots[number].close()
        assert store.get(b"a") == b"last"

    def test_a_scan_of_a_snapshot_goes_on_while_the_store_is_written(self, store: Store) -> None:
        pairs = [(number.to_bytes(4, "big"), b"old") for number in range(2000)]
        fill(store, *pairs)
        snapshot = store.snapshot()
        scan = snapshot.scan(b"", END)
        seen = [next(scan)]
        store.write(batch_of([(key, None if key[-1] % 2 else b"new") for key, _ in pairs]))
        assert seen + list(scan) == pairs
        snapshot.close()

    def test_closing_a_snapshot_twice_is_harmless(self, store: Store) -> None:
        letters(store)
        snapshot = store.snapshot()
        snapshot.close()
        snapshot.close()
        assert store.get(b"a") == b"aa"

    # -- size

    def test_approximate_bytes_is_never_negative(self, store: Store) -> None:
        letters(store)
        assert store.approximate_bytes(b"x", b"z") >= 0
        assert store.approximate_bytes(b"", END) >= 0

    # -- the end

    def test_syncing_any_time_is_allowed(self, store: Store) -> None:
        store.sync()
        letters(store)
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
            lambda store: list(store.scan(b"", END)),
            lambda store: list(store.scan_keys(b"", END)),
            lambda store: list(store.find_each([(b"", END)])),
            lambda store: store.write(batch_of([(b"a", b"1")])),
            lambda store: store.snapshot().get(b"a"),
        ],
        ids=["get", "multi_get", "scan", "scan_keys", "find_each", "write", "snapshot"],
    )
    def test_a_closed_store_raises_storage_errors(self, store: Store, use: Callable[[Store], object]) -> None:
        letters(store)
        store.close()
        with pytest.raises(StorageError):
            use(store)

    # -- threads

    def test_writers_of_different_keys_do_not_disturb_each_other(self, store: Store) -> None:
        def writer(name: bytes) -> Callable[[], None]:
            def write() -> None:
                for number in range(100):
                    fill(store, (name + b"%03d" % number, name))

            return write

        run_threads(*(writer(name) for name in (b"a", b"b", b"c", b"d")))
        assert len(everything(store)) == 400

    def test_a_reader_never_sees_half_a_batch(self, store: Store) -> None:
        names = [b"k%02d" % number for number in range(20)]
        fill(store, *((name, b"0") for name in names))
        done = threading.Event()

        def write() -> None:
            for number in range(100):
                fill(store, *((name, b"%d" % number) for name in names))
            done.set()

        def read() -> None:
            while not done.is_set():
                snapshot = store.snapshot()
                assert len(set(everything(snapshot).values())) == 1
                snapshot.close()

        run_threads(write, read, read)

    def test_snapshots_can_be_taken_and_closed_from_several_threads(self, store: Store) -> None:
        def work() -> None:
            for number in range(50):
                fill(store, (b"n", b"%d" % number))
                snapshot = store.snapshot()
                value = snapshot.get(b"n")
                assert snapshot.get(b"n") == value
                snapshot.close()

        run_threads(work, work, work)


class PersistentStoreContract(StoreContract):
    """The contract of a store that is there again after closing and opening."""

    def test_what_was_written_is_there_after_reopening(self, open_store: OpenStore) -> None:
        store = open_store()
        letters(store)
        store.write(batch_of([(b"a", None), (b"b", b"changed")]))
        before = everything(store)
        store.close()
        again = open_store()
        assert everything(again) == before
        again.close()

    def test_it_can_be_reopened_many_times(self, open_store: OpenStore) -> None:
        for number in range(5):
            store = open_store()
            assert len(everything(store)) == number
            fill(store, (b"%d" % number, b""))
            store.close()

    def test_large_values_are_there_after_reopening(self, open_store: OpenStore) -> None:
        store = open_store()
        fill(store, (b"a", b"large" * 300_000), (b"b", b""))
        store.close()
        again = open_store()
        assert again.multi_get([b"a", b"b"]) == [b"large" * 300_000, b""]
        again.close()
