"""Background work as datatypes see it: a generator that goes on at its cursor, and the record that keeps its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from dvid_framework.versions.record import VersionRecord
from dvid_framework.versions.txn import Txn

__all__ = ["Job", "JobQueue", "JobRecord", "Step", "Work"]


class Step(NamedTuple):
    """Where a job may rest: it goes on from here after a restart.

    Attributes:
        cursor: what the work needs to go on: numbers, texts, bytes, and lists and dictionaries of them.
        done: how much is done, in units of the work's own choice.
        total: of how much; 0 if that is not known.
    """

    cursor: Any
    done: int = 0
    total: int = 0


class JobRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is stored of a job.

    Attributes:
        id: 32 hex digits.
        kind: name of the work; the instance (or the core) knows its code.
        repo: id of the repo; 0 for none.
        instance: id of the instance whose datatype does the work; 0 for the core's own.
        version: id of the version that it is about; 0 for none.
        arguments: what it was started with.
        state: `queued`, `running`, `done`, `failed` or `cancelled`.
        cancelled: whether it is to end at its next step.
        attempts: how often it failed since it last got on.
        error: how it failed last.
    """

    id: str
    kind: str
    repo: int = 0
    instance: int = 0
    version: int = 0
    arguments: dict[str, Any] = {}
    user: str = ""
    app: str = ""
    created: str = ""
    started: str = ""
    ended: str = ""
    state: str = "queued"
    cancelled: bool = False
    cursor: Any = None
    done: int = 0
    total: int = 0
    attempts: int = 0
    error: str = ""


class Job:
    """What the work of a job gets.

    Attributes:
        cursor: that of the last step; None at the beginning.
        version: the version that it is about, if any.
    """

    def __init__(
        self, record: JobRecord, version: VersionRecord | None, keep: Callable[[JobRecord, Txn, Step], None]
    ) -> None:
        self._record = record
        self._keep = keep
        self.cursor = record.cursor
        self.version = version

    @property
    def id(self) -> str:
        """Its id."""
        return self._record.id

    @property
    def kind(self) -> str:
        """The name of its work."""
        return self._record.kind

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What it was started with."""
        return self._record.arguments

    @property
    def user(self) -> str:
        """Who asked for it."""
        return self._record.user

    @property
    def app(self) -> str:
        """With which application."""
        return self._record.app

    def keep(self, txn: Txn, step: Step) -> None:
        """Write the place of a step in the unit of its work, so that it is never done twice; then yield the step."""
        self._keep(self._record, txn, step)


Work = Callable[[Job], Iterator[Step]]
"""Does a job from its cursor on, and yields where it may rest: often, about once a second.

What was done since the last step is done again after a crash: so twice must be as good as once, or `Job.keep` be used.
"""


class JobQueue(Protocol):
    """What instances need of the service's jobs."""

    def start(
        self,
        kind: str,
        arguments: Mapping[str, Any],
        *,
        repo: int,
        instance: int,
        version: int = 0,
        user: str = "",
        app: str = "",
        txn: Txn | None = None,
    ) -> JobRecord:
        """Keep a new job durably, and queue it."""
