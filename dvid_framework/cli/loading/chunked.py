"""Zarr, OME-Zarr, N5 and neuroglancer precomputed volumes, on disk, behind HTTP or in a bucket, by TensorStore."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import tensorstore
from numpy.typing import NDArray

from dvid_framework.cli.loading.arrays import axis_order, check_dtype
from dvid_framework.cli.loading.source import Triple
from dvid_framework.errors import BadRequest

__all__ = ["ChunkedArray"]

_SECONDS = 60.0
_CACHE_BYTES = 512 << 20
_NANOMETERS = {"nanometer": 1.0, "micrometer": 1e3, "millimeter": 1e6, "angstrom": 0.1, "nm": 1.0, "um": 1e3}
_ERRORS = (ValueError, RuntimeError, OSError, KeyError, TypeError, IndexError, NotImplementedError, TimeoutError)


def _url(place: str) -> str:
    """Return what TensorStore calls a place: a URL, with a slash at the end."""
    url = place if "://" in place else f"file://{place}"
    return url if url.endswith("/") else f"{url}/"


class _Group:
    """The JSON files of a place."""

    def __init__(self, url: str) -> None:
        self._store = tensorstore.KvStore.open(url).result(_SECONDS)

    def json(self, name: str) -> dict[str, Any] | None:
        """Return a file of JSON, or None where it is missing."""
        found = self._store.read(name).result(_SECONDS)
        if found.state != "value":
            return None
        value: dict[str, Any] = json.loads(found.value)
        return value


def _multiscale(group: _Group, scale: int) -> tuple[str, str, tuple[float, float, float] | None] | None:
    """Return path, axes and voxel size of a resolution of OME-Zarr; None if it is none."""
    attributes = group.json(".zattrs") or (group.json("zarr.json") or {}).get("attributes", {})
    described = attributes.get("ome", attributes).get("multiscales")
    if not described:
        return None
    dataset = described[0]["datasets"][scale]
    axes = [axis["name"].lower() if isinstance(axis, dict) else axis.lower() for axis in described[0]["axes"]]
    scaling = [one["scale"] for one in dataset.get("coordinateTransformations", []) if one.get("type") == "scale"]
    size = None
    if scaling:
        units = {a["name"].lower(): a.get("unit", "nanometer") for a in described[0]["axes"] if isinstance(a, dict)}
        steps = dict(zip(axes, scaling[0], strict=True))
        x, y, z = (float(steps.get(axis, 1)) * _NANOMETERS.get(units.get(axis, ""), 1.0) for axis in "xyz")
        size = (x, y, z)
    return dataset["path"], "".join(axes), size


class ChunkedArray:
    """An array in chunks.

    Args:
        kind: `zarr`, `n5` or `precomputed`.
        place: a path or a URL.
        axes: order of the axes where the format does not tell.
        scale: which resolution, where there are several.

    Raises:
        BadRequest: it can't be read.
    """

    def __init__(self, kind: str, place: str, axes: str, scale: int) -> None:
        self.voxel_size: tuple[float, float, float] | None = None
        self.whole_rows = False
        try:
            array, order = self._opened(kind, _url(place), axes, scale)
        except _ERRORS as error:
            raise BadRequest(f"{place} can't be read as {kind}: {error}") from error
        for axis in order:
            if axis not in "xyzc" and array.shape[order.index(axis)] != 1:
                raise BadRequest(f"{place} has {array.shape[order.index(axis)]} values along the axis {axis!r}")
        for axis in [one for one in order if one not in "xyzc"]:
            array = array[(slice(None),) * order.index(axis) + (array.domain.origin[order.index(axis)],)]
            order = order.replace(axis, "")
        wanted = [axis for axis in "zyxc" if axis in order]
        array = array[tensorstore.d[tuple(order.index(axis) for axis in wanted)].transpose[:]]
        if "z" not in wanted:
            array = array[tensorstore.newaxis]
        self._array = array
        self.dtype = check_dtype(array.dtype.numpy_dtype)
        depth, height, width = array.shape[:3]
        self.size: Triple = (width, height, depth)
        origin = array.domain.origin
        self.offset: Triple = (origin[2], origin[1], origin[0])
        self.channels = array.shape[3] if array.ndim == 4 else 1

    def _opened(self, kind: str, url: str, axes: str, scale: int) -> tuple[Any, str]:
        group = _Group(url)
        if kind == "precomputed":
            spec: dict[str, Any] = {"driver": "neuroglancer_precomputed", "kvstore": url, "scale_index": scale}
            resolution = (group.json("info") or {})["scales"][scale]["resolution"]
            self.voxel_size = (float(resolution[0]), float(resolution[1]), float(resolution[2]))
            return self._open(spec), "xyzc"
        if kind == "n5":
            attributes = group.json("attributes.json") or {}
            array = self._open({"driver": "n5", "kvstore": url if "dimensions" in attributes else f"{url}s{scale}/"})
            return array, "xyzct"[: array.ndim] if axes == "zyx" else axis_order(axes, array.ndim)
        found = _multiscale(group, scale)
        path = "" if found is None else f"{found[0].strip('/')}/"
        driver = "zarr3" if _Group(url + path).json("zarr.json") is not None else "zarr"
        array = self._open({"driver": driver, "kvstore": url + path})
        if found is None:
            return array, axis_order(axes, array.ndim)
        self.voxel_size = found[2]
        return array, found[1]

    @staticmethod
    def _open(spec: dict[str, Any]) -> Any:
        context = tensorstore.Context({"cache_pool": {"total_bytes_limit": _CACHE_BYTES}})
        options = {"recheck_cached_data": "open", "recheck_cached_metadata": "open"}
        return tensorstore.open({**spec, **options}, open=True, read=True, context=context).result(_SECONDS)

    def read(self, first: Triple, size: Triple) -> NDArray[Any]:
        """Return the voxels of a box."""
        low = [at + begin for at, begin in zip(first[::-1], self._array.domain.origin, strict=False)]
        box = tuple(slice(begin, begin + count) for begin, count in zip(low, size[::-1], strict=True))
        try:
            found = np.asarray(self._array[box].read(order="C").result(_SECONDS))
        except _ERRORS as error:
            raise BadRequest(f"the source can't be read at {first}: {error}") from error
        if found.ndim == 4 and self.channels == 1:
            found = found[..., 0]
        return np.ascontiguousarray(found, np.dtype(self.dtype).newbyteorder("<"))
