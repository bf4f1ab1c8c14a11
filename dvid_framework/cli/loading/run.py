"""The load itself: units read, sent and noted side by side, and then read back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from dvid_framework.cli.loading.progress_file import ProgressFile
from dvid_framework.cli.loading.source import Source, Triple
from dvid_framework.cli.loading.target import Target
from dvid_framework.cli.loading.units import Unit
from dvid_framework.errors import BadRequest

__all__ = ["Load", "check_fit"]


def check_fit(source: Source, target: Target) -> None:
    """Check that the values of the source can be those of the target without loss.

    Raises:
        BadRequest: they can't.
    """
    fits = np.can_cast(source.dtype, target.dtype, "safe")
    colours = target.channels == 4 and source.channels == 3
    if not fits or (source.channels != target.channels and not colours):
        raise BadRequest(
            f"the source has {source.channels} x {source.dtype}, and {target.name!r} of type {target.type_name} "
            f"holds {target.channels} x {target.dtype}"
        )


def _checksum(voxels: NDArray[Any]) -> int:
    return int(google_crc32c.value(np.ascontiguousarray(voxels).tobytes()))


class Load:
    """A load of a source into a target.

    Args:
        source: what is read.
        target: what is written.
        offset: where the source's first voxel goes (x, y, z).
        progress: what is done already.
        threads: how many units are in hand at a time.
    """

    def __init__(self, source: Source, target: Target, offset: Triple, progress: ProgressFile, threads: int) -> None:
        self._source = source
        self._target = target
        self._offset = offset
        self._progress = progress
        self._threads = threads
        self._failed = threading.Event()

    def send(self, units: Iterable[Unit], on_done: Callable[[Unit], None]) -> None:
        """Load the units that are not done yet.

        Raises:
            DvidError: the source can't be read, or the server refuses; what is done by then is noted.
        """
        self._each((unit for unit in units if unit.number not in self._progress.done), self._load, on_done)

    def verify(self, units: Iterable[Unit], on_done: Callable[[Unit], None]) -> list[Unit]:
        """Read the units back; returns those that are not what was sent.

        Raises:
            DvidError: the server refuses.
        """
        wrong: list[Unit] = []

        def check(unit: Unit) -> None:
            voxels = self._target.read(unit.first, unit.size)
            if _checksum(voxels) != self._progress.done.get(unit.number):
                wrong.append(unit)

        self._each(units, check, on_done)
        return sorted(wrong, key=lambda unit: unit.number)

    def again(self, units: Iterable[Unit], on_done: Callable[[Unit], None]) -> None:
        """Load units whether or not they are done."""
        self._each(units, self._load, on_done)

    def _each(self, units: Iterable[Unit], work: Callable[[Unit], None], on_done: Callable[[Unit], None]) -> None:
        """Do something with each unit on a few threads, with no more of them in hand than there are threads."""

        def guarded(unit: Unit) -> Unit:
            if not self._failed.is_set():
                work(unit)
            return unit

        with ThreadPoolExecutor(self._threads, thread_name_prefix="load") as pool:
            waiting: set[Future[Unit]] = set()
            try:
                for unit in units:
                    waiting.add(pool.submit(guarded, unit))
                    if len(waiting) >= self._threads:
                        waiting = self._finished(waiting, on_done)
                while waiting:
                    waiting = self._finished(waiting, on_done)
            except BaseException:
                self._failed.set()
                raise

    @staticmethod
    def _finished(waiting: set[Future[Unit]], on_done: Callable[[Unit], None]) -> set[Future[Unit]]:
        done, rest = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            on_done(future.result())
        return rest

    def _load(self, unit: Unit) -> None:
        first = [at - low for at, low in zip(unit.source_first, self._offset, strict=True)]
        part = self._fitted(self._source.read((first[0], first[1], first[2]), unit.source_size))
        if unit.is_whole:
            voxels = part
        else:
            # blocks that the source fills in part keep the voxels that they have
            voxels = self._target.read(unit.first, unit.size).copy()
            begin = [at - low for at, low in zip(unit.source_first, unit.first, strict=True)][::-1]
            box = tuple(slice(low, low + count) for low, count in zip(begin, unit.source_size[::-1], strict=True))
            voxels[box] = part
        self._target.write(unit.first, voxels)
        self._progress.add(unit.number, _checksum(voxels))

    def _fitted(self, part: NDArray[Any]) -> NDArray[Any]:
        """Return voxels as the target holds them; RGB becomes opaque."""
        dtype = np.dtype(self._target.dtype).newbyteorder("<")
        if part.ndim == 4 and part.shape[3] == 3 and self._target.channels == 4:
            opaque = np.full((*part.shape[:3], 1), 255, part.dtype)
            part = np.concatenate((part, opaque), axis=3)
        return np.ascontiguousarray(part, dtype)
