"""The kill harness itself sees what it looks for."""

from __future__ import annotations

import pytest

from dvid_framework.testing.crash import _Journal


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({5}, None),
        ({6}, None),
        ({7}, None),
        ({4}, "5 was acknowledged"),
        ({0}, "5 was acknowledged"),
        ({8}, "7 was the last attempted"),
        ({5, 6}, "half a mutation"),
        ({0, 5}, "half a mutation"),
        (set(), "half a mutation"),
    ],
)
def test_what_is_visible_after_a_kill_is_judged(found: set[int], said: str | None) -> None:
    journal = _Journal()
    journal.attempted, journal.acknowledged = 7, 5
    problems = journal.judge(0, found)
    assert (problems == []) == (said is None)
    assert all(said in problem for problem in problems)
