"""The type by the contract of all datatypes, but for what versions see: files are the same at all of them."""

from __future__ import annotations

import io
import tarfile
from typing import ClassVar

from dvid_framework.testing.client import Client
from dvid_framework.testing.datatype_contract import DatatypeContract, Mutation


def _tar(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


class TestTarSupervoxels(DatatypeContract):
    entry_point = "tarsupervoxels"
    type_name = "tarsupervoxels"
    settings: ClassVar = {"Extension": "dat"}
    bad_settings = ({"Extension": ""}, {"Extension": "a.b"}, {"Extension": "a/b"}, {"Extension": "missing"})
    mutations = (
        Mutation("POST", "/supervoxel/7", b"seven"),
        Mutation("POST", "/supervoxel/8", b"eight"),
        Mutation("POST", "/load", _tar("9.dat", b"nine")),
        Mutation("DELETE", "/supervoxel/8"),
    )
    reads = ("/supervoxel/7", "/supervoxel/9")
    extended = ("Extension",)

    def test_a_child_begins_with_its_parents_data_and_does_not_change_it(self, client: Client, root: str) -> None:
        client.commit(root)
        child = client.child(root)
        self._mutate(client, child)
        for path in ("/supervoxel/7", "/supervoxel/9"):
            here, there = (client.get(f"/api/node/{uuid}/data{path}").ok().body for uuid in (root, child))
            assert here == there
        assert client.json(f"/api/node/{root}/data/mutations") == []
        assert len(client.json(f"/api/node/{child}/data/mutations")) == len(self.mutations)
