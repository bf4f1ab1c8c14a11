"""One tarsupervoxels instance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from dvid_framework.api import BadRequest, Instance, SupervoxelsOf, VersionRecord
from dvid_tarsupervoxels.keys import checked_extension
from dvid_tarsupervoxels.model import TarSettings

__all__ = ["TarInstance"]


class TarInstance(Instance):
    """The files of the supervoxels of a segmentation, the same at all versions."""

    settings: TarSettings

    @property
    def extension(self) -> str:
        """What the names of files end in."""
        return self.settings.extension

    def extended(self, version: VersionRecord) -> dict[str, Any]:
        """Return what `info` shows: the extension."""
        del version
        return {"Extension": self.extension}

    def post_info(self, version: VersionRecord, config: Mapping[str, Any], user: str) -> None:
        """Change the extension; files of the former one are seen again when it is changed back.

        Raises:
            BadRequest: it can be none.
        """
        del version
        for key, value in config.items():
            if key.lower() == "extension":
                self.save_settings(msgspec.structs.replace(self.settings, extension=checked_extension(value)), user)

    def _segmentation(self) -> SupervoxelsOf:
        """Return the instance that tells the supervoxels of bodies."""
        followed = set(self.record.follows)
        for record in list(self.repo.instances.values()):
            if record.data_uuid in followed:
                found = self.instances.get(self.repo, record.name)
                if isinstance(found, SupervoxelsOf):
                    return found
        raise BadRequest(f"{self.name!r} is not synced with a segmentation that has bodies, such as a labelmap")

    def supervoxels_of(self, version: VersionRecord, body: int) -> Sequence[int]:
        """Return the supervoxels of a body at a version, in order.

        Raises:
            BadRequest: there is no such body, or nothing that tells.
        """
        found = sorted(int(one) for one in self._segmentation().supervoxels_of(version, body))
        if not found:
            raise BadRequest(f"there is no body {body} at this version")
        return found

    def check(self, version: VersionRecord) -> Iterator[str]:
        """Yield a sentence for each file whose size is not what is kept of it."""
        with self.view(version) as view:
            for key, size in view.scan(b"s", b"t"):
                data = view.get_shared(b"d" + key[1:])
                if data is None or len(data) != int.from_bytes(size, "big"):
                    yield f"the data of supervoxel {int.from_bytes(key[1:9], 'big')} is not what was stored"
