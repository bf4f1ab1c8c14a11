"""A version as files of other tools: neuroglancer's precomputed, and OME-Zarr."""

from __future__ import annotations

from collections.abc import Callable

from dvid_voxels.block_codec import Buffer
from dvid_voxels.multiscale import Chunk, NoSuchKey
from dvid_voxels.ome_zarr import OmeZarr
from dvid_voxels.precomputed import Precomputed

from dvid_framework.api import Answer, FromPath, NotFound, cacheable, cacheable_json, get, holding_memory
from dvid_imageblk.ops.exports import as_ome_zarr, as_precomputed, precomputed_chunk, zarr_chunk
from dvid_imageblk.ops.volumes import VolumeRead
from dvid_imageblk.routes.asked import ImageRequest

__all__ = ["ROUTES"]

_COPIES = 3  # voxels, in the order of the format, and compressed


async def _answer(
    request: ImageRequest,
    files: Precomputed | OmeZarr,
    encode: Callable[[VolumeRead, Chunk], Buffer | None],
    gzip: bool,
) -> Answer:
    """Answer with the file that the path names."""
    keys = request.call.segments[1:]
    try:
        document = files.document(keys)
        if document is not None:
            return cacheable_json(request.call, document)
        chunk = files.chunk(keys)
    except NoSuchKey as error:
        raise NotFound(str(error)) from error
    read = request.instance.reading(request.view, chunk.scale)

    def make() -> Answer:
        body = encode(read, chunk)
        if body is None:
            raise NotFound("")
        return cacheable(request.call, body, "application/octet-stream", gzip=gzip)

    with request.throttled(), holding_memory(request, _COPIES * read.voxels.bytes * chunk.box.voxels):
        return await request.run(make)


@get("/precomputed/{file:str}")
async def precomputed(request: ImageRequest, file: FromPath[str]) -> Answer:
    """Return a file of this version as neuroglancer's precomputed volume `precomputed://http://.../precomputed`.

    The files are info and the chunks of each scale, 0/0-64_0-64_0-64: raw, or jpeg where the instance keeps JPEGs.
    Chunks are 64 voxels wide or more, whole blocks; the volume begins with a whole chunk and ends where the extents do.
    What was never written is background; other names are 404. Raw chunks have Content-Encoding gzip for clients that
    take it.

    Answers have an ETag. Those of a committed version may be kept for a day.
    """
    del file
    files = as_precomputed(request.instance, request.version)
    raw = files.encoding == "raw"
    return await _answer(request, files, lambda read, chunk: precomputed_chunk(read, files, chunk), gzip=raw)


@get("/zarr/{file:str}")
async def zarr(request: ImageRequest, file: FromPath[str]) -> Answer:
    """Return a file of this version as OME-Zarr 0.5 (Zarr 3): zarr.json, 0/zarr.json, 0/c/z/y/x and so on.

    Axes are z, y, x; of rgba8blk channel, z, y, x, and chunks 0/c/0/z/y/x with all channels. Indices are coordinates
    of voxels, unless the extents reach below 0: then arrays begin further down, and their attribute origin
    says where. Chunks are 64 voxels wide or more, whole blocks, not compressed. What was never written is 404, as are
    other names: Zarr reads it as the fill value, the background.

    Answers have an ETag. Those of a committed version may be kept for a day.
    """
    del file
    return await _answer(request, as_ome_zarr(request.instance, request.version), zarr_chunk, gzip=False)


ROUTES = (precomputed, zarr)
