"""Long runs of mappings: filtered, not merged, found again after a restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dvid_labelmap.keys import mapping_key
from dvid_labelmap.ops.chains import LONG_RUN, Chain, last_of_each
from dvid_labelmap.ops.mapping_runs import Run, mixed
from dvid_labelmap.ops.mapping_store import _first_absent, own_runs
from dvid_labels import kernels

from dvid_framework.api import CorruptValue
from dvid_framework.testing import Plugins
from dvid_framework.testing.running import ServerThread


@pytest.mark.parametrize("count", range(40))
def test_the_first_absent_number(count) -> None:
    assert _first_absent(lambda number: number < count) == count


@pytest.mark.parametrize("largest", [2**32 - 1, 2**32, 2**64 - 1])
def test_a_filtered_run_finds_all_it_has_and_nothing_else(largest) -> None:
    rng = np.random.default_rng(largest % 1000)
    source = np.unique(rng.integers(1, 2**63, 100_000, np.uint64))
    target = rng.integers(1, 2**31, len(source), np.uint64)
    target[77] = largest
    run = Run((source, target))
    asked = np.concatenate((source[::3], source[::3] + np.uint64(1), [np.uint64(0), np.uint64(2**64 - 1)]))
    numbers, places = run.find(asked, mixed(asked))
    expected = np.flatnonzero(np.isin(asked, source))
    assert numbers.tolist() == expected.tolist()
    assert (source[places] == asked[expected]).all()
    assert (run.entries[1] == target).all()
    assert run.entries[1].dtype == np.uint64
    assert run.find_one(source[77]) == largest


def test_long_runs_stay_apart_and_override() -> None:
    rng = np.random.default_rng(5)
    chain, expected = Chain(), np.arange(3 * LONG_RUN, dtype=np.uint64)
    for number, count in enumerate((LONG_RUN + 5, 90_000, LONG_RUN + 9, 10, 70_000)):
        source = rng.choice(len(expected), count, replace=False).astype(np.uint64)
        target = source + np.uint64(number << 31)
        expected[source] = target
        chain = chain.pushed(last_of_each(source, target))
    assert [len(run) > LONG_RUN for run in chain.runs].count(True) == 2
    labels = rng.permutation(len(expected)).astype(np.uint64)
    assert (chain.map(labels) == expected[labels]).all()
    source, target = chain.flat
    assert (np.diff(source.astype(np.int64)) > 0).all()
    assert (expected[source] == target).all()


def test_long_runs_are_found_again_after_a_restart(tmp_path: Path, plugins: Callable[[], Plugins]) -> None:
    rng = np.random.default_rng(6)
    server = ServerThread(tmp_path / "data", plugins=plugins())
    try:
        root = server.client.new_repo()
        server.client.new_instance(root, "labelmap", "seg")
        expected, posted = np.arange(2 * LONG_RUN, dtype=np.uint64), []
        for number, count in enumerate((LONG_RUN + 5000, LONG_RUN + 1, 300, 200, 20)):
            source = 1 + rng.choice(len(expected) - 1, count, replace=False).astype(np.uint64)
            expected[source] = target = source + np.uint64(number + 1 << 31)
            posted.append(source)
            server.client.post(f"/api/node/{root}/seg/mappings", kernels.encode_mapping_ops(source, target)).ok()
        server.restart()
        asked = rng.choice(len(expected) - 1, 20_000).astype(np.uint64) + np.uint64(1)
        reply = server.client.get(f"/api/node/{root}/seg/mapping?nolookup=true", json.dumps(asked.tolist())).ok()
        assert reply.json() == expected[asked].tolist()
        repo = next(iter(server.server.repos))
        instance = server.server.instances.get(repo, "seg")
        both = len(np.union1d(posted[2], posted[3]))
        with instance.view(repo.dag.root) as view:
            lengths = [len(source) for source, _ in own_runs(view, repo.dag.root.id)]
        assert lengths == [LONG_RUN + 5000, LONG_RUN + 1, both, 20]
        with instance.begin(repo.dag.root) as txn:
            txn.delete(mapping_key(repo.dag.root.id, 0, 7))
        with instance.view(repo.dag.root) as view, pytest.raises(CorruptValue):
            list(own_runs(view, repo.dag.root.id))
    finally:
        server.stop()
