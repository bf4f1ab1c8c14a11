"""Reads of the voxels that an instance keeps itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from dvid_voxels import kernels
from dvid_voxels.block_codec import Buffer
from dvid_voxels.geometry import Box, Triple
from dvid_voxels.tiling import block_coordinates, block_origins
from numpy.typing import NDArray

from dvid_framework.api import View
from dvid_imageblk.codec import StoredForm
from dvid_imageblk.keys import block_key
from dvid_imageblk.ops.bounds import THREADS, stored_blocks
from dvid_imageblk.ops.stored import blocks_in, count_blocks, listed_blocks, payloads_of
from dvid_imageblk.ops.volumes import Batch, VolumeRead, per_voxel

__all__ = ["StoredRead"]

_BATCH_BYTES = 4 << 20
_MOST_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRead(VolumeRead):
    """A read at a version.

    Attributes:
        view: the version; it must stay open while the read goes on.
        form: how blocks are stored.
    """

    view: View
    form: StoredForm

    def read(self, box: Box) -> NDArray[Any]:
        out = np.empty((*box.shape, *self.behind), self.voxels.data_type)
        blocks = box.blocks(self.block_size)
        payloads = payloads_of(self.view, self.scale, blocks)
        shown = None if self.inside is None else self.inside(blocks)
        if shown is not None and not self.attenuation:
            kept = shown.ravel().tolist()
            payloads = [payload if keep else None for payload, keep in zip(payloads, kept, strict=True)]
        coordinates = block_coordinates(box, self.block_size)
        origins = block_origins(coordinates, self.block_size, box.offset)
        with stored_blocks(self.scale, coordinates):  # type: ignore[arg-type]  # rows of the array do as triples
            self._decode(payloads, origins, out)
        if shown is not None and self.attenuation:
            out[~per_voxel(shown, box, self.block_size)] >>= self.attenuation
        return out

    def _decode(self, payloads: Sequence[Buffer | None], origins: NDArray[np.int64], out: NDArray[Any]) -> None:
        kernels.read_voxel_blocks(payloads, origins, self.block_size, self.form.codec, out, self.background, THREADS)

    def read_blocks(self, coordinates: NDArray[np.int64]) -> NDArray[Any]:
        places: list[Triple] = [(x, y, z) for x, y, z in coordinates.tolist()]
        payloads = list(self.view.get_each(block_key(self.scale, place) for place in places))
        return self.decoded(places, payloads, self.scale)

    def decoded(self, places: Sequence[Triple], payloads: Sequence[Buffer | None], scale: int) -> NDArray[Any]:
        """Return the voxels of blocks, (n, z, y, x) or (n, z, y, x, channel); the background where there is none.

        Args:
            places: their block coordinates (x, y, z), for messages.
            payloads: what is stored of each.
            scale: their scale, for messages.

        Raises:
            CorruptValue: a stored block is damaged.
        """
        x, y, z = self.block_size
        # One above the other: a volume of one block's width and height.
        out = np.empty((z * len(places), y, x, *self.behind), self.voxels.data_type)
        origins = np.zeros((len(places), 3), np.int64)
        origins[:, 2] = z * np.arange(len(places))
        with stored_blocks(scale, places):
            self._decode(payloads, origins, out)
        return out.reshape(len(places), z, *out.shape[1:])

    def batches(self, where: Box | Sequence[Triple], *, raw: bool) -> Iterator[Batch]:
        scan = blocks_in if isinstance(where, Box) else listed_blocks
        found = scan(self.view, self.scale, where)  # type: ignore[arg-type]  # each takes its own kind
        size = max(1, min(_MOST_BATCH, _BATCH_BYTES // self.block_bytes))
        while members := list(islice(found, size)):
            places, payloads = [place for place, _ in members], [payload for _, payload in members]
            yield places, self._sent(places, payloads, raw)

    def _sent(self, places: Sequence[Triple], payloads: Sequence[Buffer], raw: bool) -> Sequence[Buffer]:
        if not raw and self.form.is_sent_as_stored:
            return payloads
        with stored_blocks(self.scale, places):
            voxels = kernels.decode_blocks(payloads, self.form.codec, self.block_bytes, THREADS)
        return voxels if raw else [self.form.sent(block) for block in voxels]

    def count(self, blocks: Box) -> int | None:
        return count_blocks(self.view, self.scale, blocks)
