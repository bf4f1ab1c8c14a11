"""The addresses of the older types of labels."""

from __future__ import annotations

from typing import Any

from dvid_labelmap.routes import exports, legacy_bodies, legacy_voxels

__all__ = ["LABELARRAY_ROUTES", "LABELBLK_ROUTES", "LABELVOL_ROUTES"]

LABELARRAY_ROUTES: tuple[Any, ...] = (
    *legacy_voxels.ROUTES,
    *legacy_voxels.BLOCKS_OF_LABELARRAY,
    *legacy_bodies.ROUTES,
    *legacy_bodies.OF_LABELARRAY,
    *exports.ROUTES,
)
LABELBLK_ROUTES: tuple[Any, ...] = (
    *legacy_voxels.ROUTES,
    *legacy_voxels.BLOCKS_OF_LABELBLK,
    *exports.ROUTES,
)
LABELVOL_ROUTES: tuple[Any, ...] = (*legacy_bodies.ROUTES, *legacy_bodies.OF_LABELVOL)
