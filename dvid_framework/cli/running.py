"""Running a server from the command line: the event loop, the log of the process, and its exit status."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import structlog
import uvloop

from dvid_framework.errors import BadRequest
from dvid_framework.serve import serve
from dvid_framework.server import Server

__all__ = ["StandardError", "run_server"]


class StandardError:
    """Where lines of the log go. A full disk, or a pipe that nobody reads any more, loses lines and fails no request.

    Args:
        names: of the logger; not used.
    """

    def __init__(self, *names: str) -> None:
        del names

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    log = debug = info = warning = error = critical = exception = msg


def _log_to_stderr() -> None:
    """One JSON line for each event of the server; uvicorn's own warnings too."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=StandardError,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def run_server(server: Server, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        server: an open server; it is closed at the end.
        ready: called when it listens.

    Raises:
        SystemExit: the port is in use, or whom `startWebhook` names does not agree (status 1).
    """
    _log_to_stderr()
    named = server.config.server.pid_file
    pid_file = Path(server.config.folder, named) if named else None
    listening: list[bool] = []

    def now_ready() -> None:
        listening.append(True)
        if pid_file is not None:
            pid_file.write_text(f"{os.getpid()}\n")
        ready()

    try:
        uvloop.run(serve(server, now_ready))
    except BadRequest as error:
        sys.stderr.write(f"dvid: {error.message}\n")
        raise SystemExit(1) from error
    finally:
        if listening and pid_file is not None:
            pid_file.unlink(missing_ok=True)
    if not listening:
        sys.stderr.write(f"dvid: port {server.port} of {server.host} can't be listened on; is another server there?\n")
        raise SystemExit(1)
