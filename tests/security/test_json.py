"""Hostile JSON: a clear 4xx at every route that reads JSON, and nothing changed."""

from __future__ import annotations

import json

import pytest

from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.running import ServerThread

# What is no JSON, or none that says one thing: `KEY` and `VALUE` stand for what the route knows.
BAD = {
    "depth of arrays": b"[" * 100_000 + b"]" * 100_000,
    "depth of objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "depth in a value": b'{"KEY":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "open depth": b"[" * 100_000,
    "many digits": b'{"KEY":' + b"1" * 100_000 + b"}",
    "many digits of a fraction": b'{"KEY":0.' + b"1" * 100_000 + b"e-5}",
    "large exponent": b'{"KEY":1e999999}',
    "NaN": b'{"KEY":NaN}',
    "Infinity": b'{"KEY":-Infinity}',
    "key twice": b'{"KEY":VALUE,"KEY":VALUE}',
    "key twice in two cases": b'{"KEY":VALUE,"\\u00KEYHEX":VALUE}',
    "bad UTF-8": b'{"KEY":"\xff\xfe"}',
    "overlong UTF-8": b'{"KEY":"\xc0\xaf"}',
    "lone surrogate": b'{"KEY":"\\ud800"}',
    "encoded surrogate": b'{"KEY":"\xed\xa0\x80"}',
    "control character": b'{"KEY":"a\x00b"}',
    "something behind": b'{"KEY":VALUE} x',
    "comment": b'{"KEY":VALUE /* no */}',
    "single quotes": b"{'KEY':VALUE}",
    "half": b'{"KEY":VALUE',
    "nothing but space": b" " * 100_000 + b"{",
    "comma before the end": b'{"KEY":VALUE,}',
    "no colon": b'{"KEY" VALUE}',
    "no quotes": b"{KEY:VALUE}",
    "hexadecimal number": b'{"KEY":0x10}',
    "leading zero": b'{"KEY":01}',
    "half an escape": b'{"KEY":"\\u12"}',
    "unknown escape": b'{"KEY":"\\x41"}',
    "half a character of UTF-8": b'{"KEY":"\xe2\x82"}',
    "UTF-16": '{"KEY":VALUE}'.encode("utf-16"),
}
# Route: a key that it knows, and a value of it.
ROUTES = {
    "/api/repos": ("alias", '"a"'),
    "/api/server/settings": ("throttle", "5"),
    "/api/repo/{u}/info": ("alias", '"changed"'),
    "/api/repo/{u}/log": ("log", '["changed"]'),
    "/api/repo/{u}/instance": ("typename", '"tiny"'),
    "/api/repo/{u}/merge": ("mergeType", '"conflict-free"'),
    "/api/repo/{u}/resolve": ("data", '["t"]'),
    "/api/node/{u}/note": ("note", '"changed"'),
    "/api/node/{u}/log": ("log", '["changed"]'),
    "/api/node/{u}/commit": ("note", '"changed"'),
    "/api/node/{u}/newversion": ("note", '"changed"'),
    "/api/node/{u}/branch": ("branch", '"changed"'),
    "/api/node/{u}/tag": ("tag", '"changed"'),
    "/api/node/{u}/t/tags": ("changed", '"x"'),
    "/api/node/{u}/t/pairs": ("changed", '"x"'),
}


def _body(template: bytes, key: str, value: str) -> bytes:
    first = f"{ord(key[0]):02x}{key[1:]}".encode()
    return template.replace(b"KEYHEX", first).replace(b"KEY", key.encode()).replace(b"VALUE", value.encode())


def _state(client: Client, uuid: str) -> list[bytes]:
    paths = ("/api/repos/info", f"/api/node/{uuid}/t/pairs", f"/api/node/{uuid}/t/tags", "/api/node/{u}/note")
    return [client.get(path).body for path in paths]


def _check(reply: Reply, about: str) -> None:
    assert reply.status in (400, 413), f"{about}: {reply.status} {reply.body[:200]!r}"
    assert len(reply.body) < 2000, about
    assert b"Traceback" not in reply.body, about


def test_hostile_json_is_refused(tiny_server: ServerThread) -> None:
    client = tiny_server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "tiny", "t")
    before = _state(client, uuid)
    for path, (key, value) in ROUTES.items():
        for name, template in BAD.items():
            _check(client.post(path.replace("{u}", uuid), _body(template, key, value)), f"{path} {name}")
        assert _state(client, uuid) == before, path
    assert client.get("/api/heartbeat").text == "OK"


@pytest.mark.slow
def test_a_million_keys_are_too_many_for_settings(tiny_server: ServerThread) -> None:
    client = tiny_server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "tiny", "t")
    before = _state(client, uuid)
    million = b"{" + b",".join(b'"k%d":"v"' % number for number in range(1_000_000)) + b"}"
    for path in ROUTES:
        if not path.endswith("/pairs"):
            _check(client.post(path.replace("{u}", uuid), million), path)
    assert _state(client, uuid) == before


def test_a_million_keys_are_data_like_others(tiny_server: ServerThread) -> None:
    client = tiny_server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "tiny", "t")
    assert client.post(f"/api/node/{uuid}/t/count", json.dumps([f"k{n}" for n in range(100_000)])).json() == {
        "count": 0
    }


def test_ordinary_json_is_taken(tiny_server: ServerThread) -> None:
    client = tiny_server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "tiny", "t")
    for body in (
        '{"NOTE":"\\ud83d\\ude00"}',
        '{"note":"é", "other": {"note": 1}}',
        '\n {"note":"a","x":[{"a":1},{"a":2}]}',
    ):
        client.post(f"/api/repo/{uuid}/info", body).ok()
    client.post(f"/api/node/{uuid}/note", '{"note":"\\ud83d\\ude00"}').ok()
    assert client.json(f"/api/node/{uuid}/note") == {"note": "\U0001f600"}
