"""A commit among mutations: those in flight end first, none is stuck, and nothing holds up the event loop."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dvid_framework.api import Answer, Datatype, Instance, InstanceRequest, empty, hookimpl, post
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


class LongInstance(Instance):
    """Its mutations last until they are let go."""

    begun = threading.Event()
    go_on = threading.Event()


@post("/long")
async def long_mutation(request: InstanceRequest[LongInstance]) -> Answer:
    """Begin on the event loop, work in a thread, end on the event loop."""
    with request.begin() as txn:
        request.instance.begun.set()
        await request.run(request.instance.go_on.wait, 60)
        txn.put(b"long", b"1")
    return empty()


@post("/quick")
async def quick_mutation(request: InstanceRequest[LongInstance]) -> Answer:
    """Do all on the event loop."""
    with request.begin() as txn:
        txn.put(b"quick", b"1")
    return empty()


class Long(Datatype):
    """A type with slow mutations."""

    name = "long"
    instance = LongInstance
    routes = (long_mutation, quick_mutation)


class _Plugin:
    @hookimpl
    def dvid_datatypes(self) -> list[type[Datatype]]:
        return [Long]


@pytest.fixture
def server(dvid_server: ServerFactory) -> Iterator[ServerThread]:
    LongInstance.begun.clear()
    LongInstance.go_on.clear()
    yield dvid_server(plugins=Plugins({"tiny": tiny, "long": _Plugin()}, discover=False))
    LongInstance.go_on.set()


class _Later:
    """A request in a thread of its own."""

    def __init__(self, client: Client, path: str, body: bytes) -> None:
        self.reply: Reply | None = None
        self._thread = threading.Thread(target=self._send, args=(client, path, body))
        self._thread.start()

    def _send(self, client: Client, path: str, body: bytes) -> None:
        self.reply = client.post(path, body)

    def status(self) -> int:
        self._thread.join()
        assert self.reply is not None
        return self.reply.status


def test_a_commit_waits_for_a_long_mutation_and_holds_up_nobody_else(server: ServerThread) -> None:
    client = server.client
    root = client.new_repo()
    for kind in ("long", "tiny"):
        client.new_instance(root, kind, kind)
    long = _Later(server.new_client(), f"/api/node/{root}/long/long", b"")
    assert LongInstance.begun.wait(30)
    commit = _Later(server.new_client(), f"/api/node/{root}/commit", b"{}")
    while not server.server.repos.gates._closing:
        client.get("/api/heartbeat").ok()
    quick = client.post(f"/api/node/{root}/long/quick")
    assert quick.status == 503
    assert quick.headers["retry-after"]
    others = [_Later(server.new_client(), f"/api/node/{root}/tiny/pair/k{n}", b"1") for n in range(12)]
    assert client.get("/api/heartbeat").text == "OK"
    LongInstance.go_on.set()
    assert long.status() == 200
    assert commit.status() == 200
    assert {other.status() for other in others} <= {400, 503}, "after the commit, or too late for it"
    assert client.json(f"/api/node/{root}/status") == {"Locked": True}
    assert client.json(f"/api/node/{root}/tiny/pairs") == {}
    assert client.post(f"/api/node/{root}/long/quick").status == 400
