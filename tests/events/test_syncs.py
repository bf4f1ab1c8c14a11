"""Followers of instances: in order, once in effect, never stale, and set aside with a name when they fail."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from dvid_framework.config import Config, LimitSettings
from dvid_framework.fsck import check
from dvid_framework.plugins import Plugins
from dvid_framework.testing import counting, tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.counting import CountingInstance
from dvid_framework.testing.faults import FailingStore, FaultPlugin
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


def plugins() -> Plugins:
    return Plugins({"tiny": tiny, "counting": counting}, discover=False)


@pytest.fixture
def server(dvid_server: ServerFactory) -> ServerThread:
    return dvid_server(plugins=plugins(), config=Config(limits=LimitSettings(follow_seconds=5.0)))


@pytest.fixture
def repo(server: ServerThread) -> SimpleNamespace:
    """A repo with two leaders, a and b, and a follower of nothing yet."""
    root = server.client.new_repo()
    for name in ("a", "b"):
        server.client.new_instance(root, "tiny", name)
    server.client.new_instance(root, "counting", "f")
    return SimpleNamespace(root=root, client=server.client)


def sync(client: Client, root: str, names: Any, follower: str = "f", replace: bool = False) -> int:
    return client.post(f"/api/node/{root}/{follower}/sync?replace={str(replace).lower()}", {"sync": names}).status


def put(client: Client, root: str, key: str, leader: str = "a") -> None:
    client.post(f"/api/node/{root}/{leader}/pair/{key}", b"x").ok()


def counted(client: Client, root: str, follower: str = "f") -> dict[str, int]:
    found: dict[str, int] = client.json(f"/api/node/{root}/{follower}/counters")
    return found


def test_a_read_of_a_follower_sees_what_was_acknowledged(repo: SimpleNamespace) -> None:
    put(repo.client, repo.root, "before")
    assert sync(repo.client, repo.root, "a") == 200
    for number in range(50):
        put(repo.client, repo.root, f"k{number % 5}")
        assert sum(counted(repo.client, repo.root).values()) == number + 1
    assert counted(repo.client, repo.root) == {f"set k{number}": 10 for number in range(5)}
    assert repo.client.get(f"/api/node/{repo.root}/f/counter/set%20k1").text == "10"
    assert repo.client.json(f"/api/node/{repo.root}/f/mutations") == []
    row = repo.client.json("/api/server/followers")[0]
    assert (row["follower"], row["follows"], row["lag"], row["error"]) == ("f", ["a"], 0, "")


def test_syncs_are_set_added_replaced_and_ended(repo: SimpleNamespace) -> None:
    def syncs() -> Any:
        return repo.client.json(f"/api/node/{repo.root}/f/info")["Base"]["Syncs"]

    assert sync(repo.client, repo.root, "a") == 200
    assert sync(repo.client, repo.root, "b") == 200
    assert sync(repo.client, repo.root, "a") == 200
    assert syncs() == ["a", "b"]
    assert sync(repo.client, repo.root, "b", replace=True) == 200
    assert syncs() == ["b"]
    put(repo.client, repo.root, "x", "a")
    put(repo.client, repo.root, "y", "b")
    assert counted(repo.client, repo.root) == {"set y": 1}
    assert sync(repo.client, repo.root, "") == 200
    assert syncs() == ["b"]
    assert sync(repo.client, repo.root, "", replace=True) == 200
    assert syncs() == []
    put(repo.client, repo.root, "y", "b")
    assert counted(repo.client, repo.root) == {"set y": 1}
    assert sync(repo.client, repo.root, "a,b") == 200
    put(repo.client, repo.root, "y", "b")
    assert counted(repo.client, repo.root) == {"set y": 2}
    assert any('"f" set to sync with a, b' in line for line in repo.client.json(f"/api/repo/{repo.root}/log")["log"])


@pytest.mark.parametrize("names", ["nosuch", "a,nosuch", " a", "f", ["a"], 5, None])
def test_what_can_not_be_followed_is_refused_and_changes_nothing(repo: SimpleNamespace, names: Any) -> None:
    assert sync(repo.client, repo.root, names) == 400
    assert repo.client.json(f"/api/node/{repo.root}/f/info")["Base"]["Syncs"] == []


def test_types_say_what_they_can_follow(repo: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting.Counting, "follows", ("counting",))
    refused = repo.client.post(f"/api/node/{repo.root}/f/sync", {"sync": "a"})
    assert refused.status == 400
    assert "can follow counting, but 'a' is of type tiny" in refused.text
    assert sync(repo.client, repo.root, "b", follower="a") == 400
    for method in ("GET", "PUT", "DELETE"):
        assert repo.client.request(method, f"/api/node/{repo.root}/f/sync", b"{}").status == 400
    repo.client.commit(repo.root)
    assert sync(repo.client, repo.root, "a") == 400


def test_versions_have_their_own_counts_and_commit_waits_for_followers(repo: SimpleNamespace) -> None:
    sync(repo.client, repo.root, "a")
    for _ in range(20):
        put(repo.client, repo.root, "k")
    repo.client.commit(repo.root)
    left, right = repo.client.child(repo.root), repo.client.child(repo.root, branch="b")
    put(repo.client, left, "k")
    put(repo.client, right, "other")
    assert counted(repo.client, repo.root) == {"set k": 20}
    assert counted(repo.client, left) == {"set k": 21}
    assert counted(repo.client, right) == {"set k": 20, "set other": 1}


def test_an_administrators_write_to_a_committed_version_is_followed(dvid_server: ServerFactory) -> None:
    server = dvid_server(plugins=plugins(), admin_token="t")
    client, admin = server.client, {"Authorization": "Bearer t"}
    root = client.post("/api/repos", {}, **admin).ok().json()["root"]
    client.new_instance(root, "tiny", "a")
    client.new_instance(root, "counting", "f")
    sync(client, root, "a")
    client.commit(root)
    client.post(f"/api/node/{root}/a/pair/k", b"x", **admin).ok()
    assert counted(client, root) == {"set k": 1}


def test_chains_are_waited_for_and_cycles_end(repo: SimpleNamespace) -> None:
    for name in ("g", "h"):
        repo.client.new_instance(repo.root, "counting", name)
    sync(repo.client, repo.root, "a")
    sync(repo.client, repo.root, "f", follower="g")
    sync(repo.client, repo.root, "g", follower="h")
    sync(repo.client, repo.root, "h", follower="f")
    for number in range(20):
        put(repo.client, repo.root, "k")
        assert counted(repo.client, repo.root, "h") == {"counted k": number + 1}
    assert counted(repo.client, repo.root, "g") == {"counted k": 20}
    assert counted(repo.client, repo.root, "f") == {"set k": 20}


def test_leaders_in_several_stores(dvid_server: ServerFactory) -> None:
    config = Config(store={"one": {}, "two": {}})
    server = dvid_server(plugins=plugins(), config=config)
    server.server.stores._choices.update({"default": "one", "kind=far": "two"})
    client = server.client
    root = client.new_repo()
    client.new_instance(root, "tiny", "near")
    client.new_instance(root, "tiny", "far", Tags="kind=far")
    client.new_instance(root, "counting", "f", Tags="kind=far")
    assert sync(client, root, "near,far") == 200
    for number in range(10):
        put(client, root, "n", "near")
        put(client, root, "m", "far")
        assert counted(client, root) == {"set n": number + 1, "set m": number + 1}
    server.restart()
    put(server.client, root, "n", "near")
    assert counted(server.client, root) == {"set n": 11, "set m": 10}


class Fault:
    """Lets a follower fail, or wait, at a key."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: Exception | None = None
        self.open = threading.Event()
        self.open.set()
        whole = CountingInstance.on_event

        def on_event(instance: CountingInstance, event: Any, leader: Any, txn: Any) -> None:
            whole(instance, event, leader, txn)
            self.open.wait(20)
            if self.error is not None and event.entries[0].get("Key") == "bad":
                raise self.error

        monkeypatch.setattr(CountingInstance, "on_event", on_event)


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    return Fault(monkeypatch)


def test_a_follower_that_raises_is_set_aside_named_and_tried_again(repo: SimpleNamespace, fault: Fault) -> None:
    repo.client.new_instance(repo.root, "counting", "g")
    sync(repo.client, repo.root, "a")
    sync(repo.client, repo.root, "a", follower="g")
    put(repo.client, repo.root, "good")
    fault.error = ValueError("odd")
    put(repo.client, repo.root, "bad")
    put(repo.client, repo.root, "good")
    behind = repo.client.get(f"/api/node/{repo.root}/f/counters")
    assert behind.status == 503
    assert int(behind.headers["retry-after"]) > 0
    assert "'f'" in behind.text
    assert "ValueError: odd" in behind.text
    assert repo.client.get(f"/api/node/{repo.root}/f/info").status == 200
    rows = repo.client.json("/api/server/followers")
    assert [(row["error"], row["lag"] > 0) for row in rows] == [("ValueError: odd", True)] * 2
    refused = repo.client.post(f"/api/node/{repo.root}/commit", {})
    assert (refused.status, "odd" in refused.text) == (503, True)
    put(repo.client, repo.root, "still-open")
    fault.error = None
    deadline = time.monotonic() + 20
    while repo.client.get(f"/api/node/{repo.root}/f/counters").status == 503:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert counted(repo.client, repo.root) == {"set good": 2, "set bad": 1, "set still-open": 1}
    repo.client.commit(repo.root)


def test_past_its_bound_a_read_is_503_and_never_stale(
    server: ServerThread, repo: SimpleNamespace, fault: Fault
) -> None:
    server.server.catching_up._seconds = 0.2
    sync(repo.client, repo.root, "a")
    fault.open.clear()
    put(repo.client, repo.root, "k")
    reply = repo.client.get(f"/api/node/{repo.root}/f/counters")
    assert (reply.status, "behind" in reply.text) == (503, True)
    fault.open.set()
    server.server.catching_up._seconds = 10.0
    assert counted(repo.client, repo.root) == {"set k": 1}


def test_a_backlog_is_taken_in_after_a_restart(
    server: ServerThread, repo: SimpleNamespace, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dvid_framework.events.pursuit.MOST_PENDING", 10)
    sync(repo.client, repo.root, "a,b")
    fault.error = ValueError("not yet")
    put(repo.client, repo.root, "bad")
    for number in range(100):
        put(repo.client, repo.root, f"k{number % 3}", "ab"[number % 2])
    server.restart()
    fault.error = None
    deadline = time.monotonic() + 20
    while server.client.get(f"/api/node/{repo.root}/f/counters").status == 503:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert counted(server.client, repo.root) == {"set bad": 1, "set k0": 34, "set k1": 33, "set k2": 33}
    server.stop()
    assert check_clean(server)


def check_clean(server: ServerThread) -> bool:
    from dvid_framework.server import Server  # noqa: PLC0415 - the server itself has ended

    offline = Server(server.data, plugins=plugins())
    try:
        return check(offline.stores, offline.repos, offline.instances).clean
    finally:
        offline.close()


def test_many_writers_and_readers(server: ServerThread, repo: SimpleNamespace) -> None:
    sync(repo.client, repo.root, "a,b")
    wrong: list[Any] = []

    def write(number: int) -> None:
        with server.new_client() as client:
            for turn in range(30):
                put(client, repo.root, f"w{number}", "ab"[turn % 2])
                seen = counted(client, repo.root)[f"set w{number}"]
                if seen != turn + 1:
                    wrong.append((number, turn, seen))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert wrong == []
    assert counted(repo.client, repo.root) == {f"set w{number}": 30 for number in range(4)}


def test_the_activity_log_tells_of_syncs(server: ServerThread, repo: SimpleNamespace) -> None:
    sync(repo.client, repo.root, "a")
    put(repo.client, repo.root, "k")
    counted(repo.client, repo.root)
    server.stop()
    lines = (server.data / "activity.log").read_text().splitlines()
    assert any('"event":"sync"' in line and '"mutation":"sync of \'set\'"' in line for line in lines)


def test_a_sync_that_was_kept_but_met_a_fault_is_in_effect_without_being_asked_again(
    dvid_server: ServerFactory,
) -> None:
    faulty = Plugins({"tiny": tiny, "counting": counting, "faults": FaultPlugin()}, discover=False)
    server = dvid_server(plugins=faulty, config=Config(store={"main": {"engine": "failing"}}))
    store, client = server.server.stores.metadata.store, server.client
    assert isinstance(store, FailingStore)
    kept = 0
    for number in range(100):
        root = client.new_repo()
        client.new_instance(root, "tiny", "a")
        client.new_instance(root, "counting", "f")
        store.count_reads = True
        store.fail_next(after=number)
        status = sync(client, root, "a")
        store.fail_at, store.count_reads = 0, False
        if status == 200:
            break
        if client.json(f"/api/node/{root}/f/info")["Base"]["Syncs"]:
            kept += 1
            put(client, root, "x")
            deadline = time.monotonic() + 20
            while counted(client, root) != {"set x": 1}:
                assert time.monotonic() < deadline
                time.sleep(0.01)
    assert kept, "the fault never came after the record was written"
