"""What browsers are told about pages: one of this server runs nothing, and shows nothing, that comes from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["page_headers"]

_Headers = Iterable[tuple[bytes, bytes]]
_PAGES = (
    b"default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    b"base-uri 'none'; frame-ancestors 'none'"
)
# The OpenAPI pages are Litestar's: a script in the page that loads Swagger from its usual place.
_OPENAPI = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; img-src 'self' data: https://cdn.jsdelivr.net; "
    b"object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def page_headers(path: str, headers: _Headers) -> tuple[tuple[bytes, bytes], ...]:
    """Return what an answer with these headers gets besides: a policy, if it is a page without one of its own."""
    fields = {name.lower(): value for name, value in headers}
    if not fields.get(b"content-type", b"").startswith(b"text/html") or b"content-security-policy" in fields:
        return ()
    policy = _OPENAPI if path.startswith("/schema") else _PAGES
    return ((b"content-security-policy", policy), (b"referrer-policy", b"same-origin"))
