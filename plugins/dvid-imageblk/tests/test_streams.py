"""Streams of blocks in every kept form."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Callable
from typing import Any

import lz4.block
import numpy as np
import pytest
from PIL import Image

Volume = Any


def read_stream(body: bytes) -> list[tuple[tuple[int, int, int], bytes]]:
    found, at = [], 0
    while at < len(body):
        x, y, z, size = struct.unpack_from("<4i", body, at)
        found.append(((x, y, z), body[at + 16 : at + 16 + size]))
        at += 16 + size
    return found


def unsnappy(body: bytes) -> bytes:
    """Literals alone, each with a length of two bytes."""
    at, out = 2, b""  # 512 takes two bytes
    while at < len(body):
        size = int.from_bytes(body[at + 1 : at + 3], "little") + 1
        out, at = out + body[at + 3 : at + 3 + size], at + 3 + size
    return out


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lambda body: lz4.block.decompress(body[4:], uncompressed_size=int.from_bytes(body[:4], "little")),
    "none": lambda body: body,
    "gzip": gzip.decompress,
    "gzip:9": gzip.decompress,
    "snappy": unsnappy,
    "jpeg": lambda body: np.asarray(Image.open(io.BytesIO(body))).tobytes(),
}


@pytest.mark.parametrize("compression", FORMS)
def test_blocks_as_they_are_kept(new_volume: Callable[..., Volume], compression: str) -> None:
    volume = new_volume(Compression=compression)
    smooth = (np.indices((8, 8, 24)).sum(axis=0) * 4).astype(np.uint8)
    volume.write(smooth, (-8, 0, 0)).ok()
    decoded = volume.read((24, 8, 8), (-8, 0, 0))
    assert np.abs(decoded.astype(int) - smooth).max() <= (3 if compression == "jpeg" else 0)
    stream = read_stream(volume.get("subvolblocks/48_16_16/-16_0_0").ok().body)
    assert [place for place, _ in stream] == [(-1, 0, 0), (0, 0, 0), (1, 0, 0)]
    for (x, _, _), body in stream:
        block = decoded[:, :, 8 * x + 8 : 8 * x + 16]
        assert np.abs(np.frombuffer(FORMS[compression](body), np.uint8).astype(int) - block.ravel()).max() <= 1
    raw = read_stream(volume.get("specificblocks?blocks=1,0,0,9,9,9,-1,0,0,1,0,0&compression=uncompressed").ok().body)
    assert [place for place, _ in raw] == [(1, 0, 0), (-1, 0, 0), (1, 0, 0)]
    assert raw[0][1] == decoded[:, :, 16:].tobytes() == raw[2][1]


def test_the_length_of_voxels_is_told(new_volume: Callable[..., Volume]) -> None:
    volume = new_volume()
    volume.write(volume.noise((16, 8, 8)), (0, 0, 0)).ok()
    reply = volume.get("subvolblocks/64_64_64/0_0_0?compression=uncompressed").ok()
    assert int(reply.headers["content-length"]) == len(reply.body) == 2 * (16 + 512)
