"""Serving over HTTP: one process, uvicorn, a graceful stop on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import sys
from collections.abc import Callable, Iterator

import uvicorn

from dvid_framework.allocator import keep_freed_memory
from dvid_framework.http.protocol import bounded_protocol
from dvid_framework.http.watch import Bounds
from dvid_framework.server import Server

__all__ = ["serve"]

_DRAIN_SECONDS = 20
_FILES_OF_STORES = 600  # a LevelDB keeps up to 500 tables open
_FEWEST_CONNECTIONS = 64
_SWITCH_SECONDS = 0.0005


def open_files() -> int:
    """Have the process open as many files as it may, and return how many these are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft not in (resource.RLIM_INFINITY, hard):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


class _Uvicorn(uvicorn.Server):
    """uvicorn without its own signal handling, which would end the process before the stores are closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`."""
        yield


def _options(server: Server) -> uvicorn.Config:
    """Return what uvicorn is told."""
    limits = server.limits
    bounds = Bounds(
        limits.head_bytes,
        limits.head_seconds,
        limits.stall_seconds,
        limits.slowest_bytes,
        limits.request_seconds,
        max(min(limits.connections, open_files() - _FILES_OF_STORES), _FEWEST_CONNECTIONS),
    )
    return uvicorn.Config(
        server.app,
        host=server.host,
        port=server.port,
        loop="none",
        http=bounded_protocol(server.app, bounds),
        headers=[("X-Content-Type-Options", "nosniff")],
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # which proxies count is a matter of the configuration
        timeout_keep_alive=limits.keep_alive_seconds,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


async def serve(server: Server, ready: Callable[[], None] | None = None, stop: asyncio.Event | None = None) -> None:
    """Serve until SIGINT or SIGTERM, or until `stop` is set; requests in flight are finished, then all is closed.

    Args:
        server: an open server.
        ready: called when the socket listens.
        stop: an event that ends it, for use inside another program; signals are then left alone.

    Raises:
        BadRequest: whom `startWebhook` names does not agree to the start.
    """
    keep_freed_memory()
    # The loop waits no longer than this for the interpreter's lock where a thread that could have it sleeps still.
    sys.setswitchinterval(_SWITCH_SECONDS)
    listener = _Uvicorn(_options(server))
    loop, ending = asyncio.get_running_loop(), stop or asyncio.Event()
    if stop is None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ending.set)
    await server.start()
    gc.freeze()  # what was loaded stays: the collector need not go through it time and again
    serving = loop.create_task(listener.serve())
    try:
        while not listener.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        if listener.started:
            try:
                await server.announce()
            except BaseException:
                listener.should_exit = True
                await serving
                raise
            if ready is not None:
                ready()
        waiting = loop.create_task(ending.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        listener.should_exit = True
        await serving
        if listener.started:
            await asyncio.sleep(server.config.server.shutdown_delay)
    finally:
        await server.stop()
