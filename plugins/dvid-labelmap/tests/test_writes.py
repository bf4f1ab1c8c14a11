"""Writing volumes and blocks through HTTP: all or nothing, in every scale, in turn."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import lz4.block
import numpy as np
import pytest
from dvid_labels import numpy_kernels
from numpy.typing import NDArray

from dvid_framework.testing import Config, LimitSettings, Plugins
from dvid_framework.testing.running import ServerThread

Labels = NDArray[np.uint64]


@pytest.fixture
def written(segmentation: Any, volumes: SimpleNamespace) -> tuple[Any, Labels]:
    """A segmentation with 64^3 voxels from (-32, -16, 0) on."""
    volume = volumes.natural((64, 64, 64), 9)
    reply = segmentation.write_raw(volume, (-32, -16, 0)).ok()
    assert reply.headers["dvid-durable"] == "false"
    assert not reply.body
    return segmentation, volume


def test_compressed_bodies(segmentation: Any, volumes: SimpleNamespace) -> None:
    volume = volumes.natural((16, 32, 16), 2)
    for x, body, word in (
        (0, lz4.block.compress(volume.tobytes(), store_size=False), "lz4"),
        (16, gzip.compress(volume.tobytes()), "gzip"),
    ):
        segmentation.post(f"raw/0_1_2/16_32_16/{x}_-32_0?compression={word}&mutate=true", body).ok()
        assert (segmentation.read_raw((16, 32, 16), (x, -32, 0)) == volume).all()


def test_erasing_a_block_leaves_its_neighbours(written: tuple[Any, Labels]) -> None:
    seg, _ = written
    before = seg.read_raw((32, 32, 32), (-16, -8, 0), "?scale=1")
    seg.write_raw(np.zeros((16, 16, 16), np.uint64), (-32, -16, 0)).ok()
    after = seg.read_raw((32, 32, 32), (-16, -8, 0), "?scale=1")
    assert not after[:8, :8, :8].any()
    before = before.copy()
    before[:8, :8, :8] = 0
    assert (after == before).all()


def test_stored_bytes_are_passed_on(segmentation: Any, volumes: SimpleNamespace) -> None:
    block = volumes.encoded(volumes.natural((16, 16, 16), 3), (0, 0, 0), segmentation.block)
    body = volumes.stream_of(block)
    segmentation.post("ingest-supervoxels", body).ok()
    assert segmentation.get("specificblocks?blocks=0,0,0").ok().body == body
    assert segmentation.get("maxlabel").status == 400
    assert segmentation.json("info")["Extents"]["MinPoint"] is None
    assert not segmentation.read_raw((8, 8, 8), (0, 0, 0), "?scale=1").any()


def test_the_last_of_two_blocks_for_one_place_counts(segmentation: Any, volumes: SimpleNamespace) -> None:
    one, two = (volumes.encoded(np.full((16, 16, 16), n, np.uint64), (0, 0, 0), segmentation.block) for n in (9, 5))
    segmentation.post("blocks?downres=true", volumes.stream_of(one) + volumes.stream_of(two)).ok()
    assert segmentation.json("label/0_0_0") == {"Label": 5}
    assert segmentation.json("maxlabel") == {"maxlabel": 5}
    assert segmentation.json("label/0_0_0?scale=2") == {"Label": 5}


def bad_streams(volumes: SimpleNamespace) -> dict[str, bytes]:
    block = (16, 16, 16)
    good = volumes.encoded(volumes.natural((32, 16, 16), 1), (0, 0, 0), block)
    data = good[0, 0, 0]
    other_size = numpy_kernels.write_blocks(np.ones((32, 32, 32), np.uint64), (32, 32, 32))[0]
    ending = {
        "header cut off": b"\0" * 7,
        "block cut off": volumes.stream_of({(1, 0, 0): data})[:-5],
        "no bytes": np.array([1, 0, 0, 0], "<i4").tobytes(),
        "negative size": np.array([1, 0, 0, -4], "<i4").tobytes(),
        "not gzip": volumes.stream_of({(1, 0, 0): b"abcde"}),
        "not gzipped blocks": volumes.stream_of({(1, 0, 0): gzip.compress(b"abcde")}),
        "another block size": volumes.stream_of({(1, 0, 0): other_size}),
        "bytes after the block": volumes.stream_of({(1, 0, 0): gzip.compress(gzip.decompress(data) + b"\0")}),
        "too far out": volumes.stream_of({(2**31 - 1, 0, 0): data}),
        "a bomb": volumes.stream_of({(1, 0, 0): gzip.compress(bytes(1 << 24))}),
    }
    return {name: volumes.stream_of(good) + body for name, body in ending.items()}


def test_all_or_nothing(segmentation: Any, volumes: SimpleNamespace) -> None:
    for name, body in bad_streams(volumes).items():
        before = segmentation.commits()
        for endpoint in ("blocks?downres=true", "ingest-supervoxels", "blocks?scale=1"):
            assert segmentation.post(endpoint, body).status == 400, name
        assert segmentation.commits() == before
    assert segmentation.get("blocks/64_64_64/-32_-32_-32").ok().body == b""
    good = volumes.stream_of(volumes.encoded(np.ones((16, 16, 16), np.uint64), (0, 0, 0), segmentation.block))
    for endpoint in (
        "blocks?scale=3",
        "blocks?scale=x",
        "blocks?scale=1&downres=true",
        "blocks?compression=lz4",
        "ingest-supervoxels?scale=3",
    ):
        assert segmentation.post(endpoint, good).status == 400
    assert segmentation.post("blocks").ok()


def test_writes_that_are_refused(segmentation: Any) -> None:
    block = np.ones((16, 16, 16), np.uint64).tobytes()
    before = segmentation.commits()
    for rest, body in (
        ("raw/0_1_2/16_16_16/5_0_0", block),
        ("raw/0_1_2/15_16_16/0_0_0", block),
        ("raw/0_1_2/16_16_16/0_0_0", block[:-1]),
        ("raw/0_1_2/16_16_16/0_0_0", block + b"\0"),
        ("raw/0_1_2/16_16_16/0_0_0", b""),
        ("raw/xy/16_16/0_0_0", block),
        ("raw/0_1_2/16_16_16/0_0_0?roi=none", block),
        ("raw/0_1_2/16_16_16/0_0_0?compression=lz4", b"abc" * 9),
        ("raw/0_1_2/16_16_16/0_0_0?compression=gzip", b"abc" * 9),
        ("raw/0_1_2/16_16_16/0_0_0?compression=zip", block),
        ("raw/0_1_2/160000_16000_16000/0_0_0", block),
    ):
        assert 400 <= segmentation.post(rest, body).status < 500
    assert segmentation.commits() == before
    segmentation.client.commit(segmentation.root)
    assert segmentation.post("raw/0_1_2/16_16_16/0_0_0", block).status == 400


def test_a_mutation_has_a_largest_size(
    tmp_path_factory: pytest.TempPathFactory, plugins: Callable[[], Plugins], volumes: SimpleNamespace
) -> None:
    limits = LimitSettings(mutation_bytes=20_000)
    server = ServerThread(tmp_path_factory.mktemp("small"), Config(limits=limits), plugins=plugins())
    root = server.client.new_repo()
    server.client.new_instance(root, "labelmap", "seg", BlockSize="16,16,16", MaxDownresLevel="2")
    noise = np.random.default_rng(1).integers(0, 2**63, (32, 32, 32), np.uint64)
    path = f"/api/node/{root}/seg/raw/0_1_2/32_32_32/0_0_0"
    assert server.client.post(path, noise.tobytes()).status == 413
    assert server.client.get(path).ok().body == bytes(noise.nbytes)
    server.client.post(path, bytes(noise.nbytes)).ok()
    server.stop()


def test_branches_that_disagree(segmentation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seg = segmentation
    seg.client.commit(seg.root)
    one, two = seg.client.child(seg.root, "one"), seg.client.child(seg.root, "two")
    seg.write_raw(np.full((16, 16, 16), 8, np.uint64), (0, 0, 0), version=one).ok()
    seg.write_raw(np.full((16, 16, 16), 9, np.uint64), (0, 0, 0), version=two).ok()
    seg.write_raw(np.full((16, 16, 16), 4, np.uint64), (64, 0, 0), version=two).ok()
    seg.client.commit(one)
    seg.client.commit(two)
    body = {"mergeType": "conflict-free", "parents": [one, two], "note": ""}
    assert seg.client.post(f"/api/repo/{seg.root}/merge", body).status == 409
    monkeypatch.setattr(seg.instance(), "check_version_merge", lambda parents: None)  # as in data of earlier servers
    merged = seg.client.post(f"/api/repo/{seg.root}/merge", body).ok().json()["child"]
    assert seg.get("raw/0_1_2/16_16_16/0_0_0", version=merged).status == 409
    assert seg.json("label/64_0_0", merged) == {"Label": 4}
    assert seg.json("maxlabel", merged) == {"maxlabel": 9}
    assert seg.json("info", merged)["Extents"] == {"MinPoint": [0, 0, 0], "MaxPoint": [79, 15, 15]}
    seg.write_raw(np.full((16, 16, 16), 5, np.uint64), (32, 0, 0), version=merged).ok()
    assert seg.json("label/16_0_0?scale=1", merged) == {"Label": 5}
    assert seg.get("label/0_0_0?scale=1", version=merged).status == 409
    seg.write_raw(np.full((16, 16, 16), 6, np.uint64), (0, 0, 0), version=merged).ok()
    assert seg.json("label/0_0_0?scale=1", merged) == {"Label": 6}
    assert [seg.json(f"label/{x}_0_0?scale=2", merged)["Label"] for x in (0, 8, 16)] == [6, 5, 4]


def test_writers_of_one_version_are_ordered(segmentation: Any) -> None:
    """Eight blocks of one low block, each by another client: none is lost in the low block."""
    seg = segmentation

    def write(number: int) -> None:
        x, y, z = (16 * (number >> shift & 1) for shift in range(3))
        with seg.server.new_client() as client:
            body = np.full((16, 16, 16), number + 1, np.uint64).tobytes()
            client.post(seg.path(f"raw/0_1_2/16_16_16/{x}_{y}_{z}"), body).ok()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    low = seg.read_raw((16, 16, 16), (0, 0, 0), "?scale=1")
    assert np.unique(low).tolist() == list(range(1, 9))
    assert seg.json("maxlabel") == {"maxlabel": 8}


def test_followers_see_each_write_and_clients_do_not(segmentation: Any, volumes: SimpleNamespace) -> None:
    seg = segmentation
    seg.write_raw(np.ones((16, 16, 32), np.uint64), (-32, 0, 16)).ok()
    block = volumes.encoded(np.ones((16, 16, 16), np.uint64), (3, 0, 0), seg.block)
    seg.post("ingest-supervoxels", volumes.stream_of(block)).ok()
    server = seg.server.server
    repo, version = server.repos.find(seg.root)
    first, second = server.instances.get(repo, "seg").mutations(version)
    assert first.mutation_id
    assert not second.mutation_id
    assert first.entries[0]["Action"] == "blocks"
    assert np.frombuffer(first.entries[0]["Blocks"], "<i4").reshape(-1, 3).tolist() == [[-2, 0, 1], [-1, 0, 1]]
    assert seg.json("mutations") == []
