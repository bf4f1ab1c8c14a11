"""JSON of strangers: what it takes in memory is known before it is decoded."""

from __future__ import annotations

import tracemalloc

import msgspec
import pytest

from dvid_framework.http.json_bodies import decoded_bytes
from dvid_framework.testing import Config, LimitSettings
from dvid_framework.testing.pytest_plugin import ServerFactory

SHAPES = {
    "objects": b"[" + b",".join([b"{}"] * 20_000) + b"]",
    "fields": b"[" + b",".join(b'{"Id":%d,"Weight":%d.5}' % (n, n) for n in range(10_000)) + b"]",
    "lists": b"[" + b",".join([b"[]"] * 20_000) + b"]",
    "places": b"[" + b",".join(b"[%d,%d,%d]" % (n, n + 1, n + 2) for n in range(1000, 10_000)) + b"]",
    "numbers": b"[" + b",".join(b"%d" % n for n in range(1000, 30_000)) + b"]",
    "texts": b"[" + b",".join(b'"%d"' % n for n in range(20_000)) + b"]",
    "nested": b"[" * 500 + b"]" * 500,
    "long": b'["' + b"x" * 1_000_000 + b'"]',
}


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
def test_no_value_takes_much_more_than_was_reckoned(body: bytes) -> None:
    tracemalloc.start()
    try:
        value = msgspec.json.decode(body)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert value
    assert most < decoded_bytes(body) * 1.25


def test_a_body_that_would_fill_the_memory_is_refused(dvid_server: ServerFactory) -> None:
    server = dvid_server(config=Config(limits=LimitSettings(memory_bytes=2 << 20)))
    reply = server.client.post("/api/repos", {"alias": "x"}).ok()
    path = f"/api/node/{reply.json()['root']}/log"
    fine, full = b'{"log": ["x"], "a": [%s]}', b",".join([b"{}"] * 10_000)
    server.client.post(path, fine % b"1").ok()
    refused = server.client.post(path, fine % full)
    assert refused.status == 413
    assert "memory" in refused.text or "bytes" in refused.text
    assert server.server.budget.held == 0
