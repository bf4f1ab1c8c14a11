"""The stores of the core, by the contract of all stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvid_framework.storage.base import StoreEngine
from dvid_framework.storage.engines import embedded_engines
from dvid_framework.storage.memory import MemoryEngine
from dvid_framework.storage.units import UnitStore
from dvid_framework.testing.single_row import Rows
from dvid_framework.testing.store_contract import OpenStore, PersistentStoreContract, StoreContract


@pytest.fixture(params=embedded_engines(), ids=lambda kind: kind.name)
def engine(request: pytest.FixtureRequest) -> StoreEngine:
    return request.param()


class TestEmbedded(PersistentStoreContract):
    @pytest.fixture
    def open_store(self, engine: StoreEngine, tmp_path: Path) -> OpenStore:
        return lambda: engine.open(tmp_path / "store", {})


class TestEmbeddedWithSmallTables(PersistentStoreContract):
    @pytest.fixture
    def open_store(self, engine: StoreEngine, tmp_path: Path) -> OpenStore:
        return lambda: engine.open(tmp_path / "store", {"write_buffer_bytes": 1 << 16})


class TestMemory(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: MemoryEngine().open(tmp_path, {})


class TestSingleRows(PersistentStoreContract):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        last: list[Rows] = []

        def open_it() -> UnitStore:
            last.append(last[-1].survivors() if last else Rows())
            return UnitStore(last[-1])

        return open_it
