"""The stores of a configuration: which one an instance belongs to, and folders of other formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvid_framework.config import Config
from dvid_framework.errors import BadRequest, StorageError
from dvid_framework.storage.base import StoreEngine
from dvid_framework.storage.engines import StoreConfig, embedded_engines
from dvid_framework.storage.memory import MemoryEngine
from dvid_framework.storage.stores import Stores

_EMBEDDED = embedded_engines()[0]()
_ENGINES: dict[str, StoreEngine] = {"memory": MemoryEngine(), _EMBEDDED.name: _EMBEDDED}


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
    with pytest.raises(BadRequest, match=", ".join(sorted(_ENGINES))):
        Stores({"main": StoreConfig("badger", Path("x"))}, _ENGINES)


def test_a_store_that_cannot_be_opened_leaves_the_others_closed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    configs = {
        "good": StoreConfig(_EMBEDDED.name, tmp_path / "good"),
        "bad": StoreConfig(_EMBEDDED.name, tmp_path / "file" / "x"),
    }
    for _ in range(2):
        with pytest.raises((StorageError, OSError)):
            Stores(configs, _ENGINES)
    _EMBEDDED.open(tmp_path / "good", {}).close()


def test_what_info_shows_names_no_path(tmp_path: Path) -> None:
    stores = Stores({"main": StoreConfig(_EMBEDDED.name, tmp_path / "secret-place")}, _ENGINES)
    assert stores.text("main") == f"{_EMBEDDED.name} @ main"
    assert stores.engine_names() == [_EMBEDDED.name]
    stores.close()


def _opened(folder: Path, engine: str, installed: dict[str, StoreEngine]) -> str:
    stores = Stores({"main": StoreConfig(engine, folder / "main")}, installed)
    stores.close()
    return stores.engine_names()[0]


def test_a_folder_remembers_its_engine_and_refuses_another(tmp_path: Path) -> None:
    both = {**_ENGINES, "other": _EMBEDDED}
    assert _opened(tmp_path, "other", both) == "other"
    assert _opened(tmp_path, "", both) == "other"
    assert _opened(tmp_path, "other", both) == "other"
    with pytest.raises(
        BadRequest, match=f"'main' was made with the engine other and can't be opened with {_EMBEDDED.name}"
    ):
        _opened(tmp_path, _EMBEDDED.name, both)
    with pytest.raises(BadRequest, match="wants the engine 'other'; installed are"):
        _opened(tmp_path, "", _ENGINES)


def test_the_first_engine_that_is_installed_is_the_default(tmp_path: Path) -> None:
    engine = _EMBEDDED
    assert _opened(tmp_path / "a", "", {"rocksdb": engine, "leveldb": engine}) == "leveldb"
    assert _opened(tmp_path / "b", "", {"rocksdb": engine, "memory": MemoryEngine()}) == "rocksdb"


def test_a_folder_from_before_folders_remembered_is_of_leveldb(tmp_path: Path) -> None:
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / "CURRENT").write_text("MANIFEST-000001\n")
    with pytest.raises(BadRequest, match="pip install plyvel"):
        _opened(tmp_path, "", {"rocksdb": _EMBEDDED})


@pytest.mark.parametrize("engine", [{}, {"engine": "badger"}, {"engine": "basholeveldb"}])
def test_a_store_without_an_engine_or_with_one_of_the_originals_has_the_default(
    tmp_path: Path, engine: dict[str, str]
) -> None:
    configs = Config(store={"main": {**engine, "path": str(tmp_path / "main")}}).stores(tmp_path)
    stores = Stores(configs, _ENGINES)
    assert stores.engine_names() == [_EMBEDDED.name]
    stores.close()
