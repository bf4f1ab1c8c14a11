"""Answers from memory: the same as those from the store, of the version that is asked, and bounded."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from dvid_framework.api import ValueCache
from dvid_framework.testing.running import ServerThread

Volume = Any

ADDRESSES = [
    "raw/0_1_2/8_8_8/0_0_0",
    "raw/0_1_2/20_9_11/-5_3_-2",
    "raw/xy/30_20/-6_2_3",
    "raw/xz/30_20/-6_2_-3",
    "raw/yz/30_20/5_-2_-3",
    "raw/yz/3_5/5_2_3/jpg:90",
    "raw/xy/9_9/1_1_1/tif",
    "isotropic/xz/16_16/0_1_0",
    "blocks/-1_0_0/4",
    "subvolblocks/32_16_16/-8_0_0?compression=uncompressed",
    "subvolblocks/32_16_16/-8_0_0",
    "specificblocks?blocks=1,0,0,9,9,9,-1,0,0,1,0,0&compression=uncompressed",
    "specificblocks?blocks=9,9,9&compression=uncompressed",
]


@contextmanager
def cold(volume: Volume) -> Iterator[None]:
    """Have nothing found in memory."""
    cache = volume.server.server.instances.cache
    cache.find = lambda keys, epoch: [None for _ in keys]
    try:
        yield
    finally:
        del cache.find


@pytest.mark.parametrize("type_name", ["uint8blk", "rgba8blk", "float32blk", "uint64blk"])
def test_what_is_in_memory_is_answered_alike(new_volume: Callable[..., Volume], type_name: str) -> None:
    for address in ADDRESSES:
        if "jpg" in address and type_name == "uint64blk":
            continue
        volume = new_volume(type_name, VoxelSize="8,8,16", Background="7")
        volume.write(volume.noise((24, 16, 16)), (-8, 0, 0)).ok()
        for box in ("16_16_16/-8_0_0", "16_16_16/8_0_0"):
            volume.get(f"raw/0_1_2/{box}").ok()  # so that blocks are in memory
        again = volume.get(address).ok()
        with cold(volume):
            first = volume.get(address).ok()
        assert first.body == again.body
        assert first.headers["content-type"] == again.headers["content-type"]
    until = time.monotonic() + 10  # the last bytes of an answer come before its memory is given back
    while volume.server.server.budget.held and time.monotonic() < until:
        time.sleep(0.01)
    assert volume.server.server.budget.held == 0


LONG = ["raw/0_1_2/40_40_40/-3_5_7", "raw/0_1_2/64_64_64/0_0_0", "blocks/-1_0_0/3", "specificblocks?blocks=0,0,0"]


@pytest.mark.parametrize("address", LONG)
def test_a_long_answer_in_parts_is_that_of_a_task(new_volume: Callable[..., Volume], address: str) -> None:
    volume = new_volume(block=(64, 64, 64))
    volume.write(volume.noise((192, 64, 64)), (-64, 0, 0)).ok()
    address += "&compression=uncompressed" if "?" in address else ""
    expected = volume.get(address).ok().body  # blocks are in memory from now on
    head = f"GET {volume.path(address)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    with socket.create_connection((volume.client.host, volume.client.port), timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
        # The second has the fields of the first, the third may have a body, and so needs a task.
        connection.sendall((2 * f"{head}\r\n" + f"{head}Content-Length: 0\r\n\r\n").encode())
        time.sleep(0.1)  # more has come than the sockets take
        reader = connection.makefile("rb")
        for _ in range(3):
            assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
            fields = dict(line.lower().strip().split(b": ", 1) for line in iter(reader.readline, b"\r\n"))
            assert reader.read(int(fields[b"content-length"])) == expected
    assert len(expected) > 60_000


@contextmanager
def counted(cache: ValueCache) -> Iterator[list[int]]:
    """Count how many values are kept anew."""
    kept: list[int] = []
    put = cache.put
    cache.put = lambda keys, values, epoch: (kept.append(len(keys)), put(keys, values, epoch))[1]  # type: ignore[method-assign, assignment]
    try:
        yield kept
    finally:
        cache.put = put  # type: ignore[method-assign]


def test_writes_to_a_version_leave_what_is_kept_of_others(
    new_volume: Callable[..., Volume], server: ServerThread
) -> None:
    volume, client = new_volume(), server.client
    first = volume.noise((16, 8, 8))
    volume.write(first, (0, 0, 0)).ok()
    client.commit(volume.root)
    one, two = client.child(volume.root, "one"), client.child(volume.root, "two")
    for version in (volume.root, one, two):
        assert np.array_equal(volume.read((16, 8, 8), (0, 0, 0), version=version), first)
    second = volume.noise((8, 8, 8), seed=1)
    volume.write(second, (8, 0, 0), version=one).ok()
    with counted(server.server.instances.cache) as kept:
        for version in (volume.root, two):
            assert np.array_equal(volume.read((16, 8, 8), (0, 0, 0), version=version), first)
        assert kept == []
        changed = volume.read((16, 8, 8), (0, 0, 0), version=one)
        assert kept == [2]
    assert np.array_equal(changed[:, :, 8:], second)
    assert np.array_equal(changed[:, :, :8], first[:, :, :8])


def test_what_an_administrator_writes_into_a_committed_version_is_seen_below(
    new_volume: Callable[..., Volume], server: ServerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume, client = new_volume(), server.client
    volume.write(volume.noise((16, 8, 8)), (0, 0, 0)).ok()
    client.commit(volume.root)
    child = client.child(volume.root)
    for version in (volume.root, child):
        volume.read((16, 8, 8), (0, 0, 0), version=version)
    fresh = volume.noise((16, 8, 8), seed=2)
    monkeypatch.setattr(server.server, "full_write", True)
    volume.write(fresh, (0, 0, 0)).ok()
    for version in (volume.root, child):
        assert np.array_equal(volume.read((16, 8, 8), (0, 0, 0), version=version), fresh)
