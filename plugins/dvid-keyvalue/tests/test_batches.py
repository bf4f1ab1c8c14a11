"""Lists, ranges and batches over HTTP."""

from __future__ import annotations

import io
import os
import random
import tarfile

import pytest
from dvid_keyvalue.codec import decode_pairs, encode_pairs

FUZZ_COUNT = int(os.environ.get("DVID_FUZZ_COUNT", "10000"))


def message(pairs: dict[str, bytes]) -> bytes:
    return b"".join(encode_pairs((key.encode(), memoryview(value)) for key, value in pairs.items()))


def names(*keys: str) -> bytes:
    return b"".join(b"\x0a" + bytes([len(key)]) + key.encode() for key in keys)


def test_a_batch_is_all_or_nothing(kv) -> None:
    kv.post("keyvalues", message({"a": b"1", "in/side": b"2"})).ok()
    assert kv.keys() == ["a", "in/side"]
    for bad in (message({"b": b"3", "": b"4"}), message({"b": b"3", "k" * 5000: b""}), message({"b": b"3"}) + b"\x0a"):
        assert kv.post("keyvalues", bad).status == 400
    assert kv.keys() == ["a", "in/side"]
    assert [entry["Key"] for entry in kv.client.json(f"{kv.path}/mutations")] == ["a", "in/side"]
    kv.post("keyvalues").ok()


def test_the_last_of_two_values_stays(kv) -> None:
    kv.post("keyvalues", message({"a": b"first"}) + message({"a": b"last"})).ok()
    assert kv.get("key/a").body == b"last"


def test_batches_are_read_in_the_order_asked(kv) -> None:
    kv.post("keyvalues", message({"a": b"1", "b": b"22", "c": b"333"})).ok()
    reply = kv.get("keyvalues", names("c", "x", "a", "c"))
    assert reply.headers["content-type"] == "application/octet-stream"
    assert decode_pairs(reply.body) == [(b"c", b"333"), (b"x", b""), (b"a", b"1"), (b"c", b"333")]
    assert kv.get("keyvalues").ok().body == b""
    reply = kv.get("keyvalues?json=true", '["b","x","a"]')
    assert reply.headers["content-type"] == "application/json"
    assert reply.body == b'{"b":22,"x":{},"a":1}'
    assert kv.get("keyvalues?json=true", '[{"key":"b","byte_start":0,"byte_end":0}]').body == b'{"b":2}'
    reply = kv.get("keyvalues?tar=true", '["c","x"]')
    assert reply.headers["content-type"] == "application/tar"
    with tarfile.open(fileobj=io.BytesIO(reply.body)) as tar:
        assert [(member.name, member.size) for member in tar] == [("c", 3), ("x", 0)]


def test_errors_come_before_the_first_byte(kv) -> None:
    kv.post("keyvalues", message({"a": b"1", "bad": b"no json"})).ok()
    reply = kv.get("keyvalues?json=true&check=true", '["a","bad"]')
    assert reply.status == 400
    assert reply.text.startswith('GET /keyvalues on 2 keys, data "kv": ')
    assert kv.get("keyvalues?json=true", '["a","bad"]').body == b'{"a":1,"bad":no json}'
    assert kv.get("keyrangevalues/a/z?json=true&check=true").status == 400
    assert kv.get("keyrangevalues/a/a?json=true&check=true").body == b'{"a":1}'
    assert kv.get("keyvalues?json=true", '["a",{"key":"a","byte_start":0,"byte_end":1}]').status == 400
    assert kv.get("keyvalues", b"\x12\x07\x0a\x01a\x10\x00\x18\x01").status == 400
    assert kv.get("keyvalues?json=true&jsontar=true", '["a"]').status == 400
    assert kv.get("keyvalues?json=true").status == 400
    for method in ("HEAD", "PUT", "DELETE"):
        assert kv.client.request(method, f"{kv.path}/keyvalues").status == 400


def test_ranges_include_both_ends(kv) -> None:
    for key in ("a", "aa", "b", "ba", "a\x00", "é"):
        kv.put(key, b"1")
    assert kv.client.json(f"{kv.path}/keyrange/a/b") == ["a", "a\x00", "aa", "b"]
    assert kv.client.json(f"{kv.path}/keyrange/a/a") == ["a"]
    assert kv.client.json(f"{kv.path}/keyrange/b/a") == []
    assert kv.client.json(f"{kv.path}/keyrange/a/%C3%A9/more") == ["a", "a\x00", "aa", "b", "ba", "é"]
    assert kv.post("keyrange/a/b").json() == ["a", "a\x00", "aa", "b"]
    assert kv.get("keyrange/a").status == 400
    assert [key for key, _ in decode_pairs(kv.get("keyrangevalues/aa/b").body)] == [b"aa", b"b"]


def test_pages(kv) -> None:
    keys = [f"k{number:03d}" for number in range(25)]
    kv.post("keyvalues", message(dict.fromkeys(keys, b"1"))).ok()
    found: list[str] = []
    while page := kv.client.json(f"{kv.path}/keys?limit=7" + (f"&after={found[-1]}" if found else "")):
        assert len(page) <= 7
        found += page
    assert found == keys
    assert kv.client.json(f"{kv.path}/keys?after=k02") == keys[20:]
    assert kv.client.json(f"{kv.path}/keys?limit=0") == []
    assert kv.client.json(f"{kv.path}/keys?limit={10**19}") == keys
    assert kv.get("keys?limit=-1").status == kv.get("keys?limit=x").status == 400


def test_large_answers_are_streamed(kv) -> None:
    values = {f"k{number}": bytes([number]) * (3 << 20) for number in range(5)}
    for key, value in values.items():
        kv.put(key, value)
    reply = kv.get("keyrangevalues/k0/k9")
    assert "content-length" not in reply.headers
    assert dict(decode_pairs(reply.body)) == {key.encode(): value for key, value in values.items()}
    assert decode_pairs(kv.get("keyvalues", names("k1", "k4", "k1", "k9")).body) == [
        (b"k1", values["k1"]),
        (b"k4", values["k4"]),
        (b"k1", values["k1"]),
        (b"k9", b""),
    ]
    keys = [f"n{number:06d}" for number in range(50_000)]
    kv.post("keyvalues", message(dict.fromkeys(keys, b""))).ok()
    assert kv.keys() == sorted([*values, *keys])


@pytest.mark.fuzz
def test_mutated_requests_are_refused_and_change_nothing(kv) -> None:
    pairs = {"a": b"1", "b": b"22", "long" * 40: bytes(300)}
    kv.post("keyvalues", message(pairs)).ok()
    before = kv.get("keyrangevalues/%01/~").body
    rng, seed = random.Random(8), message(pairs)
    for _ in range(max(FUZZ_COUNT // 40, 1)):
        at = rng.randrange(len(seed))
        body = seed[:at] + rng.randbytes(rng.randint(0, 4)) + b"\x0a\xff\xff\x7f" + seed[at + rng.randint(0, 3) :]
        reply = kv.post("keyvalues", body + b"\x0b")
        assert reply.status == 400, body
        assert kv.get("keyvalues", body + b"\x0b").status == 400
        assert kv.get("keyvalues?json=true", body).status == 400
    assert kv.get("keyrangevalues/%01/~").body == before
