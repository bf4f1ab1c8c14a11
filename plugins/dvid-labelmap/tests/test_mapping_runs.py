"""Runs of mappings in memory and in the store: chains of them, their codecs, what is kept in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvid_labelmap.keys import mapping_chunk_key
from dvid_labelmap.mapping_codec import (
    CHUNK_ENTRIES,
    Manifest,
    RunRecord,
    decode_firsts,
    decode_manifest,
    encode_firsts,
    encode_manifest,
)
from dvid_labelmap.ops.chains import LONG_RUN, Chain, EffectiveMapping
from dvid_labelmap.ops.chunk_cache import CACHE_BYTES, CachedChunks, ChunkCache, cache_of
from dvid_labelmap.ops.fold_plan import Fold, next_fold
from dvid_labelmap.ops.mapping_checking import wrong_mappings
from dvid_labelmap.ops.mapping_manifest import read_manifest
from dvid_labelmap.ops.mapping_runs import Run, mixed
from dvid_labels import kernels
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.api import BadRequest, CorruptValue
from dvid_framework.testing import Plugins
from dvid_framework.testing.running import ServerThread

uint64 = st.integers(0, 2**64 - 1)
mappings = st.dictionaries(uint64 | st.integers(0, 30), uint64, max_size=40)
records = st.builds(RunRecord, *[st.integers(0, 2**40)] * 4, st.booleans())
NO_VIEW: Any = None  # what is in memory needs none


@pytest.mark.parametrize("largest", [2**32 - 1, 2**32, 2**64 - 1])
def test_a_filtered_run_finds_all_it_has_and_nothing_else(largest) -> None:
    rng = np.random.default_rng(largest % 1000)
    source = np.unique(rng.integers(1, 2**63, 100_000, np.uint64))
    target = rng.integers(1, 2**31, len(source), np.uint64)
    target[77] = largest
    run = Run((source, target))
    asked = np.concatenate((source[::3], source[::3] + np.uint64(1), [np.uint64(0), np.uint64(2**64 - 1)]))
    numbers, targets = run.find(asked, mixed(asked))
    expected = np.flatnonzero(np.isin(asked, source))
    assert numbers.tolist() == expected.tolist()
    assert (targets == target[np.searchsorted(source, asked[expected])]).all()
    assert (run.entries[1] == target).all()
    assert run.entries[1].dtype == np.uint64
    assert run.find_one(source[77]) == largest


@given(st.lists(mappings, max_size=12), st.lists(uint64 | st.integers(0, 30), max_size=30))
def test_later_runs_override(runs: list[dict[int, int]], asked: list[int]) -> None:
    chain, expected = Chain(), dict[int, int]()
    for run in runs:
        pairs = list(run.items())
        source, target = (np.array([pair[i] for pair in pairs], np.uint64) for i in (0, 1))
        if pairs:
            chain = chain.pushed(kernels.sort_mapping(source, target))
        expected |= run
    labels, entries = np.array(asked, np.uint64), EffectiveMapping(chain, NO_VIEW)
    found, targets = entries.find(labels)
    assert targets.tolist() == [expected.get(label, label) for label in asked]
    assert found.tolist() == [label in expected for label in asked]
    assert entries.map(labels).tolist() == targets.tolist()
    assert [entries.map_one(label) for label in asked] == [expected.get(label) for label in asked]
    assert dict(zip(*(part.tolist() for part in chain.flat), strict=True)) == expected
    assert (np.diff(chain.flat[0].astype(object)) > 0).all()
    pieces = [list(zip(*(part.tolist() for part in piece), strict=True)) for piece in entries.pieces()]
    assert [pair for piece in pieces for pair in piece] == sorted(expected.items())
    assert len(chain.runs) <= 2 + max(1, len(expected)).bit_length()


def test_long_runs_stay_apart_and_override() -> None:
    rng = np.random.default_rng(5)
    chain, expected = Chain(), np.arange(3 * LONG_RUN, dtype=np.uint64)
    for number, count in enumerate((LONG_RUN + 5, 90_000, LONG_RUN + 9, 10, 70_000)):
        source = rng.choice(len(expected), count, replace=False).astype(np.uint64)
        target = source + np.uint64(number << 31)
        expected[source] = target
        chain = chain.pushed(kernels.sort_mapping(source, target))
    assert [len(run) > LONG_RUN for run in chain.runs].count(True) == 2
    labels = rng.permutation(len(expected)).astype(np.uint64)
    assert (EffectiveMapping(chain, NO_VIEW).map(labels) == expected[labels]).all()
    for source, target in (chain.flat, *EffectiveMapping(chain, NO_VIEW).pieces()):
        assert (np.diff(source.astype(np.int64)) > 0).all()
        assert (expected[source] == target).all()


@given(st.builds(Manifest, st.lists(records).map(tuple), st.lists(st.tuples(uint64, st.booleans())).map(tuple), uint64))
def test_lists_of_runs_come_back(manifest: Manifest) -> None:
    assert decode_manifest(encode_manifest(manifest)) == manifest
    taken = [run.slot for run in manifest.runs if not run.former] + [slot for slot, old in manifest.trash if not old]
    assert manifest.free_slot() not in taken


@given(st.binary(max_size=40))
def test_damaged_lists_are_told(value: bytes) -> None:
    with suppress(CorruptValue):
        assert isinstance(decode_manifest(value), Manifest)
    try:
        assert encode_firsts(decode_firsts(value)) == value
    except CorruptValue:
        assert len(value) % 8


def test_what_was_used_stays_in_the_cache() -> None:
    cache = ChunkCache(10 * (100 + 160))
    one, other = CachedChunks(10), CachedChunks(10)
    cache.put(one, list(range(10)), [b"." * 100] * 10)
    assert cache.held == cache.limit
    one.used[:5] = True
    cache.put(other, list(range(5)), [b"." * 100] * 5)
    assert [value is not None for value in one.values] == [True] * 5 + [False] * 5
    cache.put(other, [0], [b"again"])
    assert cache.held == cache.limit
    cache.let_go(one)
    assert cache.held == 5 * 260
    cache.let_go(other)
    assert cache.held == 0


@pytest.mark.parametrize("wrong", [-1, "1 GB", 1.5, True])
def test_the_size_of_the_cache_is_configured(wrong: Any) -> None:
    assert cache_of({}).limit == CACHE_BYTES
    assert cache_of({"mapping_cache_bytes": 0}).limit == 0
    with pytest.raises(BadRequest, match="mapping_cache_bytes"):
        cache_of({"mapping_cache_bytes": wrong})


def planned(*sizes: float, former: int = 0) -> Fold | None:
    return next_fold([RunRecord(i, i, int(n * LONG_RUN), 1, i < former) for i, n in enumerate(sizes)])


def test_what_is_folded_next() -> None:
    assert planned() is None
    assert planned(0.1, 0.01, 0.001) is None
    assert planned(2) is None
    assert planned(2, 0.1) is None
    assert planned(2, 2, 0.1) == Fold(0, 2, False)
    assert planned(*[2] * 8, 0.1) == Fold(0, 8, True)
    assert planned(20, *[2] * 8) == Fold(1, 9, True)
    assert planned(20, 0.1, *[2] * 8) == Fold(1, 10, True)
    assert planned(200, 20, 2) == Fold(0, 3, False)
    assert planned(2000, 20, 2) == Fold(1, 3, False)
    assert planned(2000, 20) is None
    assert planned(2, former=1) == Fold(0, 1, True)
    assert planned(2, 0.1, 2, 2, former=2) == Fold(0, 2, True)
    assert planned(0.2, 0.1, former=2) is None


def test_there_are_few_runs_however_many_were_posted() -> None:
    sizes: list[int] = []
    moved = 0
    for _ in range(1000):
        sizes.append(2 * LONG_RUN)
        while (fold := next_fold([RunRecord(i, i, n, 1) for i, n in enumerate(sizes)])) and fold.is_urgent:
            sizes[fold.first : fold.end] = [sum(sizes[fold.first : fold.end])]
            moved += sizes[fold.first]
        assert len(sizes) < 8 * 4
    assert moved <= 4 * sum(sizes)


def test_long_runs_are_found_again_after_a_restart(tmp_path: Path, plugins: Callable[[], Plugins]) -> None:
    rng = np.random.default_rng(6)
    server = ServerThread(tmp_path / "data", plugins=plugins())
    try:
        root = server.client.new_repo()
        server.client.new_instance(root, "labelmap", "seg")
        expected, posted = np.arange(2 * LONG_RUN, dtype=np.uint64), []
        for number, count in enumerate((LONG_RUN + 5000, 300, 200, 20)):
            source = 1 + rng.choice(len(expected) - 1, count, replace=False).astype(np.uint64)
            expected[source] = target = (source >> np.uint64(10)) + np.uint64(number + 1 << 31)
            order = np.argsort(target, kind="stable")
            source, target = source[order], target[order]
            posted.append(source)
            server.client.post(f"/api/node/{root}/seg/mappings", kernels.encode_mapping_ops(source, target)).ok()
        server.restart()
        asked = rng.choice(len(expected) - 1, 20_000).astype(np.uint64) + np.uint64(1)
        reply = server.client.get(f"/api/node/{root}/seg/mapping?nolookup=true", json.dumps(asked.tolist())).ok()
        assert reply.json() == expected[asked].tolist()
        repo = next(iter(server.server.repos))
        version, instance = repo.dag.root, server.server.instances.get(repo, "seg")
        both = len(np.union1d(posted[1], posted[2]))
        with instance.view(version) as view:
            runs = read_manifest(view, version.id).runs
            assert not list(wrong_mappings(instance, view, version))
        assert [run.entries for run in runs] == [LONG_RUN + 5000, both, 20]
        assert runs[0].chunks == -(-runs[0].entries // CHUNK_ENTRIES)
        with instance.begin(version) as txn:
            txn.delete(mapping_chunk_key(version.id, runs[0].slot, 7))
        with instance.view(version) as view:
            assert ["chunks of it are missing" in text for text in wrong_mappings(instance, view, version)] == [True]
    finally:
        server.stop()
