"""The rule for reads through merges, against the reference program on random DAGs."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from dvid_framework.testing.model import visible
from dvid_framework.versions.resolve import Lineage, visible_versions


@st.composite
def _dags(draw: st.DrawFn) -> tuple[dict[int, list[int]], dict[int, bytes | None]]:
    """Draw the parents of up to 12 versions, and what was written at some of them."""
    count = draw(st.integers(1, 12))
    parents: dict[int, list[int]] = {0: []}
    for version in range(1, count):
        parents[version] = draw(st.lists(st.integers(0, version - 1), min_size=1, max_size=3, unique=True))
    written = draw(st.dictionaries(st.integers(0, count - 1), st.none() | st.just(b"v"), max_size=count))
    return parents, written


@settings(max_examples=1500, deadline=None)
@given(_dags())
def test_every_version_sees_what_the_reference_says(
    dag: tuple[dict[int, list[int]], dict[int, bytes | None]],
) -> None:
    parents, written = dag
    records = {version: value is not None for version, value in written.items()}
    for version in parents:
        wanted = visible(version, written, parents)
        assert visible_versions(version, records, parents.__getitem__) == wanted
        assert Lineage(version, parents.__getitem__).resolve(records) == wanted


@given(_dags())
def test_a_lineage_is_a_version_with_all_its_ancestors(
    dag: tuple[dict[int, list[int]], dict[int, bytes | None]],
) -> None:
    parents, _ = dag

    def ancestors(version: int) -> set[int]:
        return {version}.union(*(ancestors(parent) for parent in parents[version]))

    for version in parents:
        lineage = Lineage(version, parents.__getitem__)
        assert lineage.members == ancestors(version)
        assert lineage.linear == all(len(parents[member]) < 2 for member in lineage.members)


def test_changes_on_both_sides_conflict_and_a_change_on_one_side_wins() -> None:
    parents = {0: [], 1: [0], 2: [0], 3: [1, 2]}
    assert visible_versions(3, {0: True, 1: True}, parents.__getitem__) == {1}
    assert visible_versions(3, {0: True, 2: True}, parents.__getitem__) == {2}
    assert visible_versions(3, {1: True, 2: True}, parents.__getitem__) == {1, 2}
    assert visible_versions(3, {0: True, 2: False}, parents.__getitem__) == set()
    assert visible_versions(3, {1: True, 2: True, 3: True}, parents.__getitem__) == {3}


def test_a_ladder_of_merges_takes_no_exponential_time() -> None:
    parents: dict[int, list[int]] = {0: []}
    for _ in range(200):
        top = len(parents) - 1
        parents[top + 1], parents[top + 2], parents[top + 3] = [top], [top], [top + 1, top + 2]
    began = time.monotonic()
    assert visible_versions(len(parents) - 1, {0: True}, parents.__getitem__) == {0}
    assert visible_versions(len(parents) - 1, {1: True, 2: True}, parents.__getitem__) == {1, 2}
    assert time.monotonic() - began < 30, "2^200 steps would never end"


def test_a_long_chain_needs_no_recursion() -> None:
    parents = {number: [number - 1] if number else [] for number in range(20_000)}
    parents[20_000] = [19_999, 10_000]
    assert visible_versions(20_000, {0: True}, parents.__getitem__) == {0}
    assert visible_versions(20_000, {0: True, 15_000: True}, parents.__getitem__) == {15_000}
    assert Lineage(19_999, parents.__getitem__).linear
