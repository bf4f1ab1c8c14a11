"""Hooks of instances for commits and merges: called at least once, after a restart too; a merge is ready when used."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What was called, and whether the hooks may return."""
    seen = SimpleNamespace(commits=[], merges=[], open=threading.Event(), error=None)
    seen.open.set()

    def on_commit(instance: Any, version: Any) -> None:
        if seen.error is not None:
            raise seen.error
        seen.commits.append((instance.name, version.uuid))

    def on_version_merge(instance: Any, version: Any, parents: Any) -> None:
        seen.open.wait(20)
        seen.merges.append((instance.name, version.uuid, [parent.uuid for parent in parents]))

    kind = tiny.Tiny.instance
    monkeypatch.setattr(kind, "on_commit", on_commit, raising=False)
    monkeypatch.setattr(kind, "on_version_merge", on_version_merge, raising=False)
    return seen


@pytest.fixture
def server(dvid_server: ServerFactory, hooks: SimpleNamespace) -> ServerThread:
    del hooks
    return dvid_server(plugins=Plugins({"tiny": tiny}, discover=False))


@pytest.fixture
def root(server: ServerThread) -> str:
    root = server.client.new_repo()
    for name in ("a", "b"):
        server.client.new_instance(root, "tiny", name)
    return root


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def merge(server: ServerThread, root: str) -> Any:
    server.client.commit(root)
    parents = [server.client.child(root), server.client.child(root, branch="side")]
    for parent in parents:
        server.client.commit(parent)
    body = {"mergeType": "conflict-free", "parents": parents}
    return parents, server.client.post(f"/api/repo/{root}/merge", body).ok().json()["child"]


def test_commits_are_told(server: ServerThread, root: str, hooks: SimpleNamespace) -> None:
    server.client.commit(root)
    wait_until(lambda: len(hooks.commits) == 2)
    assert hooks.commits == [("a", root), ("b", root)]
    assert [(job["kind"], job["version"]) for job in server.client.json("/api/jobs")] == [("commit", root)]


def test_a_commit_whose_hook_failed_is_told_again_after_a_restart(
    server: ServerThread, root: str, hooks: SimpleNamespace
) -> None:
    hooks.error = ValueError("not now")
    server.client.commit(root)
    wait_until(lambda: "not now" in server.client.json("/api/jobs")[0]["error"])
    server.stop()
    hooks.error = None
    server.restart()
    wait_until(lambda: len(hooks.commits) == 2)


def test_a_merge_is_ready_when_it_is_answered(server: ServerThread, root: str, hooks: SimpleNamespace) -> None:
    parents, child = merge(server, root)
    assert hooks.merges == [("a", child, parents), ("b", child, parents)]
    assert server.client.get(f"/api/node/{child}/a/pairs").status == 200


def test_a_merge_that_is_not_ready_is_not_served(server: ServerThread, root: str, hooks: SimpleNamespace) -> None:
    server.server.limits.follow_seconds = 0.1
    hooks.open.clear()
    _, child = merge(server, root)
    for method, path in (("GET", f"{child}/a/pairs"), ("POST", f"{child}/b/pair/k"), ("POST", f"{child}/commit")):
        reply = server.client.request(method, f"/api/node/{path}", b"{}")
        assert (reply.status, "merge" in reply.text) == (503, True), path
    assert server.client.get(f"/api/node/{child}/a/info").status == 200
    assert server.client.get(f"/api/node/{root}/a/pairs").status == 200
    hooks.open.set()
    wait_until(lambda: server.client.get(f"/api/node/{child}/b/pairs").status == 200)
    server.client.commit(child)
