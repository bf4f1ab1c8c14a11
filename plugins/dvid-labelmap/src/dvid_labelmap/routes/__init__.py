"""The addresses below a labelmap instance."""

from __future__ import annotations

from typing import Any

from dvid_labelmap.routes import blocks, counters, description, images, points, raw

__all__ = ["ROUTES"]

ROUTES: tuple[Any, ...] = (
    *description.ROUTES,
    *raw.ROUTES,
    *images.ROUTES,
    *blocks.ROUTES,
    *points.ROUTES,
    *counters.ROUTES,
)
