"""Answers that browsers and proxies may keep: files of formats that tools read straight from a version."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from isal import isal_zlib

from dvid_framework.http.answers import Answer, Buffer, Bytes, binary
from dvid_framework.http.call import Call

__all__ = ["cacheable", "cacheable_json"]

_GZIP = 31
_LEVEL = 1
# An administrator may still change a committed version, so what is kept of it expires some day.
_IMMUTABLE = "max-age=86400, immutable"
_json = msgspec.json.Encoder().encode


def cacheable(call: Call, body: Buffer, media_type: str, *, gzip: bool = False) -> Answer:
    """Return an answer of bytes with an entity tag; 304 if the client has them already.

    Of a committed version it may be kept for a day without asking; of an open one it must be asked for again each time.
    A server that guards its repos lets nobody but the client itself keep it.

    Args:
        call: the request.
        body: the bytes.
        media_type: their content type.
        gzip: whether to send them with `Content-Encoding: gzip` to clients that take it. Then call this in a thread.
    """
    headers = {"Cache-Control": _cache_control(call)}
    # Of the bytes before they are compressed: isal's output need not be the same each time.
    digest, coding = hashlib.blake2b(body, digest_size=12).hexdigest(), ""
    if gzip:
        headers["Vary"] = "Accept-Encoding"
        if _takes_gzip(call.header(b"accept-encoding") or ""):
            body = isal_zlib.compress(body, _LEVEL, wbits=_GZIP)
            headers["Content-Encoding"] = coding = "gzip"
    tag = f'"{digest}{coding}"'
    headers["ETag"] = tag
    if _names(call.header(b"if-none-match") or "", tag):
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return Bytes(304, [pair for pair in pairs if pair[0] != b"content-encoding"], b"")
    return binary(body, media_type, headers)


def cacheable_json(call: Call, value: Any) -> Answer:
    """Return such an answer of JSON; value may hold msgspec structs, lists, dictionaries, texts and numbers."""
    return cacheable(call, _json(value), "application/json")


def _cache_control(call: Call) -> str:
    assert call.version is not None
    assert call.instance is not None
    fixed = call.version.locked and call.instance.record.versioned
    who = "public" if call.server.guard is None else "private"
    return f"{who}, {_IMMUTABLE if fixed else 'no-cache'}"


def _takes_gzip(accepted: str) -> bool:
    """Tell whether an Accept-Encoding header allows gzip."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in ("gzip", "x-gzip", "*"):
            return weight.replace(" ", "").rstrip("0.") not in ("q=", "q")
    return False


def _names(wanted: str, tag: str) -> bool:
    """Tell whether an If-None-Match header names a tag."""
    return any(part.strip().removeprefix("W/") in (tag, "*") for part in wanted.split(","))
