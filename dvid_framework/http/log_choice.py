"""Which mutations of a log are asked for: by user and by time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from dvid_framework.errors import BadRequest
from dvid_framework.versions.record import Mutation

__all__ = ["LogChoice"]

_MICROSECONDS = len("2026-11-24T20:00:00.000000")  # the rest of a record's time is left out


class LogChoice(NamedTuple):
    """Which mutations are asked for: of one user, from and until times; all where a text is empty."""

    user: str
    since: str
    until: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> LogChoice:
        """Read the parameters `userid`, `since` and `until`.

        Raises:
            BadRequest: a time is not RFC 3339.
        """
        since, until = (_utc(name, query.get(name, "")) for name in ("since", "until"))
        return cls(query.get("userid", ""), since, until)

    def takes(self, mutation: Mutation) -> bool:
        """Tell whether a mutation is among them."""
        if self.user and mutation.user != self.user:
            return False
        time = mutation.time[:_MICROSECONDS]
        return not (self.since and time < self.since) and not (self.until and time > self.until)


def _utc(name: str, text: str) -> str:
    """Return a time as records have it, in UTC to the microsecond and without a zone; an empty text stays."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name}={text[:40]!r} is no time such as 2026-11-24T20:00:00Z") from error
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds")
