"""The counters of labels: the largest label of each version and of the repo, and labels that are reserved.

Kept in memory after they were read once, and changed there only when what was written is committed. No label is given
twice: who changes them holds the lock from reading to committing.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec

from dvid_framework.api import BadRequest, Txn
from dvid_labelmap.keys import COUNTERS, MAX_LABEL

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["LARGEST_LABEL", "Counters", "parse_label"]

LARGEST_LABEL = (1 << 64) - 1
_LARGEST_POSTED = 1 << 48


class _Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What all versions share.

    Attributes:
        largest: the largest label of all versions, apart from those given after `next_label` was set.
        next_label: the last label that was given, if new labels were told where to begin; else 0.
        ceiling: the largest label that may be given then; 0 for no bound.
    """

    largest: int = 0
    next_label: int = 0
    ceiling: int = 0

    @property
    def last(self) -> int:
        """The label after which new ones begin."""
        return self.next_label or self.largest


_encode = msgspec.msgpack.Encoder().encode


def parse_label(text: str) -> int:
    """Parse a label or a number of labels.

    Raises:
        BadRequest: it is no integer from 1 to 2^64 - 1.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and 0 < int(text) <= LARGEST_LABEL):
        raise BadRequest(f"{text[:30]!r} is no integer from 1 to {LARGEST_LABEL}")
    return int(text)


class Counters:
    """The counters of an instance.

    Attributes:
        lock: held from a change to the commit of its transaction.
    """

    def __init__(self, instance: LabelMapInstance) -> None:
        self._instance = instance
        self._shared: _Shared | None = None
        self._largest: dict[int, int] = {}
        self._taken = 0  # the last label that was given to a change that is not committed yet
        self.lock = threading.RLock()

    def _read(self) -> _Shared:
        with self.lock:
            if self._shared is None:
                own = self._instance.own_values(MAX_LABEL)
                self._largest = {version: int.from_bytes(value, "little") for version, value in own.items()}
                stored = list(self._instance.own_values(COUNTERS).values())
                self._shared = msgspec.msgpack.decode(stored[0], type=_Shared) if stored else _Shared()
            return self._shared

    @property
    def next_label(self) -> int:
        """The label that is given next."""
        with self.lock:
            return max(self._read().last, self._taken) + 1

    @property
    def largest_of_repo(self) -> int:
        """The largest label of all versions."""
        return self._read().largest

    @property
    def set_label(self) -> int:
        """The label after which new ones begin, if it was set; else 0."""
        return self._read().next_label

    def by_version(self) -> dict[int, int]:
        """Return the largest label of each version that wrote one, by version id."""
        with self.lock:
            self._read()
            return dict(self._largest)

    def largest(self, members: Collection[int]) -> int:
        """Return the largest label of a version and its ancestors; 0 if there is none.

        Args:
            members: ids of the version and all its ancestors.
        """
        with self.lock:
            self._read()
            return max((self._largest[version] for version in self._largest.keys() & members), default=0)

    def raise_to(self, txn: Txn, version: int, label: int, members: Collection[int]) -> None:
        """Add to a transaction that a version has a label. The lock must be held until the commit.

        Args:
            txn: the transaction.
            version: id of the version.
            label: the label.
            members: ids of the version and all its ancestors.
        """
        shared = self._read()
        if label > self.largest(members):
            self._put(txn, version, label)
        if label > shared.largest:
            self._put_shared(txn, msgspec.structs.replace(shared, largest=label))

    def reserve(self, txn: Txn, version: int, count: int, members: Collection[int]) -> tuple[int, int]:
        """Add to a transaction that new labels are given; returns the first and the last. The lock must be held.

        Raises:
            BadRequest: there are not so many below the ceiling.
        """
        first = self.take(count)
        self.keep(txn, version, first + count - 1, members)
        return first, first + count - 1

    def take(self, count: int) -> int:
        """Give new labels to a change that is still to be made, and will `keep` them; returns the first.

        What was given and is never kept is given again after a restart only, for nobody saw it.

        Raises:
            BadRequest: there are not so many below the ceiling.
        """
        with self.lock:
            shared = self._read()
            before = max(shared.last, self._taken)
            last = before + count
            if last > LARGEST_LABEL:
                raise BadRequest(f"there are not {count} labels left after {before}")
            if shared.next_label and shared.ceiling and last > shared.ceiling:
                raise BadRequest(f"{count} labels after {before} would pass the ceiling of {shared.ceiling}")
            self._taken = last
            return before + 1

    def keep(self, txn: Txn, version: int, label: int, members: Collection[int]) -> None:
        """Add to a transaction that labels up to one were given at a version. The lock must be held until the commit.

        Args:
            txn: the transaction.
            version: id of the version.
            label: the largest of the labels that `take` gave.
            members: ids of the version and all its ancestors.
        """
        shared = self._read()
        if shared.next_label:
            if label > shared.next_label:
                self._put_shared(txn, msgspec.structs.replace(shared, next_label=label))
        elif label > shared.largest:
            self._put_shared(txn, msgspec.structs.replace(shared, largest=label))
        if label > self.largest(members):
            self._put(txn, version, label)

    def set_next(self, txn: Txn, label: int, ceiling: str | None) -> int:
        """Add to a transaction that the next label is the one after `label`; returns the bound. The lock must be held.

        Args:
            txn: the transaction.
            label: 1 to 2^64 - 2.
            ceiling: the largest label that may be given; `0` for no bound; None leaves it.

        Raises:
            BadRequest: the label is above the ceiling, or a number is not allowed.
        """
        shared = self._read()
        bound = shared.ceiling
        if ceiling is not None:
            bound = 0 if ceiling == "0" else parse_label(ceiling)
        if label >= LARGEST_LABEL or (bound and label > bound):
            raise BadRequest(
                f"no label can be given after {label}" + (f" below the ceiling of {bound}" if bound else "")
            )
        self._taken = 0
        self._put_shared(txn, msgspec.structs.replace(shared, next_label=label, ceiling=bound))
        return bound

    def raise_by_hand(self, txn: Txn, version: int, label: int, members: Collection[int]) -> None:
        """As `raise_to`, for a label that an administrator gives; a smaller one than there is changes nothing.

        Raises:
            BadRequest: it is above 2^48.
        """
        if label > _LARGEST_POSTED:
            raise BadRequest(f"the largest label may be set to {_LARGEST_POSTED} at most")
        if label > self.largest(members):
            self.raise_to(txn, version, label, members)

    def _put(self, txn: Txn, version: int, label: int) -> None:
        txn.put(MAX_LABEL, label.to_bytes(8, "little"))
        txn.after_commit(lambda _: self._largest.__setitem__(version, label))

    def _put_shared(self, txn: Txn, shared: _Shared) -> None:
        txn.put_shared(COUNTERS, _encode(shared))

        def keep(_: int) -> None:
            self._shared = shared

        txn.after_commit(keep)
