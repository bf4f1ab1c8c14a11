"""Repos: making them, their versions, what is refused, and that everything is there after a restart."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from dvid_framework.errors import BadRequest, Locked, StorageError
from dvid_framework.storage.memory import MemoryStore
from dvid_framework.testing.core import Core
from dvid_framework.testing.faults import FailingStore
from dvid_framework.testing.store_contract import run_threads
from dvid_framework.versions.changes import add_branch, add_child, add_merge, add_tag, commit_version
from dvid_framework.versions.merge import add_resolved_merge
from dvid_framework.versions.mutation_ids import FIRST_MUTATION_ID, MutationIds
from dvid_framework.versions.repo import Repo


def _state(core: Core) -> list[object]:
    for repo in core.repos:
        for instance in repo.instances.values():
            instance.tags = instance.tags or {}  # null until the first restart, as in the original
    return [(repo.record, list(repo.dag), repo.instances) for repo in core.repos]


def test_everything_is_there_after_a_restart(any_core: Core) -> None:
    repos = any_core.repos
    repo = repos.create("alias", "text", passcode="secret")
    other = repos.create(root="a" * 32)
    root = repo.dag.root
    any_core.instance(repo, "one", tags="k=v", compression="gzip:5", checksum="crc32")
    any_core.instance(other, "one", versioned="0")
    commit_version(repos, repo, root, "note", ["line"], "ann")
    child = add_child(repos, repo, root, note="child", uuid="b" * 32)
    commit_version(repos, repo, child, "", [], "")
    side = add_branch(repos, repo, root, "side")
    commit_version(repos, repo, side, "", [], "")
    add_tag(repos, repo, child, "v1.0", "first release")
    add_merge(repos, repo, [(repo, side), (repo, child)])
    before = _state(any_core)
    any_core.restart()
    assert _state(any_core) == before
    repo = any_core.repos.find("b" * 32)[0]
    assert repo.dag.root.log[0].endswith("  line")
    assert [version.note for version in repo.dag][:2] == ["note", "child"]
    tag = any_core.repos.find("v1.0")[1]
    assert (tag.locked, tag.branch) == (True, "tag-v1.0")
    assert tag.note == f'Tag of version {child.uuid} with "v1.0"'


def test_ids_are_never_used_again_after_a_restart(core: Core) -> None:
    repo = core.repos.create()
    core.instance(repo, "one")
    core.restart()
    repo = next(iter(core.repos))
    assert core.repos.create().dag.root.id > repo.dag.root.id
    assert core.instance(repo, "two").record.id > repo.instances["one"].id


@pytest.mark.parametrize("root", ["zebra", "", "A" * 32, "a" * 31, "a" * 33, "g" * 32, "a" * 31 + "\n"])
def test_a_root_must_be_a_whole_uuid(core: Core, root: str) -> None:
    with pytest.raises(BadRequest):
        core.repos.create(root=root)
    assert len(core.repos) == 0


def test_a_uuid_is_used_once_on_a_server(core: Core, repo: Repo) -> None:
    commit_version(core.repos, repo, repo.dag.root, "", [], "")
    with pytest.raises(BadRequest):
        core.repos.create(root=repo.root)
    with pytest.raises(BadRequest):
        add_child(core.repos, repo, repo.dag.root, uuid=repo.root)
    with pytest.raises(BadRequest):
        add_tag(core.repos, repo, repo.dag.root, repo.root)
    assert len(repo.dag) == 1


def test_only_a_committed_version_gets_children_and_it_is_committed_once(core: Core, repo: Repo) -> None:
    root = repo.dag.root
    for refused in (
        lambda: add_child(core.repos, repo, root),
        lambda: add_branch(core.repos, repo, root, "b"),
        lambda: add_tag(core.repos, repo, root, "t"),
        lambda: add_merge(core.repos, repo, [(repo, root), (repo, root)]),
    ):
        with pytest.raises(BadRequest):
            refused()
    assert len(repo.dag) == 1
    commit_version(core.repos, repo, root, "", [], "")
    with pytest.raises(Locked):
        commit_version(core.repos, repo, root, "", [], "")


def test_a_branch_goes_on_once_and_its_name_is_used_once(core: Core, repo: Repo) -> None:
    root = repo.dag.root
    commit_version(core.repos, repo, root, "", [], "")
    add_child(core.repos, repo, root)
    with pytest.raises(BadRequest, match="has a child on branch 'master'"):
        add_child(core.repos, repo, root)
    side = add_branch(core.repos, repo, root, "side")
    for name in ("side", "", "master"):
        with pytest.raises(BadRequest):
            add_branch(core.repos, repo, root, name)
    commit_version(core.repos, repo, side, "", [], "")
    assert add_branch(core.repos, repo, side, "side").branch == "side", "a branch's own name acts as newversion"


@pytest.mark.parametrize("tag", ["", "a:b", "a/b", "a~1"])
def test_a_tag_is_a_text_that_can_stand_in_an_address(core: Core, repo: Repo, tag: str) -> None:
    commit_version(core.repos, repo, repo.dag.root, "", [], "")
    with pytest.raises(BadRequest):
        add_tag(core.repos, repo, repo.dag.root, tag)
    assert len(repo.dag) == 1


def test_merges_are_checked_before_anything_is_made(core: Core, repo: Repo) -> None:
    root = repo.dag.root
    commit_version(core.repos, repo, root, "", [], "")
    open_child = add_child(core.repos, repo, root)
    stranger = core.repos.create()
    commit_version(core.repos, stranger, stranger.dag.root, "", [], "")
    for parents in (
        [],
        [(repo, root)],
        [(repo, root), (repo, root)],
        [(repo, root), (repo, open_child)],
        [(repo, root), (stranger, stranger.dag.root)],
    ):
        with pytest.raises(BadRequest):
            add_merge(core.repos, repo, parents)
        with pytest.raises(BadRequest):
            add_resolved_merge(core.repos, repo, [], parents)
    assert len(repo.dag) == 2
    assert len(core.repos.find(root.uuid)[0].dag.children(root.id)) == 1


def test_of_many_at_once_one_child_of_a_branch_is_made(core: Core, repo: Repo) -> None:
    commit_version(core.repos, repo, repo.dag.root, "", [], "")
    made, refused = list[str](), list[str]()
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        try:
            made.append(add_child(core.repos, repo, repo.dag.root).uuid)
        except BadRequest as error:
            refused.append(error.message)

    run_threads(*[work] * 6)
    assert len(made) == 1
    assert len(refused) == 5


@pytest.mark.parametrize("change", ["create", "instance", "commit", "child", "tag", "merge", "resolve"])
def test_a_change_whose_write_fails_is_nowhere(tmp_path: Path, change: str) -> None:
    store = FailingStore(MemoryStore())
    core = Core(tmp_path, lambda: store)
    repos, repo = core.repos, core.repos.create()
    root = repo.dag.root
    core.instance(repo, "t")
    commit_version(repos, repo, root, "", [], "")
    sides = [add_branch(repos, repo, root, name) for name in "ab"]
    for side in sides:
        commit_version(repos, repo, side, "", [], "")
    fresh = add_child(repos, repo, root)
    parents = [(repo, side) for side in sides]
    changes = {
        "create": repos.create,
        "instance": lambda: core.instance(repo, "new", fresh),
        "commit": lambda: commit_version(repos, repo, fresh, "", [], ""),
        "child": lambda: add_child(repos, repo, sides[0]),
        "tag": lambda: add_tag(repos, repo, root, "tag"),
        "merge": lambda: add_merge(repos, repo, parents),
        "resolve": lambda: add_resolved_merge(repos, repo, [(repo.instance("t"), core.log)], parents),
    }
    before = [(r.record, list(r.dag), dict(r.instances)) for r in repos]
    store.fail_next()
    with pytest.raises(StorageError):
        changes[change]()
    assert _state(core) == before
    changes[change]()
    assert _state(core) != before
    core.close()


# -- mutation ids


def test_mutation_ids_grow_and_are_unique_across_restarts() -> None:
    store, taken = MemoryStore(), list[int]()
    for _ in range(4):
        ids = MutationIds(store, 1)
        taken += [ids.take() for _ in range(130)]
    assert taken[0] == FIRST_MUTATION_ID
    assert taken == sorted(set(taken))


def test_each_repo_has_mutation_ids_of_its_own() -> None:
    store = MemoryStore()
    one, other = MutationIds(store, 1), MutationIds(store, 2)
    assert one.take() == other.take() == FIRST_MUTATION_ID
    one.take()
    assert MutationIds(store, 2, FIRST_MUTATION_ID).take() == FIRST_MUTATION_ID + 100


def test_a_configured_start_counts_where_it_is_larger() -> None:
    store = MemoryStore()
    assert MutationIds(store, 1, 5_000_000_000).take() == 5_000_000_000
    assert MutationIds(store, 1, 1).take() == 5_000_000_100


def test_mutation_ids_are_saved_before_they_are_needed() -> None:
    store = MemoryStore()
    ids = MutationIds(store, 1)
    ids.prepare()
    ids.prepare()
    deadline = time.monotonic() + 20
    while not list(store.scan_keys(b"", b"\xff")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [ids.take() for _ in range(61)] == list(range(FIRST_MUTATION_ID, FIRST_MUTATION_ID + 61))
    while ids.state[1] < FIRST_MUTATION_ID + 200 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert MutationIds(store, 1).take() == FIRST_MUTATION_ID + 200


def test_mutation_ids_are_unique_among_threads() -> None:
    ids, taken = MutationIds(MemoryStore(), 1), list[int]()
    run_threads(*[lambda: taken.extend([ids.take() for _ in range(300)])] * 5)
    assert len(set(taken)) == 1500


def test_the_state_tells_the_next_id_and_where_a_restart_goes_on() -> None:
    store = MemoryStore()
    ids = MutationIds(store, 1)
    assert ids.state == (FIRST_MUTATION_ID, FIRST_MUTATION_ID + 100)
    ids.take()
    assert ids.state == (FIRST_MUTATION_ID + 1, FIRST_MUTATION_ID + 100)
    assert MutationIds(store, 1).take() == FIRST_MUTATION_ID + 100
