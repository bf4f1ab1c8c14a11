"""UUIDs and times as they stand on the wire."""

from __future__ import annotations

import re
import time
import uuid
from datetime import UTC, datetime

from dvid_framework.errors import BadRequest

__all__ = ["check_uuid", "log_time", "new_uuid", "now_rfc3339"]

_UUID = re.compile(r"[0-9a-f]{32}")


def new_uuid() -> str:
    """Return a random UUID as 32 lower-case hex digits."""
    return uuid.uuid4().hex


def check_uuid(text: str) -> str:
    """Return text if it is a whole UUID.

    Raises:
        BadRequest: it is not 32 lower-case hex digits.
    """
    if not _UUID.fullmatch(text):
        raise BadRequest(f"{text!r} is no UUID: 32 lower-case hex digits are needed")
    return text


def now_rfc3339() -> str:
    """Return the time now, UTC, RFC 3339 with nanoseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"


def log_time() -> str:
    """Return the time now, UTC, RFC 3339 with whole seconds: the beginning of a log line."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
