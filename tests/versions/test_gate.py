"""Gates: mutations in flight end before a commit, and none begins meanwhile."""

from __future__ import annotations

import threading

import pytest

from dvid_framework.errors import Locked, Unavailable
from dvid_framework.testing.core import Core
from dvid_framework.versions.changes import commit_version
from dvid_framework.versions.gate import Gates
from dvid_framework.versions.repo import Repo


def test_an_idle_version_closes_at_once_and_opens_again() -> None:
    gates = Gates()
    with gates.closed(1, 0):
        pass
    gates.enter(1, 0)
    gates.leave(1)


def test_nothing_enters_a_closed_gate() -> None:
    gates = Gates()
    with gates.closed(1, 0):
        with pytest.raises(Unavailable):
            gates.enter(1, 0)
        gates.enter(2, 0)
    gates.enter(1, 0)


def test_it_does_not_close_while_a_mutation_is_in_flight() -> None:
    gates = Gates()
    gates.enter(1)
    gates.enter(1)
    gates.leave(1)
    with pytest.raises(Unavailable) as caught, gates.closed(1, 0.01):
        pass
    assert caught.value.retry_after > 0
    gates.enter(1, 0)
    gates.leave(1)
    gates.leave(1)
    with gates.closed(1, 0):
        pass


def test_a_closing_gate_waits_for_the_last_mutation() -> None:
    gates, order = Gates(), list[str]()
    gates.enter(1)

    def close() -> None:
        with gates.closed(1, 10):
            order.append("closed")

    closing = threading.Thread(target=close)
    closing.start()
    order.append("mutated")
    gates.leave(1)
    closing.join()
    assert order == ["mutated", "closed"]


def test_only_one_closes_at_a_time() -> None:
    gates = Gates()
    with gates.closed(1, 0), pytest.raises(Unavailable), gates.closed(1, 0):
        pass


def test_a_gate_opens_again_when_the_commit_fails() -> None:
    gates = Gates()
    with pytest.raises(ValueError, match="no"), gates.closed(1, 0):
        raise ValueError("no")
    gates.enter(1, 0)


def test_every_mutation_is_before_a_commit_or_refused(core: Core, repo: Repo) -> None:
    instance, root = core.instance(repo, "t"), repo.dag.root
    acknowledged, refused = list[bytes](), threading.Event()

    def write(name: bytes) -> None:
        for number in range(1000):
            key = name + b"%d" % number
            try:
                with instance.begin(root) as txn:
                    txn.put(key, b"")
            except (Locked, Unavailable):
                refused.set()
                return
            acknowledged.append(key)

    writers = [threading.Thread(target=write, args=(name,)) for name in (b"a", b"b", b"c")]
    for writer in writers:
        writer.start()
    while len(acknowledged) < 30:
        pass
    commit_version(core.repos, repo, root, "", [], "")
    with instance.view(root) as view:
        at_commit = set(view.keys())
    for writer in writers:
        writer.join()
    assert refused.is_set()
    with instance.view(root) as view:
        assert set(view.keys()) == at_commit == set(acknowledged)
