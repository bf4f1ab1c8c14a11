"""Indices of instances of an earlier stage, which had voxels but no bodies: built in the background, once.

Version by version, parents first, of the blocks that each wrote itself, which the mutation log names. Begun again after
a restart it does the same again, which changes nothing that was done; a marker in the store tells that all is done.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import numpy as np
from dvid_labels.types import Buffer

from dvid_framework.api import DvidError, Instance, Unavailable, VersionRecord
from dvid_labelmap.keys import INDEXED
from dvid_labelmap.ops.index_rows import Integers
from dvid_labelmap.ops.indexing import index_blocks, stored_payloads

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["IndexBuild", "build_indices", "has_indices"]

_FIRST_INDEXED = (0, 2)
"""The version of the datatype from which on instances have indices from the beginning."""
_BATCH_BLOCKS = 512
_RETRY_SECONDS = 5
_ACTIONS = ("blocks", "ingest-blocks")
_log = logging.getLogger(__name__)


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


def _batches(blocks: Integers) -> Iterator[Integers]:
    for first in range(0, len(blocks), _BATCH_BLOCKS):
        yield blocks[first : first + _BATCH_BLOCKS]


def _index_version(instance: LabelMapInstance, version: VersionRecord) -> None:
    """Index the blocks that a version wrote itself; its parents are done."""
    parents = [instance.repo.dag[number] for number in instance.repo.dag.parents(version.id)]
    for coordinates in _batches(_own_blocks(instance, version)):
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


def build_indices(instance: Instance) -> None:
    """Build the indices of all versions of an instance that has none yet, and mark that it is done."""
    instance = cast("LabelMapInstance", instance)
    dag = instance.repo.dag
    if instance.settings.indexed_labels:
        for version in dag if instance.record.versioned else [dag.root]:
            _index_version(instance, version)
    with instance.begin(dag.root, lift_lock=True) as txn:
        txn.put_shared(INDEXED, b"")
        txn.mark_internal()
        txn.emit("index", Done=True)


class IndexBuild:
    """Whether the bodies of an instance are indexed, and the work of it where they are not."""

    def __init__(self, instance: LabelMapInstance) -> None:
        self._instance = instance
        self._done = has_indices(instance.record.type_version)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._error = ""

    def check(self) -> None:
        """Return if bodies are indexed; else see that they will be.

        Raises:
            Unavailable: they are being indexed.
        """
        if self.is_done():
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"index of {self._instance.name}", daemon=True)
                self._thread.start()
        raise Unavailable(
            f"the bodies of {self._instance.name!r} are being indexed, once, after an upgrade{self._error}; ask later",
            _RETRY_SECONDS,
        )

    def is_done(self) -> bool:
        """Tell whether bodies are indexed."""
        self._done = self._done or bool(self._instance.own_values(INDEXED))
        return self._done

    def _run(self) -> None:
        try:
            build_indices(self._instance)
            self._done = True
        except DvidError as error:
            _log.exception("the bodies of %r could not be indexed", self._instance.name)
            self._error = f" (it failed and begins again: {error.message})"
        finally:
            self._thread = None

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is being indexed; tells whether all is done."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return self._done


def has_indices(version: str) -> bool:
    """Tell whether instances of a version of the datatype have indices from the beginning."""
    return tuple(int(part) for part in version.split(".") if part.isdigit()) >= _FIRST_INDEXED
