"""Mutated bodies and parameters through HTTP: an answer of 4xx and nothing changed, or a legal request; never more."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import lz4.block
import numpy as np
import pytest

COUNT = int(os.environ.get("DVID_FUZZ_COUNT", "300"))
BLOCK = (16, 16, 16)
EXTREMES = [0, 1, 127, 128, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1]
LETTERS = "0123456789_-,.eE+ xyz%\x00é"


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Bytes with some bits, words or parts changed."""
    body = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(body) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            del body[at:]
        elif kind == 1 and at < len(body):
            body[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            body[at:at] = rng.randbytes(rng.randint(1, 9))
        elif kind == 3:
            del body[at : at + rng.randint(1, 40)]
        elif kind == 4:
            body[at : at + 4] = rng.choice(EXTREMES).to_bytes(4, "little")
        else:
            body[at:at] = body[at : at + 60]
    return bytes(body)


def mutated_text(rng: random.Random, text: str) -> str:
    letters = list(text)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(letters) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            letters[at:at] = rng.choice(LETTERS)
        elif kind == 1:
            del letters[at : at + rng.randint(1, 3)]
        elif kind == 2:
            letters[at : at + 1] = rng.choice(LETTERS)
        else:
            letters[at:at] = list(str(rng.choice(EXTREMES)) * rng.randint(1, 3))
    return "".join(letters)


@pytest.fixture
def fuzzed(new_segmentation: Callable[..., Any], volumes: SimpleNamespace) -> Any:
    seg = new_segmentation(BLOCK, MaxDownresLevel="1")
    seg.write_raw(volumes.natural((32, 32, 32), 1), (0, 0, 0)).ok()
    return seg


def judge(seg: Any, method: str, path: str, body: bytes | None = None) -> bool:
    """Send a request; returns whether it was taken. What was not taken must have changed nothing."""
    before = seg.commits()
    reply = seg.client.request(method, path, body)
    case = (method, path, body and body[:200], reply.status, reply.body[:300])
    assert reply.status == 200 or 400 <= reply.status < 500, case
    if reply.status != 200:
        assert reply.body, case
        assert seg.commits() == before, case
    return bool(reply.status == 200)


def block_body(rng: random.Random, volumes: SimpleNamespace, deep: bool) -> bytes:
    """A stream of two blocks with a fault, in the stream or inside a block."""
    blocks = volumes.encoded(volumes.natural((32, 16, 16), rng.randrange(4)), (0, 0, 0), BLOCK)
    if not deep:
        return mutated(rng, volumes.stream_of(blocks))
    at = rng.choice(sorted(blocks))
    blocks[at] = gzip.compress(mutated(rng, gzip.decompress(blocks[at])), 1)
    return bytes(volumes.stream_of(blocks))


@pytest.mark.parametrize("endpoint", ["blocks?downres=true", "blocks", "ingest-supervoxels?scale=1"])
@pytest.mark.parametrize("deep", [False, True])
def test_streams_of_blocks(fuzzed: Any, volumes: SimpleNamespace, endpoint: str, deep: bool) -> None:
    rng = random.Random(f"{endpoint}{deep}")
    taken = 0
    for _ in range(COUNT):
        taken += judge(fuzzed, "POST", fuzzed.path(endpoint), block_body(rng, volumes, deep))
    assert taken < COUNT
    assert fuzzed.read_raw((48, 48, 48), (-8, -8, -8)).size  # all that was taken can be read
    fuzzed.get("blocks/64_64_64/-32_-32_-32?compression=lz4").ok()


@pytest.mark.parametrize("compression", ["", "lz4", "gzip"])
def test_raw_bodies(fuzzed: Any, volumes: SimpleNamespace, compression: str) -> None:
    rng = random.Random(compression)
    raw = volumes.natural((16, 16, 16), 3).tobytes()
    whole = {"": raw, "lz4": lz4.block.compress(raw, store_size=False), "gzip": gzip.compress(raw, 1)}[compression]
    for _ in range(COUNT):
        path = fuzzed.path(f"raw/0_1_2/16_16_16/16_0_0?compression={compression}")
        judge(fuzzed, "POST", path, mutated(rng, whole))
    fuzzed.read_raw((48, 48, 48), (-8, -8, -8))


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("GET", "labels", [[1, 2, 3], [-4, 5, 600], [31, 31, 31]]),
        ("POST", "extents", {"MinPoint": [1, 2, 3], "MaxPoint": [40, 50, 60]}),
        ("POST", "info", {"VoxelSize": "8,8,40", "MaxDownresLevel": "1", "Background": "0"}),
        ("POST", "resolution", [8, 8, 40.5]),
    ],
)
def test_json_bodies(fuzzed: Any, method: str, rest: str, body: Any) -> None:
    rng = random.Random(rest)
    for _ in range(COUNT):
        judge(fuzzed, method, fuzzed.path(rest), mutated(rng, json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", "raw/0_1_2/20_20_20/-3_4_5"),
        ("GET", "raw/xz/20_20/-3_4_5/jpg:80"),
        ("GET", "isotropic/xy/20_20/-3_4_5/tif"),
        ("GET", "pseudocolor/yz/20_20/-3_4_5"),
        ("GET", "blocks/32_32_32/-16_0_16"),
        ("GET", "label/1_2_3"),
        ("POST", "nextlabel/12"),
        ("POST", "maxlabel/12"),
        ("POST", "set-nextlabel/12"),
    ],
)
def test_paths(fuzzed: Any, method: str, rest: str) -> None:
    rng = random.Random(rest)
    keyword, _, parts = rest.partition("/")
    for _ in range(COUNT):
        path = fuzzed.path(keyword + "/" + quote(mutated_text(rng, parts), safe="/"))
        judge(fuzzed, method, path)


@pytest.mark.parametrize(
    ("rest", "value"),
    [
        ("specificblocks?blocks=", "0,0,0,1,-1,0"),
        ("raw/0_1_2/8_8_8/0_0_0?scale=", "1"),
        ("raw/0_1_2/8_8_8/0_0_0?compression=", "gzip"),
        ("blocks/16_16_16/0_0_0?compression=", "lz4"),
        ("raw/0_1_2/8_8_8/0_0_0?roi=", "seg"),
    ],
)
def test_parameters(fuzzed: Any, rest: str, value: str) -> None:
    rng = random.Random(rest)
    for _ in range(COUNT):
        text = quote(mutated_text(rng, value), safe=",")
        judge(fuzzed, "GET", fuzzed.path(rest + text))


def test_the_server_lives_and_kept_its_memory(fuzzed: Any) -> None:
    budget = fuzzed.server.server.budget
    assert fuzzed.server.client.get("/api/server/info").status == 200
    assert budget._free == budget._total
    assert np.isin(fuzzed.read_raw((4, 4, 4), (0, 0, 0)).shape, 4).all()
