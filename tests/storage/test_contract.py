"""The stores of the core, by the contract of all stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvid_framework.storage.leveldb import LevelDBEngine
from dvid_framework.storage.memory import MemoryEngine
from dvid_framework.storage.units import UnitStore
from dvid_framework.testing.single_row import Rows
from dvid_framework.testing.store_contract import OpenStore, PersistentStoreContract, StoreContract


class TestLevelDB(PersistentStoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: LevelDBEngine().open(tmp_path / "store", {})


class TestLevelDBWithSmallTables(PersistentStoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: LevelDBEngine().open(tmp_path / "store", {"write_buffer_bytes": 1 << 16})


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
