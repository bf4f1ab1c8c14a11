"""The DAG of a repo: heads, branches, selectors, ancestors."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.errors import BadRequest
from dvid_framework.testing.core import Core
from dvid_framework.versions.changes import add_branch, add_child, add_merge, commit_version
from dvid_framework.versions.dag import Dag
from dvid_framework.versions.record import VersionRecord
from dvid_framework.versions.repo import Repo


def _version(number: int, parents: list[int], branch: str = "") -> VersionRecord:
    return VersionRecord(id=number, repo=1, uuid=f"u{number}", branch=branch, parents=parents, created="", updated="")


@pytest.fixture
def dag() -> Dag:
    """1 - 2 - 5(merge of 2, 4) - 6 on master; 3 - 4 on branch b from 1; 7 on branch c from 3."""
    return Dag(
        [
            _version(1, []),
            _version(2, [1]),
            _version(3, [1], "b"),
            _version(4, [3], "b"),
            _version(5, [2, 4]),
            _version(6, [5]),
            _version(7, [3], "c"),
        ]
    )


def test_the_root_is_the_first_version(dag: Dag) -> None:
    assert dag.root.id == 1
    assert len(dag) == 7
    assert [version.id for version in dag] == [1, 2, 3, 4, 5, 6, 7]


def test_children_are_in_the_order_of_creation(dag: Dag) -> None:
    assert dag.children(1) == [2, 3]
    assert dag.children(3) == [4, 7]
    assert dag.children(6) == []


def test_versions_may_be_given_in_any_order() -> None:
    dag = Dag([_version(3, [2]), _version(1, []), _version(2, [1])])
    assert dag.head("").id == 3


def test_the_head_of_a_branch_is_the_version_without_a_child_on_it(dag: Dag) -> None:
    assert dag.head("master").id == dag.head("").id == 6
    assert dag.head("b").id == 4
    assert dag.head("c").id == 7
    with pytest.raises(BadRequest, match="'nothing'"):
        dag.head("nothing")


def test_a_branch_is_listed_down_to_the_root_and_goes_on_at_the_last_parent_of_a_merge(dag: Dag) -> None:
    assert [version.id for version in dag.branch_versions("master")] == [6, 5, 2, 4, 3, 1]
    assert [version.id for version in dag.branch_versions("b")] == [4, 3, 1]
    assert dag.branch_versions("nothing") == []


def test_two_children_of_one_branch_are_told() -> None:
    dag = Dag([_version(1, []), _version(2, [1]), _version(3, [1])])
    with pytest.raises(BadRequest, match="several children"):
        dag.branch_versions("master")


def test_first_parents_lead_to_the_root(dag: Dag) -> None:
    assert [version.id for version in dag.first_parents(6)] == [6, 5, 2, 1]
    assert [version.id for version in dag.first_parents(1)] == [1]


def test_common_ancestors(dag: Dag) -> None:
    assert dag.common_ancestors([2, 4]) == {1}
    assert dag.common_ancestors([6, 7]) == {1, 3}
    assert dag.common_ancestors([4]) == {1, 3, 4}


def test_lineages_are_kept_but_not_without_bound() -> None:
    dag = Dag([_version(1, [])] + [_version(number, [number - 1]) for number in range(2, 400)])
    assert dag.lineage(399) is dag.lineage(399)
    for number in range(1, 400):
        assert len(dag.lineage(number).members) == number


def test_heads_can_be_asked_for_while_versions_are_added() -> None:
    dag, done = Dag([_version(1, [])]), threading.Event()
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            while not done.is_set():
                dag.head("master")
                dag.branches()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    for number in range(2, 1500):
        dag.add(_version(number, [number - 1]))
    done.set()
    asking.join()
    assert errors == []


# -- selectors of a whole server


def _grown(core: Core, repo: Repo) -> dict[str, str]:
    """Make a root, a child, a branch from the root, and a merge; returns UUIDs by name."""
    root = repo.dag.root
    commit_version(core.repos, repo, root, "", [], "")
    child = add_child(core.repos, repo, root)
    side = add_branch(core.repos, repo, root, "side")
    for version in (child, side):
        commit_version(core.repos, repo, version, "", [], "")
    merged = add_merge(core.repos, repo, [(repo, child), (repo, side)])
    return {"root": root.uuid, "child": child.uuid, "side": side.uuid, "merged": merged.uuid}


def _found(core: Core, reference: str) -> str:
    return core.repos.find(reference)[1].uuid


def test_a_version_is_found_by_its_uuid_or_any_unique_start_of_it(core: Core, repo: Repo) -> None:
    for length in (32, 31, 8, 1):
        assert _found(core, repo.root[:length]) == repo.root


def test_selectors_follow_a_branch(core: Core, repo: Repo) -> None:
    names = _grown(core, repo)
    root = names["root"]
    assert _found(core, f"{root}:master") == names["merged"]
    assert _found(core, f"{root}:") == names["merged"]
    assert _found(core, f"{root}:side") == names["side"]
    assert _found(core, f"{names['side']}:master") == names["merged"]
    assert _found(core, f"{root}:master~0") == names["merged"]
    assert _found(core, f"{root}:master~1") == names["child"]
    assert _found(core, f"{root}:side~1") == root
    assert _found(core, ":side") == names["side"]
    assert _found(core, ":master~3") == root
    core.restart()
    assert _found(core, ":master") == names["merged"], "a merge is the head also after a restart"


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "zz",
        "{root}:nothing",
        "{root}:a:b",
        "{root}:master~x",
        "{root}:master~",
        "{root}:master~-1",
        "{root}:side~2",
        "{root}:master~99999999999999999999",
        "{root}0",
        "{upper}",
        "{root}:master~\uff11",
    ],
)
def test_bad_references_are_refused(core: Core, repo: Repo, reference: str) -> None:
    root = _grown(core, repo)["root"]
    with pytest.raises(BadRequest):
        core.repos.find(reference.format(root=root, upper="ABCDEF"))


def test_a_branch_alone_needs_exactly_one_repo(core: Core) -> None:
    with pytest.raises(BadRequest, match="exactly one repo"):
        core.repos.find(":master")
    core.repos.create()
    core.repos.find(":master")
    core.repos.create()
    with pytest.raises(BadRequest, match="exactly one repo"):
        core.repos.find(":master")


def test_a_start_of_several_uuids_is_refused(core: Core) -> None:
    core.repos.create(root="ab" + "0" * 30)
    core.repos.create(root="ab" + "1" * 30)
    with pytest.raises(BadRequest, match="several"):
        core.repos.find("ab")
    assert _found(core, "ab0") == "ab" + "0" * 30


@given(st.data())
def test_after_any_renames_of_versions_the_heads_are_those_of_a_dag_made_anew(data: st.DataObject) -> None:
    names = st.sampled_from(["", "b", "c", "d"])
    count = data.draw(st.integers(1, 8))
    branches = [data.draw(names) for _ in range(count)]
    dag = Dag(_version(number + 1, [number] if number else [], branch) for number, branch in enumerate(branches))
    for _ in range(data.draw(st.integers(1, 10))):
        number = data.draw(st.integers(1, count))
        dag.replace(_version(number, [number - 1] if number > 1 else [], data.draw(names)))
        anew = Dag(list(dag))
        assert dag.branches() == anew.branches()
        assert {name: dag.head(name).id for name in anew.branches() - {""}} == {
            name: anew.head(name).id for name in anew.branches() - {""}
        }
