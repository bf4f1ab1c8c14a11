"""Who is alone, and whose turn it is."""

from __future__ import annotations

from dvid_framework.http.neighbours import Neighbours
from dvid_framework.http.turns import Turns


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_client_is_alone_until_another_asks_and_again_a_second_later() -> None:
    clock = Clock()
    neighbours = Neighbours(clock)
    assert not neighbours.several
    for _ in range(3):
        neighbours.notice("a")
        clock.now += 0.1
    assert not neighbours.several
    neighbours.notice("b")
    assert neighbours.several
    for _ in range(15):
        clock.now += 0.1
        neighbours.notice("b")
    assert not neighbours.several, "a has not been there for long"
    neighbours.notice("a")
    clock.now += 0.9
    assert neighbours.several
    clock.now += 0.2
    assert not neighbours.several


def test_clients_that_ask_by_turns_are_several_all_the_time() -> None:
    clock = Clock()
    neighbours = Neighbours(clock)
    neighbours.notice("a")
    for number in range(50):
        clock.now += 0.3
        neighbours.notice("ab"[number % 2 - 1])
        assert neighbours.several


def test_turns_go_round_and_pass_over_who_may_have_none() -> None:
    turns = Turns[int]()
    for number in range(4):
        turns.put("a", number)
    turns.put("b", 10)
    turns.put("c", 20)
    turns.put("c", 21)
    assert turns.take() == ("a", 0)
    assert turns.take(lambda client: client != "b") == ("c", 20)
    assert turns.take(lambda client: client == "nobody") is None
    assert [turns.take() for _ in range(6)] == [("b", 10), ("a", 1), ("c", 21), ("a", 2), ("a", 3), None]
    assert not turns
