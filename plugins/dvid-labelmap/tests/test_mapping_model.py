"""Mappings against dictionaries: posts, versions, folding that is cut off anywhere, restarts; all sizes made small.

The size of the run is set by DVID_MODEL_EXAMPLES (20) and DVID_MODEL_STEPS (30).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvid_labelmap.keys import mapping_chunk_key
from dvid_labelmap.model import LabelMapSettings
from dvid_labelmap.ops.mapping_checking import wrong_mappings
from dvid_labelmap.ops.mapping_folding import fold_mappings
from dvid_labelmap.ops.mapping_manifest import read_manifest
from dvid_labelmap.ops.mapping_posts import mapping_pieces, post_mappings
from dvid_labelmap.plugin import LabelMap
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dvid_framework.api import Step, Txn, VersionRecord
from dvid_framework.testing.core import Core, embedded_openers, memory_opener, single_row_opener

EXAMPLES = int(os.environ.get("DVID_MODEL_EXAMPLES", "20"))
STEPS = int(os.environ.get("DVID_MODEL_STEPS", "30"))
SMALL = {
    "chains.LONG_RUN": 24,
    "mapping_manifest.LONG_RUN": 24,
    "mapping_store.LONG_RUN": 24,
    "fold_plan.LONG_RUN": 24,
    "fold_plan._FAN_IN": 3,
    "mapping_manifest.CHUNK_ENTRIES": 4,
    "mapping_folding.CHUNK_ENTRIES": 4,
    "mapping_folding._KEYS_OF_A_STEP": 5,
    "mapping_folding._PAUSE_SECONDS": 0.0,
    "mapping_runs.CHUNK_ENTRIES": 4,
    "mapping_windows._WINDOW_CHUNKS": 4,
    "stored_runs._MOST_CHUNKS": 3,
    "mapping_store.WHOLE_ENTRIES": 40,
    "mapping.WHOLE_ENTRIES": 40,
    "mapping_store._SHORT_RUN": 6,
    "mapping_store._MOST_ENTRIES": 60,
}
LABELS = 400
labels = st.integers(0, LABELS)
few = st.lists(st.tuples(labels, st.integers(0, 2**64 - 1) | labels), min_size=1, max_size=5)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is long, a chunk, and all that is in memory, made small."""
    for name, value in SMALL.items():
        monkeypatch.setattr(f"dvid_labelmap.ops.{name}", value)
    monkeypatch.setattr("dvid_labelmap.ops.chunk_cache.CACHE_BYTES", 1500)


class CutJob:
    """A job of which nothing but the cursor is left when it is cut off."""

    def __init__(self, version: VersionRecord, cursor: Any = None) -> None:
        self.version = version
        self.cursor = self.kept = cursor

    def keep(self, txn: Txn, step: Step) -> None:
        txn.after_commit(lambda _: setattr(self, "kept", step.cursor))


class MappingMachine(RuleBasedStateMachine):
    """One labelmap, several versions. Subclasses say by `opener` which store it runs on."""

    opener: Callable[[Path], Callable[[], Any]]

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="dvid-mappings-"))
        self.core = Core(self._folder, type(self).opener(self._folder / "store"), {"labelmap": LabelMap})
        self.versions: list[tuple[str, dict[int, int], bool]] = []  # UUID, what is mapped, whether it is committed
        self._fold: tuple[CutJob, Iterator[Step]] | None = None
        self._cursor: tuple[str, Any] | None = None

    def teardown(self) -> None:
        self._fold = None
        self.core.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def instance(self) -> Any:
        return self.core.instances.get(self.core.repos.find(self.versions[0][0])[0], "seg")

    def record(self, number: int) -> VersionRecord:
        return self.core.repos.find(self.versions[number][0])[1]

    @initialize()
    def make_repo(self) -> None:
        repo = self.core.repos.create()
        self.core.instances.create(repo, repo.dag.root, {"typename": "labelmap", "dataname": "seg"})
        assert isinstance(self.core.instances.get(repo, "seg").settings, LabelMapSettings)
        self.versions = [(repo.root, {}, False)]

    def post(self, pick: int, pairs: list[tuple[int, int]]) -> None:
        open_ = [number for number, (_, _, locked) in enumerate(self.versions) if not locked]
        number = open_[pick % len(open_)]
        source, target = (np.array([pair[i] for pair in pairs], np.uint64) for i in (0, 1))
        version = self.record(number)
        with self.instance.begin(version) as txn:
            post_mappings(self.instance, version, txn, source, target)
        self.versions[number][1].update(pairs)

    @rule(pick=st.integers(0, 99), pairs=few)
    def post_few(self, pick: int, pairs: list[tuple[int, int]]) -> None:
        """As a merge does."""
        self.post(pick, pairs)

    @rule(pick=st.integers(0, 99), seed=st.integers(0, 2**32), count=st.integers(20, 150))
    def post_many(self, pick: int, seed: int, count: int) -> None:
        """As a loader does: in no order, some twice."""
        rng = np.random.default_rng(seed)
        pairs = np.stack((rng.integers(0, LABELS, count), rng.integers(0, 2**40, count)), axis=1)
        self.post(pick, [(source, target) for source, target in pairs.tolist()])

    @precondition(lambda self: 0 < len(self.versions) < 6)
    @rule(pick=st.integers(0, 99))
    def branch(self, pick: int) -> None:
        """Commit a version, and go on in a child; and in another one if it was committed before."""
        number = pick % len(self.versions)
        uuid, entries, locked = self.versions[number]
        version = self.core.repos.find(uuid)[1]
        if not locked:
            self.core.commit(version)
            self.versions[number] = uuid, entries, True
            child = self.core.child(version)
        else:
            child = self.core.child(version, f"b{len(self.versions)}")
        self.versions.append((child.uuid, dict(entries), False))

    @rule(pick=st.integers(0, 99), steps=st.integers(1, 12), resumes=st.booleans())
    def fold(self, pick: int, steps: int, resumes: bool) -> None:
        """Let a job go some steps; the one of before, or one that goes on at its cursor, or a new one."""
        if self._fold is None:
            number = pick % len(self.versions)
            cursor = (
                self._cursor[1] if resumes and self._cursor and self._cursor[0] == self.versions[number][0] else None
            )
            job = CutJob(self.record(number), cursor)
            self._cursor = None
            self._fold = job, fold_mappings(self.instance, job)  # type: ignore[arg-type]  # as much of a job as it needs
        for _ in range(steps):
            if next(self._fold[1], None) is None:
                self._fold = None
                return

    @rule()
    def cut_off(self) -> None:
        """The job ends in the middle."""
        if self._fold is not None:
            self._cursor = self._fold[0].version.uuid, self._fold[0].kept
            self._fold[1].close()  # type: ignore[attr-defined]  # a generator
            self._fold = None

    @rule()
    def restart(self) -> None:
        self.cut_off()
        self.core.restart()

    @invariant()
    def all_is_mapped(self) -> None:
        rng = np.random.default_rng(len(self.versions))
        for number, (_, entries, _) in enumerate(self.versions):
            asked = np.concatenate(
                (rng.integers(0, LABELS + 9, 30).astype(np.uint64), np.array([2**64 - 1], np.uint64))
            )
            with self.instance.view(self.record(number)) as view:
                mapping = self.instance.mappings.chain(view)
                hits, targets = mapping.find(asked)
                assert targets.tolist() == [entries.get(label, label) for label in asked.tolist()]
                assert hits.tolist() == [label in entries for label in asked.tolist()]
                assert [mapping.map_one(int(label)) for label in asked[:3]] == [entries.get(int(x)) for x in asked[:3]]
                listed = b"".join(mapping_pieces(self.instance, view, is_binary=True))
                pairs = [(source, target) for source, target in sorted(entries.items()) if source != target]
                assert list(map(tuple, np.frombuffer(listed, "<u8").reshape(-1, 2).tolist())) == pairs
                assert mapping.chain.in_memory <= 60
                assert list(wrong_mappings(self.instance, view, self.record(number))) == []

    def fold_all(self) -> None:
        """At the end nothing is left to be done, and nothing that belongs to no run."""
        self.cut_off()
        for number in range(len(self.versions)):
            list(fold_mappings(self.instance, CutJob(self.record(number))))  # type: ignore[arg-type]
            with self.instance.view(self.record(number)) as view:
                manifest = read_manifest(view, view.version)
                assert manifest.trash == ()
                bounds = mapping_chunk_key(view.version, 0, 0), mapping_chunk_key(view.version + 1, 0, 0)
                assert sum(1 for _ in view.keys(*bounds)) == sum(run.chunks for run in manifest.runs)


OPENERS = {
    **embedded_openers(),
    "memory": lambda _: memory_opener(),
    "single_row": lambda _: single_row_opener(),
}


@pytest.mark.parametrize(
    ("engine", "examples"),
    [
        (next(iter(OPENERS)), 2),
        ("memory", 4),
        *(pytest.param(name, EXAMPLES, marks=pytest.mark.slow) for name in OPENERS),
    ],
)
@pytest.mark.usefixtures("small")
def test_mappings_are_those_of_a_dictionary(engine: str, examples: int) -> None:
    class Machine(MappingMachine):
        opener = staticmethod(OPENERS[engine])  # type: ignore[assignment]

        def teardown(self) -> None:
            if self.versions:
                self.fold_all()
                self.all_is_mapped()
            super().teardown()

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],  # a step takes too long to try which are needed
        ),
    )
