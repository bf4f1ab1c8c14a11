"""One instance: a volume of the service."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from dvid_framework.api import Instance, InstanceContext, VersionRecord
from dvid_googlevoxels.model import Geometry, GoogleVoxelsSettings, highest_resolution, scales_by_plane

if TYPE_CHECKING:
    from dvid_googlevoxels.service import BrainMaps

__all__ = ["GoogleVoxelsInstance"]

_THREADS = 8


def _number(value: float) -> float | int:
    return int(value) if value.is_integer() else value


class GoogleVoxelsInstance(Instance):
    """A volume of the service; the same at every version.

    Attributes:
        settings: its settings, with what the service said of the volume.
        scales: index of the geometry that serves a plane at a scaling, by `PLANE:SCALING`.
        threads: where the service is waited for, so that a slow one never takes the threads of others.
    """

    settings: GoogleVoxelsSettings

    def __init__(self, context: InstanceContext) -> None:
        super().__init__(context)
        self.scales = scales_by_plane(self.settings.geometries)
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="googlevoxels")
        self._service: BrainMaps | None = None
        self._opening = threading.Lock()

    @property
    def service(self) -> BrainMaps:
        """The way to the service.

        Raises:
            BadRequest: the configuration is wrong.
        """
        from dvid_googlevoxels.service import BrainMaps  # noqa: PLC0415 - servers without such a volume start without its libraries

        with self._opening:
            if self._service is None:
                self._service = BrainMaps(self.settings.jwt_file, self.instances.options("googlevoxels"))
            return self._service

    def geometry(self, index: int) -> Geometry:
        """Return a geometry."""
        return self.settings.geometries[index]

    def extended(self, version: VersionRecord) -> Mapping[str, Any]:
        """Return what `info` shows: resolutions, and levels as those of a tile instance."""
        del version
        settings = self.settings
        side, highest = settings.tile_size, highest_resolution(settings.geometries)
        finest = settings.geometries[highest].pixel_size
        levels = max(int(name.partition(":")[2]) for name in self.scales) + 1
        return {
            "VolumeID": settings.volume_id,
            "MinTileCoord": [0, 0, 0],
            "MaxTileCoord": [-(-size // side) for size in settings.geometries[0].size],
            "TileSize": side,
            "GeomMap": self.scales,
            "Scales": [geometry.shown for geometry in settings.geometries],
            "HighResIndex": highest,
            "Levels": {
                str(level): {"Resolution": [_number(size * 2.0**level) for size in finest], "TileSize": [side] * 3}
                for level in range(levels)
            },
        }

    def close(self) -> None:
        """Wait for nobody, and close the connections."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        with self._opening:
            if self._service is not None:
                self._service.close()
                self._service = None
