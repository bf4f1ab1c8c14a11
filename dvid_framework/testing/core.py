"""The core without HTTP over any store: for tests that call views and transactions directly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sortedcontainers import SortedDict

from dvid_framework.instances.datatype import Datatype
from dvid_framework.instances.instance import Instance
from dvid_framework.instances.registry import Instances
from dvid_framework.storage.base import Store, StoreEngine
from dvid_framework.storage.engines import StoreConfig, embedded_engines
from dvid_framework.storage.memory import MemoryStore
from dvid_framework.storage.stores import Stores
from dvid_framework.storage.units import UnitStore
from dvid_framework.testing.single_row import Rows
from dvid_framework.testing.tiny import Tiny
from dvid_framework.versions.changes import add_branch, add_child, commit_version
from dvid_framework.versions.gate import Gates
from dvid_framework.versions.record import VersionRecord
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.repos import Repos

__all__ = ["Core", "embedded_openers", "memory_opener", "single_row_opener"]

OpenStore = Callable[[], Store]


class Core:
    """Repos and instances over a store; `restart` closes and opens all.

    Args:
        folder: a folder for what lies beside the store.
        open_store: opens the store, again and again.
        datatypes: by name; the tiny one by default.
    """

    def __init__(
        self, folder: Path, open_store: OpenStore, datatypes: Mapping[str, type[Datatype]] | None = None
    ) -> None:
        self._folder = folder
        self._datatypes = datatypes or {"tiny": Tiny}

        class Given(StoreEngine):
            """The engine of the store that was given."""

            name = "given"
            capabilities = MemoryStore.capabilities

            def open(self, path: Path, options: Mapping[str, Any]) -> Store:
                del path, options
                return open_store()

        self._engine = Given()
        self._open()

    def _open(self) -> None:
        config = {"default": StoreConfig("given", self._folder / "default")}
        self.stores = Stores(config, {"given": self._engine})
        self.log = self.stores.metadata
        self.repos = Repos(self.log, Gates())
        self.instances = Instances(self.repos, self.stores, self._datatypes)

    def instance(self, repo: Repo, name: str, version: VersionRecord | None = None, **settings: Any) -> Instance:
        """Return an instance of the tiny type, making it if it is not there."""
        if name not in repo.instances:
            body = {"typename": "tiny", "dataname": name, **settings}
            return self.instances.create(repo, version or repo.dag.root, body)
        return self.instances.get(repo, name)

    def commit(self, version: VersionRecord) -> None:
        """Commit a version."""
        commit_version(self.repos, self.repos.by_id(version.repo), version)

    def child(self, version: VersionRecord, branch: str = "") -> VersionRecord:
        """Return a new child of a committed version: on its branch, or on a new one."""
        repo = self.repos.by_id(version.repo)
        return add_branch(self.repos, repo, version, branch) if branch else add_child(self.repos, repo, version)

    def restart(self) -> None:
        """Close all and open it again; objects of before are of no use afterwards."""
        self.close()
        self._open()

    def close(self) -> None:
        """Close all."""
        self.instances.close()
        self.stores.close()


class _KeptMemory(MemoryStore):
    """A store in memory that leaves its entries to the next one."""

    def __init__(self, shelf: list[SortedDict]) -> None:
        super().__init__(shelf.pop() if shelf else None)
        self._shelf = shelf

    def close(self) -> None:
        if self._entries is not None:
            self._shelf.append(self._entries)
        super().close()


def memory_opener() -> OpenStore:
    """Return a function that opens a store in memory with what the one before left."""
    shelf: list[SortedDict] = []
    return lambda: _KeptMemory(shelf)


def single_row_opener() -> OpenStore:
    """Return a function that opens a store over single-row-atomic rows, which survive."""
    last: list[Rows] = []

    def open_store() -> Store:
        last.append(last.pop().survivors() if last else Rows())
        return UnitStore(last[-1])

    return open_store


def embedded_openers(write_buffer_bytes: int = 1 << 20) -> dict[str, Callable[[Path], OpenStore]]:
    """Return what makes, from a path, a function that opens a store there, for each engine of the local disk."""
    options = {"write_buffer_bytes": write_buffer_bytes, "cache_bytes": 1 << 20}

    def opener_of(engine: StoreEngine) -> Callable[[Path], OpenStore]:
        return lambda path: lambda: engine.open(path, options)

    return {kind.name: opener_of(kind()) for kind in embedded_engines()}
