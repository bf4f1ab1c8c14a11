"""Reads of the voxels that an instance keeps itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from dvid_voxels import kernels
from dvid_voxels.block_codec import Buffer, Codec
from dvid_voxels.geometry import Box, Triple
from dvid_voxels.tiling import block_origins
from numpy.typing import NDArray

from dvid_framework.api import ValueCache, View
from dvid_imageblk.codec import StoredForm
from dvid_imageblk.keys import block_key
from dvid_imageblk.ops.bounds import THREADS, stored_blocks
from dvid_imageblk.ops.stored import blocks_in, count_blocks, listed_blocks, payloads_of, places_of
from dvid_imageblk.ops.volumes import Batch, VolumeRead, per_voxel

__all__ = ["StoredRead"]

_BATCH_BYTES = 4 << 20
_MOST_BATCH = 256
_FEW_BLOCKS = 64  # that are put together on the event loop
_FEW_BYTES = 1 << 20
_CACHED_PART = 4  # a request for more than one part in so many of the cache goes past it


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRead(VolumeRead):
    """A read at a version.

    Attributes:
        view: the version; it must stay open while the read goes on.
        form: how blocks are stored.
        cache: decoded blocks in memory.
        instance: id of the instance, for keys of the cache.
        keep: whether blocks that are read are worth to be kept in the cache.
    """

    view: View
    form: StoredForm
    cache: ValueCache
    instance: int
    keep: bool = True

    def read(self, box: Box) -> NDArray[Any]:
        places = places_of(box.blocks(self.block_size))
        return self._put_together(box, places, *self._payloads(places, box.blocks(self.block_size)))

    def _put_together(
        self, box: Box, places: Sequence[Triple], payloads: Sequence[Buffer | None], codec: Codec
    ) -> NDArray[Any]:
        """Return the voxels of a box, of the blocks that it touches."""
        out = np.empty((*box.shape, *self.behind), self.voxels.data_type)
        shown = None if self.inside is None else self.inside(box.blocks(self.block_size))
        if shown is not None and not self.attenuation:
            kept = shown.ravel().tolist()
            payloads = [payload if keep else None for payload, keep in zip(payloads, kept, strict=True)]
        origins = block_origins(places, self.block_size, box.offset)
        with stored_blocks(self.scale, places):
            kernels.read_voxel_blocks(payloads, origins, self.block_size, codec, out, self.background, THREADS)
        if shown is not None and self.attenuation:
            out[~per_voxel(shown, box, self.block_size)] >>= self.attenuation
        return out

    def at_hand(self, box: Box) -> Buffer | None:
        if self.inside is None and box.size == self.block_size and box.is_aligned(self.block_size):
            known = self.blocks_at_hand(places_of(box.blocks(self.block_size)))
            if known is not None and known[0] is not None:
                return known[0]  # just this block
        if box.voxels * self.voxels.bytes > _FEW_BYTES:
            return None
        voxels = self.voxels_at_hand(box)
        return None if voxels is None else voxels.data.cast("B")

    def voxels_at_hand(self, box: Box) -> NDArray[Any] | None:
        blocks = box.blocks(self.block_size)
        if self.inside is not None or blocks.voxels > _FEW_BLOCKS:
            return None
        places = places_of(blocks)
        known = self.blocks_at_hand(places)
        return None if known is None else self._put_together(box, places, known, "none")

    def blocks_at_hand(self, places: Sequence[Triple]) -> list[bytes | None] | None:
        if not self._is_cached(len(places)) or self.view.epoch is None:
            return None
        keys = [(self.instance, self.view.version, self.scale, place) for place in places]
        known = [found for found in self.cache.find(keys, self.view.epoch) if found is not None]
        return [found[0] for found in known] if len(known) == len(places) else None

    def _payloads(self, places: Sequence[Triple], blocks: Box) -> tuple[Sequence[Buffer | None], Codec]:
        """Return the blocks of a box of block coordinates, and how they are compressed: not at all if cached."""
        if self._is_cached(len(places)):
            return self.voxels_of(places, blocks), "none"
        return payloads_of(self.view, self.scale, blocks), self.form.codec

    def _is_cached(self, count: int) -> bool:
        return (
            self.keep and self.view.epoch is not None and count * self.block_bytes <= self.cache.limit // _CACHED_PART
        )

    def voxels_of(self, places: Sequence[Triple], blocks: Box | None = None) -> list[Buffer | None]:
        """Return the voxels of each block as bytes, by the cache; None where nothing was written.

        Args:
            places: their block coordinates (x, y, z).
            blocks: the box of block coordinates that they are, if they are one.

        Raises:
            CorruptValue: a stored block is damaged.
        """
        epoch = self.view.epoch
        assert epoch is not None
        keys = [(self.instance, self.view.version, self.scale, place) for place in places]
        known = self.cache.find(keys, epoch)
        missing = [row for row, found in enumerate(known) if found is None]
        if not missing:
            return [found[0] for found in known if found is not None]
        lacking = [places[row] for row in missing]
        fresh = self._decoded(lacking, blocks if len(missing) == len(places) else None)
        self.cache.put([keys[row] for row in missing], fresh, epoch)
        voxels: list[Buffer | None] = [None if found is None else found[0] for found in known]
        for row, block in zip(missing, fresh, strict=True):
            voxels[row] = block
        return voxels

    def _decoded(self, places: Sequence[Triple], blocks: Box | None) -> list[bytes | None]:
        """Read and decode blocks."""
        if blocks is None:
            payloads = list(self.view.get_each(block_key(self.scale, place) for place in places))
        else:
            payloads = payloads_of(self.view, self.scale, blocks)
        there = [row for row, payload in enumerate(payloads) if payload is not None]
        with stored_blocks(self.scale, [places[row] for row in there]):
            found = [payload for payload in payloads if payload is not None]
            decoded = kernels.decode_blocks(found, self.form.codec, self.block_bytes, THREADS)
        voxels: list[bytes | None] = [None] * len(places)
        for row, block in zip(there, decoded, strict=True):
            voxels[row] = block if isinstance(block, bytes) else bytes(block)
        return voxels

    def read_blocks(self, coordinates: NDArray[np.int64]) -> NDArray[Any]:
        places = _places(coordinates)
        if self._is_cached(len(places)):
            return self.decoded(places, self.voxels_of(places), self.scale, "none")
        payloads = list(self.view.get_each(block_key(self.scale, place) for place in places))
        return self.decoded(places, payloads, self.scale)

    def decoded(
        self, places: Sequence[Triple], payloads: Sequence[Buffer | None], scale: int, codec: Codec | None = None
    ) -> NDArray[Any]:
        """Return the voxels of blocks, (n, z, y, x) or (n, z, y, x, channel); the background where there is none.

        Args:
            places: their block coordinates (x, y, z), for messages.
            payloads: what is stored of each.
            scale: their scale, for messages.
            codec: how they are compressed, if not as they are stored.

        Raises:
            CorruptValue: a stored block is damaged.
        """
        x, y, z = self.block_size
        # One above the other: a volume of one block's width and height.
        out = np.empty((z * len(places), y, x, *self.behind), self.voxels.data_type)
        origins = np.zeros((len(places), 3), np.int64)
        origins[:, 2] = z * np.arange(len(places))
        with stored_blocks(scale, places):
            kernels.read_voxel_blocks(
                payloads, origins, self.block_size, codec or self.form.codec, out, self.background, THREADS
            )
        return out.reshape(len(places), z, *out.shape[1:])

    def pieces(self, box: Box) -> Iterator[memoryview]:
        if self.keep and not self._is_cached(box.blocks(self.block_size).voxels):
            return replace(self, keep=False).pieces(box)
        return VolumeRead.pieces(self, box)

    def batches(self, where: Box | Sequence[Triple], *, raw: bool) -> Iterator[Batch]:
        if raw and self._is_cached(where.voxels if isinstance(where, Box) else len(where)):
            yield from self._cached_batches(where)
            return
        scan = blocks_in if isinstance(where, Box) else listed_blocks
        found = scan(self.view, self.scale, where)  # type: ignore[arg-type]  # each takes its own kind
        size = self._batch
        while members := list(islice(found, size)):
            places, payloads = [place for place, _ in members], [payload for _, payload in members]
            yield places, self._sent(places, payloads, raw)

    @property
    def _batch(self) -> int:
        return max(1, min(_MOST_BATCH, _BATCH_BYTES // self.block_bytes))

    def _cached_batches(self, where: Box | Sequence[Triple]) -> Iterator[Batch]:
        places = places_of(where) if isinstance(where, Box) else where
        for at in range(0, len(places), self._batch):
            part = places[at : at + self._batch]
            found = [(place, block) for place, block in zip(part, self.voxels_of(part), strict=True) if block]
            if found:
                yield [place for place, _ in found], [block for _, block in found]

    def _sent(self, places: Sequence[Triple], payloads: Sequence[Buffer], raw: bool) -> Sequence[Buffer]:
        if not raw and self.form.is_sent_as_stored:
            return payloads
        with stored_blocks(self.scale, places):
            voxels = kernels.decode_blocks(payloads, self.form.codec, self.block_bytes, THREADS)
        return voxels if raw else [self.form.sent(block) for block in voxels]

    def count(self, blocks: Box) -> int | None:
        return count_blocks(self.view, self.scale, blocks)


def _places(coordinates: NDArray[np.int64]) -> list[Triple]:
    return [(x, y, z) for x, y, z in coordinates.tolist()]
