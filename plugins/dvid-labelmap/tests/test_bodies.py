"""Bodies over HTTP: what conversations don't show."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import lz4.block
import numpy as np
import pytest
from dvid_labels import gunzip, kernels
from dvid_labels.indices import decode_index, encode_index
from dvid_labels.runs import decode_rles, decode_runs
from numpy.typing import NDArray

from dvid_framework.api import SupervoxelsOf
from dvid_framework.testing import Config, LimitSettings
from dvid_framework.testing.running import ServerThread

Labels = NDArray[np.uint64]
BLOCK = 16


def solid(label: int, blocks: int = 1) -> Labels:
    return np.full((BLOCK, BLOCK, BLOCK * blocks), label, np.uint64)


def filled(runs: NDArray[np.int32], shape: tuple[int, int, int], offset: int = 0) -> NDArray[np.bool_]:
    found = np.zeros(shape, bool)
    for x, y, z, length in runs.tolist():
        assert not found[z - offset, y - offset, x - offset : x - offset + length].any()
        found[z - offset, y - offset, x - offset : x - offset + length] = True
    return found


@pytest.fixture
def row(segmentation: Any) -> Any:
    """Bodies 1 to 6, a block each, along x from block -3 on."""
    labels = np.concatenate([solid(label) for label in range(1, 7)], axis=2)
    segmentation.write_raw(labels, (-3 * BLOCK, 0, 0)).ok()
    return segmentation


def test_overwritten_voxels_move_between_bodies(row: Any) -> None:
    for query in ("", "?mutate=true"):
        row.write_raw(solid(9), (-3 * BLOCK, 0, 0), query).ok()
        assert row.get("sizes", [1, 9]).ok().json() == [0, BLOCK**3]
    assert row.get("index/1").status == 404
    assert row.json("sparsevol-size/9")["minvoxel"] == [-48, 0, 0]
    row.write_raw(solid(0), (-3 * BLOCK, 0, 0)).ok()
    assert row.json("existing-labels") == [2, 3, 4, 5, 6]


def test_a_body_shrinks_at_its_ends(row: Any) -> None:
    row.post("merge", [3, 1, 2, 4, 5, 6]).ok()
    assert row.json("sparsevol-size/3")["minvoxel"] == [-48, 0, 0]
    row.write_raw(solid(9), (-3 * BLOCK, 0, 0)).ok()
    row.write_raw(solid(9), (2 * BLOCK, 0, 0)).ok()
    shown = row.json("sparsevol-size/3")
    assert (shown["minvoxel"], shown["maxvoxel"], shown["numblocks"]) == ([-32, 0, 0], [31, 15, 15], 4)
    assert row.json("supervoxels/3") == [2, 3, 4, 5]


def test_voxels_of_merged_supervoxels_count_to_their_body(row: Any) -> None:
    row.post("merge", [3, 1]).ok()
    row.write_raw(solid(1), (0, BLOCK, 0)).ok()
    assert row.json("size/3") == {"voxels": 3 * BLOCK**3}
    assert row.get("size/1").status == 404
    assert row.json("size/1?supervoxels=true") == {"voxels": 2 * BLOCK**3}
    assert row.json("label/0_16_0") == {"Label": 3}
    assert row.json("label/0_16_0?supervoxels=true") == {"Label": 1}


def test_mappings_before_voxels(segmentation: Any) -> None:
    """The original loses the voxels of supervoxels that were mapped before they were written."""
    pairs = np.array([[7, 5], [8, 5], [9, 0]], np.uint64)
    segmentation.post("mappings", kernels.encode_mapping_ops(pairs[:, 0], pairs[:, 1])).ok()
    segmentation.write_raw(np.concatenate([solid(7), solid(8), solid(9)], axis=2), (0, 0, 0)).ok()
    assert segmentation.json("supervoxel-sizes/5") == {"supervoxels": [7, 8], "sizes": [BLOCK**3] * 2}
    assert segmentation.json("existing-labels") == [5]
    assert segmentation.get("labels", [[0, 0, 0], [20, 0, 0], [40, 0, 0]]).json() == [5, 5, 0]
    assert segmentation.get("sparsevol/9?supervoxels=true").status == 400
    assert segmentation.get("size/9?supervoxels=true").status == 400
    assert segmentation.get("sizes?supervoxels=true", [9, 8]).json() == [0, BLOCK**3]


def test_mappings_after_voxels_leave_indices_until_voxels_are_written(row: Any) -> None:
    row.post("mappings", kernels.encode_mapping_ops(np.array([1], np.uint64), np.array([2], np.uint64))).ok()
    assert row.get("sizes", [1, 2]).json() == [BLOCK**3] * 2
    assert row.json("label/-48_0_0") == {"Label": 2}
    row.write_raw(solid(1), (-3 * BLOCK, 0, 0)).ok()
    assert row.get("sizes", [1, 2]).json() == [0, 2 * BLOCK**3]


def test_a_merge_is_seen_in_children_alone(row: Any) -> None:
    row.client.commit(row.root)
    left, right = row.client.child(row.root), row.client.child(row.root, branch="b")
    answer = row.post("merge?u=ann&app=test", [2, 1, 3], left).ok().json()
    assert row.json("lastmod/2", left)["mutation id"] == answer["MutationID"]
    assert row.json("lastmod/2", right)["mutation id"] == 0
    assert row.get("index-version/1", version=left).status == 404
    assert row.get("index-version/2", version=left).text == left
    assert row.get("index-version/4", version=left).text == row.root
    for version, expected in ((row.root, [1, 2, 3]), (left, [2, 2, 2]), (right, [1, 2, 3])):
        assert row.get("mapping", [1, 2, 3], version).json() == expected
    entry = row.json("mutations", left)[-1]
    assert (entry["Action"], entry["Target"], entry["Labels"]) == ("merge-complete", 2, [1, 3])
    assert (entry["User"], entry["App"], entry["MutationID"]) == ("ann", "test", answer["MutationID"])
    assert row.post("merge", [4, 5]).status == 400
    index = decode_index(row.get("index/2", version=left).ok().body)
    assert index.surface_mutids.tolist() == [answer["MutationID"], 0, answer["MutationID"]]


@pytest.mark.parametrize(
    "body",
    ["", "[]", "[1]", "[1,1]", "[1,2,1]", "[0,1]", "[1,0]", "[1,77]", "[77,1]", "[1,2.5]", '["1","2"]', "{}", "[1,-2]"],
)
def test_merges_that_are_refused_change_nothing(row: Any, body: str) -> None:
    before = row.commits()
    reply = row.post("merge", body.encode())
    assert reply.status == 400
    assert reply.body
    assert row.commits() == before


def test_merges_at_once_lose_nothing(new_segmentation: Callable[..., Any]) -> None:
    seg = new_segmentation()
    seg.write_raw(np.concatenate([solid(label) for label in range(1, 25)], axis=2), (0, 0, 0)).ok()

    def merge(label: int) -> None:
        client = seg.server.new_client()
        client.post(seg.path("merge"), [1, label]).ok()

    threads = [threading.Thread(target=merge, args=(label,)) for label in range(2, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seg.json("size/1") == {"voxels": 24 * BLOCK**3}
    assert seg.json("supervoxels/1") == list(range(1, 25))
    assert seg.get("mapping", list(range(1, 25))).json() == [1] * 24
    numbers = [entry["MutationID"] for entry in seg.json("mutations")]
    assert len(set(numbers)) == 23


def test_sparse_volumes_within_bounds(new_segmentation: Callable[..., Any], volumes: SimpleNamespace) -> None:
    seg = new_segmentation(MaxDownresLevel="2")
    volume = volumes.natural((64, 64, 64), 2, 8)
    seg.write_raw(volume, (-32, -32, -32)).ok()
    body = int(np.unique(volume, return_counts=True)[0][1:][0])
    for scale, part in enumerate((volume, volumes.halved(volume))):
        low = -32 >> scale
        bounds = f"minx=-9&miny=-20&minz=0&maxx=7&maxy=7&maxz=12&scale={scale}"
        runs = decode_rles(seg.get(f"sparsevol/{body}?{bounds}").ok().body, 1 << 20)
        assert seg.get(f"sparsevol/{body}?{bounds}&format=srles").body == runs.tobytes()
        box = np.zeros(part.shape, bool)
        box[0 - low : 13 - low, max(0, -20 - low) : 8 - low, max(0, -9 - low) : 8 - low] = True
        assert (filled(runs, part.shape, low) == ((part == np.uint64(body)) & box)).all()
        whole = decode_rles(seg.get(f"sparsevol/{body}?scale={scale}").ok().body, 1 << 20)
        assert (filled(whole, part.shape, low) == (part == np.uint64(body))).all()
        packed = seg.get(f"sparsevol/{body}?scale={scale}&compression=lz4").ok().body
        size = 12 + 16 * len(whole)
        assert (decode_rles(lz4.block.decompress(packed, uncompressed_size=size), 1 << 20) == whole).all()
        packed = seg.get(f"sparsevol/{body}?scale={scale}&compression=gzip").ok().body
        assert (decode_rles(gunzip(packed, size), 1 << 20) == whole).all()
    assert seg.get(f"sparsevol/{body}?minx=1000").status == 404
    for query, status in (("minx=1000", 204), ("maxx=-1000", 204), ("minx=-40&maxx=40", 200), ("minx=x", 400)):
        assert seg.client.head(seg.path(f"sparsevol/{body}?{query}")).status == status
    empty = seg.get(f"sparsevol-coarse/{body}?minx=1000").ok().body
    assert len(decode_rles(empty, 10)) == 0


def test_large_sparse_volumes_are_sent_in_parts(
    new_segmentation: Callable[..., Any], volumes: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dvid_labelmap.ops import sparse  # noqa: PLC0415 - to set its bounds
    from dvid_labelmap.routes import sparse as routes  # noqa: PLC0415

    seg = new_segmentation()
    volume = volumes.natural((64, 64, 64), 4, 3)
    seg.write_raw(volume, (0, 0, 0)).ok()
    body = int(np.unique(volume)[1])
    expected = {word: seg.get(f"sparsevol/{body}?format={word}").ok().body for word in ("rles", "srles", "blocks")}
    assert (decode_runs(expected["srles"], 1 << 20) == decode_rles(expected["rles"], 1 << 20)).all()
    monkeypatch.setattr(routes, "_FEW_BLOCKS", 0)
    monkeypatch.setattr(sparse, "_SLAB_BLOCKS", 16)
    for kept in (1 << 20, 100):
        monkeypatch.setattr(sparse, "_KEPT_BYTES", kept)
        monkeypatch.setattr(sparse, "_PIECE_BYTES", 10)
        for word, body_bytes in expected.items():
            assert seg.get(f"sparsevol/{body}?format={word}").ok().body == body_bytes


def test_bodies_of_an_instance_without_indices(new_segmentation: Callable[..., Any]) -> None:
    seg = new_segmentation(IndexedLabels="false")
    seg.write_raw(solid(3), (0, 0, 0)).ok()
    for rest in ("sparsevol/3", "sparsevol-by-point/1_1_1", "sparsevol-coarse/3", "sparsevols-coarse/1/9"):
        assert seg.get(rest).status == 400, rest
    assert seg.post("merge", [3, 4]).status == 400
    for rest in ("size/3", "supervoxels/3", "supervoxel-sizes/3", "lastmod/3", "index/3", "sparsevol-size/3"):
        reply = seg.get(rest)
        assert (reply.status, reply.body) == (404, b""), rest
    assert seg.json("existing-labels") == []
    assert seg.get("sizes", [3]).json() == [0]
    assert seg.get("listlabels").ok().body == b""


def test_posted_indices_take_the_place_of_others(row: Any) -> None:
    places = np.array([[-100, 5, 7], [100, 5, 7]], np.int32)
    message = encode_index(
        1, places, np.array([1, 40], np.uint64), np.array([3, 4], np.uint32), 5, "2020-01-01T00:00:00Z", "ann", "app", 9
    )
    row.post("index/1", message).ok()
    found = decode_index(row.get("index/1").ok().body)
    assert found.coordinates.tolist() == places.tolist()
    assert found.surface_mutids.tolist() == [9, 9]
    assert row.get("index/1").body == row.get("index/1").body
    assert row.json("sparsevol-size/1") == {
        "voxels": 7,
        "numblocks": 2,
        "minvoxel": [-1600, 80, 112],
        "maxvoxel": [1615, 95, 127],
    }
    assert row.get("sparsevol/1").ok().body == b""
    assert row.get("sizes?supervoxels=true", [1]).json() == [3]
    before = row.commits()
    assert row.post("index/2", message).status == 400
    assert row.post("indices", b"\x0a\x02\x10\x00").status == 400
    assert row.commits() == before
    row.post("index/1", encode_index(1, places[:0], np.zeros(0, np.uint64), np.zeros(0, np.uint32))).ok()
    assert row.get("index/1").status == 404


def test_what_others_ask(row: Any) -> None:
    server = row.server.server
    repo = next(repo for repo in server.repos if repo.root == row.root)
    provider = server.instances.provider(repo, "seg", SupervoxelsOf)
    row.post("merge", [4, 2]).ok()
    assert provider.supervoxels_of(repo.dag.root, 4) == [2, 4]
    assert provider.supervoxels_of(repo.dag.root, 2) == []
    instance = server.instances.get(repo, "seg")
    assert instance.labels_at(repo.dag.root, [(-32, 0, 0), (1000, 0, 0)]) == [4, 0]
    assert instance.labels_at(repo.dag.root, [(-32, 0, 0)], supervoxels=True) == [2]


def test_map_stats_tell_all_labelmaps(row: Any) -> None:
    row.post("merge", [4, 2, 3]).ok()
    stats = row.json("map-stats")["seg"]
    assert (stats["MapEntries"], stats["NumVersions"]) == (2, 1)
    assert stats["MapSize"] == "32 B"
    assert row.json("supervoxel-splits") == []


def test_wrong_bodies_are_found_by_a_check(row: Any) -> None:
    server = row.server.server
    repo = next(repo for repo in server.repos if repo.root == row.root)
    instance = server.instances.get(repo, "seg")
    assert list(instance.check(repo.dag.root)) == []
    message = encode_index(2, np.array([[-2, 0, 0]]), np.array([2], np.uint64), np.array([3], np.uint32))
    row.post("index/2", message).ok()
    found = list(instance.check(repo.dag.root))
    assert any("index of body 2" in sentence for sentence in found)
    row.write_raw(solid(2), (-2 * BLOCK, 0, 0)).ok()
    assert list(instance.check(repo.dag.root)) == []
    row.post(
        "index/50", encode_index(50, np.zeros((1, 3), np.int32), np.array([50], np.uint64), np.array([3], np.uint32))
    )
    assert any("voxels" in sentence for sentence in instance.check(repo.dag.root))


def test_a_later_run_of_mappings_counts_after_a_restart(tmp_path: Any, plugins: Callable[[], Any]) -> None:
    server = ServerThread(tmp_path, plugins=plugins())
    try:
        root = server.client.new_repo()
        server.client.new_instance(root, "labelmap", "seg", BlockSize="16,16,16")
        rng, expected = np.random.default_rng(1), dict[int, int]()
        version = root
        for round_ in range(60):
            labels = rng.integers(1, 300, rng.integers(1, 9)).astype(np.uint64)
            targets = rng.integers(0, 9, len(labels)).astype(np.uint64)
            body = kernels.encode_mapping_ops(labels, targets)
            server.client.post(f"/api/node/{version}/seg/mappings", body).ok()
            expected |= dict(zip(labels.tolist(), targets.tolist(), strict=True))
            if round_ % 20 == 19:
                server.client.commit(version)
                version = server.client.child(version)
        asked = list(range(1, 300))
        for _ in range(2):
            for rest in ("mapping?nolookup=true", "mapping"):
                found = server.client.get(f"/api/node/{version}/seg/{rest}", asked).ok().json()
                missing = [label if "nolookup" in rest else 0 for label in asked]
                assert found == [expected.get(label, other) for label, other in zip(asked, missing, strict=True)]
            lines = server.client.get(f"/api/node/{version}/seg/mappings").ok().text.splitlines()
            pairs = {tuple(map(int, line.split())) for line in lines}
            assert pairs == {(label, target) for label, target in expected.items() if label != target}
            server.restart()
    finally:
        server.stop()


def test_parameters_that_are_refused(row: Any) -> None:
    for rest in (
        "size/0",
        "size/x",
        "sparsevol/1?scale=x",
        "sparsevol/1?minx=1.5",
        "sparsevol/1?compression=zip",
        "sparsevol-by-point/1_2",
        "sparsevols-coarse/0/9",
        "sparsevols-coarse/1",
        "listlabels?start=x",
        "index/1?mutid=x",
    ):
        reply = row.get(rest)
        assert reply.status == 400, rest
        assert reply.body, rest
    for rest in ("sizes", "mapping", "indices", "indices-compressed"):
        for body in (b"", b"x", b"{}", b"[-1]", b"[1.5]", json.dumps([2**64]).encode()):
            assert row.get(rest, body).status == 400, (rest, body)
    assert row.get("indices", list(range(50_001))).status == 400
    assert row.get("sizes?hash=00", [1]).status == 400


def test_bodies_that_merged_branches_disagree_about_are_made_anew_by_writes(
    row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row.client.commit(row.root)
    sides = [row.client.child(row.root), row.client.child(row.root, branch="b")]
    for x, version in zip((3, 4), sides, strict=True):
        row.write_raw(solid(3), (x * BLOCK, 0, 0), version=version).ok()
        row.client.commit(version)
    body = {"mergeType": "conflict-free", "parents": sides, "note": ""}
    assert row.client.post(f"/api/repo/{row.root}/merge", body).status == 409
    monkeypatch.setattr(row.instance(), "check_version_merge", lambda parents: None)  # as in data of earlier servers
    merged = row.client.post(f"/api/repo/{row.root}/merge", body).ok().json()["child"]
    assert row.get("labels", [[48, 0, 0], [64, 0, 0]], merged).json() == [3, 3]
    assert row.get("size/3", version=merged).status == 409
    assert row.json("size/4", merged) == {"voxels": BLOCK**3}
    row.write_raw(solid(3), (5 * BLOCK, 0, 0), version=merged).ok()
    assert row.json("size/3", merged) == {"voxels": 4 * BLOCK**3}
    assert row.json("sparsevol-size/3", merged)["maxvoxel"] == [95, 15, 15]
    row.write_raw(solid(0, 2), (3 * BLOCK, 0, 0), version=merged).ok()
    assert row.json("size/3", merged) == {"voxels": 2 * BLOCK**3}
    instance = row.instance()
    assert list(instance.check(instance.repo.dag.head("master"))) == []


def test_a_list_of_labels_that_is_large_in_memory_is_refused_before_it_fills_it(
    tmp_path: Any, plugins: Callable[[], Any]
) -> None:
    server = ServerThread(tmp_path, Config(limits=LimitSettings(memory_bytes=8 << 20)), plugins=plugins())
    try:
        root = server.client.new_repo()
        server.client.new_instance(root, "labelmap", "seg")
        path = f"/api/node/{root}/seg"
        for query in ("sizes", "mapping", "indices"):
            reply = server.client.request("GET", f"{path}/{query}", [7] * 300_000)
            assert reply.status == 413, query
        assert server.client.request("GET", f"{path}/sizes", [7] * 30_000).ok().json() == [0] * 30_000
        assert server.server.budget.held == 0
    finally:
        server.stop()
