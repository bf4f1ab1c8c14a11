"""Stores of another kind: volumes of voxels that somebody else made, in chunks, read-only; and the engines of them."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeAlias

from dvid_framework.errors import BadRequest
from dvid_framework.storage.base import Capability, StoreEngine

__all__ = ["GridBlock", "GridEngine", "GridScale", "GridVolume", "Grids"]

_Triple: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class GridScale:
    """One resolution of a volume; all triples are x, y, z.

    Attributes:
        size: voxels of the volume.
        offset: its first voxel.
        chunk_size: voxels of a chunk.
        resolution: size of a voxel in nanometers.
    """

    size: _Triple
    offset: _Triple
    chunk_size: _Triple
    resolution: tuple[float, float, float]

    @property
    def last(self) -> _Triple:
        """The last voxel."""
        x, y, z = (first + count - 1 for first, count in zip(self.offset, self.size, strict=True))
        return x, y, z


@dataclass(frozen=True, slots=True)
class GridBlock:
    """One block of a volume.

    Attributes:
        jpeg: whether `data` is a JPEG, gray, of width x and height y * z; else it is voxels, uncompressed,
            little-endian, z, y, x, channel with the channel fastest.
        data: the bytes.
    """

    jpeg: bool
    data: bytes


class GridVolume(ABC):
    """A multiscale volume that is read and never written. Safe to use from several threads.

    Coordinates are x, y, z. Reads block, so they belong into a thread.

    Attributes:
        data_type: numpy's name of the type of a value, such as `uint8`.
        channels: values of a voxel.
        is_segmentation: whether values are labels.
        scales: its resolutions, the finest first.
    """

    data_type: str
    channels: int
    is_segmentation: bool
    scales: Sequence[GridScale]

    @abstractmethod
    def read_box(self, scale: int, offset: _Triple, size: _Triple) -> bytes:
        """Return the voxels of a box, little-endian, z, y, x, channel; 0 outside the volume and where nothing is kept.

        Raises:
            BadGateway: the medium fails, or what it gives is damaged.
            BadRequest: there is no such scale.
        """

    @abstractmethod
    def read_block(self, scale: int, block: _Triple, *, jpeg: bool = False) -> GridBlock | None:
        """Return a block, a box of the scale's chunk size at a multiple of it, or None where nothing is kept.

        Args:
            scale: index of the scale.
            block: block coordinate: the first voxel divided by the chunk size. Negative ones are allowed.
            jpeg: whether a JPEG may be given. It is where the medium has just this block as one; blocks that the
                border cuts or that lie across chunks come as voxels, 0 outside.

        Raises:
            BadGateway: the medium fails, or what it gives is damaged.
            BadRequest: there is no such scale.
        """

    @abstractmethod
    def close(self) -> None:
        """Release what it holds; closing twice is harmless."""


class GridEngine(StoreEngine):
    """Opens volumes of one kind. What it opens serves instances by their setting GridStore, and keeps no data."""

    capabilities: ClassVar[Capability] = Capability.GRID

    @abstractmethod
    def open_grid(self, folder: Path, options: Mapping[str, Any]) -> GridVolume:
        """Open a volume.

        Args:
            folder: where relative paths of the options begin.
            options: the store's section of the configuration without `engine`.

        Raises:
            BadRequest: the options are wrong, or what they name is no volume of this kind.
            BadGateway: the medium fails.
        """

    def open(self, path: Path, options: Mapping[str, Any]) -> NoReturn:
        """Refuse: there are no keys in a volume."""
        del path, options
        raise BadRequest(f"a store of the engine {self.name} holds voxels to read, and no data of instances")

    def check(self, path: Path, options: Mapping[str, Any]) -> list[str]:
        """Check nothing: the data are somebody else's."""
        del path, options
        return []


class Grids:
    """The volumes of a configuration by alias, opened on first use.

    Args:
        described: engine, folder for relative paths, and options of each.
    """

    def __init__(self, described: Mapping[str, tuple[GridEngine, Path, Mapping[str, Any]]]) -> None:
        self._described = dict(described)
        self._open: dict[str, GridVolume] = {}
        self._lock = threading.Lock()

    def get(self, alias: str) -> GridVolume:
        """Return a volume.

        Raises:
            BadRequest: the configuration has no such volume, or it can't be used.
            BadGateway: its medium fails.
        """
        described = self._described.get(alias)
        if described is None:
            known = ", ".join(sorted(self._described)) or "none"
            raise BadRequest(f"the configuration describes no grid store {alias!r}; it has {known}")
        with self._lock:
            if alias not in self._open:
                engine, folder, options = described
                self._open[alias] = engine.open_grid(folder, options)
            return self._open[alias]

    def options(self) -> dict[str, Mapping[str, Any]]:
        """Return the options of each volume by alias."""
        return {alias: options for alias, (_, _, options) in self._described.items()}

    def close(self) -> None:
        """Close the open ones."""
        with self._lock:
            for volume in self._open.values():
                volume.close()
            self._open.clear()
