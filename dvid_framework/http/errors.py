"""One mapping from errors to answers: text/plain, one sentence, and where it happened."""

from __future__ import annotations

import uuid
from typing import Any

import structlog
from litestar.exceptions import HTTPException

from dvid_framework.errors import DvidError, Unauthorized, Unavailable
from dvid_framework.http.answers import Bytes, empty, text_answer

__all__ = ["error_answer", "page_not_found"]

_log = structlog.get_logger("dvid.errors")


def page_not_found() -> Bytes:
    """Return the answer for an address, or a method of an address, that does not exist."""
    return text_answer("404 page not found\n", 404)


def _sentence(detail: Any, extra: Any) -> str:
    if isinstance(extra, list) and extra and isinstance(extra[0], dict):
        return "; ".join(f"{item.get('key', 'parameter')}: {item.get('message', '')}" for item in extra)
    return str(detail)


def error_answer(error: Exception, path: str, below_instance: bool = False) -> Bytes:
    """Return the answer to an exception.

    Args:
        error: what was raised.
        path: the path of the request, shown in the text.
        below_instance: the address is a datatype's, where an unknown address or method is 400.
    """
    if isinstance(error, DvidError):
        if error.status == 404 and not error.message:
            return empty(404)
        headers: dict[str, str] = {}
        if isinstance(error, Unavailable):
            headers["Retry-After"] = str(error.retry_after)
        if isinstance(error, Unauthorized):
            headers["WWW-Authenticate"] = "Bearer"
        if error.status >= 500:
            _log.error("request failed", path=path, error=error.message, kind=type(error).__name__)
        return text_answer(f"{error.message} ({path}).\n", error.status, headers)
    if isinstance(error, HTTPException):
        status = 400 if below_instance and error.status_code in (404, 405) else error.status_code
        if status in (404, 405):
            return page_not_found()
        return text_answer(f"{_sentence(error.detail, error.extra)} ({path}).\n", status)
    reference = uuid.uuid4().hex[:12]
    _log.error("unexpected error", path=path, reference=reference, exc_info=error)
    return text_answer(f"unexpected error, see the server's log under {reference} ({path}).\n", 500)
