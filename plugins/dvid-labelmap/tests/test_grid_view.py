"""A view of a grid store stands in for the instance's own view wherever one is read."""

from __future__ import annotations

from dvid_labelmap.ops.grid import GridView

from dvid_framework.api import View


def test_it_answers_all_that_a_view_does() -> None:
    of_a_view = {name for name, value in vars(View).items() if callable(value) and not name.startswith("_")}
    assert of_a_view - set(vars(GridView)) == set()
