"""The activity log: one JSON line for each request; and the figures of `/api/load`."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import msgspec

from dvid_framework.events.file_traffic import FileTraffic
from dvid_framework.events.interactive import InteractiveRequests
from dvid_framework.versions.ids import log_time
from dvid_framework.versions.record import Mutation

if TYPE_CHECKING:
    from dvid_framework.http.call import Call

__all__ = ["Activity"]

_WINDOW_SECONDS = 5.0
_WRITE_SECONDS = 0.2
_DAY_SECONDS = 86_400
_MOST_LINES_WAITING = 100_000
_NOT_INTERACTIVE = frozenset({"false", "0"})
_SECRETS = frozenset({"admintoken", "passcode"})
_encode = msgspec.json.Encoder(enc_hook=str).encode


class _RotatingFile:
    """Appends lines to a file; at its size limit the file becomes FILE.1, which is removed when it is old.

    Lines are gathered and written a few times a second by a thread, so that no request waits for the disk.
    """

    def __init__(self, path: Path, limit: int, days: int) -> None:
        self._path = path
        self._aside = path.with_suffix(path.suffix + ".1")
        self._limit = limit
        self._days = days
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("ab", buffering=0)
        self._lines: deque[bytes] = deque(maxlen=_MOST_LINES_WAITING)
        self._closing = threading.Event()
        self._writer = threading.Thread(target=self._write_now_and_then, name="activity-log", daemon=True)
        self._writer.start()

    def append(self, line: bytes) -> None:
        """Append a line."""
        self._lines.append(line)

    def _write_now_and_then(self) -> None:
        while not self._closing.wait(_WRITE_SECONDS):
            self._write()

    def _write(self) -> None:
        """Write what waits; a full disk loses lines of this log and nothing else."""
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if not lines:
            return
        with contextlib.suppress(OSError):
            if self._file.tell() > self._limit:
                self._file.close()
                self._path.replace(self._aside)
                self._file = self._path.open("ab", buffering=0)
            self._file.write(b"\n".join(lines) + b"\n")
        with contextlib.suppress(OSError):
            if self._days and self._aside.stat().st_mtime < time.time() - self._days * _DAY_SECONDS:
                self._aside.unlink()

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._closing.set()
        self._writer.join()
        self._write()
        self._file.close()


class _Request(msgspec.Struct):
    """A line about a request."""

    time: int
    duration: float
    status: int
    user: str
    client: str
    method: str
    uri: str
    bytes_in: int
    bytes_out: int
    remote_addr: str
    claim: str | msgspec.UnsetType = msgspec.UNSET
    event: str | msgspec.UnsetType = "request"


class Traffic(Protocol):
    """What went over the wire for one request."""

    status: int
    bytes_in: int
    bytes_out: int
    client: str


class Activity:
    """Writes the activity log and counts what `/api/load` and `/api/user-latencies` show.

    Args:
        path: the file, or None for no file.
        limit_bytes: the size at which the file is rotated.
        days: the age at which what was rotated is removed; 0 for never.
        interactive: counts the requests of people.

    Attributes:
        publish: what else is told of each request, if anything.
    """

    def __init__(
        self,
        path: Path | None,
        limit_bytes: int = 100 << 20,
        days: int = 0,
        interactive: InteractiveRequests | None = None,
    ) -> None:
        self._file = None if path is None else _RotatingFile(path, limit_bytes, days)
        self._interactive = interactive or InteractiveRequests(0)
        self.publish: Callable[[dict[str, Any]], None] | None = None
        self._recent: deque[tuple[float, str, int, int]] = deque(maxlen=100_000)
        self._pings: dict[str, str] = {}
        self._files = FileTraffic()

    def request(self, call: Call, meter: Traffic, seconds: float) -> None:
        """Record one request."""
        self._recent.append((time.monotonic(), call.method, meter.bytes_in, meter.bytes_out))
        if call.instance is not None and call.query.get("interactive") not in _NOT_INTERACTIVE:
            self._interactive.add()
        if self._file is None and self.publish is None:
            return
        uri = call.path
        if call.query:
            query = "&".join([f"{key}={value}" for key, value in call.query.items() if key.lower() not in _SECRETS])
            uri = f"{uri}?{query}" if query else uri
        line = _Request(
            int(time.time()),
            round(seconds * 1000, 3),
            meter.status,
            call.user,
            call.app,
            call.method,
            uri,
            meter.bytes_in,
            meter.bytes_out,
            meter.client,
            (call.claim or msgspec.UNSET) if call.caller is not None else msgspec.UNSET,
        )
        noted = call.noted or {}
        if self._file is not None:
            self._file.append(_encode({**msgspec.to_builtins(line), **noted} if noted else line))
        if self.publish is not None:
            line.event = msgspec.UNSET
            self.publish({**msgspec.to_builtins(line), **noted})

    def sync(self, mutation: Mutation, seconds: float, error: str) -> None:
        """Record that a follower took in a mutation, or failed at it."""
        action = mutation.entries[0]["Action"] if mutation.entries else ""
        fields: dict[str, Any] = {
            "time": int(time.time()),
            "duration": round(seconds * 1000, 3),
            "mutation": f"sync of {action!r}",
            "successful": not error,
        }
        fields |= {"diagnostic": error} if error else {}
        fields |= {"mutation_id": mutation.mutation_id} if mutation.mutation_id else {}
        if self._file is not None:
            self._file.append(_encode({**fields, "event": "sync"}))
        if self.publish is not None:
            self.publish(fields)

    def load(self) -> dict[str, int]:
        """Return integers per second, over the last five seconds."""
        since = time.monotonic() - _WINDOW_SECONDS
        recent = [entry for entry in list(self._recent) if entry[0] >= since]
        reads = [entry for entry in recent if entry[1] in ("GET", "HEAD")]
        sent = int(sum(entry[3] for entry in recent) / _WINDOW_SECONDS)
        files_read, files_written = self._files.per_second()
        taken = int(sum(entry[2] for entry in recent) / _WINDOW_SECONDS)
        return {
            "file bytes read": files_read,
            "file bytes written": files_written,
            "key bytes read": 0,
            "key bytes written": 0,
            "value bytes read": sent,
            "value bytes written": taken,
            "GET requests": int(len(reads) / _WINDOW_SECONDS),
            "PUT requests": int((len(recent) - len(reads)) / _WINDOW_SECONDS),
            "handlers active": min(100, len(recent)),
            "goroutines": threading.active_count(),
            "active CGo writes": 0,
            "pending log messages": 0,
        }

    def ping(self, user: str) -> None:
        """Note that a user is there."""
        if user and (user in self._pings or len(self._pings) < 10_000):
            self._pings[user] = log_time()

    def latencies(self, user: str | None) -> dict[str, Any]:
        """Return the pings of all users, or of one."""

        def row(name: str) -> dict[str, Any]:
            known = self._pings.get(name, "")
            return {
                "User": name if known else "",
                "LastPing": known,
                "LastLatency": 0,
                "MinLatency": 0,
                "MaxLatency": 0,
            }

        return row(user) if user is not None else {name: row(name) for name in self._pings}

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
