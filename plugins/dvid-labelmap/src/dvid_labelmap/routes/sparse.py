"""Sparse volumes of bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from dvid_labels import gzip_bytes, lz4_block
from dvid_labels.types import Buffer
from dvid_voxels.geometry import Triple

from dvid_framework.api import Answer, BadRequest, FromPath, NotFound, Pieces, binary, empty, get
from dvid_labelmap.ops.body_index import BodyIndex, read_index, read_summary
from dvid_labelmap.ops.bounds import parse_scale
from dvid_labelmap.ops.counters import parse_label
from dvid_labelmap.ops.mapping import body_mapping
from dvid_labelmap.ops.points import label_at, parse_point
from dvid_labelmap.ops.sizes import supervoxel_index
from dvid_labelmap.ops.sparse import Bounds, SparseRead, coarse_pieces, coarse_volume, parse_bounds, within
from dvid_labelmap.routes.asked import LabelRequest, held, streamed
from dvid_labelmap.routes.bodies import FEW_BLOCKS, indexed_view

__all__ = ["ROUTES"]

_FEW_BLOCKS = 64  # of a sparse volume that is sent whole
_T = TypeVar("_T")
_HOLDING = 64 << 20
_COMPRESSIONS = ("lz4", "gzip")
_MOST_COMPRESSED = 1 << 30


def _check_indexed(request: LabelRequest) -> None:
    if not request.instance.settings.indexed_labels:
        raise BadRequest("this instance was made with IndexedLabels=false and does not know where labels are")


def _index_of(request: LabelRequest, label: int) -> BodyIndex:
    """Return the index of a body, or with supervoxels=true the part of a supervoxel.

    Raises:
        NotFound: there is none of that label.
    """
    instance, view = indexed_view(request.call)
    if request.flag("supervoxels"):
        return supervoxel_index(instance, view, label)
    index = read_index(view, label)
    if index is None:
        raise NotFound("")
    return index


def _read(request: LabelRequest, label: int, scale: int) -> SparseRead:
    """Return how the voxels of a label are read.

    Raises:
        NotFound: there is none of that label, or no block of it lies within the bounds.
    """
    size, bounds = request.instance.settings.block_size, parse_bounds(request.query)
    read = SparseRead.of(request.view, size, scale, label, _index_of(request, label), bounds)
    if not len(read.blocks):
        raise NotFound("")
    return read.whole_blocks() if request.query.get("exact") == "false" else read


def _pieces(request: LabelRequest, read: SparseRead) -> Iterator[Buffer]:
    word = request.query.get("format")
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


async def _answer(request: LabelRequest, label: int) -> Answer:
    """Answer with a sparse volume: a small one whole, a large one piece by piece."""
    query, scale = request.query, parse_scale(request.query.get("scale"))
    compression = query.get("compression") if query.get("format") not in ("srles", "blocks") else None
    if compression and compression not in _COMPRESSIONS:
        raise BadRequest(f"unknown compression {compression[:20]!r}; {', '.join(_COMPRESSIONS)} are allowed")

    read = await _in_time(request, label, partial(_read, request, label, scale))
    if len(read.blocks) <= _FEW_BLOCKS and not compression:
        if read.is_quick():
            return binary(b"".join(_pieces(request, read)))
        return binary(await request.run(lambda: b"".join(_pieces(request, read))))
    if compression:
        with held(request, _HOLDING):
            return binary(await request.run(_compressed, _pieces(request, read), compression))
    return streamed(request, _pieces(request, read), _HOLDING)


async def _in_time(request: LabelRequest, label: int, function: Callable[[], _T]) -> _T:
    """Call a function that reads the index of a body: on the event loop if that is small, else in a thread."""
    _, view = indexed_view(request.call)
    summary = None if request.flag("supervoxels") else read_summary(view, label)
    if summary is not None and summary.blocks <= FEW_BLOCKS:
        return function()
    return await request.run(function)


def _there(request: LabelRequest, label: int) -> bool:
    """Tell whether there is a body, or supervoxel, with a block within the bounds."""
    try:
        index = _index_of(request, label)
    except NotFound:
        return False
    return len(within(index.blocks, parse_bounds(request.query), request.instance.settings.block_size)) > 0


@get("/sparsevol/{label:str}")
async def sparsevol(request: LabelRequest, label: FromPath[str]) -> Answer:
    """Return the voxels of a body, or with supervoxels=true of a supervoxel.

    format is rles (a header of 12 bytes, then int32 x, y, z, length of each run along x), srles (the runs alone) or
    blocks (binary blocks); compression=lz4 or gzip, for rles. scale: in voxels of that scale. minx, maxx, miny, ...:
    only within these voxels, both included; exact=false: whole blocks that touch them, as blocks always are. HEAD: 200,
    or 204 if there is no such body.
    """
    _check_indexed(request)
    number = parse_label(label)
    if request.call.method == "HEAD":
        return empty(200 if await request.run(_there, request, number) else 204)
    return await _answer(request, number)


@get("/sparsevol-by-point/{point:str}")
async def sparsevol_by_point(request: LabelRequest, point: FromPath[str]) -> Answer:
    """Return the voxels of the body (supervoxels=true: supervoxel) at a voxel x_y_z; as sparsevol."""
    _check_indexed(request)
    instance, view = indexed_view(request.call)
    mapping = body_mapping(instance, view, request.flag("supervoxels"))
    place, scale = parse_point(point), parse_scale(request.query.get("scale"))
    label = await request.run(label_at, view, place, scale, instance.settings.block_size, mapping)
    if not label:
        raise BadRequest(f"there is no body at {point}: its label is 0")
    return await _answer(request, label)


def _coarse(request: LabelRequest, label: int, bounds: Bounds | None, block_size: Triple) -> bytes:
    return coarse_volume(_index_of(request, label), bounds, block_size)


@get("/sparsevol-coarse/{label:str}")
async def sparsevol_coarse(request: LabelRequest, label: FromPath[str]) -> Answer:
    """Return the blocks of a body, or with supervoxels=true of a supervoxel, as rles of block coordinates.

    minx, maxx, miny, ...: only blocks that touch these voxels.
    """
    _check_indexed(request)
    number, bounds = parse_label(label), parse_bounds(request.query)
    size = request.instance.settings.block_size
    read = partial(_coarse, request, number, bounds, size)
    return binary(await _in_time(request, number, read))


@get("/sparsevols-coarse/{first:str}/{last:str}")
async def sparsevols_coarse(request: LabelRequest, first: FromPath[str], last: FromPath[str]) -> Answer:
    """Return the blocks of the bodies from first to last.

    For each a uint64 label, int32 n, and n runs of blocks, int32 x, y, z, length. Bounds as for sparsevol-coarse.
    """
    _check_indexed(request)
    begin, end, bounds = parse_label(first), parse_label(last), parse_bounds(request.query)
    _, view = indexed_view(request.call)
    pieces = partial(coarse_pieces, view, begin, end, bounds, request.instance.settings.block_size)
    return Pieces(pieces() if begin <= end else iter(()), request.server.pool)


ROUTES = (sparsevol, sparsevol_by_point, sparsevol_coarse, sparsevols_coarse)
