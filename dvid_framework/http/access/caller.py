"""Who asks, and what they may do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from dvid_framework.errors import DvidError

__all__ = ["ANYONE", "Caller", "Identify", "Judge", "bearer", "refused"]

Judge = Callable[[str, bool], DvidError | None]
"""Tells for a repo's root UUID, and whether it is to be written, why it is refused; None where it is allowed."""
Headers = Iterable[tuple[bytes, bytes]]


def _nothing(root: str | None) -> bool:
    del root
    return False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        judge: what they may do.
        user: who they are proven to be; empty where nobody is.
        administers: tells whether they are administrators of the repo with this root UUID, or of the server (None):
            then they are as good as somebody with the admin token.
    """

    judge: Judge
    user: str = ""
    administers: Callable[[str | None], bool] = _nothing


class Identify(Protocol):
    """A mode: finds out who asks. It never raises: what is wrong with a token is said by the caller's judge."""

    async def __call__(self, headers: Headers, cookies: bool) -> Caller:
        """Return who asks; `cookies` tells whether a cookie may prove it."""


def refused(error: DvidError) -> Caller:
    """Return a caller who may do nothing, and why."""
    return Caller(lambda _root, _write: error)


ANYONE = Caller(lambda _root, _write: None)
"""The caller of a mode that asks for nothing."""


def bearer(headers: Headers) -> str:
    """Return the token of `Authorization: Bearer TOKEN`, or an empty text."""
    for name, value in headers:
        if name == b"authorization":
            kind, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if kind.lower() == "bearer" else ""
    return ""
