"""Clients of the testing kit that post side by side: cut requests count for nothing, and all are acknowledged."""

from __future__ import annotations

import asyncio

import pytest

from dvid_framework.testing.cluster import Cluster, Post
from dvid_framework.testing.running import ServerThread


@pytest.fixture
def address(tiny_server: ServerThread) -> str:
    root = tiny_server.client.new_repo()
    tiny_server.client.new_instance(root, "tiny", "data")
    return f"/api/node/{root}/data"


def test_each_lane_is_sent_in_its_order(tiny_server: ServerThread, address: str) -> None:
    lanes = [[Post(f"{address}/pair/{lane}", b"%d" % number) for number in range(20)] for lane in range(9)]
    cluster = Cluster(tiny_server.port, cut_every=10)
    asyncio.run(cluster.send(lanes))
    assert (cluster.acknowledged, cluster.cut, cluster.refused, cluster.lost) == (180, 18, 0, 0)
    assert tiny_server.client.json(f"{address}/pairs") == {str(lane): "19" for lane in range(9)}


def test_a_request_that_is_only_cut_changes_nothing(tiny_server: ServerThread, address: str) -> None:
    cluster = Cluster(tiny_server.port, cut_every=1)
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(cluster.send([[Post(f"{address}/pairs", b'{"a": "1"} no JSON')]]))
    assert caught.group_contains(AssertionError, match="status 400")
    assert cluster.cut == 1
    assert tiny_server.client.json(f"{address}/pairs") == {}


def test_a_server_that_is_gone_is_waited_for(tiny_server: ServerThread, address: str) -> None:
    async def late() -> Cluster:
        cluster = Cluster(1)
        sending = asyncio.create_task(cluster.send([[Post(f"{address}/pair/a", b"1")]]))
        await asyncio.sleep(0.5)
        assert cluster.lost > 0
        cluster.port = tiny_server.port
        await asyncio.wait_for(cluster.until(1), 20)
        await sending
        return cluster

    assert asyncio.run(late()).acknowledged == 1


def test_a_refused_request_is_sent_again_when_it_may() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for status in ("503 Service Unavailable", "200 OK"):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 {status}\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async def post() -> Cluster:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            cluster = Cluster(server.sockets[0].getsockname()[1])
            await cluster.send([[Post("/", b"")]])
        return cluster

    cluster = asyncio.run(post())
    assert (cluster.acknowledged, cluster.refused) == (1, 1)
