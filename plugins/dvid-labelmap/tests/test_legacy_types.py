"""The older types: labelarray, labelblk and labelvol as their clients call them."""

from __future__ import annotations

import io
import struct
from types import SimpleNamespace
from typing import Any

import lz4.block
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.running import ServerThread

Labels = NDArray[np.uint64]
OFFSET = "-32_0_32"


@pytest.fixture
def client(server: ServerThread) -> Client:
    return server.client


@pytest.fixture
def root(client: Client) -> str:
    """A repo with a labelarray, a labelblk and a labelvol that is synced with it, all empty."""
    uuid = client.new_repo()
    client.new_instance(uuid, "labelarray", "array", BlockSize="32,32,32", MaxDownresLevel="1")
    client.new_instance(uuid, "labelblk", "blk")
    client.new_instance(uuid, "labelvol", "vol")
    client.post(f"/api/node/{uuid}/vol/sync", {"sync": "blk"}).ok()
    client.post(f"/api/node/{uuid}/blk/sync", {"sync": "vol"}).ok()
    return uuid


@pytest.fixture
def volume(volumes: SimpleNamespace) -> Labels:
    """uint64 (z, y, x) of 64^3."""
    return volumes.natural((64, 64, 64), 2, bodies=12) % np.uint64(1 << 40)


@pytest.fixture
def written(client: Client, root: str, volume: Labels) -> str:
    for name in ("array", "blk"):
        client.post(f"/api/node/{root}/{name}/raw/0_1_2/64_64_64/{OFFSET}", volume.tobytes()).ok()
    return root


def get(client: Client, root: str, rest: str, body: Any = None) -> Reply:
    return client.get(f"/api/node/{root}/{rest}", body)


def runs_of(body: bytes) -> Labels:
    """The voxels (x, y, z) of a sparse volume."""
    head = struct.unpack("<4BII", body[:12])
    runs = np.frombuffer(body[12:], "<i4").reshape(-1, 4)
    assert head[5] == len(runs)
    return np.concatenate([[(x + i, y, z) for i in range(n)] for x, y, z, n in runs.tolist()])


def voxels_of(volume: Labels, labels: list[int]) -> set[tuple[int, ...]]:
    z, y, x = np.nonzero(np.isin(volume, np.array(labels, np.uint64)))
    return set(zip((x - 32).tolist(), y.tolist(), (z + 32).tolist(), strict=True))


def test_what_they_show(client: Client, root: str) -> None:
    found = {name: get(client, root, f"{name}/info").ok().json() for name in ("array", "blk", "vol")}
    for name, kind in (("array", "labelarray"), ("blk", "labelblk"), ("vol", "labelvol")):
        assert found[name]["Base"]["TypeName"] == kind
        assert found[name]["Base"]["TypeURL"] == f"github.com/janelia-flyem/dvid/datatype/{kind}"
    assert found["array"]["Extended"] == {
        "Values": [{"DataType": "uint64", "Label": "labelarray"}],
        "Interpolable": False,
        "BlockSize": [32, 32, 32],
        "VoxelSize": [8, 8, 8],
        "VoxelUnits": ["nanometers"] * 3,
        **dict.fromkeys(("MinPoint", "MaxPoint", "MinIndex", "MaxIndex")),
        "Background": 0,
        "GridStore": "",
        "ScaleLevel": 0,
        "MaxLabel": {},
        "MaxRepoLabel": 0,
        "IndexedLabels": True,
        "CountLabels": True,
        "MaxDownresLevel": 1,
    }
    assert found["array"]["Base"]["Compression"].startswith("gzip")
    assert "Extents" in found["array"]
    assert "Extents" not in found["blk"]
    assert found["blk"]["Extended"]["BlockSize"] == [32, 32, 32]
    assert not {"MaxLabel", "IndexedLabels", "MaxDownresLevel", "NextLabel"} & set(found["blk"]["Extended"])
    assert found["blk"]["Base"]["Syncs"] == ["vol"]
    assert found["vol"]["Base"]["Syncs"] == ["blk"]
    assert set(found["vol"]["Extended"]) == {"VoxelSize", "VoxelUnits", "BlockSize", "MaxLabel"}


@pytest.mark.parametrize("name", ["array", "blk"])
def test_voxels(client: Client, written: str, volume: Labels, name: str) -> None:
    box = f"{name}/raw/0_1_2/64_64_64/{OFFSET}"
    assert get(client, written, box).ok().body == volume.tobytes()
    packed = get(client, written, f"{box}?compression=lz4").ok().body
    assert lz4.block.decompress(packed, uncompressed_size=volume.nbytes) == volume.tobytes()
    reply = get(client, written, f"{box}?compression=googlegzip").ok()
    assert reply.headers["content-encoding"] == "gzip"
    at = int(volume[3, 2, 1])
    assert get(client, written, f"{name}/label/-31_2_35").ok().json() == {"Label": at}
    assert get(client, written, f"{name}/labels", [[-31, 2, 35], [500, 0, 0]]).ok().json() == [at, 0]
    for kind in ("raw", "isotropic", "pseudocolor"):
        image = get(client, written, f"{name}/{kind}/xz/64_64/{OFFSET}").ok()
        assert image.headers["content-type"] == "image/png"
        assert get(client, written, f"{name}/{kind}/xz/64_64/{OFFSET}/jpg").headers["content-type"] == "image/jpeg"
    axes = get(client, written, f"{name}/metadata").ok().json()["Axes"]
    assert [(axis["Size"], axis["Offset"]) for axis in axes] == [(64, -32), (64, 0), (64, 32)]
    client.post(f"/api/node/{written}/{name}/resolution", [4, 4, 40]).ok()
    assert get(client, written, f"{name}/info").json()["Extended"]["VoxelSize"] == [4, 4, 40]
    assert get(client, written, f"{name}/precomputed/info").ok().json()["scales"][0]["resolution"] == [4, 4, 40]


def test_scales_are_those_of_labelarray_alone(
    client: Client, written: str, volume: Labels, volumes: SimpleNamespace
) -> None:
    low = volumes.halved(volume)
    part = "raw/0_1_2/32_32_32/-16_0_16?scale=1"
    assert get(client, written, f"array/{part}").ok().body == low.tobytes()
    whole = get(client, written, f"blk/raw/0_1_2/64_64_64/{OFFSET}?scale=1&supervoxels=true").ok().body
    assert whole == volume.tobytes(), "labelblk knows neither parameter"


def test_blocks(client: Client, written: str, volume: Labels, volumes: SimpleNamespace) -> None:
    for name, words in (("blk", ("lz4", "uncompressed")), ("array", ("lz4", "gzip", "blocks", "uncompressed"))):
        for word in words:
            body = get(client, written, f"{name}/blocks/64_64_64/{OFFSET}?compression={word}").ok().body
            found = volumes.decoded(body, (32, 32, 32), word)
            assert len(found) == 8
            assert (found[-1, 1, 2] == volume[32:, 32:, :32]).all()
        refused = get(client, written, f"{name}/blocks/64_64_64/{OFFSET}?compression=snappy")
        assert refused.status == 400
    assert get(client, written, f"blk/blocks/64_64_64/{OFFSET}?compression=blocks").status == 400
    assert client.post(f"/api/node/{written}/blk/blocks", b"").status == 400
    stream = volumes.stream_of(volumes.encoded(volume, (4, 0, 0), (32, 32, 32)))
    client.post(f"/api/node/{written}/array/blocks?downres=true", stream).ok()
    assert get(client, written, "array/raw/0_1_2/64_64_64/128_0_0").ok().body == volume.tobytes()
    body = get(client, written, "array/specificblocks?blocks=4,0,0,90,0,0").ok().body
    assert list(volumes.decoded(body, (32, 32, 32), "blocks")) == [(4, 0, 0)]


@pytest.mark.parametrize("name", ["array", "vol"])
def test_bodies(client: Client, written: str, volume: Labels, name: str) -> None:
    labels, counts = np.unique(volume[volume > 0], return_counts=True)
    body = int(labels[counts.argmax()])
    read = get(client, written, f"{name}/sparsevol/{body}").ok().body
    assert set(map(tuple, runs_of(read).tolist())) == voxels_of(volume, [body])
    point = "_".join(str(n) for n in min(voxels_of(volume, [body])))
    assert get(client, written, f"{name}/sparsevol-by-point/{point}").ok().body == read
    inside = get(client, written, f"{name}/sparsevol/{body}?minx=0&maxz=63").ok().body
    wanted = {place for place in voxels_of(volume, [body]) if place[0] >= 0 and place[2] <= 63}
    assert set(map(tuple, runs_of(inside).tolist())) == wanted
    assert len(runs_of(get(client, written, f"{name}/sparsevol-coarse/{body}").ok().body)) <= 8
    absent = get(client, written, f"{name}/sparsevol/999")
    assert (absent.status, absent.body) == (404, b"")
    assert get(client, written, f"{name}/sparsevol/0").status == 400
    assert client.post(f"/api/node/{written}/{name}/sparsevol/{body}").status == 400
    assert client.head(f"/api/node/{written}/{name}/sparsevol/{body}").status == 200
    assert client.head(f"/api/node/{written}/{name}/sparsevol/999").status == 204
    largest = int(volume.max())
    assert get(client, written, f"{name}/maxlabel").ok().json() == {"maxlabel": largest}
    assert get(client, written, f"{name}/nextlabel").ok().json() == {"nextlabel": largest + 1}
    assert client.post(f"/api/node/{written}/{name}/nextlabel/3").status == 400


def test_a_labelvol_knows_no_parameters_of_labelmap(client: Client, written: str, volume: Labels) -> None:
    body = int(volume.max())
    plain = get(client, written, f"vol/sparsevol/{body}").ok().body
    assert get(client, written, f"vol/sparsevol/{body}?format=blocks&scale=1&supervoxels=true").ok().body == plain


def test_the_size_of_a_body_in_labelarray(client: Client, written: str, volume: Labels) -> None:
    body = int(volume.max())
    found = get(client, written, f"array/sparsevol-size/{body}").ok().json()
    assert set(found) == {"numblocks", "minvoxel", "maxvoxel"}
    assert len(get(client, written, f"array/sparsevols-coarse/1/{body}").ok().body) > 16


@pytest.mark.parametrize(("name", "voxels"), [("array", "array"), ("vol", "blk")])
def test_merges_are_seen_in_voxels_and_by_later_versions_only(
    client: Client, written: str, volume: Labels, name: str, voxels: str
) -> None:
    into, merged = (int(label) for label in np.unique(volume[volume > 0])[:2])
    client.commit(written)
    child = client.child(written)
    reply = client.post(f"/api/node/{child}/{name}/merge", [into, merged]).ok()
    assert reply.body == b""
    read = get(client, child, f"{name}/sparsevol/{into}").ok().body
    assert set(map(tuple, runs_of(read).tolist())) == voxels_of(volume, [into, merged])
    assert get(client, child, f"{name}/sparsevol/{merged}").status == 404
    box = f"{voxels}/raw/0_1_2/64_64_64/{OFFSET}"
    expected = np.where(volume == merged, np.uint64(into), volume)
    assert get(client, child, box).ok().body == expected.tobytes()
    assert get(client, written, box).ok().body == volume.tobytes()
    assert get(client, written, f"{name}/sparsevol/{merged}").status == 200
    assert client.post(f"/api/node/{written}/{name}/merge", [into, merged]).status == 400, "it is committed"
    for bad in ([into], [], [into, 0], "x"):
        assert client.post(f"/api/node/{child}/{name}/merge", bad).status == 400


def test_what_the_types_do_not_have(client: Client, written: str) -> None:
    for rest in ("array/supervoxels/1", "array/size/1", "array/mapping", "array/index/1", "array/listlabels",
                 "blk/sparsevol/1", "blk/maxlabel", "blk/specificblocks?blocks=0,0,0", "vol/raw/0_1_2/8_8_8/0_0_0",
                 "vol/label/0_0_0", "vol/metadata"):  # fmt: skip
        assert get(client, written, rest).status == 400, rest
    client.post(f"/api/node/{written}/vol/resync/7").ok()
    assert client.post(f"/api/node/{written}/vol/resync/x").status == 400
    assert client.delete(f"/api/node/{written}/vol/area/7/32_32_32/0_0_0").status == 400


def test_a_labelvol_without_labelblk(client: Client) -> None:
    root = client.new_repo()
    client.new_instance(root, "labelvol", "vol")
    for rest in ("sparsevol/1", "maxlabel"):
        reply = get(client, root, f"vol/{rest}")
        assert reply.status == 400
        assert "sync" in reply.text
    assert get(client, root, "vol/info").ok().json()["Extended"]["MaxLabel"] == {}


@pytest.mark.parametrize("body", [{"sync": "none"}, {"sync": "array"}, {"sync": "blk,vol"}, {"sync": 7}, {}, [], "x"])
def test_syncs_that_are_refused_change_nothing(client: Client, root: str, body: Any) -> None:
    for name in ("vol", "blk"):
        before = get(client, root, f"{name}/info").json()["Base"]["Syncs"]
        assert client.post(f"/api/node/{root}/{name}/sync?replace=true", body).status == 400
        assert get(client, root, f"{name}/info").json()["Base"]["Syncs"] == before


def test_syncs_are_added_or_replaced(client: Client, root: str) -> None:
    client.post(f"/api/node/{root}/vol/sync", {"sync": "blk"}).ok()
    assert get(client, root, "vol/info").json()["Base"]["Syncs"] == ["blk"]
    client.post(f"/api/node/{root}/vol/sync?replace=true", {"sync": ""}).ok()
    assert get(client, root, "vol/info").json()["Base"]["Syncs"] == []
    assert get(client, root, "vol/sparsevol/1").status == 400


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("labelarray", {"CountLabels": "maybe"}),
        ("labelarray", {"BlockSize": "10,10,10"}),
        ("labelblk", {"BlockSize": "x"}),
        ("labelvol", {"VoxelSize": "0,1,1"}),
    ],
)
def test_bad_settings(client: Client, kind: str, settings: dict[str, str]) -> None:
    body = {"typename": kind, "dataname": "x", **settings}
    reply = client.post(f"/api/repo/{client.new_repo()}/instance", body)
    assert reply.status == 400
    assert next(iter(settings)).lower() in reply.text.lower()


def test_slices_are_images(client: Client, written: str) -> None:
    png = get(client, written, "blk/raw/xy/64_64/-32_0_35").ok().body
    assert Image.open(io.BytesIO(png)).size == (64, 64)
    jpeg = get(client, written, "blk/pseudocolor/yz/64_32/-32_0_35/jpg").ok().body
    assert Image.open(io.BytesIO(jpeg)).size == (64, 32)


def sparse(places: set[tuple[int, ...]]) -> bytes:
    """A sparse volume of voxels, each a run of its own."""
    runs = np.array([(*place, 1) for place in sorted(places)], "<i4")
    return struct.pack("<4BII", 0, 3, 0, 0, 0, len(runs)) + runs.tobytes()


@pytest.mark.parametrize(("name", "voxels"), [("array", "array"), ("vol", "blk")])
def test_a_split_of_what_was_merged(client: Client, written: str, volume: Labels, name: str, voxels: str) -> None:
    into, merged = (int(label) for label in np.unique(volume[volume > 0])[:2])
    client.post(f"/api/node/{written}/{name}/merge", [into, merged]).ok()
    whole = voxels_of(volume, [into, merged])
    part = {place for place in whole if place[1] < 20}
    assert part
    assert part != whole
    reply = client.post(f"/api/node/{written}/{name}/split/{into}", sparse(part)).ok().json()
    assert set(reply) == {"label"}
    for label, places in ((reply["label"], part), (into, whole - part)):
        read = get(client, written, f"{name}/sparsevol/{label}").ok().body
        assert set(map(tuple, runs_of(read).tolist())) == places
    inside = np.zeros(volume.shape, bool)
    inside[tuple(np.array([(z - 32, y, x + 32) for x, y, z in part]).T)] = True
    expected = np.where(volume == merged, np.uint64(into), volume)
    expected[inside] = reply["label"]
    assert get(client, written, f"{voxels}/raw/0_1_2/64_64_64/{OFFSET}").ok().body == expected.tobytes()
    chosen = {place for place in whole - part if place[1] < 30}
    wanted = client.post(f"/api/node/{written}/{name}/split/{into}?splitlabel=123456789012", sparse(chosen)).ok()
    assert wanted.json() == {"label": 123456789012}
    read = get(client, written, f"{name}/sparsevol/123456789012").ok().body
    assert set(map(tuple, runs_of(read).tolist())) == chosen
    for query in (f"?splitlabel={reply['label']}", "?splitlabel=x"):
        again = client.post(f"/api/node/{written}/{name}/split/{into}{query}", sparse(whole - part - chosen))
        assert again.status == 400
    assert client.post(f"/api/node/{written}/{name}/split/{into}", sparse({(500, 0, 0)})).status == 400
    assert client.post(f"/api/node/{written}/{name}/split/{into}", b"junk").status == 400


@pytest.mark.parametrize(("name", "voxels"), [("array", "array"), ("vol", "blk")])
def test_a_split_by_blocks(client: Client, written: str, volume: Labels, name: str, voxels: str) -> None:
    labels, counts = np.unique(volume[volume > 0], return_counts=True)
    body = int(labels[counts.argmax()])
    whole = voxels_of(volume, [body])
    in_blocks = {place for place in whole if place[0] < 0 and place[2] // 32 == 1}
    assert in_blocks
    blocks = sparse({(-1, 0, 1), (-1, 1, 1), (70, 0, 0)})
    made = client.post(f"/api/node/{written}/{name}/split-coarse/{body}", blocks).ok().json()["label"]
    read = get(client, written, f"{name}/sparsevol/{made}").ok().body
    assert set(map(tuple, runs_of(read).tolist())) == in_blocks
    assert client.post(f"/api/node/{written}/{name}/split-coarse/{body}", blocks).status == 400, "nothing is left there"
    everything = sparse({(x, y, z) for x in (-1, 0) for y in (0, 1) for z in (1, 2)})
    again = client.post(f"/api/node/{written}/{name}/split-coarse/{body}", everything).ok().json()["label"]
    assert again > made
    assert get(client, written, f"{name}/sparsevol/{body}").status == 404
    read = get(client, written, f"{name}/sparsevol/{again}").ok().body
    assert set(map(tuple, runs_of(read).tolist())) == whole - in_blocks
    place = min(whole - in_blocks)
    point = "_".join(map(str, place))
    assert get(client, written, f"{voxels}/label/{point}").ok().json() == {"Label": again}
    assert client.post(f"/api/node/{written}/{name}/split-coarse/{body}", everything).status == 400
    wanted = client.post(f"/api/node/{written}/{name}/split-coarse/{again}?splitlabel=40000000000000", everything).ok()
    assert wanted.json() == {"label": 40_000_000_000_000}
    enormous = struct.pack("<4BII4i", 0, 3, 0, 0, 0, 1, 0, 0, 0, 2**31 - 1)
    assert client.post(f"/api/node/{written}/{name}/split-coarse/{made}", enormous).status == 400
    assert get(client, written, f"{name}/nextlabel").ok().json() == {"nextlabel": 40_000_000_000_001}
