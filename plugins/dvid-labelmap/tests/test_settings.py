"""Settings, info, metadata, extents, resolution and tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from dvid_labelmap.model import LabelMapSettings, changed_settings, new_settings
from dvid_voxels.extents import Extents, decode_extents

from dvid_framework.api import BadRequest
from dvid_framework.testing.running import ServerThread


def test_defaults_and_texts() -> None:
    assert new_settings({}) == LabelMapSettings()
    made = new_settings({"blocksize": "32, 64,16", "voxelsize": "3.2,3.2,40", "indexedlabels": "0", "countlabels": "x"})
    assert made.block_size == (32, 64, 16)
    assert made.voxel_size == (3.2, 3.2, 40.0)
    assert not made.indexed_labels


@pytest.mark.parametrize(
    "config",
    [
        {"blocksize": "20,20,20"},
        {"blocksize": "64,64"},
        {"blocksize": "a,b,c"},
        {"blocksize": "0,16,16"},
        {"blocksize": "2048,16,16"},
        {"blocksize": "1024,1024,32"},
        {"blocksize": [32, 32, 32]},
        {"voxelsize": "a,1,1"},
        {"voxelsize": "nan,1,1"},
        {"voxelsize": "0,1,1"},
        {"voxelsize": "1e400,1,1"},
        {"voxelunits": "nm"},
        {"maxdownreslevel": "256"},
        {"maxdownreslevel": 3},
        {"maxdownreslevel": "-1"},
        {"background": "300"},
        {"indexedlabels": "maybe"},
        {"minpoint": "1,2"},
        {"minpoint": "5,5,5", "maxpoint": "1,9,9"},
    ],
)
def test_settings_that_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        new_settings(config)


def test_the_block_size_stays() -> None:
    settings = new_settings({"blocksize": "32,32,32"})
    assert changed_settings(settings, {"BlockSize": "32,32,32", "Background": "4"}).background == 4
    with pytest.raises(BadRequest, match="block size"):
        changed_settings(settings, {"BlockSize": "64,64,64"})


def test_stored_extents() -> None:
    text = {"min_point": [-1, 2, 3], "max_point": [4, 5, 6], "is_set": True}
    assert decode_extents(msgspec.msgpack.encode(text)) == Extents((-1, 2, 3), (4, 5, 6), is_set=True)


def test_extents_grow_in_their_own_version(segmentation: Any) -> None:
    seg = segmentation
    block = np.ones((16, 16, 16), np.uint64)
    seg.client.commit(seg.root)
    one, two = seg.client.child(seg.root, "one"), seg.client.child(seg.root, "two")
    seg.write_raw(block, (-16, 0, 32), version=one).ok()
    seg.write_raw(block, (-16, 0, 32), version=two).ok()
    seg.write_raw(block, (32, 0, 0), version=two).ok()
    assert seg.json("info", seg.root)["Extents"] == {"MinPoint": None, "MaxPoint": None}
    assert seg.json("info", one)["Extents"] == {"MinPoint": [-16, 0, 32], "MaxPoint": [-1, 15, 47]}
    info = seg.json("info", two)["Extended"]
    assert (info["MinPoint"], info["MaxPoint"]) == ([-16, 0, 0], [47, 15, 47])
    assert (info["MinIndex"], info["MaxIndex"]) == ([-1, 0, 0], [2, 0, 2])
    axes = seg.json("metadata", two)["Axes"]
    assert [(axis["Size"], axis["Offset"]) for axis in axes] == [(64, -16), (16, 0), (48, 0)]
    seg.post("extents", {"MinPoint": [0, 0, 0], "MaxPoint": [7, 7, 7]}, two).ok()
    assert seg.json("info", two)["Extents"]["MaxPoint"] == [7, 7, 7]
    seg.write_raw(block, (0, 0, 0), version=two).ok()
    assert seg.json("info", two)["Extents"]["MaxPoint"] == [15, 15, 15]
    assert seg.get("extents").status == 400
    assert seg.post("extents", {"MinPoint": [5, 0, 0]}, two).status == 400


def test_settings_of_the_instance(segmentation: Any, server: ServerThread) -> None:
    seg = segmentation
    reply = seg.post("info", {"VoxelUnits": "microns,microns,microns", "MaxDownresLevel": "3"}).ok()
    assert reply.text.startswith("Changed 'seg'")
    seg.post("resolution", [4, 4, 40.5]).ok()
    info = seg.json("info")["Extended"]
    assert info["VoxelSize"] == [4, 4, 40.5]
    assert info["VoxelUnits"] == ["microns"] * 3
    assert info["MaxDownresLevel"] == 3
    body: Any
    for body in ({"BlockSize": "32,32,32"}, {"VoxelSize": 4}, [], "no json"):
        assert seg.post("info", body).status == 400
    for body in ([1, 2], [1, 2, 0], {}, ["1", 2, 3]):
        assert seg.post("resolution", body).status == 400
    assert seg.json("info")["Extended"] == info
    help_text = seg.get("help").text
    assert "specificblocks" in help_text
    assert all(word in help_text for word in ("cleave", "renumber", "split-supervoxel", "undo"))
    assert server.client.get("/api/help/labelmap").ok().body


def test_largest_labels_in_info(segmentation: Any) -> None:
    segmentation.write_raw(np.full((16, 16, 16), 77, np.uint64), (0, 0, 0)).ok()
    info = segmentation.json("info")["Extended"]
    assert list(info["MaxLabel"].values()) == [77]
    assert info["MaxRepoLabel"] == 77
    assert info["NextLabel"] == 0


def test_unversioned_instances_are_one_for_all_versions(new_segmentation: Callable[..., Any]) -> None:
    seg = new_segmentation(MaxDownresLevel="1", versioned="false")
    seg.write_raw(np.full((16, 16, 16), 5, np.uint64), (0, 0, 0)).ok()
    seg.client.commit(seg.root)
    child = seg.client.child(seg.root)
    seg.write_raw(np.full((16, 16, 16), 9, np.uint64), (16, 0, 0), version=child).ok()
    assert seg.json("label/20_1_1") == {"Label": 9}
    assert seg.json("maxlabel") == {"maxlabel": 9}
    assert seg.json("info")["Extents"]["MaxPoint"] == [31, 15, 15]
    seg.write_raw(np.full((16, 16, 16), 4, np.uint64), (0, 0, 0)).ok()
    assert seg.json("label/1_1_1", child) == {"Label": 4}
