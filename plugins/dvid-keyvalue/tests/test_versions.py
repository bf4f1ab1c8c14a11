"""Versions, the log of mutations, and what survives."""

from __future__ import annotations

import threading
from dataclasses import replace

from dvid_framework.testing.pytest_plugin import ProcessFactory


def test_a_child_changes_nothing_above(kv) -> None:
    for key in ("same", "changed", "deleted"):
        kv.put(key, b"root")
    kv.client.commit(kv.uuid)
    assert kv.post("key/same", b"x").status == 400
    assert kv.client.delete(f"{kv.path}/key/same").status == 400
    assert kv.post("keyvalues", b"").status == 400
    assert kv.post("keys").status == 400
    child = replace(kv, uuid=kv.client.child(kv.uuid))
    side = replace(kv, uuid=kv.client.child(kv.uuid, "side"))
    child.put("changed", b"child")
    child.put("added", b"child")
    child.client.delete(f"{child.path}/key/deleted").ok()
    assert child.keys() == ["added", "changed", "same"]
    assert kv.keys() == side.keys() == ["changed", "deleted", "same"]
    assert child.get("key/changed").body == b"child"
    assert kv.get("key/changed").body == b"root"
    assert child.get("keyvalues?json=true", '["deleted"]').body == b'{"deleted":{}}'
    assert child.get("keyrangevalues/a/d?json=true").body == b'{"added":child,"changed":child}'


def test_unversioned_instances_have_one_state(kv) -> None:
    kv.client.new_instance(kv.uuid, "keyvalue", "flat", versioned="false")
    flat = replace(kv, name="flat")
    kv.client.commit(kv.uuid)
    flat.put("k", b"after the commit")
    child = replace(flat, uuid=kv.client.child(kv.uuid))
    child.put("k2", b"child")
    assert flat.keys() == child.keys() == ["k", "k2"]
    logged = [entry["Key"] for entry in child.client.json(f"{child.path}/mutations")]
    assert logged == ["k", "k2"]


def test_the_log_has_an_entry_for_each_key(kv) -> None:
    kv.put("a", b"12345")
    kv.post("keyvalues?u=tester", b"\x0a\x07\x0a\x01b\x12\x0222\x0a\x06\x0a\x01c\x12\x011").ok()
    kv.client.delete(f"{kv.path}/key/never").ok()
    entries = kv.client.json(f"{kv.path}/mutations")
    assert [(entry["Action"], entry["Key"], entry.get("Bytes")) for entry in entries] == [
        ("postkv", "a", 5),
        ("postkv", "b", 2),
        ("postkv", "c", 1),
        ("delete", "never", None),
    ]
    assert all(set(entry) - {"Bytes"} == {"Action", "Key", "Timestamp", "UUID"} for entry in entries)


def test_writers_do_not_lose_each_others_keys(server, kv) -> None:
    def write(worker: int) -> None:
        with server.new_client() as client:
            for number in range(30):
                client.post(f"{kv.path}/key/{worker}-{number}", b"1").ok()

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kv.keys() == sorted(f"{worker}-{number}" for worker in range(4) for number in range(30))


def test_what_was_acknowledged_survives_a_kill(dvid_process: ProcessFactory, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "keyvalue")
    first = dvid_process(tmp_path / "data")
    client = first.client
    uuid = client.new_repo()
    client.new_instance(uuid, "keyvalue", "kv")
    for number in range(20):
        client.post(f"/api/node/{uuid}/kv/key/{number:02d}", bytes([number]) * 1000).ok()
    first.kill()
    again = dvid_process(tmp_path / "data").client
    assert again.json(f"/api/node/{uuid}/kv/keys") == [f"{number:02d}" for number in range(20)]
    assert again.get(f"/api/node/{uuid}/kv/key/07").body == bytes([7]) * 1000
