"""The stores of a server by alias, and which of them holds what."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from dvid_framework.errors import BadRequest, CorruptValue
from dvid_framework.storage.base import StoreEngine
from dvid_framework.storage.engines import StoreConfig, remember, with_engine
from dvid_framework.storage.grids import GridEngine, Grids
from dvid_framework.storage.log import CommitLog, read_landmark, read_mark

__all__ = ["DEFAULT", "StoreConfig", "Stores"]

DEFAULT = "default"
_FORMAT = 1
"""Number of the form in which a data folder is laid out; a later one brings its own upgrade."""


class Stores:
    """Opens the configured stores and tells which one an instance belongs to.

    Args:
        configs: the stores by alias; `default` (or the first one) holds the metadata.
        engines: the installed engines by name.
        choices: alias by data UUID, `name:UUID`, tag `key=value` or type name.
    """

    def __init__(
        self,
        configs: Mapping[str, StoreConfig],
        engines: Mapping[str, StoreEngine],
        choices: Mapping[str, str] | None = None,
    ) -> None:
        self._configs = {alias: with_engine(alias, config, engines) for alias, config in configs.items()}
        self._choices = dict(choices or {})
        self._logs: dict[str, CommitLog] = {}
        opened = {alias: engines[config.engine] for alias, config in self._configs.items()}
        self._grids = Grids(
            {
                alias: (engine, configs[alias].base, configs[alias].options)
                for alias, engine in opened.items()
                if isinstance(engine, GridEngine)
            }
        )
        keeping = {alias: engine for alias, engine in opened.items() if not isinstance(engine, GridEngine)}
        self.default = self._default(keeping)
        try:
            for alias, engine in keeping.items():
                self._logs[alias] = self._open(self._configs[alias], engine)
        except BaseException:
            self.close()
            raise

    def _default(self, keeping: Mapping[str, StoreEngine]) -> str:
        for alias in self._choices.values():
            if alias not in self._configs:
                raise BadRequest(f"the configuration names a store {alias!r} that it does not describe")
            if alias not in keeping:
                raise BadRequest(f"[backend] chooses {alias!r}, which holds voxels to read, and no data of instances")
        if not keeping:
            raise BadRequest(
                'no store of the configuration keeps data: add [store.default] with engine = "leveldb" or "rocksdb"'
            )
        return self._choices.get("default") or (DEFAULT if DEFAULT in keeping else next(iter(keeping)))

    @staticmethod
    def _open(config: StoreConfig, engine: StoreEngine) -> CommitLog:
        if config.engine == "memory":
            return CommitLog(engine.open(config.path, config.options))
        config.path.parent.mkdir(parents=True, exist_ok=True)
        check_format(config.path.parent)
        mark = config.path.with_suffix(".mark")
        engine.check_landmark(config.path, read_landmark(mark))
        try:
            store = engine.open(config.path, config.options)
        except CorruptValue:
            if not engine.cut_torn_tail(config.path, read_mark(mark), config.options):
                raise
            store = engine.open(config.path, config.options)
        remember(config)
        try:
            return CommitLog(store, mark)
        except BaseException:
            store.close()
            raise

    def log(self, alias: str) -> CommitLog:
        """Return the commit log of a store.

        Raises:
            BadRequest: the configuration describes no such store.
        """
        log = self._logs.get(alias)
        if log is None:
            raise BadRequest(f"the configuration describes no store {alias!r}, which holds data of this instance")
        return log

    @property
    def metadata(self) -> CommitLog:
        """The commit log of the store that holds repos, versions and instances."""
        return self._logs[self._choices.get("metadata", self.default)]

    @property
    def grids(self) -> Grids:
        """The stores that are volumes of voxels to read."""
        return self._grids

    def aliases(self) -> list[str]:
        """Return the aliases of all stores that keep data."""
        return list(self._logs)

    def engine_names(self) -> list[str]:
        """Return the names of the engines in use."""
        return sorted({config.engine for config in self._configs.values()})

    def text(self, alias: str) -> str:
        """Return what `info` shows of a store: engine and alias, never a path."""
        config = self._configs.get(alias)
        return f"{config.engine if config else 'unknown'} @ {alias}"

    def choose(self, type_name: str, name: str, tags: Mapping[str, str], uuid: str) -> str:
        """Return the alias for a new instance: by name and version, then by tag, by type, and the default."""
        wanted = [f"{name}:{uuid}", *(f"{key}={value}" for key, value in tags.items()), type_name]
        return next((self._choices[spec] for spec in wanted if spec in self._choices), self.default)

    def sync(self) -> None:
        """Return when all that was written to any store survives a power loss."""
        for log in self._logs.values():
            log.make_durable(log.written)

    def close(self) -> None:
        """Sync and close all stores; one that fails does not keep the others open."""
        with ExitStack() as closing:
            closing.callback(self._grids.close)
            for log in self._logs.values():
                closing.callback(log.store.close)
                closing.callback(log.close)
            self._logs.clear()


def check_format(folder: Path) -> None:
    """Refuse a data folder of a later form, and mark a new one with ours.

    Raises:
        BadRequest: the folder was written by a later release.
    """
    mark = folder / "FORMAT"
    if mark.exists():
        text = mark.read_text().strip()
        if text != str(_FORMAT):
            raise BadRequest(f"{folder} has the storage format {text}; this release reads format {_FORMAT}")
    else:
        fresh = folder / "FORMAT.new"
        with fresh.open("w") as file:
            file.write(f"{_FORMAT}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(mark)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder, and its own, survive a power loss."""
    for place in (folder, folder.resolve().parent):
        opened = os.open(place, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
