"""Servers for tests: one in a thread of this process, and one in a process of its own that can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from dvid_framework.config import Config
from dvid_framework.plugins import Plugins
from dvid_framework.serve import serve
from dvid_framework.server import Server
from dvid_framework.testing.client import Client

__all__ = ["ServerProcess", "ServerThread", "free_port"]

_START_SECONDS = 60.0


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerThread:
    """A server on a free loopback port, in a thread with an event loop of its own.

    Args:
        data: the data folder.
        config: the configuration.
        admin_token: the admin token; without one everyone may make repos.
        plugins: what is installed; found by entry points without it.

    Attributes:
        server: the server object, for looking inside.
        client: a client of it; use one per thread.
    """

    def __init__(
        self,
        data: Path,
        config: Config | None = None,
        *,
        admin_token: str = "",
        plugins: Plugins | None = None,
    ) -> None:
        self.data = data
        self._options = (config, admin_token, plugins)
        self._clients: list[Client] = []
        self._start()

    def _start(self) -> None:
        config, admin_token, plugins = self._options
        self.server = Server(self.data, config, admin_token=admin_token, plugins=plugins, port=free_port())
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="test-server", daemon=True)
        self._thread.start()
        self._ready.wait(_START_SECONDS)
        if self._failure is not None or not self._thread.is_alive():
            raise RuntimeError(f"the server did not start: {self._failure}") from self._failure
        self.client = self.new_client()

    def _run(self) -> None:
        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            await serve(self.server, self._ready.set, self._stop)

        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the start
            self._failure = error
        finally:
            self._ready.set()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self.server.port

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return self.client.url

    def new_client(self) -> Client:
        """Return one more client, for another thread."""
        client = Client(self.server.host, self.server.port)
        self._clients.append(client)
        return client

    def problems(self, uuid: str, name: str) -> list[str]:
        """Return what `dvid fsck` would find wrong in an instance, at all versions of the repo of one of them."""
        repo, _ = self.server.repos.find(uuid)
        instance = self.server.instances.get(repo, name)
        return [problem for version in list(repo.dag) for problem in instance.check(version)]

    def stop(self) -> None:
        """End it gracefully; ending twice is harmless."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise RuntimeError("the server failed") from failure

    def restart(self) -> None:
        """End it and start another one on the same data folder; the port and `client` change."""
        self.stop()
        self._start()


class ServerProcess:
    """A server in a process of its own.

    Args:
        data: the data folder.
        plugins: `module` of further plugins for the child, beside those found by entry points.
        admin_token: the admin token.
        environment: further variables.
        port: where to listen; a free port by default.
    """

    def __init__(
        self,
        data: Path,
        plugins: Sequence[str] = (),
        *,
        admin_token: str = "",
        environment: dict[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.port = free_port() if port is None else port
        command = [sys.executable, "-m", "dvid_framework.testing.child", str(data), str(self.port), *plugins]
        self._log_path = data.parent / f"{data.name}.{self.port}.log"
        with self._log_path.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "DVID_ADMIN_TOKEN": admin_token, **(environment or {})},
            )
        self.client = Client("127.0.0.1", self.port)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            if self._process.poll() is not None:
                self.client.close()
                raise RuntimeError(f"the server ended with {self._process.returncode}: {self.output()}")
            try:
                if self.client.get("/api/server/info").status == 200:
                    return
            except OSError as error:
                if time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"the server does not answer: {self.output()}") from error
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return self.client.url

    def output(self) -> str:
        """Return the end of what it has printed."""
        return self._log_path.read_text(errors="replace")[-4000:]

    def new_client(self) -> Client:
        """Return one more client, for another thread."""
        return Client("127.0.0.1", self.port)

    def kill(self) -> None:
        """End it at once (SIGKILL), whatever it does."""
        self.client.close()
        self._process.kill()
        self._process.wait()

    def stop(self, seconds: float = 60.0) -> int:
        """End it gracefully (SIGTERM); returns the exit status."""
        self.client.close()
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)
