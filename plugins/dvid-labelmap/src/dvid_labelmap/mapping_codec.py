"""Stored forms of mappings: the list of a version's runs, and the first supervoxels of a run's chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import numpy as np
from dvid_labels.errors import LabelFormatError
from dvid_labels.types import Buffer, Labels

from dvid_framework.api import CorruptValue

__all__ = [
    "CHUNK_ENTRIES",
    "Manifest",
    "RunRecord",
    "damaged_mapping",
    "decode_firsts",
    "decode_manifest",
    "encode_firsts",
    "encode_manifest",
]

CHUNK_ENTRIES = 2048
"""Entries of a chunk that is written; the last of a run has fewer."""


class RunRecord(msgspec.Struct, array_like=True, frozen=True):
    """One run of mappings that a version has of its own; what it holds never changes.

    Attributes:
        slot: the place of its chunks in keys; used again when the run is gone.
        generation: a number that no other run of the version has or had.
        entries: how many it has.
        chunks: in how many chunks.
        former: whether it is in the former stored form.
    """

    slot: int
    generation: int
    entries: int
    chunks: int
    former: bool = False


class Manifest(msgspec.Struct, array_like=True, frozen=True):
    """The runs that a version has of its own.

    Attributes:
        runs: the earliest first; entries of later ones override.
        trash: slots whose chunks belong to no run: those of a run that is being made, or that is to be removed; and
            whether they are of the former stored form.
        generations: how many were given.
    """

    runs: tuple[RunRecord, ...] = ()
    trash: tuple[tuple[int, bool], ...] = ()
    generations: int = 0

    def free_slot(self) -> int:
        """Return the lowest slot that is not taken."""
        taken = {run.slot for run in self.runs if not run.former} | {slot for slot, former in self.trash if not former}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)


_decoder = msgspec.msgpack.Decoder(Manifest)


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the stored bytes."""
    return msgspec.msgpack.encode(manifest)


def decode_manifest(value: Buffer) -> Manifest:
    """Return the runs of a version of their stored bytes.

    Raises:
        CorruptValue: they are not such.
    """
    try:
        return _decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise CorruptValue(f"the list of the runs of mappings is damaged: {error}") from error


def encode_firsts(firsts: Labels) -> bytes:
    """Return the stored bytes of the first supervoxels of some chunks, uint64 (n,)."""
    return firsts.astype("<u8").tobytes()


def decode_firsts(value: Buffer) -> Labels:
    """Return the first supervoxels of some chunks, uint64 (n,).

    Raises:
        CorruptValue: the stored bytes are damaged.
    """
    if len(value) % 8:
        raise CorruptValue("the first supervoxels of a run of mappings are damaged: their length is wrong")
    return np.frombuffer(value, "<u8")


@contextmanager
def damaged_mapping() -> Iterator[None]:
    """Raise `CorruptValue` for a stored chunk that is none."""
    try:
        yield
    except LabelFormatError as error:
        raise CorruptValue(str(error)) from error
