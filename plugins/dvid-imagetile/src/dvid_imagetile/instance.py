"""One instance of tiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dvid_framework.api import BadRequest, ImageVolume, Instance, VersionRecord, Work
from dvid_imagetile.model import ENCODINGS, ImageTileSettings, TileSpec
from dvid_imagetile.ops.generate import generate_tiles

__all__ = ["ImageTileInstance"]


class ImageTileInstance(Instance):
    """Tiles of three planes at several scales; the levels are the same at all versions, the tiles are not."""

    settings: ImageTileSettings

    def extended(self, version: VersionRecord) -> Mapping[str, Any]:
        """Return what `info` shows."""
        del version
        settings = self.settings
        spec = settings.spec or TileSpec((0, 0, 0), (0, 0, 0), ())
        return {
            "Source": settings.source,
            **spec.shown,
            "Placeholder": settings.placeholder,
            "Encoding": ENCODINGS.index(settings.format),
            "Quality": 0,
        }

    @property
    def spec(self) -> TileSpec:
        """The levels.

        Raises:
            BadRequest: they are not set.
        """
        if self.settings.spec is None:
            raise BadRequest(f"the levels of {self.name!r} are not set: POST metadata, or generate the tiles")
        return self.settings.spec

    def set_spec(self, spec: TileSpec, user: str) -> None:
        """Set the levels for all versions."""
        with self.lock:
            self.save_settings(msgspec.structs.replace(self.settings, spec=spec), user)

    def source(self) -> ImageVolume:
        """Return the volume that tiles are made of.

        Raises:
            BadRequest: there is none.
        """
        if not self.settings.source:
            raise BadRequest(f"{self.name!r} has no Source: make an instance with the setting Source")
        return self.instances.provider(self.repo, self.settings.source, ImageVolume)  # type: ignore[type-abstract]

    def start_generating(self, version: VersionRecord, arguments: Mapping[str, Any], user: str, app: str) -> str:
        """Start the making of tiles at a version, and note it in the version's log; returns the id of the job."""
        record = self.start_job("generate", arguments, version=version, user=user, app=app)
        line = f"generate tiles of {self.settings.source!r} in {self.name!r}: job {record.id}"
        self.instances.note_in_log(self.repo, version, line, user)
        return record.id

    def jobs(self) -> Mapping[str, Work]:
        """Return the making of tiles."""
        return {"generate": lambda job: generate_tiles(self, job)}
