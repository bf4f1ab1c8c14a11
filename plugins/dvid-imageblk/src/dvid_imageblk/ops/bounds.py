"""Bounds on what one request may ask for, and how faults of bytes and of geometry become answers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dvid_voxels.errors import VoxelFormatError
from dvid_voxels.geometry import GeometryError, Triple

from dvid_framework.api import BadRequest, CorruptValue

__all__ = ["MOST_BLOCKS", "MOST_BYTES", "MOST_IMAGE_BYTES", "MOST_LISTED", "THREADS", "bad_input", "stored_blocks"]

MOST_BYTES = 3 << 30
"""Raw bytes of a volume that is asked for."""
MOST_IMAGE_BYTES = 1 << 30
"""Raw bytes of a slice that is asked for as an image."""
MOST_BLOCKS = 1 << 20
"""Blocks of a volume."""
MOST_LISTED = 100_000
"""Blocks that are asked for one by one."""
THREADS = max(1, min(4, os.cpu_count() or 1))
"""Threads of one kernel."""


@contextmanager
def bad_input() -> Iterator[None]:
    """Answer 400 where the libraries refuse what a client sent.

    Raises:
        BadRequest: the libraries' sentence.
    """
    try:
        yield
    except (VoxelFormatError, GeometryError) as error:
        raise BadRequest(str(error)) from error


@contextmanager
def stored_blocks(scale: int, coordinates: Sequence[Triple]) -> Iterator[None]:
    """Name the block where the libraries refuse what is stored.

    Args:
        scale: scale of the blocks.
        coordinates: block coordinate (x, y, z) of each payload that is given to a kernel.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    try:
        yield
    except VoxelFormatError as error:
        where = "" if error.payload is None else f" {tuple(int(n) for n in coordinates[error.payload])}"
        raise CorruptValue(f"the stored block{where} of scale {scale} is damaged: {error}") from error
