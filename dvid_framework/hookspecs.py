"""The hooks of the entry-point group `dvid`: all that a plugin can contribute. Built-in parts use the same ones."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from dvid_framework.instances.datatype import Datatype
    from dvid_framework.server import Server
    from dvid_framework.storage.base import StoreEngine
    from dvid_framework.versions.record import Mutation

__all__ = ["hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("dvid")
hookimpl = pluggy.HookimplMarker("dvid")


@hookspec
def dvid_datatypes() -> Iterable[type[Datatype]]:
    """Return the datatypes of the plugin."""
    raise NotImplementedError


@hookspec
def dvid_store_engines() -> Iterable[type[StoreEngine]]:
    """Return the store engines of the plugin."""
    raise NotImplementedError


@hookspec
def dvid_routes(server: Server) -> Iterable[Any]:
    """Return Litestar handlers that belong to no instance, such as a console or metrics."""
    raise NotImplementedError


@hookspec
def dvid_startup(server: Server) -> Awaitable[None] | None:
    """Do something when the server has opened its stores and before it listens; may return an awaitable."""
    raise NotImplementedError


@hookspec
def dvid_shutdown(server: Server) -> Awaitable[None] | None:
    """Do something when the server has answered its last request, before its stores close; may return an awaitable."""
    raise NotImplementedError


@hookspec
def dvid_mutation(server: Server, mutation: Mutation) -> None:
    """Learn of a committed mutation: at least once, in order for each store; be idempotent by `mutation.number`."""
    raise NotImplementedError


@hookspec(firstresult=True)
def dvid_authorize(server: Server, who: str, action: str) -> bool | None:
    """Allow (True) or refuse (False) an action such as `admin`; None leaves it to the next plugin and then the core.

    `who` is the user whom a token proves, and empty where none does.
    """
    raise NotImplementedError
