"""The type by the contract of all datatypes."""

from __future__ import annotations

from types import MappingProxyType

from dvid_framework.testing.client import Client
from dvid_framework.testing.datatype_contract import DatatypeContract, Mutation

SPEC = b'{"Levels": {"0": {"Resolution": [8, 8, 8], "TileSize": [32, 32, 32]}}}'


class TestImageTile(DatatypeContract):
    entry_point = "imagetile"
    type_name = "imagetile"
    answers_head = False
    settings = MappingProxyType({"Format": "png", "Source": "gray"})
    bad_settings = ({"Format": "gif"}, {"Placeholder": "maybe"}, {"Compression": "gzip"})
    mutations = (
        Mutation("POST", "/tile/xy/0/1_2_3", b"a tile"),
        Mutation("POST", "/tile/yz/0/1_2_3", b"another"),
    )
    reads = ("/tile/xy/0/1_2_3", "/tile/yz/0/1_2_3")
    extended = ("Source", "Levels", "MinTileCoord", "MaxTileCoord", "Placeholder", "Encoding", "Quality")

    def _new(self, client: Client, name: str, **settings: str) -> str:
        """The levels are the same at all versions, and needed by reads."""
        root = super()._new(client, name, **settings)
        client.post(f"/api/node/{root}/{name}/metadata", SPEC).ok()
        return root
