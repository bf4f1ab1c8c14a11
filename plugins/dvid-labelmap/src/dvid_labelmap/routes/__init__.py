"""The addresses below a labelmap instance."""

from __future__ import annotations

from typing import Any

from dvid_labelmap.routes import (
    blocks,
    bodies,
    counters,
    description,
    exports,
    history,
    images,
    indices,
    mappings,
    points,
    proofreading,
    raw,
    shapes,
    sparse,
)

__all__ = ["ROUTES"]

ROUTES: tuple[Any, ...] = (
    *description.ROUTES,
    *raw.ROUTES,
    *images.ROUTES,
    *blocks.ROUTES,
    *points.ROUTES,
    *counters.ROUTES,
    *bodies.ROUTES,
    *sparse.ROUTES,
    *indices.ROUTES,
    *mappings.ROUTES,
    *exports.ROUTES,
    *proofreading.ROUTES,
    *history.ROUTES,
    *shapes.ROUTES,
)
