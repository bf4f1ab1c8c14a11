"""The addresses over HTTP."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import random
import tarfile
import threading

import pytest
from dvid_tarsupervoxels.keys import data_key

from dvid_framework.testing.pytest_plugin import ProcessFactory


def tar_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def files_of(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}


def test_single_supervoxels(tars) -> None:
    large = random.Random(1).randbytes(3 << 20)
    for number, data in {1: b"one", (1 << 64) - 1: b"last", 5: b"", 6: large}.items():
        assert tars.get(f"supervoxel/{number}").status == tars.head(f"supervoxel/{number}") == 404
        assert tars.post(f"supervoxel/{number}", data).ok().body == b""
        reply = tars.get(f"supervoxel/{number}").ok()
        assert reply.body == data
        assert reply.headers["content-type"] == "application/octet-stream"
        assert tars.head(f"supervoxel/{number}") == 200
    assert tars.exists(1, 2, 5, 6, 1, (1 << 64) - 1, 0) == [True, False, True, True, True, True, False]
    tars.client.delete(f"{tars.path}/supervoxel/1").ok()
    tars.client.delete(f"{tars.path}/supervoxel/1").ok()
    assert tars.exists(1, 5) == [False, True]
    for bad in ("0", "a", "-1", "18446744073709551616", "1.5", "%C2%B2"):
        for method in ("GET", "POST", "DELETE"):
            assert tars.client.request(method, f"{tars.path}/supervoxel/{bad}", b"").status == 400
    assert tars.client.put(f"{tars.path}/supervoxel/1", b"x").status == 400


def test_exists_checks_its_body(tars) -> None:
    body = "[1, 2]"
    digest = hashlib.md5(body.encode()).hexdigest()
    assert tars.get(f"exists?hash={digest}", body).ok().json() == [False, False]
    assert tars.get(f"exists?hash={digest.upper()}", body).status == 400
    assert tars.get("exists?hash=", body).ok().json() == [False, False]
    for bad in ("", "{}", f"[{1 << 64}]", '["1"]', "[1.5]", "[-1]", "[true]", "[1", "[" * 100_000, "null"):
        assert tars.get("exists", bad).status == 400, bad
    assert tars.post("exists", "[1]").status == 400


def test_loading_is_all_or_nothing(tars) -> None:
    assert tars.post("load", tar_of({"1.dat": b"one", "0002.dat": b"two", "3.dat": b""})).ok().body == b""
    assert tars.exists(1, 2, 3) == [True] * 3
    for bad in ("8.txt", "a.dat", "dir/8.dat", "0.dat"):
        assert tars.post("load", tar_of({"1.dat": b"changed", "4.dat": b"x", bad: b"x"})).status == 400
    whole = tar_of({"1.dat": b"changed", "4.dat": b"x" * 5000})
    for cut in (700, 1600, 3000):
        assert tars.post("load", whole[:cut]).status == 400
    assert tars.exists(1, 4) == [True, False]
    assert tars.get("supervoxel/1").body == b"one"
    tars.post("load", tar_of({"1.dat": b"first", "01.dat": b"last"})).ok()
    assert tars.get("supervoxel/1").body == b"last"
    tars.post("load").ok()
    tars.post("load", tar_of({})).ok()
    assert tars.get("load").status == 400
    actions = [entry["Action"] for entry in tars.get("mutations").ok().json()]
    assert actions == ["load", "load"]


def test_the_files_of_a_body(tars) -> None:
    tars.bodies(b1=[30, 7, 20], b2=[5])
    assert tars.head("tarfile/1") == 400
    tars.post("load", tar_of({"7.dat": b"seven", "30.dat": b"x" * 600, "20.dat": b""})).ok()
    reply = tars.get("tarfile/1").ok()
    assert reply.headers["content-type"] == "application/tar"
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert list(files_of(reply.body).items()) == [("7.dat", b"seven"), ("20.dat", b""), ("30.dat", b"x" * 600)]
    assert tars.head("tarfile/1") == 200
    assert tars.get("missing/1").ok().json() == tars.post("missing/1").ok().json() == []
    tars.client.delete(f"{tars.path}/supervoxel/20").ok()
    assert tars.head("tarfile/1") == 400
    assert tars.get("missing/1").ok().json() == [20]
    assert files_of(tars.get("tarfile/1").body)["20.missing"] == b""
    for bad in ("0", "a", "-1", "3"):
        assert tars.get(f"tarfile/{bad}").status == tars.head(f"tarfile/{bad}") == 400
        assert tars.get(f"missing/{bad}").status == 400
    assert tars.post("tarfile/1").status == 400


def test_large_bodies_are_streamed(tars) -> None:
    rng, expected = random.Random(2), dict[str, bytes]()
    for part in range(4):
        files = {f"{part * 100 + number + 1}.dat": rng.randbytes(60_000) for number in range(100)}
        tars.post("load", tar_of(files)).ok()
        expected |= files
    tars.bodies(b9=list(range(1, 402)))
    found = files_of(tars.get("tarfile/9").ok().body)
    assert found == {**expected, "401.missing": b""}


def test_bodies_belong_to_versions_and_files_to_the_repo(tars) -> None:
    tars.bodies(b1=[1], b2=[2])
    tars.post("load", tar_of({"1.dat": b"1", "2.dat": b"2"})).ok()
    tars.client.commit(tars.uuid)
    assert tars.post("supervoxel/3", b"x").status == tars.post("load").status == 400
    assert tars.client.delete(f"{tars.path}/supervoxel/1").status == 400
    child, side = tars.at(tars.client.child(tars.uuid)), tars.at(tars.client.child(tars.uuid, "side"))
    child.bodies(b1=[1, 2], b2=[])
    assert list(files_of(child.get("tarfile/1").body)) == ["1.dat", "2.dat"]
    assert child.get("tarfile/2").status == 400
    assert list(files_of(side.get("tarfile/1").body)) == list(files_of(tars.get("tarfile/1").body)) == ["1.dat"]
    child.post("supervoxel/1", b"from the child").ok()
    assert [one.get("supervoxel/1").body for one in (tars, child, side)] == [b"from the child"] * 3
    tars.client.delete(f"{side.path}/supervoxel/1").ok()
    assert [one.exists(1) for one in (tars, child, side)] == [[False]] * 3


def test_without_a_segmentation_there_are_no_bodies(tars) -> None:
    tars.client.new_instance(tars.uuid, "tarsupervoxels", "alone", Extension="drc")
    alone = tars.named("alone")
    for again in range(2):
        assert alone.get("tarfile/1").status == alone.head("tarfile/1") == alone.get("missing/1").status == 400
        if not again:
            alone.post("sync", {"sync": "ts"}).ok()
    alone.post("sync", {"sync": "seg"}).ok()
    tars.bodies(b1=[1])
    assert alone.get("missing/1").ok().json() == [1]


def test_another_extension_hides_files(tars) -> None:
    tars.post("supervoxel/1", b"as dat").ok()
    tars.post("info", {"extension": "drc"}).ok()
    assert tars.get("info").ok().json()["Extended"] == {"Extension": "drc"}
    assert tars.exists(1) == [False]
    tars.post("load", tar_of({"1.drc": b"as drc"})).ok()
    assert tars.post("load", tar_of({"1.dat": b"x"})).status == 400
    for bad in ({"Extension": 5}, {"Extension": ""}, {"Extension": "a.b"}, {"Extension": "missing"}):
        assert tars.post("info", bad).status == 400
    assert tars.post("info", b"x").status == 400
    tars.post("info", {"Extension": "dat"}).ok()
    assert tars.get("supervoxel/1").body == b"as dat"


def test_damage_is_named(server, tars) -> None:
    tars.post("load", tar_of({"1.dat": b"one", "2.dat": b"two"})).ok()
    repo, version = server.server.repos.find(tars.uuid)
    instance = server.server.instances.get(repo, "ts")
    assert list(instance.check(version)) == []
    with instance.begin(version) as txn:
        txn.put_shared(data_key(1, "dat"), b"longer")
        txn.delete_shared(data_key(2, "dat"))
    assert list(instance.check(version)) == [f"the data of supervoxel {one} is not what was stored" for one in (1, 2)]
    tars.bodies(b1=[1, 2])
    assert tars.get("tarfile/1").status == 500


def test_a_random_walk(server, tars) -> None:
    rng, expected = random.Random(7), dict[int, bytes]()
    versions = [tars]
    for step in range(int(os.environ.get("DVID_MODEL_STEPS", "60"))):
        here, number = rng.choice(versions), rng.randint(1, 12)
        what = rng.random()
        if what < 0.4:
            here.post(f"supervoxel/{number}", b"%d" % step).ok()
            expected[number] = b"%d" % step
        elif what < 0.7:
            files = {rng.randint(1, 12): rng.randbytes(rng.randint(0, 900)) for _ in range(rng.randint(0, 4))}
            here.post("load", tar_of({f"{one}.dat": data for one, data in files.items()})).ok()
            expected |= files
        elif what < 0.9:
            tars.client.delete(f"{here.path}/supervoxel/{number}").ok()
            expected.pop(number, None)
        elif len(versions) < 3:
            tars.client.commit(here.uuid)
            versions.remove(here)
            versions += [tars.at(tars.client.child(here.uuid)), tars.at(tars.client.child(here.uuid, f"b{step}"))]
        if step % 20 == 19:
            server.restart()
            tars.client = server.client
            versions = [one.by(server.client) for one in versions]
        there = rng.choice(versions)
        assert there.exists(*range(1, 13)) == [one in expected for one in range(1, 13)]
        there.bodies(b1=list(range(1, 13)))
        found = files_of(there.get("tarfile/1").ok().body)
        assert found == {
            f"{one}.{'dat' if one in expected else 'missing'}": expected.get(one, b"") for one in range(1, 13)
        }


@pytest.mark.crash
def test_what_was_acknowledged_survives_kills(tars, dvid_process: ProcessFactory, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "tarsupervoxels")
    rng, data = random.Random(3), tmp_path / "killed"
    process = dvid_process(data)
    uuid = process.client.new_repo()
    process.client.new_instance(uuid, "tarsupervoxels", "ts", Extension="dat")
    expected: dict[int, bytes] = {}
    doubtful: dict[int, bytes] = {}
    for cycle in range(int(os.environ.get("DVID_CRASH_CYCLES", "3"))):
        process = dvid_process(data) if cycle else process
        here = tars.by(process.client).at(uuid)
        found = {one: here.get(f"supervoxel/{one}").body for one in range(1, 31) if here.exists(one) == [True]}
        assert found in (expected, {**expected, **doubtful}), "a load is whole or nowhere"
        expected = found
        killer = threading.Timer(rng.uniform(0.2, 1.0), process.kill)
        killer.start()
        try:
            while True:
                doubtful = {rng.randint(1, 30): rng.randbytes(20_000) for _ in range(8)}
                here.post("load", tar_of({f"{one}.dat": blob for one, blob in doubtful.items()})).ok()
                expected |= doubtful
        except (OSError, http.client.HTTPException, AssertionError):
            killer.join()


@pytest.mark.fuzz
def test_mutated_requests_change_all_or_nothing(tars) -> None:
    rng = random.Random(6)
    seed = tar_of({f"{number}.dat": bytes([number]) * 300 for number in range(1, 4)})
    for _ in range(max(int(os.environ.get("DVID_FUZZ_COUNT", "10000")) // 100, 1)):
        before = tars.exists(*range(1, 4))
        at = rng.randrange(len(seed))
        archive = seed[:at] + rng.randbytes(rng.randint(0, 3)) + seed[at + rng.randint(0, 3) :]
        status = tars.post("load", archive).status
        assert status in (200, 400)
        if status == 400:
            assert tars.exists(*range(1, 4)) == before
        assert tars.get("exists", json.dumps([1, 2])[: rng.randint(0, 5)]).status == 400
