"""Which web pages may read answers, and what browsers are told about it (CORS)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dvid_framework.http.access.caller import Headers
from dvid_framework.http.answers import Answer, empty

if TYPE_CHECKING:
    from dvid_framework.config import Config

__all__ = ["Cors", "build_cors"]

_Pairs = tuple[tuple[bytes, bytes], ...]
_TIMING: _Pairs = ((b"timing-allow-origin", b"*"),)
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept, Range",
    "Access-Control-Max-Age": "600",
}
_BELOW_INSTANCE = 5  # slashes in /api/node/UUID/NAME/KEYWORD


def _header(headers: Headers, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in headers if name == wanted), "")


def _domain(origin: str) -> str:
    """Return the last two labels of an origin's host name."""
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return ""
    return ".".join(host.split(".")[-2:])


class Cors:
    """The rule about origins.

    Args:
        origins: `*`, whole origins, or with credentials also domains such as `example.org`.
        credentials: whether requests are known by tokens and cookies: then pages may send them.
        timing: whether pages may measure requests below instances.
    """

    def __init__(self, origins: Sequence[str], *, credentials: bool, timing: bool) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origins) - {"*"}
        self._credentials = credentials
        self._timing = timing

    def lists(self, origin: str) -> bool:
        """Tell whether an origin itself is listed, and not just any."""
        return origin in self._origins or (self._credentials and bool(origin) and _domain(origin) in self._origins)

    def headers(self, headers: Headers, path: str) -> _Pairs:
        """Return the headers that the answer to a request gets."""
        return self._origin_headers(headers) + (_TIMING if self._times(path) else ())

    def _times(self, path: str) -> bool:
        return self._timing and path.startswith("/api/node/") and path.count("/") >= _BELOW_INSTANCE

    def _origin_headers(self, headers: Headers) -> _Pairs:
        if not self._any and not self._origins:
            return ()
        origin = _header(headers, b"origin")
        if self.lists(origin):
            found: _Pairs = ((b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin"))
            return (*found, (b"access-control-allow-credentials", b"true")) if self._credentials else found
        if self._any:
            return ((b"access-control-allow-origin", b"*"),)
        return ((b"vary", b"Origin"),)

    def preflight(self, method: str, headers: Headers) -> Answer | None:
        """Return the answer to a browser that asks before it sends a request, or None if this is no such question."""
        if method != "OPTIONS" or not _header(headers, b"access-control-request-method"):
            return None
        origin = _header(headers, b"origin")
        if not origin or not (self._any or self.lists(origin)):
            return None
        return empty(200, _PREFLIGHT)


def build_cors(config: Config) -> Cors | None:
    """Return the rule that a configuration asks for, or None if no page may do anything."""
    server = config.server
    if not server.cors_domains and not server.allow_timing:
        return None
    return Cors(server.cors_domains, credentials=config.auth.mode != "none", timing=server.allow_timing)
