"""Renaming and deleting repos, branches and instances: confirmed, whole, at once, and the space is freed afterwards."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from dvid_framework.config import AuthSettings, Config
from dvid_framework.fsck import check
from dvid_framework.plugins import Plugins
from dvid_framework.server import Server
from dvid_framework.storage import keys
from dvid_framework.testing import counting, tiny
from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.jobs import wait_for_job
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


def plugins() -> Plugins:
    return Plugins({"tiny": tiny, "counting": counting}, discover=False)


@pytest.fixture
def server(dvid_server: ServerFactory) -> ServerThread:
    return dvid_server(plugins=plugins())


@pytest.fixture
def repo(server: ServerThread) -> SimpleNamespace:
    """A repo with data in two instances, at a root, at master and at two branches, one of which leaves the other."""
    client = server.client
    root = client.new_repo("mine")
    for name in ("a", "b"):
        client.new_instance(root, "tiny", name)
    fill(client, root)
    client.commit(root)
    master, side = client.child(root), client.child(root, branch="side")
    fill(client, side)
    client.commit(side)
    tip, other = client.child(side), client.child(side, branch="other")
    for version in (master, tip, other):
        fill(client, version)
    return SimpleNamespace(root=root, master=master, side=side, tip=tip, other=other, client=client)


def fill(client: Client, version: str) -> None:
    for name in ("a", "b"):
        client.post(f"/api/node/{version}/{name}/pairs", {f"k{number}": version for number in range(20)}).ok()


def remove(client: Client, address: str, confirm: str, **more: str) -> Reply:
    return client.request("DELETE", f"/api/repo/{address}", {"confirm": confirm, **more})


def removed(client: Client, address: str, confirm: str) -> None:
    """Delete, and wait until the space is free."""
    job = remove(client, address, confirm).ok().json()["job"]
    found = wait_for_job(client, job)
    assert (found["state"], found["error"]) == ("done", "")


def data_keys(server: ServerThread) -> list[tuple[int, int]]:
    """The (instance, version) of every data record."""
    store = server.server.stores.metadata.store
    found = store.scan_keys(keys.DATA, keys.BLOB)
    return [(int.from_bytes(key[1:5], "big"), int.from_bytes(key[-5:-1], "big")) for key in found]


def problems(server: ServerThread) -> list[str]:
    server.stop()
    offline = Server(server.data, plugins=plugins())
    try:
        return check(offline.stores, offline.repos, offline.instances).problems
    finally:
        offline.close()


def test_an_instance_is_gone_at_once_and_its_name_is_free(server: ServerThread, repo: SimpleNamespace) -> None:
    client = repo.client
    number = server.server.repos.find(repo.root)[0].instance("a").id
    before = client.get(f"/api/node/{repo.root}/never/pairs")
    removed(client, f"{repo.master}/instance/a", "a")
    gone = client.get(f"/api/node/{repo.root}/a/pairs")
    assert (gone.status, gone.text.replace("/a/", "/never/").replace("'a'", "'never'")) == (before.status, before.text)
    assert list(client.json(f"/api/repo/{repo.root}/info")["DataInstances"]) == ["b"]
    assert {instance for instance, _ in data_keys(server)} == {number + 1}
    assert any('Delete data instance "a"' in line for line in client.json(f"/api/repo/{repo.root}/log")["log"])
    client.new_instance(repo.master, "tiny", "a")
    assert client.json(f"/api/node/{repo.master}/a/pairs") == {}
    assert len(client.json(f"/api/node/{repo.master}/b/pairs")) == 20
    server.restart()
    assert server.client.json(f"/api/node/{repo.master}/a/pairs") == {}
    assert problems(server) == []


def test_a_repo_is_gone_at_once_and_its_uuids_are_free(server: ServerThread, repo: SimpleNamespace) -> None:
    client = repo.client
    other = client.new_repo("other")
    client.new_instance(other, "tiny", "a")
    client.post(f"/api/node/{other}/a/pair/x", b"y").ok()
    assert remove(client, repo.master, "mine").status == 400
    removed(client, repo.root, "mine")
    assert list(client.json("/api/repos/info")) == [other]
    for version in (repo.root, repo.master, repo.tip):
        reply = client.get(f"/api/repo/{version}/info")
        assert (reply.status, "no version whose UUID" in reply.text) == (400, True)
    assert client.get(f"/api/node/{repo.root}/a/pairs").status == 400
    assert len(data_keys(server)) == 1
    client.post("/api/repos", {"root": repo.root, "alias": "again"}).ok()
    server.restart()
    assert set(server.client.json("/api/repos/info")) == {other, repo.root}
    assert server.client.json(f"/api/repo/{repo.root}/info")["DataInstances"] == {}
    assert server.client.get(f"/api/node/{other}/a/pair/x").ok().text == "y"
    assert problems(server) == []


def test_of_a_branch_only_what_no_other_shares_is_deleted(server: ServerThread, repo: SimpleNamespace) -> None:
    client = repo.client
    before = client.json(f"/api/node/{repo.other}/a/pairs")
    removed(client, f"{repo.root}/branch/side", "side")
    assert set(client.json(f"/api/repo/{repo.root}/info")["DAG"]["Nodes"]) == {
        repo.root,
        repo.master,
        repo.side,
        repo.other,
    }
    assert client.get(f"/api/node/{repo.tip}/a/pairs").status == 400
    assert client.json(f"/api/node/{repo.other}/a/pairs") == before
    refused = remove(client, f"{repo.root}/branch/side", "side")
    assert (refused.status, "other branches descend" in refused.text) == (400, True)
    removed(client, f"{repo.root}/branch/other", "other")
    removed(client, f"{repo.root}/branch/side", "side")
    info = client.json(f"/api/repo/{repo.root}/info")
    assert set(info["DAG"]["Nodes"]) == {repo.root, repo.master}
    assert len(info["DAG"]["Nodes"][repo.root]["Children"]) == 1
    assert {version for _, version in data_keys(server)} == {1, 2}
    again = client.child(repo.root, branch="side")
    assert client.json(f"/api/node/{again}/a/pairs") == client.json(f"/api/node/{repo.root}/a/pairs")
    server.restart()
    assert server.client.json(f"/api/repo/{repo.root}/branch-versions/side") == [again, repo.root]
    assert server.client.json(f"/api/node/{repo.master}/a/pairs")["k1"] == repo.master
    assert problems(server) == []


@pytest.mark.parametrize(
    ("address", "confirm"),
    [
        ("{root}", ""),
        ("{root}", "theirs"),
        ("{root}/instance/a", ""),
        ("{root}/instance/a", "b"),
        ("{root}/instance/never", "never"),
        ("{root}/branch/side", "other"),
        ("{root}/branch/never", "never"),
        ("{root}/branch/master", "master"),
    ],
)
def test_what_is_not_confirmed_stays(repo: SimpleNamespace, address: str, confirm: str) -> None:
    before = repo.client.json("/api/repos/info")
    reply = remove(repo.client, address.format(root=repo.root), confirm)
    assert reply.status == 400
    assert len(reply.text.split()) > 5
    assert repo.client.json("/api/repos/info") == before
    assert repo.client.json("/api/jobs") == []


def test_confirmation_may_stand_in_the_query(repo: SimpleNamespace) -> None:
    repo.client.delete(f"/api/repo/{repo.root}/instance/a?confirm=a").ok()
    repo.client.delete(f"/api/repo/{repo.root}?confirm={repo.root}").ok()
    assert repo.client.json("/api/repos/info") == {}


def test_a_passcode_is_asked_for(server: ServerThread) -> None:
    root = server.client.post("/api/repos", {"alias": "x", "passcode": "abc"}).ok().json()["root"]
    for given in ({}, {"passcode": "abd"}):
        refused = remove(server.client, root, "x", **given)
        assert (refused.status, "passcode" in refused.text) == (400, True)
    remove(server.client, root, "x", passcode="abc").ok()
    assert server.client.json("/api/repos/info") == {}


def test_only_administrators_delete_and_rename(dvid_server: ServerFactory) -> None:
    server = dvid_server(plugins=plugins(), admin_token="t")
    admin = {"Authorization": "Bearer t"}
    root = server.client.post("/api/repos", {"alias": "x"}, **admin).ok().json()["root"]
    server.client.new_instance(root, "tiny", "a")
    for address in (f"{root}", f"{root}/instance/a"):
        assert "admin token" in remove(server.client, address, "x").text
        assert "admin token" in server.client.post(f"/api/repo/{address}/rename", {"name": "y", "confirm": "x"}).text
    assert list(server.client.json("/api/repos/info")) == [root]
    assert server.client.request("DELETE", f"/api/repo/{root}", {"confirm": "x"}, admin).status == 200


def test_public_versions_stay(dvid_server: ServerFactory, server: ServerThread, repo: SimpleNamespace) -> None:
    repo.client.commit(repo.tip)
    server.stop()
    public = dvid_server(server.data, plugins=plugins(), config=Config(auth=AuthSettings(public_versions=[repo.tip])))
    for address, confirm in ((repo.root, "mine"), (f"{repo.root}/branch/side", "side")):
        refused = remove(public.client, address, confirm)
        assert (refused.status, "public" in refused.text) == (400, True)


def test_renaming(server: ServerThread, repo: SimpleNamespace) -> None:
    def rename(address: str, name: str, confirm: str) -> int:
        return repo.client.post(f"/api/repo/{repo.root}{address}/rename", {"name": name, "confirm": confirm}).status

    before = repo.client.json(f"/api/node/{repo.tip}/a/pairs")
    info = repo.client.json(f"/api/node/{repo.tip}/a/info")
    repo.client.new_instance(repo.master, "counting", "f")
    repo.client.post(f"/api/node/{repo.master}/f/sync", {"sync": "a"}).ok()
    assert rename("/instance/a", "new", "a") == 200
    assert rename("/branch/side", "way", "side") == 200
    assert repo.client.get(f"/api/node/{repo.root}:way/status").status == 200, "its new name leads to it at once"
    assert repo.client.get(f"/api/node/{repo.root}:side/status").status == 400
    assert rename("", "yours", "mine") == 200
    for address, name, confirm in (
        ("/instance/new", "x", "a"),
        ("/instance/new", "b", "new"),
        ("/instance/new", "commit", "new"),
        ("/instance/a", "c", "a"),
        ("/branch/way", "other", "way"),
        ("/branch/way", "master", "way"),
        ("/branch/way", "a:b", "way"),
        ("/branch/master", "m", "master"),
        ("/branch/side", "s", "side"),
        ("", "x", "mine"),
    ):
        assert rename(address, name, confirm) == 400, (address, name)

    def check_names(client: Client) -> None:
        assert client.json(f"/api/node/{repo.tip}/new/pairs") == before
        assert client.get(f"/api/node/{repo.tip}/a/pairs").status == 400
        base = client.json(f"/api/node/{repo.tip}/new/info")["Base"]
        assert (base["Name"], base["DataUUID"]) == ("new", info["Base"]["DataUUID"])
        assert client.json(f"/api/node/{repo.root}:way/new/pairs") == before
        assert client.json(f"/api/repo/{repo.root}/branch-versions/way")[:2] == [repo.tip, repo.side]
        assert client.json(f"/api/repo/{repo.root}/info")["Alias"] == "yours"
        assert client.json(f"/api/node/{repo.master}/f/info")["Base"]["Syncs"] == ["new"]

    check_names(repo.client)
    repo.client.post(f"/api/node/{repo.master}/new/pair/x", b"1").ok()
    assert repo.client.json(f"/api/node/{repo.master}/f/counters") == {"set x": 1}
    log = "\n".join(repo.client.json(f"/api/repo/{repo.root}/log")["log"])
    for text in ('Renamed data instance "a" to "new"', 'Renamed branch "side" to "way"', 'Renamed repo "mine"'):
        assert text in log
    server.restart()
    check_names(server.client)
    assert problems(server) == []


def test_a_deleted_leader_or_follower_ends_the_sync(server: ServerThread, repo: SimpleNamespace) -> None:
    client = repo.client
    for name in ("f", "g"):
        client.new_instance(repo.master, "counting", name)
        client.post(f"/api/node/{repo.master}/{name}/sync", {"sync": "a,b"}).ok()
    client.post(f"/api/node/{repo.master}/a/pair/x", b"1").ok()
    assert client.json(f"/api/node/{repo.master}/f/counters") == {"set x": 1}
    removed(client, f"{repo.root}/instance/g", "g")
    removed(client, f"{repo.root}/instance/a", "a")
    client.post(f"/api/node/{repo.master}/b/pair/x", b"1").ok()
    assert client.json(f"/api/node/{repo.master}/f/counters") == {"set x": 2}
    assert client.json(f"/api/node/{repo.master}/f/info")["Base"]["Syncs"] == ["undefined", "b"]
    assert [row["follower"] for row in client.json("/api/server/followers")] == ["f"]
    client.commit(repo.master)
    server.restart()
    assert server.client.json(f"/api/node/{repo.master}/f/counters") == {"set x": 2}
    assert problems(server) == []


def test_writers_and_readers_at_a_deletion_see_all_or_nothing(
    server: ServerThread, repo: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dvid_framework.events.deletion._BATCH", 3)
    wrong: list[Any] = []
    going = threading.Event()

    def use(number: int) -> None:
        with server.new_client() as client:
            for turn in range(1000):
                path = f"/api/node/{repo.master}/a/pairs"
                reply = client.post(path, {f"w{number}": str(turn)}) if number % 2 else client.get(path)
                going.set()
                if reply.status == 400:
                    return
                if reply.status != 200 or (number % 2 == 0 and len(reply.json()) < 20):
                    wrong.append((number, turn, reply.status, reply.body))

    users = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for user in users:
        user.start()
    going.wait(10)
    removed(repo.client, f"{repo.root}/instance/a", "a")
    for user in users:
        user.join()
    assert wrong == []
    assert {instance for instance, _ in data_keys(server)} == {2}
    assert problems(server) == []


def test_fsck_tells_what_a_deletion_left(server: ServerThread, repo: SimpleNamespace) -> None:
    removed(repo.client, f"{repo.root}/instance/a", "a")
    from dvid_framework.storage.batch import Batch  # noqa: PLC0415 - for the damage alone

    batch = Batch()
    batch.put(keys.data_prefix(1) + keys.encode_type_key(b"x") + keys.tail_of(1, keys.TOMBSTONE), b"")
    server.server.stores.metadata.store.write(batch)
    assert problems(server) == ["data of the deleted instance 'a'"]
