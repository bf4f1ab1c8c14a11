"""What the plugin gives to the framework: the engine, and the instances that a configuration wants made at start."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvid_framework.api import DvidError, GridEngine, GridVolume, Repo, VersionRecord, hookimpl
from dvid_store_precomputed.volume import PrecomputedVolume

__all__ = ["PrecomputedEngine", "dvid_startup", "dvid_store_engines"]

_log = logging.getLogger(__name__)
_TYPES = {
    ("uint8", 1): "uint8blk",
    ("uint8", 4): "rgba8blk",
    ("uint16", 1): "uint16blk",
    ("uint32", 1): "uint32blk",
    ("uint64", 1): "uint64blk",
    ("float32", 1): "float32blk",
}


class PrecomputedEngine(GridEngine):
    """Neuroglancer precomputed volumes: `ref` says where, in a bucket, behind HTTP or on disk."""

    name = "ngprecomputed"

    def open_grid(self, folder: Path, options: Mapping[str, Any]) -> GridVolume:
        return PrecomputedVolume(folder, options)


@hookimpl
def dvid_store_engines() -> list[type[GridEngine]]:
    """Contribute the engine."""
    return [PrecomputedEngine]


def _wanted(alias: str, options: Mapping[str, Any], volume: PrecomputedVolume, server: Any) -> list[dict[str, str]]:
    """Return the settings of the instances that are to be there, as `POST instance` takes them.

    A segmentation is one labelmap, where that type is installed; of an image each scale is an instance.
    """
    name = str(options["instance"])
    if volume.is_segmentation and volume.channels == 1 and "labelmap" in server.datatypes:
        return [{"typename": "labelmap", "dataname": name, "GridStore": alias}]
    kind = _TYPES.get((volume.data_type, volume.channels))
    if kind is None:
        _log.error("no instances for store %r: no type has %d x %s", alias, volume.channels, volume.data_type)
        return []
    jpeg = {"Compression": "jpeg"} if kind == "uint8blk" else {}
    return [
        {
            "typename": kind,
            "dataname": name if level == 0 else f"{name}_{level}",
            "GridStore": alias,
            "ScaleLevel": str(level),
            **jpeg,
        }
        for level in range(len(volume.scales))
    ]


def _place(server: Any, reference: str) -> tuple[Repo, VersionRecord] | None:
    """Return where instances are made: at the version that is named, or at the root of the first repo."""
    if reference:
        try:
            found: tuple[Repo, VersionRecord] = server.repos.find(reference)
        except DvidError:
            return None
        return found
    repo = next(iter(server.repos), None)
    return None if repo is None else (repo, repo.dag.root)


@hookimpl
def dvid_startup(server: Any) -> None:
    """Make the instances that stores with the option `instance` want and that are not there."""
    for alias, options in server.stores.grids.options().items():
        volume = server.stores.grids.get(alias)
        if not options.get("instance") or not isinstance(volume, PrecomputedVolume):
            continue
        place = _place(server, str(options.get("uuid", "")))
        if place is None:
            _log.warning("no instances for store %r: its repo does not exist yet", alias)
            continue
        repo, version = place
        for settings in _wanted(alias, options, volume, server):
            if settings["dataname"] in repo.instances:
                continue
            try:
                server.instances.create(repo, version, settings)
            except DvidError as error:
                _log.error("instance %r of store %r was not made: %s", settings["dataname"], alias, error.message)
