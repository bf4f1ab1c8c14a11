"""Indices of instances of an earlier stage, which had voxels but no bodies: built by a job, once.

Version by version, parents first, of the blocks that each wrote itself, which the mutation log names. What is indexed
twice after a crash is as if it were indexed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from dvid_labels.types import Buffer

from dvid_framework.api import Job, Step, Unavailable, VersionRecord
from dvid_labelmap.keys import INDEXED
from dvid_labelmap.ops.index_rows import Integers
from dvid_labelmap.ops.indexing import index_blocks, stored_payloads

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["INDEX_JOB", "IndexBuild", "build_indices", "has_indices", "needs_indices"]

INDEX_JOB = "index"
"""The kind of job that indexes the bodies of an instance of an earlier stage."""
_FIRST_INDEXED = (0, 2)
"""The version of the datatype from which on instances have indices from the beginning."""
_BATCH_BLOCKS = 512
_RETRY_SECONDS = 5
_ACTIONS = ("blocks", "ingest-blocks")


def _own_blocks(instance: LabelMapInstance, version: VersionRecord) -> Integers:
    """Return the blocks of scale 0 that a version wrote itself: int64 (n, 3) as x, y, z, each once, by z, y, x."""
    written = [
        np.frombuffer(entry["Blocks"], "<i4").reshape(-1, 3)
        for mutation in instance.mutations(version)
        for entry in mutation.entries
        if entry["Action"] in _ACTIONS and entry["Scale"] == 0
    ]
    if not written:
        return np.zeros((0, 3), np.int64)
    return np.unique(np.concatenate(written)[:, ::-1], axis=0)[:, ::-1].astype(np.int64)


def _index_version(instance: LabelMapInstance, version: VersionRecord, first: int) -> Iterator[int]:
    """Index the blocks that a version wrote itself, but the first ones; yields how many are done. Its parents are."""
    parents = [instance.repo.dag[number] for number in instance.repo.dag.parents(version.id)]
    blocks = _own_blocks(instance, version)
    for start in range(first, len(blocks), _BATCH_BLOCKS):
        coordinates = blocks[start : start + _BATCH_BLOCKS]
        former: list[list[Buffer | None]] = []
        for parent in parents if instance.record.versioned else []:
            with instance.view(parent) as view:
                former.append([None if value is None else bytes(value) for value in stored_payloads(view, coordinates)])
        with instance.begin(version, lift_lock=True, durable=False) as txn, instance.view(version) as view:
            stored = stored_payloads(view, coordinates)
            there = [row for row, payload in enumerate(stored) if payload is not None]
            payloads = [payload for payload in stored if payload is not None]
            olds = [[old[row] for row in there] for old in former]
            index_blocks(instance, view, txn, coordinates[there], payloads, olds)
            txn.mark_internal()
            txn.emit("index")
        yield start + len(coordinates)


def build_indices(instance: LabelMapInstance, job: Job) -> Iterator[Step]:
    """Build the indices of all versions of an instance that has none yet.

    The cursor is the number of versions that are done, and the number of blocks that are done of the next one.
    """
    dag = instance.repo.dag
    versions = (list(dag) if instance.record.versioned else [dag.root]) if needs_indices(instance) else []
    done, blocks = job.cursor or (0, 0)
    for number, version in enumerate(versions[done:], done):
        for indexed in _index_version(instance, version, blocks):
            yield Step((number, indexed), number, len(versions))
        blocks = 0
        yield Step((number + 1, 0), number + 1, len(versions))


def needs_indices(instance: LabelMapInstance) -> bool:
    """Tell whether an instance should have indices of bodies and may lack some."""
    if has_indices(instance.record.type_version) or not instance.settings.indexed_labels:
        return False
    return not instance.own_values(INDEXED)


class IndexBuild:
    """Whether the bodies of an instance are indexed."""

    def __init__(self, instance: LabelMapInstance) -> None:
        self._instance = instance
        self._done = False

    def check(self) -> None:
        """Return if bodies are indexed.

        Raises:
            Unavailable: they are being indexed.
        """
        if not self.is_done():
            raise Unavailable(
                f"the bodies of {self._instance.name!r} are being indexed, once, after an upgrade; "
                "its address /jobs tells how far it is",
                _RETRY_SECONDS,
            )

    def is_done(self) -> bool:
        """Tell whether bodies are indexed."""
        self._done = self._done or not needs_indices(self._instance)
        return self._done


def has_indices(version: str) -> bool:
    """Tell whether instances of a version of the datatype have indices from the beginning."""
    return tuple(int(part) for part in version.split(".") if part.isdigit()) >= _FIRST_INDEXED
