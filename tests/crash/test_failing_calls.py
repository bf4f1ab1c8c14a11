"""Every call of the store fails once, in turn, in each mutation: 5xx, nothing half done, and the next request works."""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.json import encode
from msgspec.structs import replace

from dvid_framework.config import Config
from dvid_framework.errors import StorageError, StoreFull
from dvid_framework.plugins import Plugins
from dvid_framework.testing import counting, tiny
from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.faults import FailingStore, FaultPlugin
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread
from dvid_framework.versions.gate import Gates
from dvid_framework.versions.repos import Repos

ALL = os.environ.get("DVID_FAILING_CALLS") == "all"
_MOST_CALLS = 400

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900 if ALL else 120)]


@dataclass
class Mutation:
    """A request that changes something.

    Attributes:
        type_name: of the instance that it needs.
        prepare: sends what must be there before.
        send: sends the request itself.
    """

    type_name: str
    send: Callable[[Client, str], Reply]
    prepare: Callable[[Client, str], object] = lambda _client, _uuid: None


def _post(path: str, body: Any) -> Callable[[Client, str], Reply]:
    return lambda client, uuid: client.post(path.replace("{u}", uuid), body)


def _delete(path: str) -> Callable[[Client, str], Reply]:
    return lambda client, uuid: client.delete(path.replace("{u}", uuid))


def _tag(client: Client, uuid: str) -> Reply:
    return client.post(f"/api/node/{uuid}/tag", {"tag": f"tag-{uuid}"})


def _committed(client: Client, uuid: str) -> None:
    client.post(f"/api/node/{uuid}/data/pair/a", b"1").ok()
    client.commit(uuid)


def _two_sides(client: Client, uuid: str) -> None:
    _committed(client, uuid)
    for name in ("one", "two"):
        side = client.child(uuid, name)
        client.post(f"/api/node/{side}/data/pair/{name}", b"1").ok()
        client.commit(side)


def _merge(client: Client, uuid: str) -> Reply:
    nodes = client.json(f"/api/repo/{uuid}/info")["DAG"]["Nodes"].values()
    sides = [node["UUID"] for node in nodes if node["Branch"] in ("one", "two")]
    return client.post(f"/api/repo/{uuid}/merge", {"mergeType": "conflict-free", "parents": sides})


def _two_sides_that_differ(client: Client, uuid: str) -> None:
    _committed(client, uuid)
    for name in ("one", "two"):
        side = client.child(uuid, name)
        client.post(f"/api/node/{side}/data/pair/a", name.encode()).ok()
        client.commit(side)


def _resolve(client: Client, uuid: str) -> Reply:
    nodes = client.json(f"/api/repo/{uuid}/info")["DAG"]["Nodes"].values()
    sides = [node["UUID"] for node in nodes if node["Branch"] in ("one", "two")]
    return client.post(f"/api/repo/{uuid}/resolve", {"data": ["data"], "parents": sides})


def _other_instance(client: Client, uuid: str) -> None:
    client.new_instance(uuid, "tiny", "other")
    client.post(f"/api/node/{uuid}/other/pair/a", b"1").ok()


def _renaming(address: str, old: str) -> Callable[[Client, str], Reply]:
    return lambda client, uuid: client.post(
        f"/api/repo/{uuid}{address}/rename", {"name": f"new-{uuid[:8]}", "confirm": old or uuid}
    )


def _removal(address: str, name: str) -> Callable[[Client, str], Reply]:
    return lambda client, uuid: client.request("DELETE", f"/api/repo/{uuid}{address}", {"confirm": name or uuid})


def _merged(client: Client, uuid: str) -> None:
    client.post(f"/api/node/{uuid}/data/blocks", _blocks(1, 2, 3)).ok()
    client.post(f"/api/node/{uuid}/data/merge", [1, 2]).ok()


def _undo(client: Client, uuid: str) -> Reply:
    path = f"/api/node/{uuid}/data/mutations"
    found = next(reply for reply in (client.get(path) for _ in range(5)) if reply.status == 200)  # faults come once
    return client.post(f"/api/node/{uuid}/data/undo/{found.json()[-1]['MutationID']}", b"")


def _run(length: int) -> bytes:
    return struct.pack("<BBBBII4i", 0, 3, 0, 0, 0, 1, 0, 0, 0, length)


_GRAY = bytes(range(256)) * (32 * 32 * 32 // 256)


def _tile_settings(client: Client, uuid: str) -> None:
    scale = {"0": {"Resolution": [8.0, 8.0, 8.0], "TileSize": [256, 256, 256]}}
    metadata = {"MinTileCoord": [0, 0, 0], "MaxTileCoord": [3, 3, 3], "Levels": scale}
    client.post(f"/api/node/{uuid}/data/metadata", metadata).ok()


def _blocks(*labels: int) -> bytes:
    found = b""
    for number, label in enumerate(labels):
        block = gzip.compress(struct.pack("<4IQ", 8, 8, 8, 1, label))
        found += struct.pack("<4i", number, 0, 0, len(block)) + block
    return found


CORE = {
    "pair": Mutation("tiny", _post("/api/node/{u}/data/pair/a", b"1")),
    "pairs": Mutation("tiny", _post("/api/node/{u}/data/pairs", {"a": "1", "b": "2"})),
    "deletion": Mutation("tiny", _delete("/api/node/{u}/data/pair/a"), _post("/api/node/{u}/data/pair/a", b"1")),
    "tags": Mutation("tiny", _post("/api/node/{u}/data/tags", {"a": "b"})),
    "blob": Mutation("tiny", _post("/api/node/{u}/data/blobstore", b"blob")),
    "repo": Mutation("tiny", _post("/api/repos", {"alias": "new"})),
    "alias": Mutation("tiny", _post("/api/repo/{u}/info", {"alias": "new"})),
    "repo log": Mutation("tiny", _post("/api/repo/{u}/log", {"log": ["line"]})),
    "instance": Mutation("tiny", _post("/api/repo/{u}/instance", {"typename": "tiny", "dataname": "more"})),
    "note": Mutation("tiny", _post("/api/node/{u}/note", {"note": "text"})),
    "node log": Mutation("tiny", _post("/api/node/{u}/log", {"log": ["line"]})),
    "commit": Mutation(
        "tiny", _post("/api/node/{u}/commit", {"note": "done"}), _post("/api/node/{u}/data/pair/a", b"1")
    ),
    "newversion": Mutation("tiny", _post("/api/node/{u}/newversion", {}), _committed),
    "branch": Mutation("tiny", _post("/api/node/{u}/branch", {"branch": "b"}), _committed),
    "tag": Mutation("tiny", _tag, _committed),
    "merge": Mutation("tiny", _merge, _two_sides),
    "resolve": Mutation("tiny", _resolve, _two_sides_that_differ),
    "repo rename": Mutation("tiny", _renaming("", ""), _post("/api/node/{u}/data/pair/a", b"1")),
    "branch rename": Mutation("tiny", _renaming("/branch/one", "one"), _two_sides),
    "instance rename": Mutation("tiny", _renaming("/instance/other", "other"), _other_instance),
    "repo deletion": Mutation("tiny", _removal("", ""), _post("/api/node/{u}/data/pair/a", b"1")),
    "branch deletion": Mutation("tiny", _removal("/branch/one", "one"), _two_sides),
    "instance deletion": Mutation("tiny", _removal("/instance/other", "other"), _other_instance),
    "sync": Mutation("counting", _post("/api/node/{u}/data/sync", {"sync": "other"}), _other_instance),
}
TYPES = {
    "key": Mutation("keyvalue", _post("/api/node/{u}/data/key/a", b"1")),
    "key deletion": Mutation("keyvalue", _delete("/api/node/{u}/data/key/a"), _post("/api/node/{u}/data/key/a", b"1")),
    "roi": Mutation("roi", _post("/api/node/{u}/data/roi", [[0, 0, 0, 5], [1, 1, 2, 3]])),
    "blocks": Mutation("labelmap", _post("/api/node/{u}/data/blocks?downres=true", _blocks(1, 2, 3))),
    "label merge": Mutation(
        "labelmap", _post("/api/node/{u}/data/merge", [1, 2]), _post("/api/node/{u}/data/blocks", _blocks(1, 2, 3))
    ),
    "cleave": Mutation("labelmap", _post("/api/node/{u}/data/cleave/1", [2]), _merged),
    "split-supervoxel": Mutation("labelmap", _post("/api/node/{u}/data/split-supervoxel/1", _run(9)), _merged),
    "renumber": Mutation("labelmap", _post("/api/node/{u}/data/renumber", [77, 1]), _merged),
    "undo": Mutation("labelmap", _undo, _merged),
    "raw labels": Mutation(
        "labelmap", _post("/api/node/{u}/data/raw/0_1_2/64_64_64/0_0_0", struct.pack("<Q", 7) * 64**3)
    ),
    "mappings": Mutation(
        "labelmap", _post("/api/node/{u}/data/nextlabel/5", b""), _post("/api/node/{u}/data/blocks", _blocks(1, 2, 3))
    ),
}
TYPES |= {
    "raw image": Mutation("uint8blk", _post("/api/node/{u}/data/raw/0_1_2/32_32_32/0_0_0", _GRAY)),
    "image blocks": Mutation("uint8blk", _post("/api/node/{u}/data/blocks/0_0_0/1", _GRAY)),
    "tile": Mutation("imagetile", _post("/api/node/{u}/data/tile/xy/0/0_0_0", b"any bytes"), _tile_settings),
}
_READS = {
    "tiny": ["pairs", "tags", "mutations"],
    "counting": ["counters"],
    "uint8blk": ["raw/0_1_2/64_32_32/0_0_0", "extents"],
    "imagetile": ["metadata", "tile/xy/0/0_0_0"],
    "keyvalue": ["keys", "key/a", "mutations"],
    "roi": ["roi"],
    "labelmap": ["mutations", "maxlabel", "nextlabel", "raw/0_1_2/192_64_64/0_0_0", "size/1", "size/2", "mapping"],
}


def _state(client: Client, uuid: str, type_name: str) -> list[Any]:
    """Return what can be seen of a repo, without what is different each time."""
    repos = len(client.json("/api/repos/info"))
    reply = client.get(f"/api/repo/{uuid}/info")
    if reply.status != 200:
        return [reply.status, repos]
    info = reply.json()
    nodes = sorted(
        (node["Branch"], node["Note"], len(node["Log"]), node["Locked"], len(node["Parents"]), len(node["Children"]))
        for node in info["DAG"]["Nodes"].values()
    )
    seen: list[Any] = [nodes, info["Alias"], len(info["Log"]), sorted(info["DataInstances"]), repos]
    for path in _READS[type_name]:
        reply = client.get(f"/api/node/{uuid}/data/{path}", b"[1,2,3]" if path == "mapping" else None)
        assert reply.status < 500, f"{path}: {reply.body[:200]!r}"
        found: Any = len(reply.json()) if path == "mutations" else reply.body
        seen.append(found if reply.status == 200 else reply.status)
    return seen


def _check_memory(server: ServerThread) -> None:
    """Fail if the server has other repos, versions or instances in memory than its store has."""
    inside = server.server
    stored = Repos(inside.stores.metadata, Gates(), inside.config.server.min_mutation_id_start)

    def shown(repos: Repos) -> list[object]:
        return [
            (
                repo.record,
                sorted(repo.dag, key=lambda version: version.id),
                [encode(replace(record, tags=record.tags or {})) for record in repo.instances.values()],
            )
            for repo in sorted(repos, key=lambda repo: repo.id)
        ]

    assert shown(inside.repos) == shown(stored), "the server knows other things than its store"


@pytest.mark.parametrize("error", [StorageError, StoreFull])
@pytest.mark.parametrize("name", [*CORE, *(TYPES if ALL else [])])
def test_each_call_of_the_store_fails_in_turn(dvid_server: ServerFactory, name: str, error: type[StorageError]) -> None:
    mutation = {**CORE, **TYPES}[name]
    plugins = Plugins({"faults": FaultPlugin(), "tiny": tiny, "counting": counting}, discover=name in TYPES)
    server = dvid_server(config=Config(store={"main": {"engine": "failing"}}), plugins=plugins)
    store, client = server.server.stores.metadata.store, server.client
    assert isinstance(store, FailingStore)
    store._error = error

    def fresh() -> str:
        uuid = client.new_repo()
        client.new_instance(uuid, mutation.type_name, "data")
        mutation.prepare(client, uuid)
        return uuid

    def state(uuid: str) -> list[Any]:
        return _state(client, uuid, mutation.type_name)

    for count_reads in (False, True):
        for number in range(_MOST_CALLS):
            uuid = fresh()
            before = state(uuid)
            store.count_reads = count_reads
            store.fail_next(after=number)
            reply = mutation.send(client, uuid)
            reached, store.fail_at, store.count_reads = store.calls >= store.fail_at, 0, False
            kind = "reads too" if count_reads else "writes"
            about = f"{name}, call {number}, {kind}: {reply.status} {reply.body[:200]!r}"
            after = state(uuid)
            if reply.status == 200:
                assert after != before or name == "blob", f"{about}: nothing was done"
            else:
                assert reply.status == error.status, about
                assert reached, about
                again = mutation.send(client, uuid)
                if after == before:
                    assert again.status == 200, f"{about}: and then {again.status} {again.body[:200]!r}"
                else:  # the sync failed: all of it is there
                    assert again.status in (200, 400), about
            _check_memory(server)
            if not reached:
                break
        else:
            raise AssertionError("the calls have no end")
