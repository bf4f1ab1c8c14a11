"""A hypothesis machine that does the same to the real core and to the model, and compares after each step.

`machine_for` makes it for a store; a test runs it with `run_machine`. The size is set by the environment variables
DVID_MODEL_EXAMPLES (200) and DVID_MODEL_STEPS (50).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dvid_framework.errors import BadRequest, Conflict, Locked
from dvid_framework.instances.instance import Instance
from dvid_framework.storage.base import Store
from dvid_framework.testing.core import Core
from dvid_framework.testing.model import Conflicting, ModelVersion, VersionedModel
from dvid_framework.versions.changes import add_branch, add_child, add_merge, add_tag, commit_version
from dvid_framework.versions.merge import add_resolved_merge, conflicts
from dvid_framework.versions.record import VersionRecord

__all__ = ["VersionedStateMachine", "machine_for", "run_machine"]

OpenerIn = Callable[[Path], Callable[[], Store]]
_VERSIONED, _UNVERSIONED = ("a", "b"), "flat"
_MOST_VERSIONS = 14
_TURNS = 4
_ALL_VERSIONS = 20  # steps from one look at every version to the next
_KEYS = [b"", b"\x00", b"a", b"a\x00", b"a\x00\x01", b"a\xff", b"b", b"\xff\xff"]
_key = st.sampled_from(_KEYS)
_value = st.binary(max_size=3) | st.just(b"compressible " * 20)
_pick = st.integers(0, 1 << 16)
_changes = st.lists(st.tuples(_key, st.none() | _value), min_size=1, max_size=4)
_both = st.lists(_key, max_size=2).map(lambda keys: [(key, b"here") for key in keys])
_sides = st.tuples(_changes, _changes, _both).map(lambda drawn: [drawn[0] + drawn[2], drawn[1] + drawn[2]])
_names = st.sampled_from([*_VERSIONED, _VERSIONED[0], _UNVERSIONED])


class Refusal(Exception):
    """Raised inside a transaction, so that it must leave no trace."""


class VersionedStateMachine(RuleBasedStateMachine):
    """Mutations, versions, merges and restarts on one repo. Subclasses say by `opener` which store it runs on."""

    opener: OpenerIn

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="dvid-model-"))
        self.core = Core(self._folder, type(self).opener(self._folder / "store"))
        self.model = VersionedModel([])
        self._tags = self._steps = self._versions_seen = 0
        self._written: set[int] = set()

    def teardown(self) -> None:
        self.core.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    # -- what the steps use

    def _instance(self, name: str) -> Instance:
        return self.core.instances.get(self._repo, name)

    def _record(self, node: int) -> VersionRecord:
        return self.core.repos.find(self.model.versions[node].uuid)[1]

    def _choose(self, nodes: Sequence[int], pick: int) -> int:
        return nodes[pick % len(nodes)]

    def _several(self, picks: Sequence[int]) -> list[int]:
        """Return at least two different committed nodes."""
        committed = self.model.nodes(locked=True)[::-1]  # the newest first: what diverged last is merged most often
        chosen = list(dict.fromkeys(self._choose(committed, pick) for pick in picks))
        chosen += [node for node in committed if node not in chosen][: max(0, 2 - len(chosen))]
        return chosen

    def _can_merge(self) -> bool:
        return len(self.model.nodes(locked=True)) > 1 and self._can_grow()

    def _can_grow(self) -> bool:
        return 0 < len(self.model.versions) < _MOST_VERSIONS

    # -- steps: data

    @initialize(changes=_changes, sides=_sides)
    def make_repo(
        self, changes: list[tuple[bytes, bytes | None]], sides: list[list[tuple[bytes, bytes | None]]]
    ) -> None:
        """Make a repo with two versioned instances and an unversioned one, and two branches that write to one."""
        self._repo = self.core.repos.create()
        for name in _VERSIONED:
            self.core.instance(self._repo, name)
        self.core.instance(self._repo, _UNVERSIONED, versioned="false")
        self.model = VersionedModel([ModelVersion(self._repo.root)], unversioned={_UNVERSIONED})
        self.write("a", 0, changes)
        self.diverge("a", 0, sides)

    def _apply(self, name: str, node: int, changes: Sequence[tuple[bytes, bytes | None]], durable: bool) -> None:
        self._written.add(node)
        with self._instance(name).begin(self._record(node), durable=durable) as txn:
            for key, value in changes:
                if value is None:
                    txn.delete(key)
                else:
                    txn.put(key, value)
            txn.emit("write")

    @precondition(lambda self: self.model.nodes(locked=False))
    @rule(name=_names, pick=_pick, changes=_changes)
    def write(self, name: str, pick: int, changes: list[tuple[bytes, bytes | None]]) -> None:
        """Put and delete some keys of an open version in one transaction."""
        node = self._choose(self.model.nodes(locked=False), pick)
        self._apply(name, node, changes, durable=False)
        self.model.write(name, node, changes)

    @precondition(lambda self: self.model.nodes(locked=False))
    @rule(name=_names, pick=_pick, start=_key, stop=_key)
    def delete_range(self, name: str, pick: int, start: bytes, stop: bytes) -> None:
        """Delete all keys of a range that are there."""
        node = self._choose(self.model.nodes(locked=False), pick)
        with self._instance(name).view(self._record(node)) as view:
            doomed: list[tuple[bytes, bytes | None]] = [(key, None) for key in view.keys(start, stop)]
        self._apply(name, node, doomed, durable=False)
        self.model.write(name, node, doomed)

    @precondition(lambda self: self.model.nodes(locked=False))
    @rule(name=_names, pick=_pick, changes=_changes)
    def write_that_fails(self, name: str, pick: int, changes: list[tuple[bytes, bytes | None]]) -> None:
        """Leave a transaction by an exception: nothing may have changed."""
        record = self._record(self._choose(self.model.nodes(locked=False), pick))
        with pytest.raises(Refusal), self._instance(name).begin(record) as txn:  # noqa: PT012 - a transaction that is left
            for key, value in changes:
                txn.put(key, value or b"never")
            raise Refusal

    @precondition(lambda self: self.model.nodes(locked=True))
    @rule(name=_names, pick=_pick, changes=_changes)
    def write_to_committed(self, name: str, pick: int, changes: list[tuple[bytes, bytes | None]]) -> None:
        """A committed version refuses; an unversioned instance knows no locks."""
        node = self._choose(self.model.nodes(locked=True), pick)
        if name in self.model.unversioned:
            self._apply(name, node, changes, durable=False)
            self.model.write(name, node, changes)
            return
        with pytest.raises(Locked):
            self._apply(name, node, changes, durable=False)

    # -- steps: versions

    @precondition(lambda self: self.model.nodes(locked=False))
    @rule(pick=_pick)
    def commit(self, pick: int) -> None:
        """Commit an open version."""
        node = self._choose(self.model.nodes(locked=False), pick)
        commit_version(self.core.repos, self._repo, self._record(node), "", [], "")
        self.model.versions[node].locked = True

    @precondition(lambda self: self._can_grow() and self.model.nodes(locked=True))
    @rule(pick=_pick)
    def new_version(self, pick: int) -> None:
        """Go on along a branch, which is refused where it goes on already."""
        node = self._choose(self.model.nodes(locked=True), pick)
        if self.model.has_child_on_own_branch(node):
            with pytest.raises(BadRequest):
                add_child(self.core.repos, self._repo, self._record(node))
            return
        child = add_child(self.core.repos, self._repo, self._record(node))
        self.model.add(ModelVersion(child.uuid, child.branch), [node])

    @precondition(lambda self: self._can_grow() and self.model.nodes(locked=True))
    @rule(pick=_pick)
    def branch(self, pick: int) -> None:
        """Begin a branch."""
        node = self._choose(self.model.nodes(locked=True), pick)
        name = f"branch-{len(self.model.versions)}"
        child = add_branch(self.core.repos, self._repo, self._record(node), name)
        self.model.add(ModelVersion(child.uuid, name), [node])

    @precondition(lambda self: self._can_grow())
    @rule(name=_names, pick=_pick, sides=_sides)
    def diverge(self, name: str, pick: int, sides: list[list[tuple[bytes, bytes | None]]]) -> None:
        """Write different things on two new branches of a version and commit them: what merges are for."""
        base = pick % len(self.model.versions)
        if not self.model.versions[base].locked:
            commit_version(self.core.repos, self._repo, self._record(base), "", [], "")
            self.model.versions[base].locked = True
        for changes in sides:
            branch = f"side-{len(self.model.versions)}"
            child = add_branch(self.core.repos, self._repo, self._record(base), branch)
            node = self.model.add(ModelVersion(child.uuid, branch), [base])
            self._apply(name, node, changes, durable=False)
            self.model.write(name, node, changes)
            commit_version(self.core.repos, self._repo, self._record(node), "", [], "")
            self.model.versions[node].locked = True

    @precondition(lambda self: self._can_grow() and self.model.nodes(locked=True))
    @rule(pick=_pick)
    def tag(self, pick: int) -> None:
        """Tag a version: a committed child."""
        node = self._choose(self.model.nodes(locked=True), pick)
        self._tags += 1
        child = add_tag(self.core.repos, self._repo, self._record(node), f"tag{self._tags}")
        assert child.uuid == f"tag{self._tags}"
        self.model.add(ModelVersion(child.uuid, child.branch, locked=True), [node])

    @precondition(lambda self: self._can_merge())
    @rule(picks=st.lists(_pick, min_size=2, max_size=3))
    def merge(self, picks: list[int]) -> None:
        """Merge committed versions; what conflicts is found out by reading."""
        nodes = self._several(picks)
        child = add_merge(self.core.repos, self._repo, [(self._repo, self._record(node)) for node in nodes])
        self.model.add(ModelVersion(child.uuid), nodes)

    @precondition(lambda self: self._can_merge())
    @rule(picks=st.lists(_pick, min_size=2, max_size=3), names=st.sampled_from([("a",), ("b",), ("a", "b")]))
    def resolve(self, picks: list[int], names: tuple[str, ...]) -> None:
        """Merge committed versions and settle the conflicts of some instances."""
        nodes = self._several(picks)
        instances = [(self._repo.instance(name), self.core.log) for name in names]
        parents = [(self._repo, self._record(node)) for node in nodes]
        child = add_resolved_merge(self.core.repos, self._repo, instances, parents)
        self.model.resolve(names, self.model.add(ModelVersion(child.uuid), nodes))

    @rule()
    def restart(self) -> None:
        """Close the core and open it again."""
        self.core.restart()
        self._repo = next(iter(self.core.repos))
        self._versions_seen = 0

    # -- what must hold after each step

    @invariant()
    def the_dag_is_the_models(self) -> None:
        """Parents, branches and locks agree."""
        for node, version in enumerate(self.model.versions):
            record = self._record(node)
            parents = [self._repo.dag[parent].uuid for parent in record.parents]
            assert parents == [self.model.versions[parent].uuid for parent in self.model.parents[node]]
            assert (record.branch, record.locked) == (version.branch, version.locked)

    @invariant()
    def every_read_agrees(self) -> None:
        """Every key and range of every instance reads as the model says, in the versions that `_to_compare` names.

        All keys are read together and by scans; one by one some of them, by turns.
        """
        self._steps += 1
        nodes = self._to_compare()
        for name in (*_VERSIONED, _UNVERSIONED):
            for node in nodes:
                self._compare(name, node)

    def _to_compare(self) -> list[int]:
        """Return what the step wrote or made and one other by turns; at times, as after a restart, all of them.

        In a long run most versions stay as they were: a read of all of them after each step takes most of its time.
        """
        count = len(self.model.versions)
        first = 0 if self._steps % _ALL_VERSIONS == 0 else self._versions_seen
        nodes = {*range(first, count), *self._written, *([self._steps % count] if count else [])}
        self._versions_seen = count
        self._written.clear()
        return sorted(nodes)

    def _compare(self, name: str, node: int) -> None:
        wanted = self.model.read_all(name, node)
        undecided = [key for key, value in wanted.items() if isinstance(value, Conflicting)]
        with self._instance(name).view(self._record(node)) as view:
            assert list(view.keys()) == list(wanted)
            for number, key in enumerate(_KEYS):
                if key in undecided:
                    with pytest.raises(Conflict):
                        view.get(key)
                elif (number + node + self._steps) % _TURNS == 0:
                    value, seen = view.get(key), view.version_of(key)
                    assert (None if value is None else bytes(value)) == wanted.get(key)
                    assert (None if seen is None else {seen}) == self._versions_of(name, node, key)
            decided = [key for key in reversed(_KEYS) if key not in undecided]
            several = view.multi_get(decided)
            assert [None if value is None else bytes(value) for value in several] == [*map(wanted.get, decided)]
            start, stop = _KEYS[node % len(_KEYS)], _KEYS[(node * 3 + 5) % len(_KEYS)]
            for first, last in ((b"", None), (start, stop)):
                inside = {key: value for key, value in wanted.items() if first <= key and (last is None or key < last)}
                if any(key in undecided for key in inside):
                    with pytest.raises(Conflict):
                        list(view.scan(first, last))
                else:
                    assert {key: bytes(value) for key, value in view.scan(first, last)} == inside
        if node == len(self.model.versions) - 1:
            self._compare_conflicts(name, node)

    def _versions_of(self, name: str, node: int, key: bytes) -> set[int] | None:
        """Return the real id of the version whose value of a key is seen; None if there is none."""
        return {self._record(seen).id for seen in self.model.visible(name, node, key)} or None

    def _compare_conflicts(self, name: str, node: int) -> None:
        if name in self.model.unversioned:
            return
        record = self._record(node)
        reader = self.core.log.store.snapshot()
        found = conflicts(reader, self._repo.instance(name).id, self._repo.dag.lineage(record.id))
        assert [conflict.type_key for conflict in found] == self.model.conflicts(name, node)
        reader.close()


def machine_for(opener: OpenerIn) -> type[VersionedStateMachine]:
    """Return the machine for a store.

    Args:
        opener: makes, from a path, a function that opens the store there again and again.
    """
    return type("Machine", (VersionedStateMachine,), {"opener": staticmethod(opener)})


def run_machine(machine: type[VersionedStateMachine], **options: Any) -> None:
    """Run a machine in the size that the environment asks for."""
    size = settings(
        max_examples=int(os.environ.get("DVID_MODEL_EXAMPLES", "200")),
        stateful_step_count=int(os.environ.get("DVID_MODEL_STEPS", "50")),
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        **options,
    )
    run_state_machine_as_test(machine, settings=size)
