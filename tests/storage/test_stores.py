"""The stores of a configuration: which one an instance belongs to, and folders of other formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvid_framework.errors import BadRequest, StorageError
from dvid_framework.storage.leveldb import LevelDBEngine
from dvid_framework.storage.memory import MemoryEngine
from dvid_framework.storage.stores import StoreConfig, Stores

_ENGINES = {"memory": MemoryEngine(), "leveldb": LevelDBEngine()}


def _memory(*aliases: str) -> dict[str, StoreConfig]:
    return {alias: StoreConfig("memory", Path(alias)) for alias in aliases}


def test_a_new_instance_goes_where_name_tag_type_or_default_say() -> None:
    uuid = "a" * 32
    choices = {f"seg:{uuid}": "one", "fast=yes": "two", "labelmap": "three", "default": "four", "metadata": "five"}
    stores = Stores(_memory("one", "two", "three", "four", "five"), _ENGINES, choices)
    assert stores.choose("labelmap", "seg", {"fast": "yes"}, uuid) == "one"
    assert stores.choose("labelmap", "other", {"fast": "yes"}, uuid) == "two"
    assert stores.choose("labelmap", "other", {"fast": "no"}, uuid) == "three"
    assert stores.choose("roi", "other", {}, uuid) == "four"
    assert stores.metadata is stores.log("five")
    stores.close()


def test_the_only_store_is_the_default() -> None:
    stores = Stores(_memory("main"), _ENGINES)
    assert stores.choose("any", "any", {}, "") == "main"
    assert stores.metadata is stores.log("main")
    with pytest.raises(BadRequest, match="'other'"):
        stores.log("other")
    stores.close()


def test_wrong_configurations_are_refused_with_a_sentence() -> None:
    with pytest.raises(BadRequest, match="'nowhere'"):
        Stores(_memory("main"), _ENGINES, {"labelmap": "nowhere"})
    with pytest.raises(BadRequest, match="leveldb, memory"):
        Stores({"main": StoreConfig("badger", Path("x"))}, _ENGINES)


def test_a_store_that_cannot_be_opened_leaves_the_others_closed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    configs = {
        "good": StoreConfig("leveldb", tmp_path / "good"),
        "bad": StoreConfig("leveldb", tmp_path / "file" / "x"),
    }
    for _ in range(2):
        with pytest.raises((StorageError, OSError)):
            Stores(configs, _ENGINES)
    LevelDBEngine().open(tmp_path / "good", {}).close()


def test_what_info_shows_names_no_path(tmp_path: Path) -> None:
    stores = Stores({"main": StoreConfig("leveldb", tmp_path / "secret-place")}, _ENGINES)
    assert stores.text("main") == "leveldb @ main"
    assert stores.engine_names() == ["leveldb"]
    stores.close()
