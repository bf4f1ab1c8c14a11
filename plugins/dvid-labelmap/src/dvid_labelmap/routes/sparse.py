"""Sparse volumes of bodies."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dvid_labels import gzip_bytes, kernels, lz4_block
from dvid_labels.types import Buffer

from dvid_framework.api import (
    Answer,
    BadRequest,
    Call,
    FromPath,
    Later,
    NotFound,
    Pieces,
    View,
    binary,
    empty,
    get,
    holding_memory,
    point_read,
    streamed,
)
from dvid_labelmap.index_codec import decode_summary, is_whole, stored_bodies
from dvid_labelmap.instance import LabelMapInstance
from dvid_labelmap.ops.body_index import BodyIndex, read_index
from dvid_labelmap.ops.body_records import whole_record
from dvid_labelmap.ops.bounds import parse_scale
from dvid_labelmap.ops.counters import parse_label
from dvid_labelmap.ops.mapping import body_mapping
from dvid_labelmap.ops.points import label_at, parse_point
from dvid_labelmap.ops.sizes import supervoxel_index
from dvid_labelmap.ops.sparse import SparseRead, blocks_of_bounds, coarse_pieces, coarse_volume, parse_bounds, within
from dvid_labelmap.routes.asked import LabelRequest
from dvid_labelmap.routes.bodies import indexed_view, of_record, stored_body

__all__ = ["ROUTES"]

_FEW_BLOCKS = 64  # of a sparse volume that is sent whole
_FEW_INDEXED = 256  # of an index that is read on the event loop
_HOLDING = 64 << 20
_COMPRESSIONS = ("lz4", "gzip")
_MOST_COMPRESSED = 1 << 30


def _asked(call: Call) -> tuple[LabelMapInstance, View]:
    """Return the instance and its version of a call, if they know where labels are."""
    instance, view = indexed_view(call)
    if not instance.settings.indexed_labels:
        raise BadRequest("this instance was made with IndexedLabels=false and does not know where labels are")
    return instance, view


def _index_of(call: Call, label: int) -> BodyIndex:
    """Return the index of a body, or with supervoxels=true the part of a supervoxel.

    Raises:
        NotFound: there is none of that label.
    """
    instance, view = indexed_view(call)
    if call.flag("supervoxels"):
        return supervoxel_index(instance, view, label)
    index = read_index(view, label)
    if index is None:
        raise NotFound("")
    return index


def _read(call: Call, label: int, scale: int, stored: Buffer | None) -> SparseRead:
    """Return how the voxels of a label are read; of a body by what is stored of it.

    Raises:
        NotFound: there is none of that label, or no block of it lies within the bounds.
    """
    instance, bounds = call.instance_as(LabelMapInstance), parse_bounds(call.query)
    source = instance.block_source(call.view, scale)
    if stored is None:
        read = SparseRead.of(source, label, _index_of(call, label), bounds)
    else:
        record = whole_record(call.view, label, stored)
        with stored_bodies():
            found = kernels.record_blocks(record)
        read = SparseRead.of_blocks(source, label, *found, bounds)
    if not len(read.blocks):
        raise NotFound("")
    return read.whole_blocks() if call.query.get("exact") == "false" else read


def _pieces(call: Call, read: SparseRead) -> Iterator[Buffer]:
    word = call.query.get("format")
    if word == "blocks":
        return read.binary_blocks()
    return read.srles() if word == "srles" else read.rles()


def _compressed(pieces: Iterator[Buffer], compression: str) -> bytes:
    body, size = [], 0
    for piece in pieces:
        body.append(piece)
        size += memoryview(piece).nbytes
        if size > _MOST_COMPRESSED:
            raise BadRequest(f"more than {_MOST_COMPRESSED} bytes can't be compressed at once: set bounds")
    whole = b"".join(body)
    if not whole:
        return b""
    return lz4_block(whole) if compression == "lz4" else gzip_bytes(whole)


def _compression(call: Call) -> str | None:
    compression = call.query.get("compression") if call.query.get("format") not in ("srles", "blocks") else None
    if compression and compression not in _COMPRESSIONS:
        raise BadRequest(f"unknown compression {compression[:20]!r}; {', '.join(_COMPRESSIONS)} are allowed")
    return compression or None


def _answer(call: Call, label: int) -> Answer:
    """Answer with a sparse volume: a small one at once, others in a thread, a large one piece by piece."""
    compression, scale = _compression(call), parse_scale(call.query.get("scale"))
    _, view = _asked(call)
    stored = None if call.flag("supervoxels") else stored_body(view, label)
    if stored is not None and not compression and (is_whole(stored) or decode_summary(stored).blocks <= _FEW_INDEXED):
        read = _read(call, label, scale, stored)
        quick = read.quick()
        if quick is not None:
            return binary(b"".join(_pieces(call, quick)))
        return Later(lambda: _sent(call, read, None), call.server.pool)
    return Later(lambda: _sent(call, _read(call, label, scale, stored), compression), call.server.pool)


def _sent(call: Call, read: SparseRead, compression: str | None) -> Answer:
    if compression:
        with holding_memory(call, _HOLDING):
            return binary(_compressed(_pieces(call, read), compression))
    if len(read.blocks) <= _FEW_BLOCKS:
        return binary(b"".join(_pieces(call, read)))
    return streamed(call, _pieces(call, read), _HOLDING)


def _there(call: Call, label: int) -> Answer:
    """Tell whether there is a body, or supervoxel, with a block within the bounds: 200 or 204."""
    size = call.instance_as(LabelMapInstance).settings.block_size
    try:
        blocks = within(_index_of(call, label).blocks, parse_bounds(call.query), size)
    except NotFound:
        return empty(204)
    return empty(200 if len(blocks) else 204)


@point_read("/sparsevol/{label:str}")
def sparsevol(call: Call) -> Answer:
    """Return the voxels of a body, or with supervoxels=true of a supervoxel.

    format is rles (a header of 12 bytes, then int32 x, y, z, length of each run along x), srles (the runs alone) or
    blocks (binary blocks); compression=lz4 or gzip, for rles. scale: in voxels of that scale. minx, maxx, miny, ...:
    only within these voxels, both included; exact=false: whole blocks that touch them, as blocks always are. HEAD: 200,
    or 204 if there is no such body.
    """
    _asked(call)
    label = parse_label(call.segments[1])
    if call.method == "HEAD":
        return Later(lambda: _there(call, label), call.server.pool)
    return _answer(call, label)


@point_read("/sparsevol-by-point/{point:str}")
def sparsevol_by_point(call: Call) -> Answer:
    """Return the voxels of the body (supervoxels=true: supervoxel) at a voxel x_y_z; as sparsevol."""
    instance, view = _asked(call)
    source = instance.block_source(view, parse_scale(call.query.get("scale")))
    point, mapping = parse_point(call.segments[1]), body_mapping(instance, view, call.flag("supervoxels"))

    def answer() -> Answer:
        label = label_at(source, point, mapping)
        if not label:
            raise BadRequest(f"there is no body at {call.segments[1]}: its label is 0")
        return _answer(call, label)

    return answer() if mapping is None or mapping.is_at_hand() else Later(answer, call.server.pool)


@point_read("/sparsevol-coarse/{label:str}")
def sparsevol_coarse(call: Call) -> Answer:
    """Return the blocks of a body, or with supervoxels=true of a supervoxel, as rles of block coordinates.

    minx, maxx, miny, ...: only blocks that touch these voxels.
    """
    instance, _ = _asked(call)
    bounds, size = parse_bounds(call.query) if call.query else None, instance.settings.block_size
    if call.flag("supervoxels"):
        label = parse_label(call.segments[1])
        return Later(lambda: binary(coarse_volume(_index_of(call, label), bounds, size)), call.server.pool)
    low, high = blocks_of_bounds(bounds, size)
    return of_record(call, lambda _, record: binary(kernels.record_coarse_rles(record, low, high)))


@get("/sparsevols-coarse/{first:str}/{last:str}")
async def sparsevols_coarse(request: LabelRequest, first: FromPath[str], last: FromPath[str]) -> Answer:
    """Return the blocks of the bodies from first to last.

    For each a uint64 label, int32 n, and n runs of blocks, int32 x, y, z, length. Bounds as for sparsevol-coarse.
    """
    _, view = _asked(request.call)
    begin, end, bounds = parse_label(first), parse_label(last), parse_bounds(request.query)
    pieces = partial(coarse_pieces, view, begin, end, bounds, request.instance.settings.block_size)
    return Pieces(pieces() if begin <= end else iter(()), request.server.pool)


ROUTES = (sparsevol, sparsevol_by_point, sparsevol_coarse, sparsevols_coarse)
