"""Cleaves, splits, renumberings and undo over real sockets: what they answer, refuse, and leave behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from dvid_labels.runs import encode_rles

from dvid_framework.testing import Config, Plugins, ServerSettings, check
from dvid_framework.testing.running import ServerThread

Labels = Any


def columns() -> Labels:
    """Supervoxels 1 to 4, each 8 voxels along x, in 32x16x16 voxels."""
    volume = np.zeros((16, 16, 32), np.uint64)
    for label in range(1, 5):
        volume[:, :, 8 * label - 8 : 8 * label] = label
    return volume


def rles(*runs: tuple[int, int, int, int]) -> bytes:
    return encode_rles(np.array(runs, np.int32).reshape(-1, 4))


HALF = rles(*((0, y, z, 8) for z in range(8) for y in range(16)))
"""The half of supervoxel 1 with z < 8."""


@pytest.fixture
def seg(new_segmentation: Callable[..., Any]) -> Any:
    made = new_segmentation(MaxDownresLevel="1")
    made.write_raw(columns(), (0, 0, 0)).ok()
    return made


def mapping(seg: Any, *labels: int) -> Any:
    return seg.get("mapping", list(labels)).ok().json()


def supervoxels(seg: Any, body: int) -> list[int]:
    return sorted(seg.json(f"supervoxels/{body}"))


def test_a_refused_change_changes_nothing(seg: Any) -> None:
    seg.post("merge", [1, 2]).ok()
    before = seg.commits()
    refused = {
        "cleave/1": ([], [3], [1, 2], [1, 99], "x"),
        "cleave/9": ([1],),
        "cleave/2": ([2],),
        "renumber": ([7], [0, 1], [7, 0], [3, 4], [7, 9], {}),
        "split-supervoxel/1": (b"", rles(), HALF[:-1], rles((0, 0, 0, 9)), rles((0, 0, 0, 8), (0, 0, 0, 8))),
        "split-supervoxel/9": (HALF,),
        "split-supervoxel/1?split=1": (HALF,),
        "split-supervoxel/1?split=4": (HALF,),
        "split-supervoxel/1?split=2": (HALF,),
        "split-supervoxel/1?split=70&remain=70": (HALF,),
        "split-supervoxel/1?split=x": (HALF,),
        "split/1": (HALF,),
        "undo/x": (b"",),
    }
    for path, bodies in refused.items():
        for body in bodies:
            reply = seg.post(path, body)
            assert (path, reply.status) == (path, 400)
            assert reply.text.strip()
    assert seg.post("undo/12345").status == 404
    assert seg.commits() == before
    assert (seg.read_raw((32, 16, 16), (0, 0, 0), "?supervoxels=true") == columns()).all()
    assert supervoxels(seg, 1) == [1, 2]


def test_a_run_of_any_length_is_refused_before_it_is_cut(seg: Any) -> None:
    assert seg.post("split-supervoxel/1", rles((0, 0, 0, 2**31 - 1))).status == 400


def test_parts_with_labels_of_the_clients(seg: Any) -> None:
    answer = seg.post("split-supervoxel/1?split=70", HALF).ok().json()
    assert (answer["SplitSupervoxel"], answer["RemainSupervoxel"]) == (70, 5)
    assert seg.json("nextlabel") == {"nextlabel": 71}
    voxels = seg.read_raw((32, 16, 16), (0, 0, 0), "?supervoxels=true")
    assert (voxels[:8, :, :8] == 70).all()
    assert (voxels[8:, :, :8] == 5).all()
    assert (voxels[:, :, 8:] == columns()[:, :, 8:]).all()
    assert (seg.read_raw((16, 8, 8), (0, 0, 0), "?supervoxels=true&scale=1") == voxels[::2, ::2, ::2]).all()
    assert (seg.read_raw((32, 16, 16), (0, 0, 0)) == columns()).all()
    assert seg.get("supervoxel-splits").json() == [seg.root, [[answer["MutationID"], 1, 5, 70]]]


@pytest.fixture
def undone(seg: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def undo(answer: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = seg.post(f"undo/{answer['MutationID']}?u=ann").ok().json()
        assert found["Undone"] == answer["MutationID"]
        assert found["MutationID"] > answer["MutationID"]
        assert seg.json("mutations")[-1]["Undo"] == answer["MutationID"]
        return found

    return undo


def test_undo_of_a_merge_and_of_that(seg: Any, undone: Callable[..., dict[str, Any]]) -> None:
    seg.post("merge", [2, 3]).ok()
    merged = seg.post("merge", [1, 2, 4]).ok().json()
    back = undone(merged)
    assert [supervoxels(seg, body) for body in (1, 2, 4)] == [[1], [2, 3], [4]]
    assert mapping(seg, 1, 2, 3, 4) == [1, 2, 2, 4]
    assert seg.json("lastmod/2")["last mod user"] == "ann"
    log = [(entry["OrigLabel"], entry["CleavedLabel"]) for entry in seg.json("mutations")[-2:]]
    assert log == [(1, 2), (1, 4)]
    assert not any(field.startswith("_") for entry in seg.json("mutations") for field in entry)
    undone(back)
    assert supervoxels(seg, 1) == [1, 2, 3, 4]
    assert seg.json("existing-labels") == [1]


def test_undo_of_a_cleave(seg: Any, undone: Callable[..., dict[str, Any]]) -> None:
    seg.post("merge", [3, 1, 2]).ok()
    cleaved = seg.post("cleave/3", [3, 1]).ok().json()
    assert cleaved["CleavedLabel"] == 5
    undone(cleaved)
    assert supervoxels(seg, 3) == [1, 2, 3]
    assert mapping(seg, 1, 2, 3, 5) == [3, 3, 3, 0]
    assert seg.post(f"undo/{cleaved['MutationID']}").status == 409


def test_undo_of_a_renumbering(seg: Any, undone: Callable[..., dict[str, Any]]) -> None:
    seg.post("merge", [1, 2]).ok()
    seg.post("renumber", [77, 1]).ok()
    assert mapping(seg, 1, 2, 77) == [77, 77, 0]
    undone(seg.json("mutations")[-1])
    assert mapping(seg, 1, 2, 77) == [1, 1, 0]
    assert seg.json("existing-labels") == [1, 3, 4]


def test_undo_of_a_split(seg: Any, undone: Callable[..., dict[str, Any]]) -> None:
    seg.post("merge", [2, 1]).ok()
    split = seg.post("split-supervoxel/1", HALF).ok().json()
    seg.post("renumber", [50, 2]).ok()
    back = undone(split)
    assert mapping(seg, 1, 2, split["SplitSupervoxel"], split["RemainSupervoxel"]) == [50, 50, 0, 0]
    assert supervoxels(seg, 50) == [1, 2]
    assert (seg.read_raw((32, 16, 16), (0, 0, 0), "?supervoxels=true") == columns()).all()
    assert (seg.read_raw((16, 8, 8), (0, 0, 0), "?supervoxels=true&scale=1") == columns()[::2, ::2, ::2]).all()
    assert seg.json("supervoxel-splits") == []
    assert seg.post(f"undo/{back['MutationID']}").status == 409


def test_undo_is_refused_after_other_changes(seg: Any) -> None:
    merged = seg.post("merge", [1, 2]).ok().json()
    seg.post("cleave/1", [2]).ok()
    split = seg.post("split-supervoxel/3", rles((16, 0, 0, 4))).ok().json()
    parts = split["SplitSupervoxel"], split["RemainSupervoxel"]
    cleaved = seg.post("cleave/3", [parts[0]]).ok().json()
    seg.post("merge", [cleaved["CleavedLabel"], 4]).ok()
    before = seg.commits()
    for answer in (merged, split, cleaved):
        reply = seg.post(f"undo/{answer['MutationID']}")
        assert reply.status == 409
        assert reply.text.strip()
    assert seg.commits() == before


def test_undo_in_a_later_version_leaves_the_earlier(seg: Any) -> None:
    merged = seg.post("merge", [1, 2]).ok().json()
    split = seg.post("split-supervoxel/3", rles((16, 0, 0, 4))).ok().json()
    seg.client.commit(seg.root)
    child = seg.client.child(seg.root)
    assert seg.post(f"undo/{merged['MutationID']}").status == 400  # committed
    for answer in (merged, split):
        seg.post(f"undo/{answer['MutationID']}", version=child).ok()
    assert seg.json("existing-labels") == [1, 3, 4]
    assert seg.json("existing-labels", version=child) == [1, 2, 3, 4]
    assert seg.json("supervoxel-splits", version=child) == []
    assert len(seg.json("supervoxel-splits")) == 2
    assert (seg.read_raw((32, 16, 16), (0, 0, 0), version=child) == columns()).all()


def test_history_follows_a_body_to_where_it_came_from(seg: Any) -> None:
    seg.post("merge", [2, 3]).ok()
    seg.post("merge", [1, 4]).ok()
    seg.post("renumber", [90, 2]).ok()
    seg.client.commit(seg.root)
    child = seg.client.child(seg.root)
    seg.post("cleave/90", [3], version=child).ok()
    found = seg.json(f"history/91/{seg.root}/{child}", version=child)
    assert [entry["Action"] for entry in found] == ["merge-complete", "renumber-complete", "cleave-complete"]
    assert seg.json(f"history/91/{child}/{child}", version=child) == found[-1:]
    assert [entry["Target"] for entry in seg.json(f"history/4/{seg.root}/{child}")] == [1]
    assert seg.get(f"history/4/{child}/{seg.root}").status == 400


def test_distances(seg: Any) -> None:
    assert seg.json("proximity/1/2") == [{"Block": [0, 0, 0], "Label": 2, "Distance": 1.0}]
    assert seg.json("proximity/2,1") == seg.json("proximity/2/1")
    assert seg.json("proximity/1/3,4") == []
    volume = np.zeros((16, 16, 16), np.uint64)
    volume[0, 0, 0], volume[3, 4, 12] = 8, 9
    seg.write_raw(volume, (-16, 0, 0)).ok()
    assert seg.json("proximity/8/9") == [{"Block": [-1, 0, 0], "Label": 9, "Distance": 13.0}]
    for path, status in (("1/1", 400), ("1/2,2", 400), ("1/99", 404), ("0/1", 400), ("1", 400)):
        assert seg.get(f"proximity/{path}").status == status


def test_an_index_grid(seg: Any) -> None:
    reply = seg.get("fvdb/2?name=mine").ok()
    assert reply.headers["content-disposition"] == 'attachment; filename="mine.nvdb"'
    grid = reply.body
    assert grid[:8] == b"NanoVDB0"
    assert grid[40:45] == b"mine\0"
    words = np.frombuffer(grid, "<u8")
    assert int(words[4]) == len(grid) == 672 + 64 + 128 + 270400 + 33856 + 4 * 96
    assert int(words[656 // 8]) == 8 * 16 * 16
    leaves = np.frombuffer(grid[-4 * 96 :], np.uint8).reshape(4, 96)
    assert (leaves[:, 16:80] == 255).all()
    assert leaves[:, 80:88].copy().view("<u8").ravel().tolist() == [1, 513, 1025, 1537]
    assert leaves[0, :12].copy().view("<i4").tolist() == [8, 0, 0]
    tree = np.frombuffer(grid[672 : 672 + 32], "<i8").tolist()
    assert tree == [64 + 128 + 270400 + 33856, 64 + 128 + 270400, 64 + 128, 64]
    assert seg.get("fvdb/2?name=a/b").status == 400
    assert seg.get("fvdb/2?scale=9").status == 404


def test_only_versions_of_which_one_changed_bodies_are_merged(seg: Any) -> None:
    seg.client.commit(seg.root)
    sides = [seg.client.child(seg.root, branch=name) for name in ("a", "b", "c")]
    seg.post("merge", [1, 2], version=sides[0]).ok()
    seg.post("nextlabel/3", version=sides[1]).ok()
    seg.post("merge", [3, 4], version=sides[2]).ok()
    for version in sides:
        seg.client.commit(version)
    for word, more in (("merge", {"mergeType": "conflict-free"}), ("resolve", {"data": ["seg"]})):
        reply = seg.client.post(f"/api/repo/{seg.root}/{word}", {"parents": [sides[0], sides[2]], **more})
        assert reply.status == 409
        assert "seg" in reply.text
    body = {"mergeType": "conflict-free", "parents": sides[:2]}
    merged = seg.client.post(f"/api/repo/{seg.root}/merge", body).ok().json()["child"]
    assert seg.json("existing-labels", version=merged) == [1, 3, 4]
    assert mapping_at(seg, merged) == [1, 1, 3, 4]


def mapping_at(seg: Any, version: str) -> Any:
    return seg.get("mapping", [1, 2, 3, 4], version=version).ok().json()


def test_bodies_are_split_where_that_is_allowed(
    tmp_path_factory: pytest.TempPathFactory, plugins: Callable[[], Plugins]
) -> None:
    config = Config(server=ServerSettings(allow_labelmap_split=True))
    server = ServerThread(tmp_path_factory.mktemp("split"), config, plugins=plugins())
    root = server.client.new_repo()
    server.client.new_instance(root, "labelmap", "seg", BlockSize="16,16,16", MaxDownresLevel="1")
    path = f"/api/node/{root}/seg"
    server.client.post(f"{path}/raw/0_1_2/32_16_16/0_0_0", columns().tobytes()).ok()
    server.client.post(f"{path}/merge", [1, 2]).ok()
    for bad in (rles((0, 0, 0, 17)), rles((0, 0, 0, 2), (1, 0, 0, 1)), rles(*((0, y, 0, 16) for y in range(-9, 9)))):
        assert server.client.post(f"{path}/split/1", bad).status == 400
    made = server.client.post(f"{path}/split/1", rles((4, 0, 0, 12))).ok().json()
    new = made["label"]
    assert server.client.json(f"{path}/size/{new}") == {"voxels": 12}
    assert server.client.json(f"{path}/size/1") == {"voxels": 2 * 8 * 256 - 12}
    assert len(server.client.json(f"{path}/supervoxels/{new}")) == 2
    entry = server.client.json(f"{path}/mutations")[-1]
    assert (entry["Action"], entry["Target"], entry["NewLabel"]) == ("split-complete", 1, new)
    parts = entry["SVSplits"]
    assert sorted(parts) == ["1", "2"]
    runs = server.client.get(f"{path}/blobstore/{entry['Split']}").ok().body
    assert np.frombuffer(runs, "<i4").tolist() == [4, 0, 0, 12]
    labels = server.client.get(f"{path}/labels", [[3, 0, 0], [4, 0, 0], [15, 0, 0], [15, 1, 0]]).json()
    assert labels == [1, new, new, 1]
    server.client.post(f"{path}/undo/{made['MutationID']}").ok()
    assert sorted(server.client.json(f"{path}/supervoxels/1")) == [1, 2]
    assert server.client.json(f"{path}/existing-labels") == [1, 3, 4]
    assert server.client.json(f"{path}/supervoxel-splits") == []
    inside = server.server
    assert check(inside.stores, inside.repos, inside.instances).clean
    server.stop()


def test_the_log_by_user_and_time(seg: Any) -> None:
    seg.post("merge?u=ann", [1, 2]).ok()
    seg.post("merge?u=bob", [3, 4]).ok()
    times = [entry["Timestamp"] for entry in seg.json("mutations")]
    assert times == sorted(times)
    ranged = f"mutations-range/{seg.root}/{seg.root}"
    for path in ("mutations", ranged):
        for query, expected in (
            ("userid=ann", [1]),
            ("userid=eve", []),
            (f"since={times[1]}", [3]),
            (f"until={times[0]}", [1]),
            (f"since={times[0]}&until={times[1]}", [1, 3]),
            ("since=2001-01-01T00:00:00Z", [1, 3]),
            ("until=2001-01-01", []),
        ):
            assert [entry["Target"] for entry in seg.json(f"{path}?{query}")] == expected, query
        assert seg.get(f"{path}?since=yesterday").status == 400
