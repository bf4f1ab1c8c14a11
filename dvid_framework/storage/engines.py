"""Which engine opens a store: the configured one, the one that its folder remembers, or the best that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dvid_framework.errors import BadRequest
from dvid_framework.storage.base import StoreEngine

__all__ = ["StoreConfig", "embedded_engines", "remember", "with_engine"]

_DRIVERS = {"leveldb": "plyvel", "rocksdb": "rocksdict"}  # the better one first


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """A store of the configuration.

    Attributes:
        engine: name of the engine; empty for the one of the local disk that the folder was made with, or the default.
        path: folder, or whatever the engine takes as one.
        options: the engine's own options.
        base: where relative paths among the options begin.
    """

    engine: str
    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    base: Path = Path()


def embedded_engines() -> list[type[StoreEngine]]:
    """Return the engines of the local disk whose drivers are installed; the first is the default."""
    found: list[type[StoreEngine]] = []
    if find_spec(_DRIVERS["leveldb"]):
        from dvid_framework.storage.leveldb import LevelDBEngine  # noqa: PLC0415 - its driver has no wheel everywhere

        found.append(LevelDBEngine)
    if find_spec(_DRIVERS["rocksdb"]):
        from dvid_framework.storage.rocksdb import RocksDBEngine  # noqa: PLC0415 - likewise

        found.append(RocksDBEngine)
    return found


def _remembered(config: StoreConfig) -> str:
    """Return the engine that made a store; nothing for a new one."""
    mark = config.path.with_suffix(".engine")
    if mark.exists():
        return mark.read_text().strip()
    return "leveldb" if (config.path / "CURRENT").exists() else ""  # the only one, before folders remembered


def with_engine(alias: str, config: StoreConfig, engines: Mapping[str, StoreEngine]) -> StoreConfig:
    """Return the configuration of a store with its engine filled in.

    Raises:
        BadRequest: the store was made with another engine, or the engine is not installed.
    """
    made_with = "" if config.engine == "memory" else _remembered(config)
    if made_with and config.engine not in ("", made_with):
        raise BadRequest(
            f"store {alias!r} was made with the engine {made_with} and can't be opened with {config.engine}; "
            f"configure {made_with}, or another path"
        )
    wanted = made_with or config.engine or next((name for name in _DRIVERS if name in engines), "leveldb")
    if wanted not in engines:
        driver = _DRIVERS.get(wanted)
        hint = f"; its driver is {driver}: pip install {driver}, on a Python that it has a wheel for" if driver else ""
        raise BadRequest(
            f"store {alias!r} wants the engine {wanted!r}; installed are {', '.join(sorted(engines))}{hint}"
        )
    return replace(config, engine=wanted)


def remember(config: StoreConfig) -> None:
    """Write down which engine made a store that was opened."""
    mark = config.path.with_suffix(".engine")
    if not mark.exists():
        fresh = config.path.with_suffix(".engine-new")
        fresh.write_text(f"{config.engine}\n")
        fresh.replace(mark)
