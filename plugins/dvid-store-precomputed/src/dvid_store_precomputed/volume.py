"""A precomputed volume, read by TensorStore: caching, range requests, shards, retries and decoding are its business."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dvid_framework.api import BadGateway, BadRequest, GridBlock, GridVolume
from dvid_store_precomputed.chunk_keys import chunk_id, chunk_key
from dvid_store_precomputed.info import Info, ScaleInfo, parse_info
from dvid_store_precomputed.locations import kvstore_spec

__all__ = ["PrecomputedVolume"]

_CACHE_BYTES = 256 << 20
_SECONDS = 60.0
_REQUESTS = 32
_RETRIES = {"max_retries": 4, "initial_delay": "100ms", "max_delay": "2s"}
_MOST_INFO = 16 << 20
_log = logging.getLogger(__name__)
_Triple = tuple[int, int, int]
_DRIVERS = {"http": "http", "gcs": "gcs", "s3": "s3"}


def _number(options: Mapping[str, Any], name: str, default: float) -> float:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise BadRequest(f"{name} must be a positive number")
    return float(value)


class PrecomputedVolume(GridVolume):
    """A volume in the format of neuroglancer.

    Args:
        folder: where relative paths of files begin.
        options: `ref`, where it is; `cache_bytes` for decoded chunks and indices; `seconds` for one read.

    Raises:
        BadRequest: the options are wrong, or there is no volume that can be read.
        BadGateway: the medium fails.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        import tensorstore  # noqa: PLC0415 - half a second, for servers that have such a store alone

        ref = options.get("ref")
        if not isinstance(ref, str) or not ref:
            raise BadRequest("a store of the engine ngprecomputed needs `ref`, the place of the volume")
        self._tensorstore = tensorstore
        self._seconds = _number(options, "seconds", _SECONDS)
        self._kvstore = kvstore_spec(ref, folder)
        self._context = tensorstore.Context(self._context_spec(_number(options, "cache_bytes", _CACHE_BYTES)))
        self._lock = threading.Lock()
        self._opened: dict[Any, Any] = {}
        self._info = self._read_info()
        self.data_type = self._info.data_type
        self.channels = self._info.num_channels
        self.is_segmentation = self._info.type == "segmentation"
        self.scales = tuple(scale.scale for scale in self._info.scales)

    def _context_spec(self, cache_bytes: float) -> dict[str, Any]:
        spec: dict[str, Any] = {"cache_pool": {"total_bytes_limit": int(cache_bytes)}}
        name = _DRIVERS.get(self._kvstore["driver"])
        if name is not None:
            spec[f"{name}_request_retries"] = _RETRIES
            spec[f"{name}_request_concurrency"] = {"limit": _REQUESTS}
        return spec

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn the errors of TensorStore, which name places and options, into a sentence for users."""
        try:
            yield
        except (ValueError, RuntimeError, OSError, KeyError, NotImplementedError, TimeoutError) as error:
            _log.warning("a precomputed volume can't be read: %s", error)
            word = str(error).partition(":")[0]
            code = word if word.isupper() and len(word) < 40 else type(error).__name__
            raise BadGateway(f"the volume of the grid store can't be read ({code})") from error

    def _read_info(self) -> Info:
        with self._guarded():
            store = self._tensorstore.KvStore.open(self._kvstore, context=self._context).result(self._seconds)
            found = store.read("info").result(self._seconds)
        if found.state != "value":
            raise BadRequest("the grid store has no volume: the file `info` is missing there")
        if len(found.value) > _MOST_INFO:
            raise BadRequest(f"the info of the grid store has more than {_MOST_INFO} bytes")
        return parse_info(found.value)

    def _scale(self, scale: int) -> ScaleInfo:
        if not 0 <= scale < len(self.scales):
            raise BadRequest(f"the grid store has scales 0 to {len(self.scales) - 1}, and not {scale}")
        return self._info.scales[scale]

    def _array(self, scale: int, strict: bool) -> Any:
        """Return the array of a scale, with axes z, y, x, channel; a strict one does not take a missing chunk for 0."""
        with self._lock:
            if (scale, strict) not in self._opened:
                spec = {
                    "driver": "neuroglancer_precomputed",
                    "kvstore": self._kvstore,
                    "scale_index": scale,
                    "recheck_cached_metadata": "open",
                    "recheck_cached_data": "open",
                    "fill_missing_data_reads": not strict,
                }
                opening = self._tensorstore.open(spec, open=True, read=True, context=self._context)
                array = opening.result(self._seconds)
                axes = self._tensorstore.d["z", "y", "x", "channel"]
                self._opened[scale, strict] = array[axes.transpose[0, 1, 2, 3]]
            return self._opened[scale, strict]

    def _within(self, scale: ScaleInfo, offset: _Triple, size: _Triple) -> tuple[slice, slice, slice] | None:
        """Return what of a box lies in the volume, as slices along z, y, x; None if nothing does."""
        found = []
        for low, count, first, whole in zip(offset, size, scale.voxel_offset, scale.size, strict=True):
            begin, end = max(low, first), min(low + count, first + whole)
            if begin >= end:
                return None
            found.append(slice(begin, end))
        return found[2], found[1], found[0]

    def _voxels(self, scale: int, offset: _Triple, size: _Triple, strict: bool) -> bytes:
        within = self._within(self._scale(scale), offset, size)
        dtype = np.dtype(self.data_type).newbyteorder("<")
        shape = (size[2], size[1], size[0], self.channels)
        if within is None:
            return bytes(int(np.prod(shape)) * dtype.itemsize)
        with self._guarded():
            found = self._array(scale, strict)[within].read(order="C").result(self._seconds)
        if found.shape == shape:
            return np.ascontiguousarray(found, dtype).tobytes()
        whole = np.zeros(shape, dtype)
        target = tuple(slice(part.start - low, part.stop - low) for part, low in zip(within, offset[::-1], strict=True))
        whole[target] = found
        return whole.tobytes()

    def read_box(self, scale: int, offset: _Triple, size: _Triple) -> bytes:
        return self._voxels(scale, offset, size, strict=False)

    def read_block(self, scale: int, block: _Triple, *, jpeg: bool = False) -> GridBlock | None:
        info = self._scale(scale)
        side = info.chunk_sizes[0]
        x, y, z = (number * count for number, count in zip(block, side, strict=True))
        if self._within(info, (x, y, z), side) is None:
            return None
        aligned = not any(low % count for low, count in zip(info.voxel_offset, side, strict=True))
        if not aligned:
            return GridBlock(False, self._voxels(scale, (x, y, z), side, strict=False))
        a, b, c = (number - low // count for number, low, count in zip(block, info.voxel_offset, side, strict=True))
        ends = zip((a, b, c), side, info.size, strict=True)
        whole = all((number + 1) * count <= most for number, count, most in ends)
        if jpeg and whole and info.encoding == "jpeg" and self.channels == 1:
            stored = self._stored(scale, info, (a, b, c))
            return None if stored is None else GridBlock(True, stored)
        try:
            return GridBlock(False, self._voxels(scale, (x, y, z), side, strict=True))
        except BadGateway as error:
            if str(error.__cause__).startswith("NOT_FOUND"):
                return None
            raise

    def _stored(self, scale: int, info: ScaleInfo, chunk: _Triple) -> bytes | None:
        """Return the bytes of a chunk as they are kept, or None where there are none."""
        grid = info.scale
        sharding = self._info.sharding_of(scale)
        with self._guarded():
            if sharding is None:
                key: str | bytes = chunk_key(info.key, grid, chunk)
                spec = self._kvstore
            else:
                key = chunk_id(grid, chunk)
                base = {**self._kvstore, "path": f"{self._kvstore['path']}{info.key}/"}
                spec = {"driver": "neuroglancer_uint64_sharded", "base": base, "metadata": sharding}
            found = self._kvstore_of(spec, scale if sharding else -1).read(key).result(self._seconds)
        return bytes(found.value) if found.state == "value" else None

    def _kvstore_of(self, spec: dict[str, Any], name: int) -> Any:
        with self._lock:
            if name not in self._opened:
                opening = self._tensorstore.KvStore.open(spec, context=self._context)
                self._opened[name] = opening.result(self._seconds)
            return self._opened[name]

    def close(self) -> None:
        with self._lock:
            self._opened.clear()
