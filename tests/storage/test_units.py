"""Stores over single-row-atomic rows: a batch is whole or not at all wherever the process dies or a call fails."""

from __future__ import annotations

import pytest

from dvid_framework.errors import StorageError
from dvid_framework.storage.units import UnitStore
from dvid_framework.testing.single_row import Died, Rows
from dvid_framework.testing.store_contract import batch_of

_BEFORE = {b"\x01a": b"1", b"\x01b": b"2", b"\x01c": b"3"}
_CHANGE = [(b"\x01a", b"new"), (b"\x01b", None), (b"\x01d", b"4"), (b"\x01e", b"5"), (b"\x01e", None)]
_AFTER = {b"\x01a": b"new", b"\x01c": b"3", b"\x01d": b"4"}


def _all(store: UnitStore) -> dict[bytes, bytes]:
    found = dict(store.scan(b"", b"\xff"))
    assert list(store.scan_keys(b"", b"\xff", reverse=True)) == sorted(found, reverse=True)
    assert {key: store.get(key) for key in (*_BEFORE, *_AFTER)} == {key: found.get(key) for key in (*_BEFORE, *_AFTER)}
    return found


def _prepared() -> tuple[Rows, UnitStore]:
    rows = Rows()
    store = UnitStore(rows)
    store.write(batch_of(list(_BEFORE.items())))
    rows.calls = 0
    return rows, store


def _calls_of_a_write() -> int:
    rows, store = _prepared()
    store.write(batch_of(list(_CHANGE)))
    return rows.calls


_CALLS = range(1, _calls_of_a_write() + 1)


def test_a_write_takes_one_conditional_call_and_then_its_rows() -> None:
    assert 5 <= len(_CALLS) <= 8


@pytest.mark.parametrize("call", _CALLS)
def test_a_batch_is_whole_or_not_at_all_after_death_at_any_call(call: int) -> None:
    rows, store = _prepared()
    rows.die_at = call
    with pytest.raises(Died):
        store.write(batch_of(list(_CHANGE)))
    again = UnitStore(rows.survivors())
    assert _all(again) == (_BEFORE if call == 1 else _AFTER)
    again.write(batch_of([(b"\x01z", b"next")]))
    assert again.get(b"\x01z") == b"next"


@pytest.mark.parametrize("call", _CALLS)
def test_recovery_may_die_at_any_call_too(call: int) -> None:
    rows, store = _prepared()
    rows.die_at = 3
    with pytest.raises(Died):
        store.write(batch_of(list(_CHANGE)))
    dying = rows.survivors()
    dying.die_at = call
    try:
        UnitStore(dying)
    except Died:
        assert call <= dying.calls
    assert _all(UnitStore(dying.survivors())) == _AFTER


@pytest.mark.parametrize("in_doubt", [False, True])
@pytest.mark.parametrize("fail_for", [1, 2, 100])
@pytest.mark.parametrize("call", _CALLS)
def test_a_failing_call_leaves_a_batch_whole_or_not_at_all(call: int, fail_for: int, in_doubt: bool) -> None:
    rows, store = _prepared()
    rows.fail_at, rows.fail_for, rows.in_doubt = call, fail_for, in_doubt
    try:
        store.write(batch_of(list(_CHANGE)))
        wanted = _AFTER
    except StorageError:
        wanted = _BEFORE
    rows.fail_at = 0
    assert _all(store) == wanted
    assert _all(UnitStore(rows.survivors())) in (wanted, _AFTER), "what was acknowledged stays; the rest is whole"
    store.write(batch_of([(b"\x01z", b"next")]))
    assert _all(store) == {**wanted, b"\x01z": b"next"}
    assert _all(UnitStore(rows.survivors())) == {**wanted, b"\x01z": b"next"}


@pytest.mark.parametrize("call", _CALLS)
def test_snapshots_are_stable_whatever_fails(call: int) -> None:
    rows, store = _prepared()
    old = store.snapshot()
    rows.calls, rows.fail_at, rows.fail_for = 0, call, 2
    try:
        store.write(batch_of(list(_CHANGE)))
    except StorageError:
        assert call <= rows.calls
    rows.fail_at = 0
    middle = store.snapshot()
    between = _all(store)
    store.write(batch_of([(b"\x01c", None), (b"\x01d", b"later")]))
    assert dict(old.scan(b"", b"\xff")) == _BEFORE
    assert dict(middle.scan(b"", b"\xff")) == between
    middle.close()
    assert dict(old.scan(b"", b"\xff")) == _BEFORE
    old.close()


def test_unit_records_are_invisible() -> None:
    rows, store = _prepared()
    rows.fail_at, rows.fail_for = 4, 100
    store.write(batch_of(list(_CHANGE)))
    rows.fail_at = 0
    assert set(store.scan_keys(b"", b"\xff")) == set(_AFTER)


def test_a_second_owner_is_noticed() -> None:
    rows = Rows()
    one, other = UnitStore(rows), UnitStore(rows)
    rows.calls, rows.fail_at, rows.fail_for = 0, 2, 100  # its unit record stands, and its rows fail
    one.write(batch_of([(b"\x01x", b"1")]))
    rows.fail_at = 0
    with pytest.raises(StorageError, match="one owner"):
        other.write(batch_of([(b"\x01y", b"2")]))
    assert UnitStore(rows.survivors()).get(b"\x01x") == b"1"
