"""Who may do what: the admin token, and what holds where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dvid_framework.errors import Forbidden
from dvid_framework.http.access.caller import bearer

if TYPE_CHECKING:
    from dvid_framework.http.call import Call
    from dvid_framework.server import Server

__all__ = ["check_local_mutation", "enforces", "has_admin_token", "need_admin"]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def has_admin_token(server: Server, call: Call) -> bool:
    """Tell whether a call shows the admin token, by `?admintoken=` or `Authorization: Bearer`."""
    if not server.admin_tokens:
        return False
    return server.admin_tokens.match(call.query.get("admintoken", "") or bearer(call.raw_headers))


def enforces(server: Server) -> bool:
    """Tell whether the configuration guards repos by tokens."""
    return server.guard is not None and server.guard.enforces


def need_admin(call: Call) -> None:
    """Refuse who is no administrator: of the repo of the path, or of the server where it names none.

    Without a configured token and without `[auth]` everyone on loopback is one.

    Raises:
        Forbidden: the token is missing or wrong.
    """
    server = call.server
    decision = server.plugins.authorize(server, call.proven, "admin")  # and not whom `u=` claims
    if decision is None:
        decision = call.admin or not (server.admin_tokens or enforces(server))
    if not decision:
        raise Forbidden("this needs the admin token: ?admintoken= or Authorization: Bearer")


def _host(address: str) -> str:
    """Return the host of an address; empty where it is malformed."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def check_local_mutation(call: Call) -> None:
    """Refuse a mutation that a web page of another site may have sent to this loopback server.

    Any web page can reach 127.0.0.1; so without an admin token a mutation needs a loopback Host, and no
    foreign Origin but one that the configuration lists.

    Raises:
        Forbidden: Host or Origin is not of this machine.
    """
    if call.server.admin_tokens or not call.server.on_loopback or enforces(call.server):
        return
    host = call.header(b"host")
    if host is not None and _host(f"//{host}") not in _LOOPBACK:
        raise Forbidden("a server without admin token takes mutations only under a loopback Host such as 127.0.0.1")
    origin = call.header(b"origin")
    cors = call.server.cors
    if origin and _host(origin) not in _LOOPBACK and not (cors is not None and cors.lists(origin)):
        raise Forbidden("a server without admin token takes no mutations from web pages of other sites")
