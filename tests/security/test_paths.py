"""Hostile paths: never a file of the machine, never a 5xx, and keys come back byte for byte."""

from __future__ import annotations

import random
from urllib.parse import quote_from_bytes

import pytest

from dvid_framework.testing.running import ServerThread

_ATTACKS = [
    "..", "../..",
    "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..", "....//", "%00", "a%00b", "%2F%2F", "%25%32%65",
    "%c0%ae%c0%ae", "~root", "$HOME", "`id`", ";id", "|id", "%0d%0aX-Injected:%201", "%ff", "x" * 60_000,
    "%F0%9F%92%A9",
    "{0.__class__}", "%7B%7B7*7%7D%7D", "<script>", "con", "a:b", "?a", "#", "*", "%", "%zz", "%u0041", "\u00e9",
]  # fmt: skip
_CANARY = b"canary-0451"


@pytest.mark.parametrize("attack", _ATTACKS, ids=lambda attack: attack[:30])
def test_an_attack_in_any_part_of_a_path_is_an_ordinary_answer(tiny_server: ServerThread, attack: str) -> None:
    client = tiny_server.client
    (tiny_server.data.parent / "canary").write_bytes(_CANARY)
    root = client.new_repo()
    client.new_instance(root, "tiny", "t")
    sent = quote_from_bytes(attack.encode("latin-1"), safe="%/:;{}<>*$`|~.?\\#")
    for template in (
        "/{}", "/api/{}",
        "/api/help/{}", "/api/repo/{}/info", "/api/node/{}/t/info", "/api/node/{root}/{}", "/schema/{}",
        "/api/node/{root}/{}/info", "/api/node/{root}/t/{}", "/api/node/{root}/t/pair/{}", "/{}/canary",
        "/_t/{}",
        "/api/node/{root}/t/blobstore/{}", "/api/repo/{root}/branch-versions/{}",
        "/api/node/{root}/t/mutations-range/{}/{}",
    ):  # fmt: skip
        path = template.replace("{root}", root).replace("{}", sent)
        reply = client.get(path)
        assert reply.status < 500, path
        assert "x-injected" not in reply.headers
        assert _CANARY not in reply.body
        assert b"root:x:" not in reply.body
        assert b"Traceback" not in reply.body
        assert str(tiny_server.data).encode() not in reply.body
    assert client.get("/api/heartbeat").text == "OK"


def test_200_mixtures_of_attacks_stay_ordinary_too(tiny_server: ServerThread) -> None:
    client, chance = tiny_server.client, random.Random(9)
    (tiny_server.data.parent / "canary").write_bytes(_CANARY)
    root = client.new_repo()
    client.new_instance(root, "tiny", "t")
    short = [attack for attack in _ATTACKS if len(attack) < 100]
    for _ in range(200):
        mixed = "/".join("".join(chance.choices(short, k=chance.randint(1, 3))) for _ in range(chance.randint(1, 4)))
        sent = quote_from_bytes(mixed.encode("latin-1"), safe="%/:;{}<>*$`|~.\\")
        for template in ("/{}", "/api/help/{}", "/api/node/{root}/t/pair/{}", "/api/node/{root}/{}", "/schema/{}"):
            for method in ("GET", "POST"):
                reply = client.request(method, template.replace("{root}", root).replace("{}", sent), b"")
                assert reply.status < 500, sent
                assert not any(words in reply.body for words in (_CANARY, b"root:x:", str(tiny_server.data).encode()))
    assert client.get("/api/heartbeat").text == "OK"


def test_random_keys_come_back_byte_for_byte(tiny_server: ServerThread) -> None:
    client, chance = tiny_server.client, random.Random(3)
    root = client.new_repo()
    client.new_instance(root, "tiny", "t")
    keys = {bytes(chance.choices([b for b in range(256) if b != 47], k=chance.randint(1, 30))) for _ in range(200)}
    for key in keys:
        client.post(f"/api/node/{root}/t/pair/{quote_from_bytes(key, safe='')}", key).ok()
    for key in keys:
        assert client.get(f"/api/node/{root}/t/pair/{quote_from_bytes(key, safe='')}").body == key


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_hidden_routes_cannot_be_reached_from_outside(tiny_server: ServerThread, method: str) -> None:
    client = tiny_server.client
    for path in [route.path for route in tiny_server.server.litestar.routes]:
        if path.startswith("/_t"):
            for spelled in (path, path.replace("_", "%5f"), "/" + path, path + "/"):
                reply = client.request(method, quote_from_bytes(spelled.encode(), safe="/%"), b"")
                assert reply.status == 404, spelled
