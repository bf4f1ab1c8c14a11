"""Mutated requests to the routes of the core and of the tiny type: never a 5xx, and the server goes on.

DVID_FUZZ_COUNT sets how many; the seed is printed.
"""

from __future__ import annotations

import http.client
import json
import os
import random
from urllib.parse import quote_from_bytes

import pytest

from dvid_framework.testing.client import Client
from dvid_framework.testing.running import ServerThread

COUNT = int(os.environ.get("DVID_FUZZ_COUNT", "10000"))
SEED = int(os.environ.get("DVID_FUZZ_SEED", str(random.SystemRandom().randrange(1 << 32))))

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(120 + COUNT // 25)]

_METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]
_ALLOWED_5XX = {501, 503, 507}
_TEMPLATES = [
    "/api/server/info",
    "/api/server/note",
    "/api/server/config",
    "/api/server/types",
    "/api/server/compiled-types",
    "/api/server/plugins",
    "/api/server/groupcache",
    "/api/server/settings",
    "/api/storage",
    "/api/load",
    "/api/heartbeat",
    "/api/user-latencies",
    "/api/repos",
    "/api/repos/info",
    "/api/repo/{u}",
    "/api/repo/{u}/info",
    "/api/repo/{u}/log",
    "/api/repo/{u}/branch-versions/{w}",
    "/api/repo/{u}/instance",
    "/api/repo/{u}/merge",
    "/api/repo/{u}/resolve",
    "/api/node/{u}/note",
    "/api/node/{u}/log",
    "/api/node/{u}/status",
    "/api/node/{u}/commit",
    "/api/node/{u}/newversion",
    "/api/node/{u}/branch",
    "/api/node/{u}/tag",
    "/api/node/{u}/t/info",
    "/api/node/{u}/t/help",
    "/api/node/{u}/t/tags",
    "/api/node/{u}/t/blobstore",
    "/api/node/{u}/t/blobstore/{w}",
    "/api/node/{u}/t/mutations",
    "/api/node/{u}/t/mutations-range/{u}/{u}",
    "/api/node/{u}/t/pair/{w}",
    "/api/node/{u}/t/pairs",
    "/api/node/{u}/t/count",
    "/api/help",
    "/api/help/{w}",
    "/",
    "/interface/version",
    "/schema",
    "/schema/openapi.json",
    "/{w}",
    "/api/{w}/{w}",
]
_WORDS = [
    b"master",
    b"tiny",
    b"t",
    b"a",
    b"",
    b"..",
    b"\xff\xfe",
    b"\x00",
    b"%",
    b"a/b",
    b"info",
    "é".encode(),
    b"x" * 500,
    b"-1",
    b"~1",
    b":",
    b"::",
    b"a:b~2",
    b"8UtYSGSD2U9wgDh5jClpfw==",
]
_QUERIES = [
    "u=ann",
    "app=x",
    "throttle=on",
    "throttle=true",
    "replace=true",
    "admintoken=x",
    "order=oldest",
    "interactive=false",
    "u=%ff",
    "&&&",
    "=",
    "a=b=c",
    "%",
    "u=",
    "throttle",
    "x=" + "y" * 2000,
    "u=\"'<>",
    "%00=%00",
]
_JSON = [
    {},
    [],
    None,
    True,
    5,
    "text",
    {"alias": "a"},
    {"alias": None},
    {"alias": 5},
    {"root": "zebra"},
    {"root": ""},
    {"note": "n"},
    {"note": None},
    {"NOTE": "n", "note": "m"},
    {"log": ["a"]},
    {"log": "a"},
    {"log": [1]},
    {"log": None},
    {"branch": "b"},
    {"branch": ""},
    {"branch": "master"},
    {"uuid": "x"},
    {"uuid": "0" * 32},
    {"tag": "v1"},
    {"tag": ""},
    {"tag": "a/b"},
    {"mergeType": "conflict-free", "parents": []},
    {"mergeType": "conflict-free", "parents": ["x", "y"]},
    {"mergeType": "conflict-free", "parents": "x"},
    {"mergeType": 5},
    {"data": ["t"], "parents": []},
    {"data": ["nothing"], "parents": ["x", "y"]},
    {"typename": "tiny", "dataname": "n"},
    {"typename": "tiny", "dataname": ""},
    {"typename": 5, "dataname": []},
    {"typename": "tiny", "dataname": "x", "Tags": 5},
    {"throttle": 2},
    {"throttle": "many"},
    {"throttle": 1e400},
    {"gc": -1},
    {"throttle": True},
    ["a", "b"],
    [1, 2],
    {"a": "b"},
    {"a": {"b": {"c": []}}},
    {"throttle": [1]},
    {"throttle": "9" * 5000},
    {"throttle": 10**400},
]
_RAW = [
    b"",
    b"{",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"\xff\xfe",
    b'{"note": "\xff"}',
    b'{"note": "\\ud800"}',
    b"nul",
    b"NaN",
    b"1" * 5000,
    b"\x00" * 100,
    b'{"a": 1, "a": 2}',
    b'{"log": [' + b'"x",' * 10_000 + b'"x"]}',
    b"-",
    b'"',
    b'{"note": 1e999}',
    b"\xef\xbb\xbf{}",
]


class Requests:
    """Makes requests by a seeded chance."""

    def __init__(self, seed: int, versions: list[str]) -> None:
        self._chance = random.Random(seed)
        self._versions = versions

    def _word(self) -> str:
        word = self._chance.choice(_WORDS)
        if self._chance.random() < 0.2:
            word = self._chance.randbytes(self._chance.randrange(12))
        return quote_from_bytes(word, safe="~:.%" if self._chance.random() < 0.1 else "~:.")

    def _version(self) -> str:
        kind = self._chance.random()
        if kind < 0.7:
            return self._chance.choice(self._versions)
        if kind < 0.85:
            return self._chance.choice(self._versions)[: self._chance.randrange(33)] + self._chance.choice(
                ["", ":", "~1"]
            )
        return self._word()

    def _path(self) -> str:
        path = self._chance.choice(_TEMPLATES)
        while "{u}" in path:
            path = path.replace("{u}", self._version(), 1)
        while "{w}" in path:
            path = path.replace("{w}", self._word(), 1)
        if self._chance.random() < 0.15:  # something in the middle changes
            at = self._chance.randrange(len(path) + 1)
            path = "/" + (path[:at] + self._word() + path[at + self._chance.randrange(3) :]).lstrip("/")
        if self._chance.random() < 0.4:
            path += "?" + "&".join(self._chance.choices(_QUERIES, k=self._chance.randint(1, 3)))
        return path.replace(" ", "%20").replace("\n", "%0A")

    def _body(self) -> bytes:
        if self._chance.random() < 0.2:
            return self._chance.choice(_RAW)
        body = bytearray(json.dumps(self._chance.choice(_JSON)).encode())
        if self._chance.random() < 0.3:
            for _ in range(self._chance.randint(1, 4)):
                at = self._chance.randrange(len(body) + 1)
                body[at : at + self._chance.randrange(3)] = self._chance.randbytes(self._chance.randrange(3))
        return bytes(body)

    def next(self) -> tuple[str, str, bytes | None]:
        """Return a method, a path and a body."""
        method = self._chance.choice(_METHODS[:2] if self._chance.random() < 0.7 else _METHODS)
        body = self._body() if method in ("POST", "PUT", "PATCH") or self._chance.random() < 0.1 else None
        return method, self._path(), body


def _grown(client: Client) -> list[str]:
    """Make repos with committed, open, branched, merged and tagged versions; returns their UUIDs."""
    root = client.new_repo()
    client.new_instance(root, "tiny", "t")
    client.post(f"/api/node/{root}/t/pairs", {"a": "1", "b": "2"}).ok()
    client.commit(root)
    sides = [client.child(root, name) for name in ("one", "two")]
    for side in sides:
        client.post(f"/api/node/{side}/t/pair/a", side.encode()).ok()
        client.commit(side)
    merged = client.post(f"/api/repo/{root}/merge", {"mergeType": "conflict-free", "parents": sides}).json()["child"]
    client.post(f"/api/node/{root}/tag", {"tag": "v1"}).ok()
    other = client.new_repo("other")
    client.new_instance(other, "tiny", "t", versioned="false")
    return [root, *sides, merged, "v1", other]


def test_mutated_requests_never_break_the_server(tiny_server: ServerThread) -> None:
    print(f"DVID_FUZZ_SEED={SEED}")  # noqa: T201 - for whoever repeats a failure
    client = tiny_server.client
    versions = _grown(client)
    requests = Requests(SEED, versions)
    seen: dict[int, int] = {}
    for number in range(COUNT):
        method, path, body = requests.next()
        try:
            reply = client.request(method, path, body)
        except http.client.InvalidURL:
            continue  # what this client can't send
        about = (
            f"request {number} of seed {SEED}: {method} {path[:300]} {(body or b'')[:200]!r} -> {reply.body[:300]!r}"
        )
        assert reply.status < 500 or reply.status in _ALLOWED_5XX, about
        assert b"Traceback" not in reply.body, about
        seen[reply.status] = seen.get(reply.status, 0) + 1
    assert seen.get(200, 0) > COUNT // 20, f"mutations so wild that nothing gets through: {seen}"
    assert seen.get(400, 0) > COUNT // 20
    for version in versions[:3]:
        assert client.json(f"/api/node/{version}/t/pairs")["b"] == "2", "a committed version changed"
    tiny_server.restart()
    assert tiny_server.client.json(f"/api/node/{versions[0]}/t/pairs") == {"a": "1", "b": "2"}
