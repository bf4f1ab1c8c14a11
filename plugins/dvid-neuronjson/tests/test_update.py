"""What becomes of a neuron when an object is posted to it."""

from __future__ import annotations

from typing import Any

import pytest
from dvid_neuronjson.update import Change, check_posted, merge

from dvid_framework.api import BadRequest


def post(
    stored: dict[str, Any],
    posted: dict[str, Any],
    user: str,
    time: str = "T",
    *,
    replace: bool = False,
    conditional: tuple[str, ...] = (),
) -> dict[str, Any]:
    posted = check_posted(9, {"bodyid": 9, **posted})
    return merge(stored, posted, Change(user, time, replace, conditional))


def marked(user: str, time: str, **fields: Any) -> dict[str, Any]:
    found = dict(fields)
    for name in fields:
        found[f"{name}_user"], found[f"{name}_time"] = user, time
    return found


def test_a_life() -> None:
    one = post({}, {"user": "bob", "status": "x", "f_time": "2020-01-01T00:00:00Z"}, "a", "T1")
    assert one == {"bodyid": 9, "user": "bob", **marked("a", "T1", status="x"), "f_time": "2020-01-01T00:00:00Z"}
    assert post(one, {"status": "x"}, "b", "T2") == one
    three = post(one, {"status": "x", "z": 1}, "b", "T3", replace=True)
    assert three == {"bodyid": 9, **marked("a", "T1", status="x"), **marked("b", "T3", z=1)}
    four = post(three, {"z": 2, "w": 3}, "c", "T4", conditional=("z",))
    assert four == {**three, **marked("c", "T4", w=3)}
    five = post(four, {"list": [1, 2]}, "c", "T5")
    assert post(five, {"list": [1, 2]}, "d", "T6") == five
    assert post(five, {"list": [2, 1]}, "e", "T7") == {**four, **marked("e", "T7", list=[2, 1])}
    assert post(five, {"z": 5}, "f", "T8", replace=True, conditional=("z",)) == {"bodyid": 9, **marked("f", "T8", z=5)}
    eight = post({"bodyid": 9, **marked("f", "T8", z=5)}, {"z": 5, "z_user": "boss"}, "g", "T9", replace=True)
    assert eight == {"bodyid": 9, "z": 5, "z_user": "boss", "z_time": "T8"}
    ten = post(eight, {"q": None}, "g", "T10")
    assert ten == {**eight, "q_user": "g", "q_time": "T10"}
    gone = post(ten, {"z": None}, "h", "T11", replace=True)
    assert gone == {"bodyid": 9, "z_user": "h", "z_time": "T11"}
    assert post(gone, {"z": 7}, "h", "T12", conditional=("z",)) == {"bodyid": 9, **marked("h", "T12", z=7)}


def test_users_and_times_that_are_posted_stand() -> None:
    stored = {"bodyid": 9, **marked("a", "T1", x=1)}
    assert post(stored, {"x_user": "boss"}, "b", "T2") == {**stored, "x_user": "boss"}
    assert post(stored, {"x": 1, "x_time": "T0"}, "b", "T2") == {**stored, "x_time": "T0"}
    assert post(stored, {"x": 2, "x_time": "T0"}, "b", "T2") == {"bodyid": 9, "x": 2, "x_user": "b", "x_time": "T0"}
    assert post(stored, {"x": None, "x_user": "boss"}, "b", "T2") == {"bodyid": 9, "x_user": "boss", "x_time": "T2"}
    assert post(stored, {"x_time": None}, "b", "T2") == {"bodyid": 9, "x": 1, "x_user": "a"}
    assert post({}, {"x_user": "boss"}, "b", "T2") == {"bodyid": 9, "x_user": "boss", "x_time": "T2"}
    replaced = post(stored, {"x": 1, "x_time": "T0"}, "b", "T2", replace=True)
    assert replaced == {"bodyid": 9, "x": 1, "x_user": "a", "x_time": "T0"}


def test_who_took_a_field_away_is_not_kept_if_that_is_null_too() -> None:
    stored = {"bodyid": 9, **marked("a", "T1", x=1, y=2)}
    kept = {"bodyid": 9, **marked("a", "T1", y=2)}
    assert post(stored, {"x": None, "x_time": None}, "b", "T2") == {**kept, "x_user": "b"}
    assert post(stored, {"x": None, "x_user": None}, "b", "T2") == {**kept, "x_time": "T2"}
    assert post(stored, {"x": None, "x_user": None, "x_time": None}, "b", "T2") == kept
    assert post(stored, {"x": 5, "x_user": None}, "b", "T2") == {**kept, **marked("b", "T2", x=5)}


def test_the_field_user_is_marked_only_when_it_is_taken_away() -> None:
    assert post({}, {"user": "bob"}, "a", "T1") == {"bodyid": 9, "user": "bob"}
    assert post({"bodyid": 9, "user": "bob"}, {"user": None}, "a", "T1") == {
        "bodyid": 9,
        "user_user": "a",
        "user_time": "T1",
    }
    assert post({}, {"user_user": "x"}, "a", "T1") == {"bodyid": 9, "user_user": "x"}


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), ("5", 5), ([1, 2], [2, 1]), ({"a": 1}, {"a": True}), ([], {}), ("", [])],
    ids=str,
)
def test_values_are_compared_by_type_and_content(one: Any, other: Any) -> None:
    stored = post({}, {"f": one}, "a", "T1")
    assert post(stored, {"f": other}, "b", "T2")["f_user"] == "b"
    assert post(stored, {"f": one}, "b", "T2")["f_user"] == "a"


def test_objects_are_the_same_in_any_order() -> None:
    stored = post({}, {"f": {"k": [1, {"l": 2, "m": None}]}}, "a")
    assert post(stored, {"f": {"k": [1, {"m": None, "l": 2}]}}, "b") == stored


@pytest.mark.parametrize(
    "posted",
    [
        [],
        "x",
        {},
        {"bodyid": "9"},
        {"bodyid": 9.0},
        {"bodyid": True},
        {"bodyid": 8},
        {"bodyid": None},
        {"bodyid": 9, "bodyid_user": "x"},
        {"bodyid": 9, "bodyid_time": None},
        {"bodyid": 9, "x_time": 5},
    ],
    ids=str,
)
def test_what_no_neuron_can_be_is_refused(posted: Any) -> None:
    with pytest.raises(BadRequest):
        check_posted(9, posted)
