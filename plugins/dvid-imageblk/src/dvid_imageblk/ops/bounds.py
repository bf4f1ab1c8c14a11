"""Bounds on what one request may ask for, and how faults of bytes and of geometry become answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from dvid_voxels.errors import BlockFormatError, damage
from dvid_voxels.geometry import GeometryError, Triple
from dvid_voxels.limits import MOST_BLOCKS, MOST_BYTES, MOST_IMAGE_BYTES, MOST_LISTED, THREADS

from dvid_framework.api import CorruptValue, refusing

__all__ = ["MOST_BLOCKS", "MOST_BYTES", "MOST_IMAGE_BYTES", "MOST_LISTED", "THREADS", "bad_input", "stored_blocks"]


def bad_input() -> AbstractContextManager[None]:
    """Answer 400 where the libraries refuse what a client sent.

    Raises:
        BadRequest: on leaving it, with the libraries' sentence.
    """
    return refusing(BlockFormatError, GeometryError)


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
    except BlockFormatError as error:
        raise CorruptValue(damage(error, scale, coordinates)) from error
