"""What a volume is read from: the interface of all readers, and the choice of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from dvid_framework.errors import BadRequest

__all__ = ["Source", "Triple", "open_source"]

Triple: TypeAlias = tuple[int, int, int]
_SCHEMES = ("precomputed", "zarr", "n5")


class Source(Protocol):
    """A volume to load; all triples are x, y, z.

    Attributes:
        size: its voxels.
        offset: where its first voxel is, as far as it knows.
        dtype: numpy's name of the type of a value.
        channels: values of a voxel.
        voxel_size: size of a voxel in nanometers, where it is known.
        whole_rows: whether it is read most cheaply in slabs of whole rows.
    """

    size: Triple
    offset: Triple
    dtype: str
    channels: int
    voxel_size: tuple[float, float, float] | None
    whole_rows: bool

    def read(self, first: Triple, size: Triple) -> NDArray[Any]:
        """Return the voxels of a box that lies within: (z, y, x), or (z, y, x, channel) where there are several."""


def open_source(text: str, axes: str, scale: int) -> Source:
    """Open a volume.

    Args:
        text: a folder, a file, a pattern of files, or `precomputed://URL`, `zarr://URL`, `n5://URL`.
        axes: order of the axes of arrays that do not tell: `zyx` or `xyz`.
        scale: which resolution, where there are several.

    Raises:
        BadRequest: there is nothing that can be read.
    """
    from dvid_framework.cli.loading.arrays import MappedArray  # noqa: PLC0415 - each reader brings its libraries
    from dvid_framework.cli.loading.stacks import ImageStack  # noqa: PLC0415

    scheme, separator, _ = text.partition("://")
    path = Path(text)
    if not separator and path.suffix == ".npy":
        return MappedArray(path, axes)
    if (separator and scheme in _SCHEMES) or (not separator and path.is_dir() and _kind(path)):
        from dvid_framework.cli.loading.chunked import ChunkedArray  # noqa: PLC0415

        if separator:
            return ChunkedArray(scheme, text.partition("://")[2], axes, scale)
        return ChunkedArray(_kind(path), str(path.resolve()), axes, scale)
    if separator:
        raise BadRequest(f"{text!r} has an unknown scheme; {', '.join(f'{one}://' for one in _SCHEMES)} are read")
    return ImageStack(text)


def _kind(folder: Path) -> str:
    """Return what a folder is by the files in it; empty if it is no volume."""
    if any((folder / name).exists() for name in (".zarray", ".zgroup", ".zattrs", "zarr.json")):
        return "zarr"
    if (folder / "info").exists():
        return "precomputed"
    return "n5" if (folder / "attributes.json").exists() else ""
