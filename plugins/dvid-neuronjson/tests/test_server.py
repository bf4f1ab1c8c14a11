"""The addresses over HTTP."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import tarfile

import pytest
from dvid_neuronjson.batches import decode_keys, decode_pairs, encode_pairs
from dvid_neuronjson.codec import encode_neuron
from dvid_neuronjson.keys import type_key


def batch(**neurons: str) -> bytes:
    return b"".join(encode_pairs((name.removeprefix("n"), value.encode()) for name, value in neurons.items()))


def test_numbers_come_back_exactly(neurons) -> None:
    fields = {"max": (1 << 64) - 1, "min": -(1 << 63), "beyond": 1 << 70, "nested": {"a": [(1 << 53) + 1, 1.5, None]}}
    neurons.put(5, {**fields, "double": 1e3, "tiny": 1e-320}).ok()
    assert neurons.json("key/5") == {"bodyid": 5, **fields, "double": 1000, "tiny": 1e-320}
    assert neurons.post("key/5?u=a", '{"bodyid":5,"x":1e400}').status == 400
    assert neurons.post("key/5?u=a", '{"bodyid":6,"bodyid":5,"x":1}').ok().status == 200
    assert neurons.post("key/05?u=a", '{"bodyid":5,"x":2}').ok().status == 200
    assert neurons.json("key/5?fields=x") == {"bodyid": 5, "x": 2}
    assert neurons.keys() == [5]


def test_keys_are_numbers(neurons) -> None:
    neurons.put(5, {"a": 1}).ok()
    for key in ("a", "-1", "1.5", "18446744073709551616", "%C2%B2", "0x5", "1" * 50, "json_schema"):
        for method in ("GET", "HEAD", "DELETE"):
            assert neurons.client.request(method, f"{neurons.path}/key/{key}").status == 400, (method, key)
        assert neurons.post(f"key/{key}?u=a", "{}").status == 400
    assert neurons.post("key/0?u=a", '{"bodyid":0}').status == 400
    assert neurons.get("key/0").status == 404
    assert neurons.client.head(f"{neurons.path}/key/5").status == 200
    assert neurons.get("key/5").headers["content-type"] == "application/json"
    assert neurons.client.put(f"{neurons.path}/key/5?u=a", "{}").status == 400


def test_what_is_refused_changes_nothing(neurons) -> None:
    neurons.put(5, {"keep": 1}).ok()
    deep = "[" * 100_000
    for body in ("", "[]", '{"bodyid":5,', "{}", '{"bodyid":5,"x_time":7}', f'{{"bodyid":5,"x":{deep}', b"\xff"):
        assert neurons.post("key/5?u=a", body).status == 400
        assert neurons.post("keyvalues?u=a", batch(n6='{"bodyid":6}') + batch(n5="@").replace(b"@", b"[")).status == 400
    assert neurons.post("key/5", '{"bodyid":5,"keep":2}').status == 400
    assert neurons.post("key/5?u=", '{"bodyid":5,"keep":2}').status == 400
    assert neurons.json("keyvalues?json=true", [5, 6]) == {"5": {"bodyid": 5, "keep": 1}}


def test_a_batch_is_all_or_nothing(neurons) -> None:
    neurons.post("keyvalues?u=ann", batch(n5='{"bodyid":5,"x":1}', n6='{"bodyid":6}')).ok()
    bad = batch(n5='{"bodyid":5,"x":2}', n7='{"bodyid":8}')
    assert neurons.post("keyvalues?u=ann", bad).status == 400
    assert neurons.post("keyvalues?u=ann", batch(n0='{"bodyid":0}')).status == 400
    assert neurons.json("keyrangevalues/0/a?json=true") == {"5": {"bodyid": 5, "x": 1}, "6": {"bodyid": 6}}
    twice = batch(n5='{"bodyid":5,"x":3,"y":1}') + batch(n5='{"bodyid":5,"y":2}')
    neurons.post("keyvalues?u=bob", twice).ok()
    assert neurons.json("key/5?show=user") == {"bodyid": 5, "x": 3, "x_user": "bob", "y": 2, "y_user": "bob"}


def test_formats_of_batches(neurons) -> None:
    for number in (5, 10, 200):
        neurons.put(number, {"a": number}).ok()
    pairs = decode_pairs(neurons.get("keyvalues", b"\x0a\x0210\x0a\x017\x0a\x0210").ok().body)
    assert pairs == [("10", b'{"bodyid":10,"a":10}'), ("7", b""), ("10", b'{"bodyid":10,"a":10}')]
    with tarfile.open(fileobj=io.BytesIO(neurons.get("keyvalues?tar=true", '["7","200"]').ok().body)) as tar:
        assert [(one.name, one.size, one.mode) for one in tar] == [("7", 0, 0o755), ("200", 22, 0o755)]
    assert neurons.json("keyvalues?json=true&fields=a", ["200", "5"]) == {
        "200": {"bodyid": 200, "a": 200},
        "5": {"bodyid": 5, "a": 5},
    }
    for bad in ('["1",2]', "[1.5]", "{}", "", '["x"]', "[-1]", "[true]", "[18446744073709551616]"):
        assert neurons.get("keyvalues?json=true", bad).status == 400, bad
    assert neurons.get("keyvalues?tar=true", "[1]").status == 400
    assert neurons.get("keyvalues", b"\xff\xff").status == 400
    assert neurons.get("keyrangevalues/5/10?json=true&tar=true").status == 400
    assert decode_pairs(neurons.get("keyrangevalues/6/199").body) == [("10", b'{"bodyid":10,"a":10}')]


def test_ranges(neurons) -> None:
    numbers = [1, 9, 10, 99, 100, (1 << 64) - 1]
    for number in numbers:
        neurons.put(number, {"a": number}).ok()
    for warm in (False, True):
        if warm:
            neurons.get("all").ok()
        assert neurons.keys() == numbers
        for bounds, expected in {
            "9/99": [9, 10, 99],
            "0/a": numbers,
            "%20/%7f": numbers,
            "100/a": numbers[4:],
            f"{(1 << 64) - 1}/a": numbers[5:],
            "99/9": [],
            "0/0": [],
            "11/98": [],
        }.items():
            assert neurons.json(f"keyrange/{bounds}") == [str(number) for number in expected], bounds
            assert list(neurons.json(f"keyrangevalues/{bounds}?json=true")) == [str(number) for number in expected]
        for bad in ("1", "1x/2", "1/2x"):
            assert neurons.get(f"keyrange/{bad}").status == 400


def test_what_is_shown(neurons) -> None:
    neurons.put(5, {"type": "x", "note": 1}, "u=ann").ok()
    neurons.put(6, {"note": 2}, "u=bob").ok()
    neurons.put(7, {}).ok()
    assert neurons.json("key/5?show=user") == {
        "bodyid": 5,
        "type": "x",
        "type_user": "ann",
        "note": 1,
        "note_user": "ann",
    }
    assert set(neurons.json("key/5?show=time")) == {"bodyid", "type", "type_time", "note", "note_time"}
    assert neurons.json("key/5?fields=type&show=user") == {"bodyid": 5, "type": "x", "type_user": "ann"}
    assert neurons.json("key/5?fields=type_user") == {"bodyid": 5, "type_user": "ann"}
    assert neurons.json("all") == [{"bodyid": 5, "note": 1, "type": "x"}, {"bodyid": 6, "note": 2}]
    assert neurons.json("all?fields=type") == [{"bodyid": 5, "type": "x"}]
    assert neurons.json("all?fields=type,type_user") == [{"bodyid": 5, "type": "x", "type_user": "ann"}]
    assert neurons.json("all?fields=note_user") == [
        {"bodyid": 5, "note_user": "ann"},
        {"bodyid": 6, "note_user": "bob"},
    ]
    assert neurons.json("all?fields=bodyid") == [{"bodyid": 5}, {"bodyid": 6}, {"bodyid": 7}]
    assert neurons.ask({"note": [1, 2]}, "fields=type") == [{"bodyid": 5, "type": "x"}, {"bodyid": 6}]
    assert neurons.ask({"note": 1}, "show=user&fields=note") == [{"bodyid": 5, "note": 1, "note_user": "ann"}]
    assert neurons.json("fields?counts=true") == {
        "bodyid": 3,
        **dict.fromkeys(("note", "note_time", "note_user"), 2),
        **dict.fromkeys(("type", "type_time", "type_user"), 1),
    }
    assert set(neurons.json("fields")) == set(neurons.json("fields?counts=true"))
    assert set(neurons.json("fieldtimes")) == {"note", "type"}


def test_all_is_compressed_for_who_takes_it(neurons) -> None:
    neurons.put(5, {"type": "x"}).ok()
    plain = neurons.get("all")
    packed = neurons.get("all", **{"Accept-Encoding": "gzip, deflate"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body == b'[{"bodyid":5,"type":"x"}]'
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in neurons.get("all", **{"Accept-Encoding": "gzip;q=0"}).headers


def test_bodies_alone_come_as_they_are_asked_for(neurons) -> None:
    for number in (1, 2, 3):
        neurons.put(number, {"a": number}).ok()
    assert neurons.ask({"bodyid": [3, 1, 9, 3]}) == [3, 1, 3]
    assert neurons.ask({"bodyid": [3, 1]}, "fields=a") == [{"bodyid": 3, "a": 3}, {"bodyid": 1, "a": 1}]
    assert neurons.ask([{"bodyid": 2}, {"bodyid": 1}]) == [2, 1]
    assert neurons.ask({"bodyid": [3, 1], "a": "exists/1"}) == [1, 3]
    assert neurons.ask({"bodyid": 9}) == []
    assert neurons.ask({"bodyid": [-1, 2]}) == [2]
    assert neurons.ask({"bodyid": -1}, "fields=a") == []


def test_a_query_without_conditions_finds_nothing(neurons) -> None:
    neurons.put(1, {"a": 1}).ok()
    assert neurons.ask({}) == neurons.ask([{}, {}]) == []
    assert neurons.ask([{}, {"a": 2}]) == [1]


def test_schemas_are_kept_as_they_were_posted(neurons) -> None:
    for name in ("schema", "schema_batch"):
        assert neurons.get(name).status == neurons.get(f"key/{name}").status == 404
        neurons.post(name, b" any \xff bytes").ok()
        assert neurons.get(f"key/{name}").ok().body == b" any \xff bytes"
        assert neurons.post(f"key/{name}", b"{}").status == 400
        neurons.post(f"key/{name}?u=ann", b"{}").ok()
        assert neurons.get(name).ok().body == b"{}"
        neurons.delete(f"key/{name}").ok()
        assert neurons.get(name).status == 404
    assert neurons.keys() == []


def test_versions(neurons) -> None:
    neurons.put(1, {"a": "root"}).ok()
    neurons.put(20, {"a": "root"}).ok()
    neurons.put(100, {"a": "root"}).ok()
    assert neurons.ask({"a": "root"}) == [1, 20, 100]
    neurons.client.commit(neurons.uuid)
    assert neurons.put(1, {"a": "x"}).status == neurons.delete("key/1").status == 400
    assert neurons.post("query?onlyid=true", {"a": "root"}).ok().json() == [1, 20, 100]
    child = neurons.at(neurons.client.child(neurons.uuid))
    side = neurons.at(neurons.client.child(neurons.uuid, "side"))
    child.put(1, {"a": "child"}).ok()
    child.delete("key/20").ok()
    side.put(7, {"a": "side"}).ok()
    assert neurons.post("query?onlyid=true", {"a": "root"}).ok().json() == [1, 100, 20], "as texts, where it is no head"
    assert neurons.keys() == [1, 20, 100]
    assert child.keys() == [1, 100]
    assert side.keys() == [1, 7, 20, 100]
    assert child.ask({"a": "root"}) == [100]
    assert child.ask({"a": "child"}) == [1]
    assert sorted(side.ask({"a": ["root", "side"]})) == [1, 7, 20, 100]
    assert neurons.json("key/1") == {"bodyid": 1, "a": "root"}


def test_what_merged_branches_disagree_about_is_refused_until_it_is_replaced(neurons) -> None:
    neurons.put(1, {"a": "root"}).ok()
    neurons.client.commit(neurons.uuid)
    client = neurons.client
    sides = [neurons.at(client.child(neurons.uuid, branch)) for branch in ("left", "right")]
    for side in sides:
        side.put(1, {"a": side.uuid}).ok()
        side.put(int(side.uuid[:4], 16) + 2, {"b": 1}).ok()
        client.commit(side.uuid)
    body = {"mergeType": "conflict-free", "parents": [side.uuid for side in sides], "note": ""}
    merged = neurons.at(client.post(f"/api/repo/{neurons.uuid}/merge", body).ok().json()["child"])
    assert merged.get("key/1").status == merged.get("all").status == 409
    assert merged.put(1, {"a": "x"}).status == 409
    merged.put(1, {"a": "x"}, "u=ann&replace=true").ok()
    assert merged.json("key/1?show=user") == {"bodyid": 1, "a": "x", "a_user": "ann"}
    assert len(merged.json("all")) == 3


def test_an_unversioned_instance_has_one_state(neurons) -> None:
    neurons.client.new_instance(neurons.uuid, "neuronjson", "flat", versioned="false")
    flat = neurons.named("flat")
    flat.put(1, {"a": 1}).ok()
    assert flat.ask({"a": 1}) == [1]
    neurons.client.commit(neurons.uuid)
    child = neurons.named("flat").at(neurons.client.child(neurons.uuid))
    child.put(2, {"a": 1}).ok()
    flat.put(3, {"a": 1}).ok()
    assert sorted(flat.ask({"a": 1})) == sorted(child.ask({"a": 1})) == [1, 2, 3]


def test_damage_is_named(server, neurons) -> None:
    for number in (5, 6, 7):
        neurons.put(number, {"a": 1}).ok()
    repo, version = server.server.repos.find(neurons.uuid)
    instance = server.server.instances.get(repo, "nj")
    assert list(instance.check(version)) == []
    with instance.begin(version) as txn:
        txn.put(type_key(5), b"\x01")
        txn.put(type_key(6), encode_neuron({"bodyid": 66}))
        txn.put(type_key(7), encode_neuron({"bodyid": 7})[:-1])
    found = list(instance.check(version))
    assert [sentence.split()[1] for sentence in found] == ["5", "6", "7"]
    assert neurons.get("key/5").status == 500
    assert neurons.get("all").status == 500, "what another wrote is not taken from memory"


@pytest.mark.fuzz
def test_mutated_requests_are_refused_and_change_nothing(neurons) -> None:
    count = max(int(os.environ.get("DVID_FUZZ_COUNT", "10000")) // 50, 1)
    neurons.put(5, {"a": [1, "x"], "b": {"c": None}}).ok()
    before, rng = neurons.get("all?show=all").body, random.Random(5)
    seed = batch(n5='{"bodyid":5,"a":1}', n6='{"bodyid":6}')
    query = json.dumps([{"a": "re/^x", "b": ["x", "re/y"]}, {"c": [1, 2.5]}]).encode()
    for _ in range(count):
        at = rng.randrange(len(seed))
        body = (
            seed[:at]
            + rng.randbytes(rng.randint(1, 4))
            + b"\x0a\xff\xff\x7f"
            + seed[at + rng.randint(0, 3) :]
            + b"\x0b"
        )
        assert neurons.post("keyvalues?u=a", body).status == 400, body
        assert neurons.get("keyvalues", body).status == 400
        at = rng.randrange(len(query))
        asked = query[:at] + rng.randbytes(rng.randint(0, 3)) + query[at + rng.randint(0, 3) :]
        assert neurons.get("query?onlyid=true", asked).status in (200, 400), asked
        assert neurons.post("json_schema", asked).status in (200, 400), asked
        neurons.delete("json_schema").ok()
    assert neurons.get("all?show=all").body == before


def test_decoders_of_messages_refuse_what_is_cut_off() -> None:
    whole = batch(n5="{}", n6="{}")
    assert decode_pairs(whole) == [("5", b"{}"), ("6", b"{}")]
    assert decode_keys(b"\x0a\x015\x12\x00\x18\x05") == ["5"]
