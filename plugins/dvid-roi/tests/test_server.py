"""ROIs over HTTP."""

from __future__ import annotations

import os
import random
import threading
from dataclasses import replace

import numpy as np
import pytest

from dvid_framework.api import BlockMask, TooLarge
from dvid_framework.testing import Config, LimitSettings
from dvid_framework.testing.pytest_plugin import ProcessFactory, ServerFactory

FUZZ_COUNT = int(os.environ.get("DVID_FUZZ_COUNT", "10000"))
EMPTY = (2147483647, -2147483648)


def test_an_roi_is_set_read_replaced_and_emptied(area) -> None:
    assert area.runs() == []
    assert area.z_range() == EMPTY
    reply = area.post("roi", [[5, 0, 2, 2], [0, 0, 3, 3], [-1, -2, -3, -1], [0, 0, 3, 3], [0, 0, 0, 5]]).ok()
    assert reply.body == b""
    assert area.get("roi").body == b"[[-1,-2,-3,-1],[0,0,0,5],[0,0,3,3],[5,0,2,2]]"
    assert area.get("roi").headers["content-type"] == "application/json"
    assert area.z_range() == (-1, 5)
    area.post("roi", [[2, 2, 2, 2]]).ok()
    assert area.runs() == [[2, 2, 2, 2]]
    area.client.delete(f"{area.path}/roi").ok()
    assert area.runs() == []
    assert area.z_range() == EMPTY
    area.client.delete(f"{area.path}/roi").ok()


def test_a_bad_roi_leaves_the_old_one(area) -> None:
    area.post("roi", [[1, 2, 3, 4]]).ok()
    for body in (b"", b"xx", b"[[0,0,0,1],[0,0,5,4]]", b"[[0,0,0,1e3]]", b"{}", b"null"):
        assert area.post("roi", body).status == 400
    assert area.runs() == [[1, 2, 3, 4]]
    assert area.client.put(f"{area.path}/roi", b"[]").status == 400
    assert area.runs() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("size", ["16,16", "16", "a,b,c", "0,1,1", "-1,2,3", "1,1,9999999999", "2000000,1,1"])
def test_block_sizes_are_checked(area, size: str) -> None:
    body = {"typename": "roi", "dataname": "bad", "BlockSize": size}
    assert area.client.post(f"/api/repo/{area.uuid}/instance", body).status == 400


def test_info_tells_the_block_size(area) -> None:
    assert area.get("info").json()["Extended"]["BlockSize"] == [16, 8, 4]
    area.client.new_instance(area.uuid, "roi", "plain")
    assert replace(area, name="plain").get("info").json()["Extended"]["BlockSize"] == [32, 32, 32]
    assert area.get("help").ok().text.count("ptquery")


def test_versions_inherit_run_by_run(area) -> None:
    area.post("roi", [[0, 0, 0, 3], [0, 1, 2, 2], [4, 4, 4, 4]]).ok()
    area.client.commit(area.uuid)
    assert area.post("roi", [[1, 1, 1, 1]]).status == 400
    assert area.client.delete(f"{area.path}/roi").status == 400
    child = replace(area, uuid=area.client.child(area.uuid))
    side = replace(area, uuid=area.client.child(area.uuid, "side"))
    assert child.runs() == area.runs()
    child.post("roi", [[0, 0, 0, 3], [7, 7, 7, 8]]).ok()
    side.client.delete(f"{side.path}/roi").ok()
    assert (child.runs(), side.runs()) == ([[0, 0, 0, 3], [7, 7, 7, 8]], [])
    assert area.runs() == [[0, 0, 0, 3], [0, 1, 2, 2], [4, 4, 4, 4]]
    assert (area.z_range(), child.z_range(), side.z_range()) == ((0, 4), (0, 7), EMPTY)
    child.client.commit(child.uuid)
    grandchild = replace(area, uuid=area.client.child(child.uuid))
    grandchild.post("roi", [[4, 4, 4, 4]]).ok()
    assert (grandchild.runs(), child.runs()) == ([[4, 4, 4, 4]], [[0, 0, 0, 3], [7, 7, 7, 8]])


def test_unversioned_rois_have_one_state(area) -> None:
    area.client.new_instance(area.uuid, "roi", "flat", Versioned="false")
    flat = replace(area, name="flat")
    flat.client.commit(flat.uuid)
    child = replace(flat, uuid=flat.client.child(flat.uuid))
    assert (flat.runs(), child.runs()) == ([], [])
    child.post("roi", [[2, 2, 2, 2]]).ok()
    assert flat.runs() == child.runs() == [[2, 2, 2, 2]]
    assert flat.z_range() == (2, 2)


def test_masks(area) -> None:
    area.post("roi", [[0, 0, 0, 0], [-1, -1, -2, -1]]).ok()
    reply = area.get("mask/0_1_2/40_20_10/-40_-10_-5").ok()
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-length"] == "8000"
    found = np.frombuffer(reply.body, np.uint8).reshape(10, 20, 40)
    wanted = np.zeros((10, 20, 40), np.uint8)
    wanted[1:5, 2:10, 8:40] = 1
    assert (found == wanted).all()
    assert area.get("mask/vol/20_10_6/0_0_0?compression=lz4").body.count(1) == 16 * 8 * 4
    assert area.get("mask/0_1_2/0_4_4/0_0_0").ok().body == b""
    assert area.client.head(f"{area.path}/mask/0_1_2/4_4_4/0_0_0").headers["content-length"] == "64"
    for bad in ("xy/4_4/0_0_0", "0_1_2/4_4_4", "0_1_2/4_4/0_0_0", "0_1_2/4_4_4/0_0", "0_1_2/2048_2048_2048/0_0_0"):
        assert area.get(f"mask/{bad}").status == 400
    assert area.post("mask/0_1_2/4_4_4/0_0_0", b"").status == 400


def test_large_masks_are_streamed(area) -> None:
    area.post("roi", [[z, y, 0, 31] for z in range(16) for y in range(32)]).ok()
    body = area.get("mask/0_1_2/600_300_70/-50_-20_-3").ok().body
    found = np.frombuffer(body, np.uint8).reshape(70, 300, 600)
    wanted = np.zeros_like(found)
    wanted[3:67, 20:276, 50:562] = 1
    assert (found == wanted).all()


def test_points(area) -> None:
    points = [[0, 0, 0], [16, 0, 0], [-1, 0, 0], [15, 7, 3], [0, 0, 4], [2147483647, 0, -2147483648]]
    assert area.post("ptquery", points).json() == [False] * 6
    area.post("roi", [[0, 0, 0, 0]]).ok()
    area.client.commit(area.uuid)
    reply = area.post("ptquery", points).ok()
    assert reply.body == b"[true,false,false,true,false,false]"
    assert reply.headers["content-type"] == "application/json"
    assert area.post("ptquery", b"null").body == area.post("ptquery", []).body == b"[]"
    for bad in (b"", b"nonsense", b"[[1.5,2,3]]", b"[1,2,3]", b'{"a":1}'):
        assert area.post("ptquery", bad).status == 400
    assert area.get("ptquery").status == 400


def test_partitions(area) -> None:
    area.post("roi", [[0, 0, 0, 7], [1, 1, 0, 7]]).ok()
    for query in ("", "?batchsize=", "?batchsize=x", "?batchsize=0", "?batchsize=-2", "?batchsize=1.5"):
        assert area.get("partition" + query).status == 400
    simple = area.get("partition?batchsize=2").ok().json()
    assert (simple["NumSubvolumes"], simple["NumActiveBlocks"]) == (4, 16)
    assert simple["Subvolumes"][0]["MaxPoint"] == [31, 15, 7]
    assert (
        area.get("partition?batchsize=3&optimized=on").json() == area.get("partition?batchsize=3&optimized=true").json()
    )
    assert area.get("partition?batchsize=3&optimized=1").json() == area.get("partition?batchsize=3").json()
    assert area.post("partition?batchsize=2", b"").status == 400


def test_other_types_ask_for_blocks(server, area) -> None:
    area.post("roi", [[0, 0, 1, 2], [1, -1, 0, 0]]).ok()
    repo, version = server.server.repos.find(area.uuid)
    provider = server.server.instances.provider(repo, "area", BlockMask)
    assert provider.mask_block_size() == (16, 8, 4)
    assert provider.block_mask(version, (0, -1, 0), (3, 2, 2)) == bytes([0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0])
    with pytest.raises(TooLarge):
        provider.block_mask(version, (0, 0, 0), (1 << 12, 1 << 12, 1 << 12))


def test_replacements_do_not_mix(server, area) -> None:
    rois = [[[worker, y, worker, worker + y] for y in range(40)] for worker in range(4)]

    def replace_often(worker: int) -> None:
        with server.new_client() as client:
            for _ in range(10):
                client.post(f"{area.path}/roi", rois[worker]).ok()
                assert client.get(f"{area.path}/roi").json() in rois

    threads = [threading.Thread(target=replace_often, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert area.runs() in rois


def test_an_roi_survives_a_kill(dvid_process: ProcessFactory, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "roi")
    first = dvid_process(tmp_path / "data")
    uuid = first.client.new_repo()
    first.client.new_instance(uuid, "roi", "area")
    first.client.post(f"/api/node/{uuid}/area/roi", [[0, 0, 0, 9], [1, 1, 1, 1]]).ok()
    first.client.post(f"/api/node/{uuid}/area/roi", [[1, 1, 1, 1], [2, 2, 2, 2]]).ok()
    first.kill()
    again = dvid_process(tmp_path / "data").client
    assert again.json(f"/api/node/{uuid}/area/roi") == [[1, 1, 1, 1], [2, 2, 2, 2]]


@pytest.mark.fuzz
def test_mutated_requests_change_nothing_unless_accepted(area) -> None:
    rng = random.Random(11)
    seed = b"[[-1,-2,-3,-1],[0,0,0,1],[5,0,2,2]]"
    area.post("roi", seed).ok()
    before = area.get("roi").body
    for _ in range(max(FUZZ_COUNT // 40, 1)):
        at = rng.randrange(len(seed))
        body = (
            seed[:at] + rng.choice([b"x", b"\xff", b"[", b"{", b'"', b"99999999999"]) + seed[at + rng.randint(0, 2) :]
        )
        if area.post("roi", body).status == 200:
            before = area.get("roi").body
        assert area.post("ptquery", body).status in (200, 400)
        assert area.get("roi").body == before


def test_a_body_that_is_large_in_memory_is_refused_before_it_fills_it(
    dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "roi")
    server = dvid_server(config=Config(limits=LimitSettings(memory_bytes=8 << 20)))
    client = server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "roi", "area")
    path = f"/api/node/{uuid}/area"
    client.post(f"{path}/roi", [[0, 0, 0, 1]]).ok()
    assert client.post(f"{path}/roi", [[0, 0, 0, 1]] * 50_000).status == 413
    assert client.post(f"{path}/ptquery", [[0, 0, 0]] * 60_000).status == 413
    assert client.json(f"{path}/roi") == [[0, 0, 0, 1]]
    assert server.server.budget.held == 0
