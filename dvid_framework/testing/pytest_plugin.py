"""The pytest plugin of the testing kit: fixtures for servers and stores, and the markers of long tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from dvid_framework.config import Config
from dvid_framework.plugins import Plugins
from dvid_framework.storage.base import Store
from dvid_framework.storage.engines import embedded_engines
from dvid_framework.storage.memory import MemoryStore
from dvid_framework.storage.units import UnitStore
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.running import ServerProcess, ServerThread
from dvid_framework.testing.single_row import Rows

__all__ = ["ProcessFactory", "ServerFactory"]

_MARKERS = {
    "crash": "kills servers and looks at what they leave",
    "fuzz": "many mutated requests or inputs",
    "slow": "takes more than some seconds",
    "conformance": "plays recorded conversations",
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers of long tests."""
    for name, text in _MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {text}")


class ServerFactory(Protocol):
    """What the fixture `dvid_server` gives."""

    def __call__(
        self,
        data: Path | None = None,
        *,
        config: Config | None = None,
        admin_token: str = "",
        plugins: Plugins | None = None,
    ) -> ServerThread:
        """Start a server in a thread, on a new data folder unless one is given."""


class ProcessFactory(Protocol):
    """What the fixture `dvid_process` gives."""

    def __call__(
        self,
        data: Path | None = None,
        plugins: tuple[str, ...] = (),
        *,
        admin_token: str = "",
        environment: dict[str, str] | None = None,
    ) -> ServerProcess:
        """Start a server in a process, on a new data folder unless one is given."""


@pytest.fixture
def dvid_server(tmp_path: Path) -> Iterator[ServerFactory]:
    """Start servers in threads of this process; they are stopped after the test.

    `plugins=Plugins(extra={...}, discover=False)` says what is installed; by default it is found by entry points.
    """
    running: list[ServerThread] = []

    def start(
        data: Path | None = None,
        *,
        config: Config | None = None,
        admin_token: str = "",
        plugins: Plugins | None = None,
    ) -> ServerThread:
        folder = tmp_path / f"data-{len(running)}" if data is None else data
        server = ServerThread(folder, config, admin_token=admin_token, plugins=plugins)
        running.append(server)
        return server

    yield start
    for server in reversed(running):
        server.stop()


@pytest.fixture
def dvid_process(tmp_path: Path) -> Iterator[ProcessFactory]:
    """Start servers in processes of their own, for tests that kill them; they are ended after the test."""
    running: list[ServerProcess] = []

    def start(
        data: Path | None = None,
        plugins: tuple[str, ...] = (),
        *,
        admin_token: str = "",
        environment: dict[str, str] | None = None,
    ) -> ServerProcess:
        folder = tmp_path / f"data-{len(running)}" if data is None else data
        server = ServerProcess(folder, plugins, admin_token=admin_token, environment=environment)
        running.append(server)
        return server

    yield start
    for server in running:
        if server.alive:
            server.kill()


@pytest.fixture
def tiny_server(dvid_server: ServerFactory) -> ServerThread:
    """A server with the kit's tiny datatype alone."""
    return dvid_server(plugins=Plugins({"tiny": tiny}, discover=False))


@pytest.fixture
def client(tiny_server: ServerThread) -> Client:
    """A client of `tiny_server`."""
    return tiny_server.client


@pytest.fixture
def embedded_store(tmp_path: Path) -> Iterator[Store]:
    """An empty store of the local disk, of the default engine."""
    store = embedded_engines()[0]().open(tmp_path / "embedded", {})
    yield store
    store.close()


@pytest.fixture
def memory_store() -> Iterator[Store]:
    """An empty store in memory."""
    store = MemoryStore()
    yield store
    store.close()


@pytest.fixture
def single_row_store() -> Iterator[Store]:
    """An empty store over rows that are atomic one at a time."""
    store = UnitStore(Rows())
    yield store
    store.close()


@pytest.fixture(params=[*(kind.name for kind in embedded_engines()), "memory", "single_row"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind in turn."""
    makers: dict[str, Callable[[], Store]] = {"memory": MemoryStore, "single_row": lambda: UnitStore(Rows())}
    for kind in embedded_engines():
        makers[kind.name] = partial(kind().open, tmp_path / "store", {})
    opened = makers[request.param]()
    yield opened
    opened.close()
