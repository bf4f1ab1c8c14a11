"""The one tree of errors; each class carries the HTTP status that it is answered with.

A message is one sentence for the user of the API: what was wrong and what is allowed. `http.errors` is the only place
that turns these into answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "AccessDenied",
    "BadGateway",
    "BadRequest",
    "Blocked",
    "Conflict",
    "CorruptValue",
    "DvidError",
    "Forbidden",
    "Locked",
    "NotFound",
    "NotInstalled",
    "StorageError",
    "StoreFull",
    "StoreInUse",
    "StoreReopening",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "refusing",
]


class DvidError(Exception):
    """Anything that the service refuses or fails to do.

    Attributes:
        status: the HTTP status of the answer.
    """

    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequest(DvidError):
    """The request is malformed or asks for what is not allowed."""

    status = 400


class Locked(BadRequest):
    """A mutation of a committed (locked) version."""


class Forbidden(BadRequest):
    """The caller lacks a right. Answered with 400, as clients of the original expect."""


class Unauthorized(DvidError):
    """Nobody has said who asks, or said it wrongly."""

    status = 401


class AccessDenied(DvidError):
    """Who asks is known and lacks a right."""

    status = 403


class Blocked(DvidError):
    """The user or the address is on the list of those that are not served."""

    status = 429


class BadGateway(DvidError):
    """A service elsewhere that is needed does not answer, or answers oddly."""

    status = 502


class NotFound(DvidError):
    """An address or a value that does not exist.

    Args:
        message: what is missing; empty for an answer without a body.
    """

    status = 404


class Conflict(DvidError):
    """Branches disagree about a value, and a merge left it undecided."""

    status = 409


class TooLarge(DvidError):
    """A body, an answer or a mutation above its limit."""

    status = 413


class NotInstalled(DvidError):
    """Data of a datatype whose plugin is not installed."""

    status = 501


class Unavailable(DvidError):
    """The server can't do it now and may be asked again after some seconds."""

    status = 503

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StorageError(DvidError):
    """A store failed; nothing of the mutation in hand is visible."""


class StoreInUse(StorageError):
    """Another process, or another server of this process, owns the data folder."""


class StoreFull(StorageError):
    """No space is left on the device."""

    status = 507


class StoreReopening(StorageError, Unavailable):
    """A store is being opened again after its disk was full: that takes some seconds."""


class CorruptValue(StorageError):
    """Stored bytes fail their checksum or their format; the message names the key."""


@contextmanager
def refusing(*errors: type[Exception]) -> Iterator[None]:
    """Refuse what a client sent where a library does, with the library's sentence.

    Raises:
        BadRequest: one of these errors was raised.
    """
    try:
        yield
    except errors as error:
        raise BadRequest(str(error)) from error
