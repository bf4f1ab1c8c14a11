"""Files of supervoxels by the bodies of a real labelmap: what merges, cleaves and splits do to them."""

from __future__ import annotations

import io
import struct
import tarfile

import pytest

from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ServerFactory

SIDE = 64
QUARTER = SIDE**3 // 4


def tar_of(*supervoxels: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for supervoxel in supervoxels:
            data = b"mesh of %d" % supervoxel
            entry = tarfile.TarInfo(f"{supervoxel}.drc")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


class Meshes:
    """A segmentation of four supervoxels, and files for three of them."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.uuid = client.new_repo()
        client.new_instance(self.uuid, "labelmap", "seg")
        client.new_instance(self.uuid, "tarsupervoxels", "meshes", Extension="drc")
        voxels = b"".join(struct.pack("<Q", label) * QUARTER for label in (1, 2, 3, 4))
        client.post(f"/api/node/{self.uuid}/seg/raw/0_1_2/{SIDE}_{SIDE}_{SIDE}/0_0_0", voxels).ok()
        client.post(f"/api/node/{self.uuid}/meshes/sync", {"sync": "seg"}).ok()
        client.post(f"/api/node/{self.uuid}/meshes/load", tar_of(1, 2, 4)).ok()

    def files(self, body: int, uuid: str = "") -> list[str]:
        reply = self.client.get(f"/api/node/{uuid or self.uuid}/meshes/tarfile/{body}")
        if reply.status != 200:
            assert reply.status == 400
            return []
        with tarfile.open(fileobj=io.BytesIO(reply.body)) as tar:
            return tar.getnames()

    def change(self, what: str, body: object, uuid: str = "") -> dict[str, int]:
        reply: dict[str, int] = self.client.post(f"/api/node/{uuid or self.uuid}/seg/{what}", body).ok().json()
        return reply


@pytest.fixture
def meshes(dvid_server: ServerFactory) -> Meshes:
    return Meshes(dvid_server().client)


def test_merges_and_cleaves_show_at_once(meshes: Meshes) -> None:
    assert [meshes.files(body) for body in (1, 2, 3, 4)] == [["1.drc"], ["2.drc"], ["3.missing"], ["4.drc"]]
    meshes.change("merge", [1, 2, 3])
    assert meshes.files(1) == ["1.drc", "2.drc", "3.missing"]
    assert meshes.files(2) == []
    cleaved = meshes.change("cleave/1", [2])["CleavedLabel"]
    assert (meshes.files(1), meshes.files(cleaved)) == (["1.drc", "3.missing"], ["2.drc"])


def test_a_split_supervoxel_has_no_file_until_one_is_loaded(meshes: Meshes) -> None:
    meshes.change("merge", [1, 2])
    # The first plane of supervoxel 1, in the format of sparse volumes.
    runs = b"".join(struct.pack("<4i", 0, y, 0, SIDE) for y in range(SIDE))
    split = meshes.change("split-supervoxel/1", struct.pack("<4BII", 0, 3, 0, 0, 0, SIDE) + runs)
    new = [split["SplitSupervoxel"], split["RemainSupervoxel"]]
    assert meshes.files(1) == ["2.drc", *(f"{one}.missing" for one in sorted(new))]
    meshes.client.post(f"/api/node/{meshes.uuid}/meshes/load", tar_of(*new)).ok()
    assert meshes.files(1) == ["2.drc", *(f"{one}.drc" for one in sorted(new))]
    assert meshes.client.get(f"/api/node/{meshes.uuid}/meshes/supervoxel/1").ok().body == b"mesh of 1"


def test_bodies_are_those_of_the_version(meshes: Meshes) -> None:
    meshes.client.commit(meshes.uuid)
    child = meshes.client.child(meshes.uuid)
    side = meshes.client.child(meshes.uuid, "side")
    meshes.change("merge", [1, 2], child)
    meshes.change("merge", [4, 1], side)
    assert meshes.files(1) == ["1.drc"]
    assert meshes.files(1, child) == ["1.drc", "2.drc"]
    assert meshes.files(1, side) == []
    assert meshes.files(4, side) == ["1.drc", "4.drc"]
    reply = meshes.client.get(f"/api/node/{child}/meshes/missing/3").ok()
    assert reply.json() == [3]
