"""Whose turn it is: changes of different bodies go on side by side, those of one body, or of one block, one by one.

Deadlocks can't be, for locks are always taken in one order: the version, bodies, blocks (each kind by ascending number
of its stripe), then mappings, then counters.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

__all__ = ["Turns"]

_VERSIONS, _STRIPES = 16, 256
_PATIENCE = 0.02  # seconds that one change lets another go first


class _Passage:
    """Many pass together, or one alone; who waits to pass alone keeps newcomers out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._alone = False
        self._waiting = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not self._waiting)
            self._inside += 1
        try:
            yield
        finally:
            self.leave()

    def try_together(self) -> bool:
        """Begin to pass with others if nobody keeps one out; `leave` ends it."""
        with self._changed:
            if self._alone or self._waiting:
                return False
            self._inside += 1
        return True

    def leave(self) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self._alone and not self._inside)
            finally:
                self._waiting -= 1
                self._changed.notify_all()
            self._alone = True
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()


class Turns:
    """The locks of one instance. None may be taken twice by one thread; reads take none."""

    def __init__(self) -> None:
        self._versions = tuple(_Passage() for _ in range(_VERSIONS))
        self._bodies = tuple(threading.Lock() for _ in range(_STRIPES))
        self._blocks = tuple(threading.Lock() for _ in range(_STRIPES))
        self._brief = threading.Lock()

    @contextmanager
    def alone(self, version: int) -> Iterator[None]:
        """Change anything at a version, by its id: voxels, and with them bodies that are not known beforehand."""
        with self._versions[version % _VERSIONS].alone():
            yield

    @contextmanager
    def with_bodies(self, version: int, bodies: Iterable[int]) -> Iterator[None]:
        """Change some bodies of a version; others change theirs meanwhile."""
        with self._versions[version % _VERSIONS].together(), _held(self._bodies, ((version, body) for body in bodies)):
            yield

    @contextmanager
    def with_few_bodies(self, version: int, bodies: Iterable[int]) -> Iterator[None]:
        """As `with_bodies`, for changes of a millisecond: several at once would take longer than one after the other.

        They do little but run Python, of which one thread can run at a time, and to change threads costs as much again.
        Who has waited for a while goes on all the same, for the one before may be a large change.
        """
        with self.with_bodies(version, bodies):
            alone = self._brief.acquire(timeout=_PATIENCE)
            try:
                yield
            finally:
                if alone:
                    self._brief.release()

    @contextmanager
    def with_bodies_at_hand(self, version: int, bodies: Iterable[int]) -> Iterator[bool]:
        """As `with_bodies`, but waits for nobody: tells whether it is one's turn."""
        passage, taken = self._versions[version % _VERSIONS], []
        if not passage.try_together():
            yield False
            return
        try:
            locks = [self._bodies[number] for number in sorted({hash((version, body)) % _STRIPES for body in bodies})]
            for lock in locks:
                if not lock.acquire(blocking=False):
                    break
                taken.append(lock)
            yield len(taken) == len(locks)
        finally:
            for lock in taken:
                lock.release()
            passage.leave()

    @contextmanager
    def with_blocks(self, version: int, blocks: Iterable[Sequence[int]]) -> Iterator[None]:
        """Change the voxels of some blocks (x, y, z) too; within `with_bodies`."""
        with _held(self._blocks, ((version, *block) for block in blocks)):
            yield


@contextmanager
def _held(stripes: Sequence[threading.Lock], names: Iterable[tuple[int, ...]]) -> Iterator[None]:
    with ExitStack() as stack:
        for number in sorted({hash(name) % len(stripes) for name in names}):
            stack.enter_context(stripes[number])
        yield
