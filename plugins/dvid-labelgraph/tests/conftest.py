"""A server with this plugin, and one graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from dvid_framework.testing.instance_client import InstanceClient
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


@dataclass
class Graph(InstanceClient):
    """An instance at a version."""

    def whole(self) -> tuple[dict[int, float], dict[tuple[int, int], float]]:
        return parts_of(self.get("subgraph").ok().json())

    def near(self, vertex: int) -> tuple[dict[int, float], dict[tuple[int, int], float]]:
        return parts_of(self.get(f"neighbors/{vertex}").ok().json())


def parts_of(graph: Mapping[str, Any]) -> tuple[dict[int, float], dict[tuple[int, int], float]]:
    vertices = {one["Id"]: one["Weight"] for one in graph["Vertices"]}
    edges = {(one["Id1"], one["Id2"]): one["Weight"] for one in graph["Edges"] or ()}
    assert len(vertices) == len(graph["Vertices"])
    assert len(edges) == len(graph["Edges"] or ())
    return vertices, edges


@pytest.fixture
def server(dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch) -> ServerThread:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "labelgraph")
    return dvid_server()


@pytest.fixture
def graph(server: ServerThread) -> Graph:
    uuid = server.client.new_repo()
    server.client.new_instance(uuid, "labelgraph", "lg")
    return Graph(server.client, uuid, "lg")
