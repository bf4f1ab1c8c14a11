"""How bodies are stored: small ones as one record, large ones apart, those of earlier folders as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dvid_labelmap.ops.version_merges
import numpy as np
import pytest
from dvid_labelmap.index_codec import encode_record, is_whole
from dvid_labelmap.keys import chunk_bounds, summary_key
from dvid_labelmap.ops import body_records
from dvid_labels import kernels
from dvid_labels.indices import encode_index, join_indices
from numpy.typing import NDArray

from dvid_framework.testing import Plugins, check
from dvid_framework.testing.running import ServerThread

Labels = NDArray[np.uint64]
APART = "apart"
WHOLE = "whole"


def form(segmentation: Any, body: int, version: str | None = None) -> str | None:
    """How a body is stored at a version; None if it is none."""
    record = segmentation.server.server.repos.find(version or segmentation.version or segmentation.root)[1]
    with segmentation.instance().view(record) as view:
        value, parts = view.get(summary_key(body)), len(list(view.keys(*chunk_bounds(body))))
    if value is None:
        assert not parts
        return None
    assert is_whole(value) == (not parts)
    return WHOLE if is_whole(value) else APART


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the bytes up to which a body is one record."""
    return lambda size: monkeypatch.setattr(body_records, "MOST_WHOLE", size)


def clean(segmentation: Any) -> bool:
    server = segmentation.server.server
    return bool(check(server.stores, server.repos, server.instances).clean)


def rows(segmentation: Any, body: int, version: str | None = None) -> dict[tuple[int, ...], dict[int, int]]:
    """The index of a body, as the API shows it."""
    found = kernels.read_indices([segmentation.get(f"index/{body}", version=version).ok().body])
    index: dict[tuple[int, ...], dict[int, int]] = {}
    for at, name, count in zip(
        found.coordinates.tolist(), found.supervoxels.tolist(), found.counts.tolist(), strict=True
    ):
        index.setdefault(tuple(at), {})[name] = count
    return index


def sizes(segmentation: Any, version: str | None = None) -> list[list[int]]:
    body = segmentation.get("listlabels?sizes=true", version=version).ok().body
    return np.frombuffer(body, "<u8").reshape(-1, 2).tolist()


def test_a_body_grows_past_the_bound_and_shrinks_again(segmentation: Any, bound: Callable[[int], None]) -> None:
    bound(400)
    segmentation.write_raw(np.full((16, 16, 16), 5, np.uint64), (0, 0, 0)).ok()
    assert form(segmentation, 5) == WHOLE
    segmentation.write_raw(np.full((16, 16, 16 * 40), 5, np.uint64), (0, 16, 0)).ok()
    assert form(segmentation, 5) == APART
    assert len(rows(segmentation, 5)) == 41
    assert sizes(segmentation) == [[5, 41 * 4096]]
    segmentation.write_raw(np.zeros((16, 16, 16 * 32), np.uint64), (16 * 8, 16, 0), "?mutate=true").ok()
    assert form(segmentation, 5) == APART, "the part that is left is not touched"
    assert sizes(segmentation) == [[5, 9 * 4096]]
    segmentation.write_raw(np.zeros((16, 16, 16 * 6), np.uint64), (16 * 2, 16, 0), "?mutate=true").ok()
    assert form(segmentation, 5) == WHOLE, "all that is left is touched"
    assert rows(segmentation, 5) == {(x, y, 0): {5: 4096} for x, y in ((0, 0), (0, 1), (1, 1))}
    assert clean(segmentation)
    segmentation.write_raw(np.zeros((16, 32, 48), np.uint64), (0, 0, 0), "?mutate=true").ok()
    assert form(segmentation, 5) is None
    assert sizes(segmentation) == []
    assert clean(segmentation)


def test_merges_and_cleaves_over_the_bound(segmentation: Any, bound: Callable[[int], None]) -> None:
    bound(800)
    for label in range(1, 31):
        segmentation.write_raw(np.full((16, 16, 16), label, np.uint64), (16 * 9 * label, 0, 0)).ok()
    segmentation.post("merge", [1, *range(2, 11)]).ok()
    assert form(segmentation, 1) == WHOLE
    segmentation.post("merge", [1, *range(11, 31)]).ok()
    assert form(segmentation, 1) == APART
    assert form(segmentation, 2) is None
    new = segmentation.post("cleave/1", [1, 2, 3]).ok().json()["CleavedLabel"]
    assert form(segmentation, new) == WHOLE
    assert set(rows(segmentation, new)) == {(9, 0, 0), (18, 0, 0), (27, 0, 0)}
    large = segmentation.post("cleave/1", list(range(4, 29))).ok().json()["CleavedLabel"]
    assert form(segmentation, large) == APART
    assert len(rows(segmentation, large)) == 25
    assert set(rows(segmentation, 1)) == {(9 * 29, 0, 0), (9 * 30, 0, 0)}
    segmentation.post("renumber", [900, large, 901, new]).ok()
    assert (form(segmentation, 900), form(segmentation, 901)) == (APART, WHOLE)
    segmentation.post("merge", [901, 900, 1]).ok()
    assert form(segmentation, 901) == APART
    assert sorted(rows(segmentation, 901)) == [(9 * label, 0, 0) for label in range(1, 31)]
    assert sizes(segmentation) == [[901, 30 * 4096]]
    assert clean(segmentation)


def test_bodies_of_earlier_folders_are_read_and_changed(
    segmentation: Any, bound: Callable[[int], None], volumes: Any
) -> None:
    bound(0)  # as earlier releases stored all bodies
    first = volumes.natural((64, 64, 64), 4)
    segmentation.write_raw(first, (-64, 0, 0)).ok()
    names = np.unique(first[first != 0]).tolist()
    segmentation.post("merge", [names[0], names[1]]).ok()
    assert all(form(segmentation, name) == APART for name in names if name != names[1])
    before = {name: rows(segmentation, name) for name in names if name != names[1]}
    bound(4096)
    assert {name: rows(segmentation, name) for name in before} == before
    last = segmentation.json(f"lastmod/{names[0]}")
    root = segmentation.root
    segmentation.client.commit(root)
    segmentation.version = child = segmentation.client.child(root)
    changed = first[:16, :16, :16].copy()
    changed[changed != 0] = 77
    segmentation.write_raw(changed, (-64, 0, 0), "?mutate=true").ok()
    touched = sorted(set(np.unique(first[:16, :16, :16]).tolist()) & set(before))
    assert touched
    assert form(segmentation, 77) == WHOLE
    assert {form(segmentation, name, root) for name in before} == {APART}
    assert {name: rows(segmentation, name, root) for name in before} == before
    now = {name: rows(segmentation, name) for name, _ in sizes(segmentation)}
    for name, index in before.items():
        assert {at: own for at, own in index.items() if at != (-4, 0, 0)} == now.get(name, {})
    assert segmentation.json(f"lastmod/{names[0]}") == last
    other = next(name for name in before if name != names[0] and name in now)
    segmentation.post("merge", [names[0], other]).ok()
    assert form(segmentation, names[0]) == WHOLE
    assert form(segmentation, other) is None
    assert form(segmentation, other, root) == APART
    assert clean(segmentation)
    segmentation.server.restart()
    segmentation.client = segmentation.server.client
    assert rows(segmentation, other, root) == before[other]
    assert {name for name, _ in sizes(segmentation, child)} == now.keys() - {other}


def test_posted_indices_take_the_place_of_either_form(segmentation: Any, bound: Callable[[int], None]) -> None:
    def posted(count: int) -> bytes:
        at = np.array([(9 * n, 0, 0) for n in range(count)], np.int32).reshape(-1, 3)
        columns = np.full(count, 6, np.uint64), np.full(count, 3, np.uint32)
        return join_indices([encode_index(6, at, *columns, 8, "2026-01-01T00:00:00Z", "ann", "app")])

    bound(500)
    for count, expected in ((3, WHOLE), (30, APART), (4, WHOLE), (40, APART), (39, APART), (0, None), (1, WHOLE)):
        segmentation.post("indices", posted(count)).ok()
        assert form(segmentation, 6) == expected
        if expected:
            assert rows(segmentation, 6) == {(9 * n, 0, 0): {6: 3} for n in range(count)}
            assert sizes(segmentation) == [[6, 3 * count]]
            assert segmentation.json("lastmod/6")["last mod user"] == "ann"


def test_what_is_damaged_is_told(segmentation: Any, bound: Callable[[int], None]) -> None:
    segmentation.write_raw(np.full((16, 16, 16), 5, np.uint64), (0, 0, 0)).ok()
    instance = segmentation.instance()
    version = segmentation.server.server.repos.find(segmentation.root)[1]

    def put(key: bytes, value: bytes) -> None:
        with instance.begin(version) as txn:
            txn.put(key, value)
            txn.emit("damage")
            txn.commit()

    def told() -> str:
        server = segmentation.server.server
        return str(check(server.stores, server.repos, server.instances))

    with instance.view(version) as view:
        value = view.get(summary_key(5))
        assert value is not None
        whole = bytes(value)
        record = body_records.decode_record(whole)
    wrong = record.summary._replace(voxels=3)
    put(summary_key(5), encode_record(wrong, record.corners, record.chunks))
    assert "body 5 as a whole is not what its index says" in told()
    put(summary_key(5), whole)
    put(body_records.chunk_key(5, (0, 0, 0)), bytes(record.chunks[0]))
    assert "the index of body 5 is stored twice" in told()
    put(summary_key(5), whole[:-1])
    for path in ("index/5", "sparsevol/5", "sparsevol-coarse/5", "supervoxels/5", "supervoxel-sizes/5"):
        reply = segmentation.get(path)
        assert reply.status == 500, path
        assert "damaged" in reply.text
    assert segmentation.get("indices", [5]).status == 500 or not segmentation.get("indices", [5]).body
    assert "can't be checked" in told()


@pytest.fixture
def merged(
    tmp_path: Path, plugins: Callable[[], Plugins], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[ServerThread, str]]:
    """A server and a merge of two versions that both changed the same bodies, which releases no longer allow."""
    monkeypatch.setattr(dvid_labelmap.instance, "check_one_side", lambda *_: None)
    server = ServerThread(tmp_path, plugins=plugins())
    root = server.client.new_repo()
    server.client.new_instance(root, "labelmap", "seg", BlockSize="16,16,16")
    post(server, root, 4, 0)
    server.client.commit(root)
    sides = server.client.child(root), server.client.child(root, branch="b")
    for number, side in enumerate(sides):
        post(server, side, 3, 10 + 9 * number)
        server.client.commit(side)
    reply = server.client.post(f"/api/repo/{root}/merge", {"mergeType": "conflict-free", "parents": list(sides)})
    yield server, reply.ok().json()["child"]
    server.stop()


def post(server: ServerThread, version: str, blocks: int, first: int) -> None:
    volume = np.full((16, 16, 16 * blocks), 5, np.uint64)
    volume[:8] = 6
    path = f"/api/node/{version}/seg/raw/0_1_2/{16 * blocks}_16_16/{16 * first}_0_0?mutate=true"
    server.client.post(path, volume.tobytes()).ok()


@pytest.mark.parametrize("most", [0, 4096])
def test_what_merged_branches_disagree_about_is_made_anew(
    merged: tuple[ServerThread, str], most: int, bound: Callable[[int], None]
) -> None:
    server, version = merged
    assert server.client.get(f"/api/node/{version}/seg/size/5").status == 409
    bound(most)
    post(server, version, 2, 1)
    for label in (5, 6):
        assert server.client.json(f"/api/node/{version}/seg/size/{label}") == {"voxels": 10 * 2048}
        found = kernels.read_indices([server.client.get(f"/api/node/{version}/seg/index/{label}").ok().body])
        assert found.coordinates[:, 0].tolist() == [0, 1, 2, 3, 10, 11, 12, 19, 20, 21]
    post(server, version, 1, 30)
    assert server.client.json(f"/api/node/{version}/seg/size/5") == {"voxels": 11 * 2048}
    assert check(server.server.stores, server.server.repos, server.server.instances).clean
