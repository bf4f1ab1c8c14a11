"""Mutated bodies and parameters of the requests about bodies: an answer of 4xx and nothing changed, or a legal one."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from dvid_labels import kernels
from dvid_labels.indices import encode_index, join_indices

COUNT = int(os.environ.get("DVID_FUZZ_COUNT", "300"))
EXTREMES = [0, 1, 127, 128, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1]
LETTERS = "0123456789_-,.eE+ xyz%\x00é"
READS = [
    "size/1000003",
    "size/2000006?supervoxels=true",
    "sparsevol-size/1000003",
    "lastmod/1000003",
    "index-version/1000003",
    "supervoxels/1000003",
    "listlabels?start=5&number=3&sizes=true",
    "sparsevol/1000003?minx=0&maxx=17&scale=1&format=srles",
    "sparsevol/2000006?supervoxels=true&compression=lz4",
    "sparsevol-by-point/1_2_3?scale=0",
    "sparsevol-coarse/1000003?miny=4",
    "sparsevols-coarse/1/99000000?maxz=20",
    "index/1000003?metadata-only=true",
]


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
        letters[at : at + rng.randint(0, 2)] = rng.choice(LETTERS) if rng.random() < 0.7 else str(rng.choice(EXTREMES))
    return "".join(letters)


@pytest.fixture
def fuzzed(new_segmentation: Callable[..., Any], volumes: SimpleNamespace) -> Any:
    seg = new_segmentation((16, 16, 16), MaxDownresLevel="1")
    seg.write_raw(volumes.natural((32, 32, 32), 1, 9), (0, 0, 0)).ok()
    return seg


def judge(seg: Any, method: str, path: str, body: bytes | None = None) -> bool:
    """Send a request; returns whether it was taken. What was not taken must have changed nothing."""
    before = seg.commits()
    reply = seg.client.request(method, path, body)
    case = (method, path, body and body[:200], reply.status, reply.body[:300])
    assert reply.status in (200, 204) or 400 <= reply.status < 500, case
    if reply.status >= 400:
        assert reply.body or reply.status == 404 or method == "HEAD", case
        assert seg.commits() == before, case
    return bool(reply.status < 300)


def messages(rng: random.Random) -> dict[str, bytes]:
    """Legal bodies by the request that takes them."""
    count = rng.randint(1, 5)
    places = np.array([[rng.randint(-3, 3) for _ in range(3)] for _ in range(count)], np.int32)
    places = np.unique(places, axis=0)
    labels = np.array([rng.choice([7, 8, 2**63]) for _ in range(len(places))], np.uint64)
    index = encode_index(7, places, labels, np.full(len(places), rng.randint(1, 4000), np.uint32), 5, "t", "u", "a", 9)
    return {
        "index/7": index,
        "indices": join_indices([index, encode_index(9, places, labels, np.ones(len(places), np.uint32))]),
        "mappings": kernels.encode_mapping_ops(labels, labels[::-1].copy()),
        "merge": json.dumps([1000003, 2000006]).encode(),
    }


@pytest.mark.fuzz
def test_mutated_messages(fuzzed: Any) -> None:
    rng = random.Random(11)
    taken = 0
    for _ in range(COUNT):
        rest, body = rng.choice(sorted(messages(rng).items()))
        taken += judge(fuzzed, "POST", fuzzed.path(rest), mutated(rng, body) if rng.random() < 0.9 else body)
    assert taken
    for rest in READS:
        judge(fuzzed, "GET", fuzzed.path(rest))


@pytest.mark.fuzz
def test_mutated_lists_of_labels(fuzzed: Any) -> None:
    rng = random.Random(12)
    for _ in range(COUNT):
        rest = rng.choice(["sizes", "sizes?supervoxels=true", "mapping", "indices", "indices-compressed"])
        labels = [rng.choice([0, 7, 1000003, 2**64 - 1]) for _ in range(rng.randint(0, 9))]
        judge(fuzzed, "GET", fuzzed.path(rest), mutated(rng, json.dumps(labels).encode()))


@pytest.mark.fuzz
def test_mutated_addresses(fuzzed: Any) -> None:
    rng = random.Random(13)
    for _ in range(COUNT):
        rest = mutated_text(rng, rng.choice(READS))
        judge(fuzzed, rng.choice(["GET", "GET", "HEAD"]), fuzzed.path(quote(rest, safe="/?=&,.+-_")))
