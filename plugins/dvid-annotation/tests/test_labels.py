"""Lists of labels: what follows what, block sizes, reloads, merges of versions, and what fsck finds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from dvid_framework.api import LABEL_CHANGES

ELEMENTS = [
    {"Pos": [1, 1, 1], "Kind": "PreSyn", "Tags": ["a"]},
    {"Pos": [2, 1, 1], "Kind": "Gap"},
    {"Pos": [70, 1, 1], "Kind": "PostSyn", "Tags": ["a"]},
    {"Pos": [-1, 1, 1], "Kind": "Note"},
]


def lists_of(synapses: Any, labels: range = range(1, 12)) -> dict[int, list[list[int]]]:
    found = {label: synapses.places(f"label/{label}") for label in labels}
    return {label: places for label, places in found.items() if places}


def counted(synapses: Any) -> dict[tuple[int, int], int]:
    """What a follower makes of the changes that it was told: by label and kind."""
    server = synapses.server.server
    instance = server.instances.get(server.repos.find(synapses.uuid)[0], synapses.name)
    found: dict[tuple[int, int], int] = {}
    for version in instance.repo.dag:
        for mutation in instance.mutations(version):
            for entry in mutation.entries:
                for row in np.frombuffer(entry.get("_LabelChanges", b""), LABEL_CHANGES):
                    for sign, kind, label in ((-1, "kind_before", "label_before"), (1, "kind", "label")):
                        key = int(row[label]), int(row[kind])
                        found[key] = found.get(key, 0) + sign
    return {key: number for key, number in found.items() if key[0] and number}


def listed(synapses: Any) -> dict[tuple[int, int], int]:
    server = synapses.server.server
    repo, version = server.repos.find(synapses.uuid)
    found: dict[tuple[int, int], int] = {}
    for label, kinds, positions in server.instances.get(repo, synapses.name).labelled_points(version)[1]:
        assert len(kinds) == len(positions)
        for kind in kinds.tolist():
            found[label, kind] = found.get((label, kind), 0) + 1
    return found


def test_elements_before_and_after_the_labels(labelled: Any) -> None:
    labelled.post("elements", ELEMENTS).ok()
    labelled.labels("paint/1", [[0, 0, 0]])
    labelled.labels("paint/2", [[1, 0, 0]])
    assert lists_of(labelled) == {1: [[1, 1, 1], [2, 1, 1]], 2: [[70, 1, 1]]}
    labelled.post("elements", [{"Pos": [3, 1, 1]}, {"Pos": [71, 1, 1]}]).ok()
    labelled.post("move/2_1_1/72_1_1").ok()
    labelled.post("move/1_1_1/9_1_1").ok()
    labelled.delete("element/70_1_1").ok()
    assert lists_of(labelled) == {1: [[3, 1, 1], [9, 1, 1]], 2: [[71, 1, 1], [72, 1, 1]]}
    assert counted(labelled) == listed(labelled)
    assert labelled.problems() == []


def test_a_voxel_written_again_leaves_the_former_list(labelled: Any) -> None:
    labelled.post("elements", ELEMENTS).ok()
    for label in (1, 2, 3):
        labelled.labels(f"paint/{label}", [[0, 0, 0], [1, 0, 0]])
    labelled.labels("paint/0", [[1, 0, 0]])
    assert lists_of(labelled) == {3: [[1, 1, 1], [2, 1, 1]]}
    assert counted(labelled) == listed(labelled)


def test_kinds_that_change_are_told(labelled: Any) -> None:
    labelled.labels("paint/1", [[0, 0, 0]])
    labelled.post("elements", ELEMENTS).ok()
    labelled.post("elements", [{"Pos": [1, 1, 1], "Kind": "Gap"}]).ok()
    assert counted(labelled) == listed(labelled) == {(1, 3): 2}


def test_bodies_take_their_elements_along(labelled: Any) -> None:
    labelled.labels("paint/1", [[0, 0, 0]])
    labelled.labels("paint/2", [[1, 0, 0]])
    labelled.labels("paint/3", [[-1, 0, 0]])
    labelled.post("elements", ELEMENTS).ok()
    labelled.labels("merge", [1, 2, 3])
    assert lists_of(labelled) == {1: [[-1, 1, 1], [1, 1, 1], [2, 1, 1], [70, 1, 1]]}
    labelled.labels("cleave/1/7", [2])
    labelled.labels("renumber/9/1")
    assert lists_of(labelled) == {7: [[70, 1, 1]], 9: [[-1, 1, 1], [1, 1, 1], [2, 1, 1]]}
    assert counted(labelled) == listed(labelled)
    assert labelled.problems() == []


def test_many_mutations_of_labels_taken_in_late(labelled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are asked for that are later than the mutation: a body gets the label of one that was merged away."""
    for block in range(3):
        labelled.labels(f"paint/{block + 1}", [[block, 0, 0]])
    labelled.post("elements", [{"Pos": [70, 1, 1]}]).ok()
    assert lists_of(labelled) == {2: [[70, 1, 1]]}
    instance = labelled.server.server.datatypes["annotation"].instance
    with monkeypatch.context() as patching:
        patching.setattr(instance, "on_event", lambda *_: (_ for _ in ()).throw(RuntimeError("away")))
        labelled.labels("merge", [2, 1])
        labelled.labels("renumber/1/3")
        labelled.post("elements", [{"Pos": [130, 1, 1]}]).ok()
        labelled.server.stop()
    labelled.server.restart()
    labelled.client = labelled.server.client
    assert lists_of(labelled) == {1: [[130, 1, 1]], 2: [[70, 1, 1]]}
    assert counted(labelled) == listed(labelled)
    assert labelled.problems() == []


def test_branches_have_their_own_lists(labelled: Any) -> None:
    labelled.labels("paint/1", [[0, 0, 0]])
    labelled.labels("paint/2", [[1, 0, 0]])
    labelled.post("elements", ELEMENTS).ok()
    labelled.client.commit(labelled.uuid)
    left = labelled.at(labelled.client.child(labelled.uuid))
    right = labelled.at(labelled.client.child(labelled.uuid, "right"))
    left.labels("merge", [1, 2])
    right.labels("merge", [2, 1])
    right.delete("element/1_1_1").ok()
    assert lists_of(labelled) == {1: [[1, 1, 1], [2, 1, 1]], 2: [[70, 1, 1]]}
    assert lists_of(left) == {1: [[1, 1, 1], [2, 1, 1], [70, 1, 1]]}
    assert lists_of(right) == {2: [[2, 1, 1], [70, 1, 1]]}
    assert labelled.problems() == []


def test_a_merge_of_versions_makes_the_lists_right(labelled: Any) -> None:
    """One side moves a body, the other one adds elements under it."""
    client = labelled.client
    labelled.labels("paint/1", [[0, 0, 0]])
    labelled.labels("paint/2", [[1, 0, 0]])
    labelled.post("elements", ELEMENTS).ok()
    client.commit(labelled.uuid)
    left = labelled.at(client.child(labelled.uuid))
    right = labelled.at(client.child(labelled.uuid, "right"))
    left.labels("merge", [2, 1])
    right.post("elements", [{"Pos": [5, 1, 1], "Tags": ["a"]}, {"Pos": [80, 1, 1], "Tags": ["b"]}]).ok()
    for side in (left, right):
        assert side.get("label/1").status == 200
        client.commit(side.uuid)
    body = {"mergeType": "conflict-free", "parents": [left.uuid, right.uuid], "note": ""}
    both = labelled.at(client.post(f"/api/repo/{labelled.uuid}/merge", body).ok().json()["child"])
    assert lists_of(both) == {2: [[1, 1, 1], [2, 1, 1], [5, 1, 1], [70, 1, 1], [80, 1, 1]]}
    assert both.places("tag/a") == [[1, 1, 1], [5, 1, 1], [70, 1, 1]]
    assert both.problems() == []


def test_a_reload_moves_what_lies_in_a_wrong_block_and_drops_what_is_no_more(labelled: Any) -> None:
    labelled.labels("paint/1", [[0, 0, 0], [1, 0, 0]])
    labelled.post("elements", ELEMENTS).ok()
    blocks = {
        "0,0,0": [{"Pos": [5, 1, 1], "Tags": ["b"]}, {"Pos": [70, 1, 1], "Kind": "Gap"}, {"Pos": [90, 1, 1]}],
        "9,9,9": [{"Pos": [6, 1, 1], "Tags": ["b"]}],
    }
    labelled.post("blocks", blocks).ok()
    labelled.post("labels", {"5": json.dumps([{"Pos": [2, 2, 2], "Kind": "Gap"}])}).ok()
    assert lists_of(labelled) == {1: [[1, 1, 1], [2, 1, 1], [70, 1, 1]], 5: [[2, 2, 2]]}
    labelled.reload()
    assert {name: [one["Pos"] for one in found] for name, found in labelled.blocks().items()} == {
        "-1,0,0": [[-1, 1, 1]],
        "0,0,0": [[5, 1, 1], [6, 1, 1]],
        "1,0,0": [[70, 1, 1], [90, 1, 1]],
        "9,9,9": [],
    }
    assert lists_of(labelled) == {1: [[5, 1, 1], [6, 1, 1], [70, 1, 1], [90, 1, 1]]}
    assert labelled.found("label/1")[2]["Kind"] == "PostSyn", "the element in its own block stays"
    assert labelled.places("tag/b") == [[5, 1, 1], [6, 1, 1]]
    assert labelled.places("tag/a") == [[70, 1, 1]]
    assert counted(labelled) == listed(labelled)
    assert labelled.problems() == []


def test_a_reload_takes_in_labels_from_before_the_sync(synapses: Any) -> None:
    client = synapses.client
    client.new_instance(synapses.uuid, "labelmap", "seg")
    synapses.labels("paint/4", [[0, 0, 0]])
    synapses.post("elements", ELEMENTS).ok()
    synapses.post("sync", {"sync": "seg"}).ok()
    assert lists_of(synapses) == {}
    synapses.reload()
    assert lists_of(synapses) == {4: [[1, 1, 1], [2, 1, 1]]}
    synapses.post("sync?replace=true", {"sync": ""}).ok()
    synapses.reload()
    assert lists_of(synapses) == {}


def test_many_blocks_and_lists_are_reloaded_in_steps(labelled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dvid_annotation.ops.reloading._BLOCKS_AT_ONCE", 3)
    monkeypatch.setattr("dvid_annotation.ops.reloading._ELEMENTS_AT_ONCE", 4)
    monkeypatch.setattr("dvid_annotation.ops.reloading._ROWS_AT_ONCE", 5)
    labelled.labels("paint/1", [[n, 0, 0] for n in range(10)])
    elements = [{"Pos": [64 * n + m, 1, 1], "Tags": [f"t{m}"]} for n in range(10) for m in range(3)]
    labelled.post("elements", elements).ok()
    labelled.post("blocks", {f"{n},0,0": elements[3 * n + 1 : 3 * n + 3] for n in range(10)}).ok()
    labelled.reload()
    assert labelled.places("label/1") == [one["Pos"] for one in elements if "t0" not in one["Tags"]]
    assert labelled.places("tag/t0") == []
    assert len(labelled.places("tag/t1")) == 10
    assert labelled.problems() == []


def test_fsck_names_what_is_wrong(labelled: Any) -> None:
    labelled.labels("paint/1", [[0, 0, 0]])
    labelled.post("elements", ELEMENTS).ok()
    assert labelled.problems() == []
    server = labelled.server.server
    repo, version = server.repos.find(labelled.uuid)
    instance = server.instances.get(repo, "syn")
    with instance.view(version) as view:
        stored = {key[:1]: key for key in list(view.keys())}
    for prefix in (b"t", b"l", b"b"):
        with instance.view(version) as view:
            before = bytes(view.get(stored[prefix]) or b"")
        with instance.begin(version) as txn:
            txn.delete(stored[prefix])
        assert labelled.problems() != []
        with instance.begin(version) as txn:
            txn.put(stored[prefix], before)
        assert labelled.problems() == []


def test_labels_of_another_block_size_are_refused_once_there_are_elements(
    synapses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted = synapses.server.server.datatypes["labelmap"].instance
    monkeypatch.setattr(painted, "label_block_size", lambda _: (32, 32, 32))
    synapses.client.new_instance(synapses.uuid, "labelmap", "small")
    synapses.client.new_instance(synapses.uuid, "annotation", "early")
    early = synapses.named("early")
    early.post("sync", {"sync": "small"}).ok()
    early.post("elements", [{"Pos": [40, 1, 1]}]).ok()
    assert list(early.blocks()) == ["1,0,0"]
    synapses.post("elements", [{"Pos": [40, 1, 1]}]).ok()
    assert list(synapses.blocks()) == ["0,0,0"]
    reply = synapses.post("sync", {"sync": "small"})
    assert reply.status == 400
    assert "blocks" in reply.text
    assert synapses.get("info").json()["Base"]["Syncs"] == []
    early.post("sync?replace=true", {"sync": ""}).ok()
    assert list(early.blocks()) == ["1,0,0"]
    early.post("elements", [{"Pos": [41, 1, 1]}]).ok()
    assert list(early.blocks()) == ["1,0,0"]


def test_what_labels_did_is_told_to_consumers_of_messages(labelled: Any) -> None:
    labelled.post("elements", ELEMENTS).ok()
    labelled.labels("paint/1", [[0, 0, 0]])
    assert lists_of(labelled) == {1: [[1, 1, 1], [2, 1, 1]]}
    labelled.labels("merge", [5, 1])
    assert lists_of(labelled) == {5: [[1, 1, 1], [2, 1, 1]]}
    labelled.labels("paint/6", [[0, 0, 0]])
    assert lists_of(labelled) == {6: [[1, 1, 1], [2, 1, 1]]}
    labelled.delete("element/1_1_1").ok()
    server = labelled.server.server
    repo, version = server.repos.find(labelled.uuid)
    instance = server.instances.get(repo, "syn")
    found = {
        entry["Action"]: entry
        for mutation in instance.mutations(version)
        for entry in map(instance.datatype.published, mutation.entries)
    }
    one, two = {"Kind": "PreSyn", "Pos": [1, 1, 1]}, {"Kind": "Gap", "Pos": [2, 1, 1]}
    assert found["ingest-block"]["Delta"] == {"Add": [{"Label": 1, **one}, {"Label": 1, **two}], "Del": None}
    assert found["mutate-block"]["Delta"]["Add"] == [{"Label": 6, **one}, {"Label": 6, **two}]
    assert found["mutate-block"]["Delta"]["Del"] == [{"Label": 5, **one}, {"Label": 5, **two}]
    assert found["merge"]["Delta"]["Add"] == [{"Label": 5, **one}, {"Label": 5, **two}]
    assert found["merge"]["Delta"]["Del"] == [{"Label": 1, **one}, {"Label": 1, **two}]
    assert found["element-delete"] == {"Action": "element-delete", "Point": [1, 1, 1]}
    assert not [field for entry in found.values() for field in entry if field.startswith("_")]
    assert {"ingest-block", "mutate-block", "merge"} <= instance.datatype.announced


def test_a_block_that_both_sides_of_a_merge_changed_is_settled_by_posting_it(labelled: Any) -> None:
    client = labelled.client
    labelled.labels("paint/1", [[0, 0, 0], [1, 0, 0], [9, 0, 0]])
    labelled.post("elements", ELEMENTS).ok()
    client.commit(labelled.uuid)
    sides = [labelled.at(client.child(labelled.uuid)), labelled.at(client.child(labelled.uuid, "right"))]
    for number, side in enumerate(sides):
        here, there = [5 + number, 1, 1], [64 * 9 + number, 1, 1]
        side.post("elements", [{"Pos": here, "Tags": ["a"]}, *([{"Pos": there, "Tags": ["b"]}] * number)]).ok()
        client.commit(side.uuid)
    body = {"mergeType": "conflict-free", "parents": [side.uuid for side in sides], "note": ""}
    both = labelled.at(client.post(f"/api/repo/{labelled.uuid}/merge", body).ok().json()["child"])
    assert both.get("all-elements").status == 409
    assert both.post("elements", [{"Pos": [7, 1, 1]}]).status == 409
    assert both.places("elements/64_64_64/64_0_0") == [[70, 1, 1]]
    assert both.places("tag/b") == [[577, 1, 1]]
    both.post("blocks", {"0,0,0": [{"Pos": [5, 1, 1], "Tags": ["a"]}, {"Pos": [6, 1, 1]}]}).ok()
    both.reload()
    assert both.places("elements/1000_9_9/0_0_0") == [[5, 1, 1], [6, 1, 1], [70, 1, 1], [577, 1, 1]]
    assert both.places("tag/a") == [[5, 1, 1], [70, 1, 1]]
    assert lists_of(both) == {1: [[5, 1, 1], [6, 1, 1], [70, 1, 1], [577, 1, 1]]}
    assert both.problems() == []
