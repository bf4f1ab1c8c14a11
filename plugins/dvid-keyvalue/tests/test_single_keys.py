"""Single keys over HTTP."""

from __future__ import annotations

import contextlib
import random
import time
from urllib.parse import quote

import pytest
from dvid_keyvalue.codec import encode_pairs
from dvid_keyvalue.large import LARGE_BYTES, LargeKeys

from dvid_framework.api import Unavailable


def test_a_key_is_set_read_and_deleted(kv) -> None:
    assert kv.get("key/a").status == 404
    assert 'Key "a" not found' in kv.get("key/a").text
    reply = kv.post("key/a", b"hello")
    assert (reply.status, reply.body) == (200, b"")
    assert "content-type" not in reply.headers
    reply = kv.get("key/a")
    assert reply.body == b"hello"
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["accept-ranges"] == "bytes"
    assert kv.client.delete(f"{kv.path}/key/a").ok().body == b""
    assert kv.get("key/a").status == 404
    assert kv.client.delete(f"{kv.path}/key/a").status == 200


def test_head_tells_the_length(kv) -> None:
    kv.put("a", b"hello")
    reply = kv.client.request("HEAD", f"{kv.path}/key/a", headers={"Range": "bytes=1-2"})
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, "5", b"")
    assert kv.client.head(f"{kv.path}/key/b").status == 404


def test_an_empty_value_is_a_value(kv) -> None:
    kv.put("empty", b"")
    reply = kv.get("key/empty")
    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "0")
    assert kv.client.head(f"{kv.path}/key/empty").status == 200
    assert kv.keys() == ["empty"]
    assert kv.get("key/empty", None, Range="bytes=0-1").status == 416
    assert kv.get("keyvalues", b"\x0a\x05empty").body == b"\x0a\x09\x0a\x05empty\x12\x00"


@pytest.mark.parametrize(
    "key", ["x y", "été", "日本語", "🧠", "100%", "a?b#c", "a+b", "...", "tab\t", "nul\x00in", "a\x00", "\x00"]
)
def test_any_text_is_a_key(kv, key: str) -> None:
    kv.put(key, key.encode())
    assert kv.get(f"key/{quote(key, safe='')}").body == key.encode()
    assert kv.keys() == [key]


def test_bytes_that_are_no_utf8_are_a_key(kv) -> None:
    key = b"\xff\xe6\x97"
    kv.put(key, b"value")
    assert kv.get(f"key/{quote(key)}").body == b"value"
    assert kv.keys() == ["\ufffd" * 3]
    assert kv.get("keyrangevalues/a/%FF%FF?json=true").status == 200
    assert kv.client.json(f"{kv.path}/mutations")[0]["Key"] == "\ufffd" * 3


def test_long_keys_are_refused_shortly(kv) -> None:
    kv.put("k" * 4096, b"1")
    reply = kv.post("key/" + "k" * 4097, b"1")
    assert reply.status == 400
    assert len(reply.body) < 5000
    assert kv.keys() == ["k" * 4096]
    assert kv.get("key/" + "k" * 4097).status == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_other_methods_are_refused(kv, method: str) -> None:
    assert kv.client.request(method, f"{kv.path}/key/a", b"1").status == 400
    assert kv.get("key").status == 400
    assert kv.post("key/").status == 400


def test_parts_by_query(kv) -> None:
    kv.put("d", bytes(range(200)))
    assert kv.get("key/d?byte_start=50&byte_end=59").body == bytes(range(50, 60))
    for bad in ("0&byte_end=200", "9&byte_end=3", "5", "-1&byte_end=2", "&byte_end=", "1&byte_end=" + "9" * 50):
        assert kv.get(f"key/d?byte_start={bad}").status == 400, bad
    assert kv.get("key/d?byte_end=5").status == 400
    assert kv.get("key/d?byte_start=0&byte_end=3", None, Range="bytes=0-3").status == 400
    assert kv.get("key/none?byte_start=0").status == 404


def test_parts_by_header(kv) -> None:
    kv.put("d", bytes(range(200)))
    reply = kv.get("key/d", None, Range="bytes=190-500")
    assert (reply.status, reply.body) == (206, bytes(range(190, 200)))
    assert reply.headers["content-range"] == "bytes 190-199/200"
    reply = kv.get("key/d", None, Range="bytes=200-")
    assert (reply.status, reply.headers["content-range"]) == (416, "bytes */200")
    assert kv.get("key/d", None, Range="bytes=3-1").status == 200


def test_large_values_come_back(kv) -> None:
    value = bytes(range(256)) * (20 << 12)
    kv.put("mesh", value)
    assert kv.get("key/mesh").body == value
    assert kv.get("key/mesh?byte_start=255&byte_end=257").body == b"\xff\x00\x01"


def test_help_names_the_addresses(kv) -> None:
    text = kv.get("help").ok().text
    for word in ("key/<key>", "keyrange/<first>/<last>", "keyvalues", "byte_start", "limit"):
        assert word in text


def test_large_values_come_whole_in_part_and_for_head_however_often_they_are_read(kv) -> None:
    value, key = random.Random(7).randbytes(LARGE_BYTES + 12_345), "large"
    kv.post("keyvalues", b"".join(encode_pairs([(b"batch", memoryview(value))]))).ok()
    kv.put(key, value)
    for name in (key, key, "batch", "batch"):
        reply = kv.get(f"key/{name}")
        assert (reply.body == value, reply.headers["accept-ranges"]) == (True, "bytes")
        assert kv.get(f"key/{name}", Range="bytes=5-9").body == value[5:10]
        assert kv.get(f"key/{name}?byte_start=1&byte_end=2").body == value[1:3]
        assert kv.client.request("HEAD", f"{kv.path}/key/{name}").headers["content-length"] == str(len(value))
    kv.put(key, b"small")
    assert kv.get(f"key/{key}").body == b"small"
    kv.client.delete(f"{kv.path}/key/batch").ok()
    assert kv.get("key/batch").status == 404


def test_a_large_value_holds_memory_until_it_is_sent(kv, server) -> None:
    budget, everything = server.server.budget, server.server.limits.memory_bytes

    def take_all() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(Unavailable):  # the last answer is sent, and its end not yet noticed
                return budget.take(everything)
            time.sleep(0.001)
        raise AssertionError("its memory was never given back")

    kv.put("large", bytes(LARGE_BYTES))
    kv.put("small", b"x")
    for _ in range(2):
        take_all()  # all becomes free, so nothing is kept
        assert kv.get("key/large").status == 503
        assert kv.get("key/small").status == 200
        budget.give_back(everything)
        assert kv.get("key/large").status == 200


def test_which_keys_are_large_is_bounded() -> None:
    keys = LargeKeys()
    for number in range(250_000):
        keys.note(b"%d" % number, LARGE_BYTES)
    assert b"249999" in keys
    assert len(keys) <= 100_000
    keys.note(b"249999", 1)
    assert b"249999" not in keys
