"""A plugin with a datatype `volume`: voxels in one value, which stands for any type that provides `ImageVolume`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from dvid_framework.api import (
    Answer,
    Datatype,
    FromPath,
    ImageScale,
    ImageVolume,
    Instance,
    InstanceRequest,
    PixelType,
    VersionRecord,
    empty,
    hookimpl,
    post,
)

Triple = tuple[int, int, int]


class VolumeSettings(msgspec.Struct):
    data_type: str = "uint8"
    channels: int = 1
    voxel_size: str = "8,8,8"


class VolumeInstance(Instance):
    """A volume."""

    settings: VolumeSettings

    def pixel_type(self) -> PixelType:
        return PixelType(self.settings.data_type, self.settings.channels)

    def _array(self, version: VersionRecord) -> tuple[np.ndarray, list[int]]:
        with self.view(version) as view:
            head, body = view.get(b"head"), view.get(b"body")
        numbers = [0] * 6 if head is None else np.frombuffer(head, "<i8").tolist()
        shape = [*numbers[5:2:-1], *([self.settings.channels] if self.settings.channels > 1 else [])]
        return np.frombuffer(body or b"", self.settings.data_type).reshape(shape), numbers[:3]

    def image_scales(self, version: VersionRecord) -> Sequence[ImageScale]:
        array, first = self._array(version)
        extents: tuple[Triple, Triple] | None = None
        if array.size:
            depth, height, width = array.shape[:3]
            x, y, z = first
            extents = (x, y, z), (x + width - 1, y + height - 1, z + depth - 1)
        u, v, w = (float(side) for side in self.settings.voxel_size.split(","))
        return (ImageScale(extents, (u, v, w), ("nanometers",) * 3, (16, 16, 16)),)

    def read_box(self, version: VersionRecord, scale: int, first: Triple, size: Triple) -> np.ndarray:
        array, origin = self._array(version)
        box = np.zeros((*size[::-1], *array.shape[3:]), array.dtype)
        source, target = [], []
        for low, count, start, there in zip(first[::-1], size[::-1], origin[::-1], array.shape[:3], strict=True):
            begin, end = max(low, start), min(low + count, start + there)
            if begin >= end:
                return box
            source.append(slice(begin - start, end - start))
            target.append(slice(begin - low, end - low))
        box[tuple(target)] = array[tuple(source)]
        return box


@post("/voxels/{size:str}/{offset:str}")
async def post_voxels(request: InstanceRequest[VolumeInstance], size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Put all voxels."""
    body = await request.read_body()
    numbers = [int(part) for text in (offset, size) for part in text.split("_")]

    def write() -> None:
        with request.begin() as txn:
            txn.put(b"head", np.array(numbers, "<i8").tobytes())
            txn.put(b"body", body)

    await request.run(write)
    return empty()


class Volume(Datatype):
    """A volume."""

    name = "volume"
    instance = VolumeInstance
    settings = VolumeSettings
    routes = (post_voxels,)
    provides = (ImageVolume,)


@hookimpl
def dvid_datatypes() -> Iterable[type[Datatype]]:
    return [Volume]
