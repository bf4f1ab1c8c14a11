"""The addresses below an instance of images."""

from __future__ import annotations

from typing import Any

from dvid_imageblk.routes import blocks, description, exports, raw, slices

__all__ = ["ROUTES"]

ROUTES: tuple[Any, ...] = (
    *description.ROUTES,
    *raw.ROUTES,
    *slices.ROUTES,
    *blocks.ROUTES,
    *exports.ROUTES,
)
