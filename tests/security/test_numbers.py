"""Hostile numbers and texts in every part of the path of every installed type's routes, and in what they ask for."""

from __future__ import annotations

import random
import re
import socket
from types import MappingProxyType
from urllib.parse import quote

import pytest

from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

SETTINGS = MappingProxyType({"tarsupervoxels": {"Extension": "drc"}})  # what instances can't be made without
SERVICES = frozenset({"googlevoxels"})  # types whose instances need a service elsewhere
NUMBERS = [
    "-1", "0", "1", "-0", "+1", "01", "1e3", "0x10", "1.5", "1_000", " 1", "\u0661", "NaN", "inf", "",
    *(str(sign * (1 << bits) + step) for bits in (15, 16, 31, 32, 62, 63, 64, 127, 128) for sign in (1, -1)
      for step in (-1, 0)),
    "9" * 400, "9" * 5000,
]  # fmt: skip
TRIPLES = [
    "0_0_0", "-1_-1_-1", "1_1", "1_1_1_1", "__", "a_b_c", "0_0_-1", "1_0_1", "64_64_64", "63_64_64",
    "2147483647_2147483647_2147483647", "2147483648_0_0", "-2147483648_-2147483648_-2147483648",
    "9223372036854775807_1_1", "9223372036854775808_1_1", "18446744073709551615_1_1", "18446744073709551616_1_1",
    "65536_65536_65536", "1000000_1000000_1000000", "4294967296_4294967296_1", "1e3_1_1", "1.5_1_1", "NaN_1_1",
]  # fmt: skip
QUERIES = [
    "scale=255", "scale=-1", "scale=256", "scale=99999999999999999999", "scale=1.5", "scale=a", "scale=",
    "supervoxels=maybe", "compression=zip", "compression=lz4:9", "roi=nothing", "roi=,", "throttle=on", "rle=true",
    "minx=9223372036854775807&maxx=-9223372036854775808", "minx=9&maxx=1", "minz=99999999999999999999", "exact=true",
    "format=gif", "format=jpg:101", "format=jpg:-1", "blocks=1,2", "blocks=a", "blocks=9223372036854775807,0,0",
    "start=0", "number=0", "number=-1", "number=99999999999999999999", "hash=x", "mutid=-1", "depth=0",
]  # fmt: skip
BODIES = [None, b"", b"[]", b"{}", b"[0]", b"[18446744073709551616]", b"[-1, 1]", bytes(24)]
_PARAMETER = re.compile(r"\{([^}:]+)(?::[^}]*)?\}")
_PLANES = ["0_1", "0_1_2", "2_1_0", "0_0", "3_4", "xy", "xyz", "-1_0", "0_1_2_3"]
_NOT_ANSWERED = {501, 503, 507}


@pytest.fixture
def server(dvid_server: ServerFactory) -> ServerThread:
    return dvid_server()


def _plausible(name: str, chance: random.Random) -> str:
    """Return something that a parameter of this name may be, so that the next one is looked at at all."""
    if name in ("size", "offset", "coordinate", "point", "coord", "corner"):
        return chance.choice(["64_64_64", "0_0_0", "32_32", "1_2_3"])
    if name in ("dims", "plane", "axes", "shape"):
        return chance.choice(["0_1_2", "xy", "0_1"])
    return chance.choice(["1", "0", "5", "a"])


def _filled(template: str, chance: random.Random) -> str:
    """Return an address with one hostile parameter; the others are plausible."""
    names = _PARAMETER.findall(template)
    hostile = chance.randrange(len(names)) if names else -1
    for number, name in enumerate(names):
        pool = chance.choice([NUMBERS, TRIPLES, _PLANES]) if number == hostile else [_plausible(name, chance)]
        template = _PARAMETER.sub(lambda _, pool=pool: quote(chance.choice(pool), safe="_"), template, count=1)  # type: ignore[misc]
    return template + (f"?{chance.choice(QUERIES)}" if chance.random() < 0.6 or not names else "")


def _check(reply: Reply, server: ServerThread, about: str) -> None:
    assert reply.status < 500 or reply.status in _NOT_ANSWERED, f"{about}: {reply.status} {reply.body[:300]!r}"
    if reply.status >= 400:
        for secret in (
            str(server.data),
            str(server.data.parent),
            socket.gethostname(),
            "Traceback",
            'File "',
            "/site-",
        ):
            assert secret.encode() not in reply.body, f"{about}: {secret}"


def _types(client: Client, server: ServerThread) -> tuple[str, list[str]]:
    uuid = client.new_repo()
    names = [name for name in server.server.datatypes if name not in SERVICES]
    for name in names:
        client.new_instance(uuid, name, name, **SETTINGS.get(name, {}))
    return uuid, names


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))])
def test_hostile_numbers_get_an_ordinary_answer(server: ServerThread, seed: int) -> None:
    client, chance = server.client, random.Random(seed)
    uuid, names = _types(client, server)
    for name in names:
        for method, template in server.server.app._types[name].routes():
            for _ in range(2 if method == "HEAD" else 6):
                path = f"/api/node/{uuid}/{name}{_filled(template, chance)}"
                body = chance.choice(
                    [None, b"", b"[]", b"{}", b"[0]", b"[18446744073709551616]", b"[-1, 1]", b"\x00" * 24]
                )
                _check(client.request(method, path, body), server, f"{method} {path[:300]} {body!r}")
    assert client.get("/api/heartbeat").text == "OK"


def test_numbers_of_the_core_s_own_routes(server: ServerThread) -> None:
    client = server.client
    uuid = client.new_repo()
    for number in NUMBERS:
        shown = quote(number)
        for path in (
            f"/api/node/{uuid}:master~{shown}/note",
            f"/api/node/:master~{shown}/note",
            f"/api/repo/{shown}/info",
            f"/api/node/{uuid}/{shown}/info",
            f"/api/user-latencies?u={shown}",
            f"/api/jobs/{shown}",
        ):
            _check(client.get(path), server, path)
        if number not in ("1", "0", "-0", "+1", "01", " 1", "\u0661", "1_000"):
            reply = client.post("/api/server/settings", {"throttle": number})
            assert reply.status == 400, number
            _check(reply, server, number)
