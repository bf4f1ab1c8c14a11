"""What is refused: with a sentence, before anything is allocated, and without a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Volume = Any
REFUSED_GETS = (
    "raw/0_1_2/4_4_4/2147483647_0_0",
    "raw/0_1_2/-2_-2_4/0_0_0",
    "raw/0_1_2/2000_2000_2000/0_0_0",
    "raw/0_1_2/2147483647_2147483647_1/0_0_0",
    "raw/xy/70000_1/0_0_0",
    "raw/xy/60000_60000/0_0_0",
    "raw/0_1_2/64_64_2000/0_0_0/jpg",
    "isotropic/xz/1_1/0_0_0",
    "blocks/0_0_0/-1",
    "blocks/0_0_0/100000000",
    "blocks/2147483647_0_0/2",
    "subvolblocks/8_8_8",
    "subvolblocks/8_8_8/0_0_0?compression=lz4",
    "subvolblocks/8000_8000_8000/0_0_0",
    "specificblocks?blocks=0,0,0&compression=jpeg",
    "specificblocks?blocks=1,2,3000000000",
    "arb/0_0_0/9_0_0/0_9_0/0",
    "arb/0_0_0/9_0_0/0_9_0/-1",
    "arb/0_0_0/9_0_0/0_9_0/nan",
    "arb/0_0_0/1e9_0_0/0_9_0/1",
    "arb/0_0_0/60000_0_0/0_60000_0/1",
    "arb/0_0_0/1e300_0_0/0_9_0/1e299",
    "raw/0_1_2/4_4_4/0_0_0?roi=vol",
    "rawkey/1",
    "rawkey?x=1",
    "extents",
)


@pytest.mark.parametrize("path", REFUSED_GETS)
def test_gets(new_volume: Callable[..., Volume], path: str) -> None:
    volume = new_volume(VoxelSize="1,1,100")
    reply = volume.get(path)
    assert reply.status == 400, reply.text
    assert len(reply.text) > 20
    assert "Traceback" not in reply.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("raw/0_1_2/8_8_8/0_0_0", bytes(511)),
        ("raw/0_1_2/8_8_8/0_0_0", bytes(513)),
        ("raw/0_1_2/8_8_8/0_0_4", bytes(512)),
        ("raw/0_1_2/8_8_12/0_0_0", bytes(768)),
        ("raw/xy/8_8/0_0_0", bytes(64)),
        ("raw/0_1_2/8_8_8/0_0_0?roi=none", bytes(512)),
        ("raw/0_1_2/8_8_8/0_0_0?scale=1", bytes(512)),
        ("raw/0_1_2/80000_80000_8/0_0_0", bytes(512)),
        ("blocks/0_0_0/0", bytes(512)),
        ("blocks/0_0_0/2", bytes(1023)),
        ("blocks/0_0_0/2000000", bytes(512)),
        ("blocks/2147483647_0_0/1", bytes(512)),
        ("isotropic/0_1_2/8_8_8/0_0_0", bytes(512)),
        ("info", b"{}"),
        ("extents", b"[1, 2]"),
        ("extents", b'{"MinPoint": [5, 0, 0], "MaxPoint": [4, 9, 9]}'),
        ("extents", b'{"MinPoint": [1, 2, 3, 4]}'),
        ("resolution", b"[1, 2]"),
        ("resolution", b"[1, 2, 0]"),
        ("resolution", b"[1, 2, -1]"),
    ],
)
def test_posts_change_nothing(new_volume: Callable[..., Volume], path: str, body: bytes) -> None:
    volume = new_volume(MaxDownresLevel="1")
    volume.write(volume.noise((16, 8, 8)), (0, 0, 0)).ok()
    before = [volume.get(read).ok().body for read in ("raw/0_1_2/64_64_64/0_0_0", "metadata", "info")]
    reply = volume.post(path, body)
    assert 400 <= reply.status < 500, reply.text
    assert len(reply.text) > 20
    assert [volume.get(read).ok().body for read in ("raw/0_1_2/64_64_64/0_0_0", "metadata", "info")] == before


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"BlockSize": "0,8,8"}, "blocksize"),
        ({"BlockSize": "8,8"}, "blocksize"),
        ({"BlockSize": "8,8,8,8"}, "blocksize"),
        ({"BlockSize": "1024,1024,1024"}, "BlockSize"),
        ({"BlockSize": "7,8,8", "MaxDownresLevel": "1"}, "BlockSize"),
        ({"VoxelSize": "0,1,1"}, "voxelsize"),
        ({"VoxelUnits": "nm"}, "voxelunits"),
        ({"MaxDownresLevel": "99"}, "maxdownreslevel"),
        ({"MinPoint": "5,5,5", "MaxPoint": "1,9,9"}, "MinPoint"),
        ({"GridStore": "none"}, "grid store"),
    ],
)
def test_settings(new_volume: Callable[..., Volume], settings: dict[str, str], word: str) -> None:
    volume = new_volume()
    body = {"typename": "uint8blk", "dataname": "other", **settings}
    reply = volume.client.post(f"/api/repo/{volume.root}/instance", body)
    assert reply.status == 400
    assert word in reply.text


def test_blocks_that_no_jpeg_holds(new_volume: Callable[..., Volume]) -> None:
    volume = new_volume("uint64blk", (2, 256, 256), Compression="jpeg")
    reply = volume.write(np.zeros((256, 256, 2), np.uint64), (0, 0, 0))
    assert reply.status == 400
    assert "too large for a JPEG" in reply.text


def test_a_damaged_block_is_named(new_volume: Callable[..., Volume]) -> None:
    volume = new_volume()
    volume.write(volume.noise((8, 8, 8)), (8, 0, -8)).ok()
    repo, version = volume.server.server.repos.find(volume.root)
    instance = volume.server.server.instances.get(repo, "vol")
    with instance.begin(version) as txn:
        txn.put(bytes.fromhex(volume.client.json(volume.path("rawkey?x=1&y=0&z=-1"))["Key"]), b"\x00\x02\x00\x00no")
    for path in ("raw/0_1_2/16_16_16/0_0_-8", "blocks/1_0_-1/1", "raw/xy/16_16/0_0_-1"):
        reply = volume.get(path)
        assert reply.status == 500
        assert "(1, 0, -1)" in reply.text
    assert len(list(instance.check(version))) == 1
