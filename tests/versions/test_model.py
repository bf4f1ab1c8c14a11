"""The versioned core against the dictionary model, on each kind of store."""

from __future__ import annotations

import pytest

from dvid_framework.testing.core import leveldb_opener, memory_opener, single_row_opener
from dvid_framework.testing.model_machine import OpenerIn, machine_for, run_machine

_STORES: dict[str, OpenerIn] = {
    "leveldb": leveldb_opener,
    "memory": lambda path: memory_opener(),
    "single_row": lambda path: single_row_opener(),
}


@pytest.mark.slow
@pytest.mark.timeout(24 * 3600)  # the nightly size takes hours
@pytest.mark.parametrize("kind", _STORES)
def test_the_core_reads_as_the_model_on_each_store(kind: str) -> None:
    run_machine(machine_for(_STORES[kind]))
