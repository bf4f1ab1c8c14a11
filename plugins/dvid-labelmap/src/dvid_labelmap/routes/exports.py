"""A version as files of other tools: neuroglancer's precomputed, and OME-Zarr."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dvid_labels.types import Buffer
from dvid_voxels.multiscale import Chunk, NoSuchKey
from dvid_voxels.ome_zarr import OmeZarr
from dvid_voxels.precomputed import Precomputed

from dvid_framework.api import Answer, FromPath, NotFound, cacheable, cacheable_json, get, holding_memory
from dvid_labelmap.ops.bounds import bad_input
from dvid_labelmap.ops.exports import as_ome_zarr, as_precomputed, precomputed_chunk, zarr_chunk
from dvid_labelmap.ops.mapping import body_mapping
from dvid_labelmap.ops.volumes import VolumeRead
from dvid_labelmap.routes.asked import LabelRequest

__all__ = ["ROUTES"]

_SUPERVOXELS = "supervoxels"
_COPIES = 3  # labels, and what they are encoded to


async def _answer(
    request: LabelRequest,
    files: Precomputed | OmeZarr,
    encode: Callable[[VolumeRead, Chunk], Buffer | None],
    gzip: bool,
) -> Answer:
    """Answer with the file that the path names."""
    keys: Sequence[str] = request.call.segments[1:]
    supervoxels = keys[0] == _SUPERVOXELS or request.flag(_SUPERVOXELS)
    keys = keys[keys[0] == _SUPERVOXELS :]
    try:
        document = files.document(keys)
        if document is not None:
            return cacheable_json(request.call, document)
        chunk = files.chunk(keys)
    except NoSuchKey as error:
        raise NotFound(str(error)) from error
    instance, view = request.instance, request.view
    read = VolumeRead(view, chunk.scale, instance.settings.block_size, body_mapping(instance, view, supervoxels))

    def make() -> Answer:
        with bad_input():
            body = encode(read, chunk)
        if body is None:
            raise NotFound("")
        return cacheable(request.call, body, "application/octet-stream", gzip=gzip)

    with request.throttled(), holding_memory(request, _COPIES * 8 * chunk.box.voxels):
        return await request.run(make)


@get("/precomputed/{file:str}")
async def precomputed(request: LabelRequest, file: FromPath[str]) -> Answer:
    """Return a file of this version as neuroglancer's precomputed volume `precomputed://http://.../precomputed`.

    The files are info and the chunks of each scale, 0/0-64_0-64_0-64, in compressed_segmentation of bodies. Below
    precomputed/supervoxels is the same volume of supervoxels. Chunks are 64 voxels wide or more, whole blocks; the
    volume begins with a whole chunk and ends where the extents do. What was never written is 0; other names are 404.
    With Content-Encoding gzip for clients that take it.

    Answers have an ETag. Those of a committed version may be kept for a day.
    """
    del file
    files = as_precomputed(request.instance, request.version)
    return await _answer(request, files, lambda read, chunk: precomputed_chunk(read, files, chunk), gzip=True)


@get("/zarr/{file:str}")
async def zarr(request: LabelRequest, file: FromPath[str]) -> Answer:
    """Return a file of this version as OME-Zarr 0.5 (Zarr 3): zarr.json, 0/zarr.json, 0/c/z/y/x and so on.

    Arrays are uint64 of axis order z, y, x, of bodies; below zarr/supervoxels of supervoxels. Indices are coordinates
    of voxels, unless the extents reach below 0: then arrays begin further down, and their attribute origin
    says where. Chunks are 64 voxels wide or more, whole blocks, gzipped. What was never written is 404, as are other
    names: Zarr reads it as 0.

    Answers have an ETag. Those of a committed version may be kept for a day.
    """
    del file
    files = as_ome_zarr(request.instance, request.version)
    return await _answer(request, files, zarr_chunk, gzip=False)


ROUTES = (precomputed, zarr)
