"""Addresses are looked up once; what is remembered of them ends with each change of repos, versions and instances."""

from __future__ import annotations

import pytest

from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.jobs import wait_for_job
from dvid_framework.testing.pytest_plugin import ServerFactory


@pytest.fixture
def root(client: Client) -> str:
    root = client.new_repo("mine")
    for name in ("a", "b"):
        client.new_instance(root, "tiny", name)
        client.post(f"/api/node/{root}/{name}/pair/k", name).ok()
    return root


def value(client: Client, reference: str, name: str) -> bytes | int:
    """Read a value twice, the second time from what is remembered; the status where it is no 200."""
    replies = [client.get(f"/api/node/{reference}/{name}/pair/k") for _ in range(2)]
    first, second = (reply.body if reply.status == 200 else reply.status for reply in replies)
    assert first == second
    return first


def test_a_branch_names_its_newest_version(client: Client, root: str) -> None:
    assert value(client, f"{root}:master", "a") == b"a"
    client.commit(root)
    child = client.child(root)
    assert value(client, f"{root}:master", "a") == b"a"
    client.post(f"/api/node/{root}:master/a/pair/k", "new").ok()
    assert value(client, f"{root}:master", "a") == value(client, child, "a") == b"new"
    assert value(client, root, "a") == b"a"


def test_a_commit_closes_what_was_open(client: Client, root: str) -> None:
    assert value(client, root, "a") == b"a"
    client.post(f"/api/node/{root}/a/pair/k", "still open").ok()
    client.commit(root)
    assert client.post(f"/api/node/{root}/a/pair/k", "closed").status == 400
    assert value(client, root, "a") == b"still open"


def test_names_of_instances_move(client: Client, root: str) -> None:
    assert (value(client, root, "a"), value(client, root, "b")) == (b"a", b"b")
    for old, new in (("a", "c"), ("b", "a"), ("c", "b")):
        address = f"/api/repo/{root}/instance/{old}/rename"
        client.post(address, {"name": new, "confirm": old}).ok()
        assert value(client, root, old) == 400
    assert (value(client, root, "a"), value(client, root, "b")) == (b"b", b"a")


def test_a_new_instance_is_not_the_one_that_had_its_name(client: Client, root: str) -> None:
    assert value(client, root, "a") == b"a"
    assert client.request("DELETE", f"/api/repo/{root}/instance/a", {"confirm": "a"}).status in (200, 202)
    assert value(client, root, "a") == 400
    client.new_instance(root, "tiny", "a")
    assert value(client, root, "a") == 404


def test_a_deleted_repo_is_found_no_more(client: Client, root: str) -> None:
    assert value(client, root, "a") == b"a"
    job = client.request("DELETE", f"/api/repo/{root}", {"confirm": "mine"})
    assert value(client, root, "a") == 400
    wait_for_job(client, job.json()["job"])
    assert value(client, root, "a") == 400


def test_a_short_reference_is_ambiguous_once_another_version_begins_so(client: Client, root: str) -> None:
    assert value(client, root[:8], "a") == b"a"
    other = root[:8] + "0" * 24 if not root.endswith("0" * 24) else root[:8] + "1" * 24
    client.post("/api/repos", {"alias": "other", "root": other}).ok()
    assert value(client, root[:8], "a") == 400
    assert value(client, root, "a") == b"a"


def test_two_servers_of_one_process_remember_for_themselves(dvid_server: ServerFactory) -> None:
    clients = [dvid_server(plugins=Plugins({"tiny": tiny}, discover=False)).client for _ in range(2)]
    uuid = "ab" * 16
    for number, client in enumerate(clients):
        client.post("/api/repos", {"alias": "x", "root": uuid}).ok()
        client.new_instance(uuid, "tiny", "a")
        client.post(f"/api/node/{uuid}/a/pair/k", f"{number}").ok()
    assert [value(client, uuid, "a") for client in clients * 2] == [b"0", b"1", b"0", b"1"]
