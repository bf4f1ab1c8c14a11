"""One ROI instance."""

from __future__ import annotations

from typing import Any

from dvid_framework.api import Instance, InstanceContext, TooLarge, Txn, VersionRecord
from dvid_roi.cache import RegionCache
from dvid_roi.model import MOST_VOXELS, RoiSettings, Triple
from dvid_roi.ops import read_region
from dvid_roi.region import Region

__all__ = ["RoiInstance"]


class RoiInstance(Instance):
    """One ROI, at every version its own. It provides `BlockMask`."""

    settings: RoiSettings

    def __init__(self, context: InstanceContext) -> None:
        super().__init__(context)
        self._regions = RegionCache()

    def region(self, version: VersionRecord) -> Region:
        """Return the blocks of the ROI at a version."""

        def read() -> Region:
            with self.view(version) as view:
                return read_region(view)

        return self._regions.get(version.id if self.record.versioned else 0, read)

    def region_at_hand(self, version: VersionRecord) -> Region | None:
        """Return the blocks of the ROI at a version if they are in memory."""
        return self._regions.find(version.id if self.record.versioned else 0)

    def begin(self, version: VersionRecord, **options: Any) -> Txn:
        """Begin a mutation; once it is written, no region read before is used any more."""
        txn = super().begin(version, **options)
        txn.after_commit(lambda _: self._regions.clear())
        return txn

    def extended(self, version: VersionRecord) -> dict[str, Any]:
        """Return what `info` shows: the size of blocks, and the range of z at the version."""
        least, most = self.region(version).z_range
        return {"BlockSize": self.settings.block_size, "MinZ": least, "MaxZ": most}

    def mask_block_size(self) -> Triple:
        """Return the size (x, y, z) of a block in voxels."""
        return self.settings.block_size

    def block_mask(self, version: VersionRecord, first: Triple, count: Triple) -> bytes:
        """Return one byte for each block of a box, 1 inside and 0 outside, x fastest, then y, z.

        Raises:
            TooLarge: there are too many blocks.
        """
        if count[0] * count[1] * count[2] > MOST_VOXELS:
            raise TooLarge(f"a mask of {count} blocks has more than {MOST_VOXELS}")
        return self.region(version).blocks(first, count)
