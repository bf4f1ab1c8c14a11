"""A data folder of the first stage, which had no bodies: they are indexed once, and are right at every version."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dvid_labelmap.ops.ingest
import numpy as np
import pytest
from dvid_labelmap.ops import index_build
from dvid_labelmap.plugin import LabelMap
from numpy.typing import NDArray

from dvid_framework.testing import Plugins, check
from dvid_framework.testing.running import ServerThread

Labels = NDArray[np.uint64]
SIDE = 16


def sizes_of(volume: Labels) -> list[list[int]]:
    names, counts = np.unique(volume[volume != 0], return_counts=True)
    return [[int(name), int(count)] for name, count in zip(names, counts, strict=True)]


@pytest.fixture
def old_folder(
    tmp_path: Path, plugins: Callable[[], Plugins], volumes: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[ServerThread, dict[str, Labels]]]:
    """A stopped server on a folder as the first stage wrote it: three versions, the second overwrites some blocks."""
    monkeypatch.setattr(LabelMap, "version", "0.1")
    monkeypatch.setattr(dvid_labelmap.ops.ingest, "index_blocks", lambda *_: None)
    monkeypatch.setattr(dvid_labelmap.instance.LabelMapInstance, "check_indexed", lambda _: None)
    server = ServerThread(tmp_path, plugins=plugins())
    root = server.client.new_repo()
    server.client.new_instance(root, "labelmap", "seg", BlockSize="16,16,16", MaxDownresLevel="1")
    first = volumes.natural((64, 48, 32), 3)
    post = f"/api/node/{root}/seg/raw/0_1_2/64_48_32/-32_0_0"
    server.client.post(post, first.tobytes()).ok()
    server.client.commit(root)
    left, right = server.client.child(root), server.client.child(root, branch="b")
    expected = {root: first, left: first.copy(), right: first.copy()}
    expected[left][:16, :, :32] = volumes.natural((32, 48, 16), 8)
    part = np.ascontiguousarray(expected[left][:16, :, :32])
    server.client.post(f"/api/node/{left}/seg/raw/0_1_2/32_48_16/-32_0_0", part.tobytes()).ok()
    expected[right][:16, :16, :16] = 0
    blocks = volumes.encoded(np.zeros((16, 16, 16), np.uint64), (-2, 0, 0), (16, 16, 16))
    server.client.post(f"/api/node/{right}/seg/ingest-supervoxels", volumes.stream_of(blocks)).ok()
    server.stop()
    monkeypatch.undo()
    yield server, expected
    server.stop()


def listed(server: ServerThread, version: str) -> Any:
    reply = server.client.get(f"/api/node/{version}/seg/listlabels?sizes=true")
    if reply.status == 503:
        assert "indexed" in reply.text
        assert int(reply.headers["retry-after"]) > 0
        return None
    return np.frombuffer(reply.ok().body, "<u8").reshape(-1, 2).tolist()


def wait_for(server: ServerThread, version: str) -> Any:
    deadline = time.monotonic() + 60
    while (found := listed(server, version)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_bodies_are_indexed_once(old_folder: tuple[ServerThread, dict[str, Labels]]) -> None:
    server, expected = old_folder
    server.restart()
    versions = list(expected)
    raw = server.client.get(f"/api/node/{versions[1]}/seg/raw/0_1_2/64_48_32/-32_0_0").ok().body
    assert (np.frombuffer(raw, "<u8").reshape(32, 48, 64) == expected[versions[1]]).all()
    for version, volume in expected.items():
        assert wait_for(server, version) == sizes_of(volume)
    before = server.server.stores.log("default").written
    server.restart()
    for version, volume in expected.items():
        assert listed(server, version) == sizes_of(volume)
    assert server.server.stores.log("default").written == before
    assert check(server.server.stores, server.server.repos, server.server.instances).clean
    body = sizes_of(expected[versions[1]])[0][0]
    other = sizes_of(expected[versions[1]])[1][0]
    server.client.post(f"/api/node/{versions[1]}/seg/merge", [body, other]).ok()


def test_writes_wait_until_bodies_are_indexed(
    old_folder: tuple[ServerThread, dict[str, Labels]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, expected = old_folder
    left = list(expected)[1]
    gate, slow = SimpleNamespace(open=False), index_build._index_version

    def build(instance: Any, version: Any, first: int) -> Iterator[int]:
        while not gate.open:
            time.sleep(0.01)
        yield from slow(instance, version, first)

    monkeypatch.setattr(index_build, "_index_version", build)
    server.restart()
    block = np.full((16, 16, 16), 77, np.uint64)
    requests = [
        ("POST", "raw/0_1_2/16_16_16/0_0_0", block.tobytes()),
        ("POST", "merge", [1, 2]),
        ("POST", "mappings", b""),
        ("GET", "sizes", [1]),
        ("GET", "mapping", [1]),
        ("GET", "sparsevol/1", None),
        ("HEAD", "sparsevol/1", None),
        ("GET", "existing-labels", None),
    ]
    for method, rest, body in requests:
        assert server.client.request(method, f"/api/node/{left}/seg/{rest}", body).status == 503, rest
    assert server.client.get(f"/api/node/{left}/seg/label/1_1_1").status == 200
    gate.open = True
    assert wait_for(server, left) == sizes_of(expected[left])
    server.client.post(f"/api/node/{left}/seg/raw/0_1_2/16_16_16/0_0_0", block.tobytes()).ok()
    expected[left][:16, :16, 32:48] = 77
    assert listed(server, left) == sizes_of(expected[left])


def test_a_build_that_was_cut_off_begins_again(
    old_folder: tuple[ServerThread, dict[str, Labels]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, expected = old_folder
    _, left, right = expected
    done: list[int] = []
    whole = index_build._index_version

    def index_version(instance: Any, version: Any, first: int) -> Iterator[int]:
        if done:
            raise index_build.Unavailable("the disk is away")
        for indexed in whole(instance, version, first):
            done.append(indexed)
            yield indexed
            if len(done) == 2:
                raise index_build.Unavailable("the disk is away")

    monkeypatch.setattr(index_build, "_BATCH_BLOCKS", 3)
    monkeypatch.setattr(index_build, "_index_version", index_version)
    server.restart()
    assert listed(server, left) is None
    address = f"/api/node/{right}/seg/jobs"
    while (job := server.client.json(address)[0])["error"] != "the disk is away":
        time.sleep(0.01)
    assert (job["state"], job["kind"], job["done"], job["total"]) == ("queued", "index", 0, 3)
    assert done == [3, 6]
    server.stop()
    monkeypatch.setattr(index_build, "_index_version", whole)
    server.restart()
    for version, volume in expected.items():
        assert wait_for(server, version) == sizes_of(volume)
    assert check(server.server.stores, server.server.repos, server.server.instances).clean
    assert server.client.json(address)[0]["id"] == job["id"]
    assert server.client.json(f"/api/node/{right}/seg/info")["Base"]["TypeVersion"] == "0.2"
    assert LabelMap.upgrade("0.1") == "index"
    assert LabelMap.upgrade("0.2") is None
