"""The HTTP addresses below an instance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, islice

from dvid_annotation.asked import AnnotationRequest, check_end, parse_box, parse_label, parse_place, region_of
from dvid_annotation.codec import parse_blocks, parse_elements, parse_label_lists
from dvid_annotation.edit import Edit
from dvid_annotation.instance import AnnotationInstance
from dvid_annotation.keys import label_prefix, tag_prefix
from dvid_annotation.ops.block_lists import post_block_lists, post_label_lists
from dvid_annotation.ops.elements import delete_element, move_element, post_elements
from dvid_annotation.ops.reading import (
    Piece,
    all_blocks,
    blocks_in,
    elements_in,
    elements_in_region,
    listed,
    scan_counts,
)
from dvid_annotation.ops.relations import listed_as_in_blocks, listed_with_partners
from dvid_annotation.ops.reloading import RELOAD_JOB
from dvid_framework.api import (
    Answer,
    Call,
    FromPath,
    FromQuery,
    Later,
    Pieces,
    Txn,
    View,
    binary,
    delete,
    empty,
    get,
    holding_json,
    in_pieces,
    json_answer,
    json_joined,
    point_read,
    post,
    whole_or_pieces,
)

__all__ = ["ROUTES"]

_JSON = "application/json"
_BODY_BYTES = 256 << 20
_FEW_ROWS = 8
_FEW_BYTES = 64 << 10
_LIST_OR_NULL = (b"[", b"]", b"null")
_OBJECT = (b"{", b"}", b"{}")


async def _streamed(
    request: AnnotationRequest, parts: Callable[[], Iterable[Piece]], brackets: tuple[bytes, bytes, bytes]
) -> Answer:
    """Answer in one piece what is short, and piece by piece the rest; `parts` is called in a thread."""
    return await whole_or_pieces(request, lambda: in_pieces(json_joined(parts(), *brackets)), _JSON)


async def _change(request: AnnotationRequest, work: Callable[[Edit, View, Txn], None]) -> Answer:
    """Do a mutation: no other one may come between what it reads and what it writes."""

    def run() -> None:
        instance, version = request.instance, request.version
        with instance.lock, request.begin(durable=False) as txn, instance.view(version) as view:
            instance.keep_block_size()
            edit = instance.edit(view, txn, version)
            work(edit, view, txn)
            edit.rows.write()
            if request.query.get("kafkalog") == "off":
                txn.mark_internal()
        if txn.number:
            instance.log.make_durable(txn.number)  # without the lock: one fsync serves all who wait

    await request.run(run)
    return empty()


def _reference(request: AnnotationRequest, txn: Txn, body: bytes) -> dict[str, str]:
    """Keep a body where others can get it, if there are any to whom it is named."""
    return {"DataRef": txn.put_blob(body)} if request.server.kafka is not None else {}


@post("/elements")
async def post_all_elements(request: AnnotationRequest, kafkalog: FromQuery[str | None] = None) -> Answer:
    """Add elements, a JSON list, each in place of the one that is at its position; if one is bad, none is stored.

    `{"Pos": [x, y, z], "Kind": "PreSyn", "Tags": ["tag"], "Prop": {"name": "text"}, "Rels": [{"Rel": "PreSynTo", "To":
    [x, y, z]}]}`. Kind: Unknown, PostSyn, PreSyn, Gap or Note. Rel: UnknownRelationship, PostSynTo, PreSynTo,
    ConvergentTo or GroupedWith. All but Pos may be left out. kafkalog=off: Kafka is not told.
    """
    del kafkalog
    body = await request.read_body(_BODY_BYTES)
    with holding_json(request, body):
        elements = await request.run(parse_elements, body)

        def work(edit: Edit, view: View, txn: Txn) -> None:
            del view
            post_elements(edit, elements)
            edit.changes.emit(txn, "element-post", **_reference(request, txn, body))

        return await _change(request, work)


@get("/elements/{size:str}/{offset:str}")
async def get_elements(request: AnnotationRequest, size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Return the elements in a box of voxels, a JSON list; null without any. Size and offset are `x_y_z`."""
    box, block_size = parse_box(size, offset), request.instance.block_size
    return await _streamed(request, lambda: elements_in(request.view, box, block_size), _LIST_OR_NULL)


@delete("/element/{place:str}")
async def delete_one(
    request: AnnotationRequest, place: FromPath[str], kafkalog: FromQuery[str | None] = None
) -> Answer:
    """Delete the element at a voxel `x_y_z`, and what points to it in its block and in those of its partners."""
    del kafkalog
    position = parse_place(place)

    def work(edit: Edit, view: View, txn: Txn) -> None:
        del view
        delete_element(edit, position)
        edit.changes.emit(txn, "element-delete", Point=position)

    return await _change(request, work)


@post("/move/{source:str}/{target:str}")
async def move(
    request: AnnotationRequest,
    source: FromPath[str],
    target: FromPath[str],
    kafkalog: FromQuery[str | None] = None,
) -> Answer:
    """Move the element at a voxel `x_y_z` to another one; what points to it follows, as far as deleting it reaches."""
    del kafkalog
    here, there = parse_place(source), parse_place(target)

    def work(edit: Edit, view: View, txn: Txn) -> None:
        del view
        move_element(edit, here, there)
        edit.changes.emit(txn, "element-move", From=here, To=there)

    return await _change(request, work)


@post("/blocks")
async def post_all_blocks(request: AnnotationRequest, kafkalog: FromQuery[str | None] = None) -> Answer:
    """Set what blocks hold: `{"x,y,z": [elements]}`. Tags, labels and synced instances learn of it by `reload`."""
    del kafkalog
    body = await request.read_body(_BODY_BYTES)
    with holding_json(request, body):
        lists = await request.run(parse_blocks, body)

        def work(edit: Edit, view: View, txn: Txn) -> None:
            del view
            post_block_lists(edit, txn, lists)
            edit.changes.emit(txn, "blocks-post", **_reference(request, txn, body))

        return await _change(request, work)


@get("/blocks/{size:str}/{offset:str}")
async def get_blocks(request: AnnotationRequest, size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Return all that the blocks hold that a box of voxels touches, `{"x,y,z": [elements]}`."""
    box, block_size = parse_box(size, offset), request.instance.block_size
    return await _streamed(request, lambda: blocks_in(request.view, box, block_size), _OBJECT)


@get("/all-elements")
async def get_all_elements(request: AnnotationRequest) -> Answer:
    """Return all elements by blocks, `{"x,y,z": [elements]}`."""
    check_end(request)
    return await _streamed(request, lambda: all_blocks(request.view), _OBJECT)


@get("/scan")
async def scan(
    request: AnnotationRequest, bycoord: FromQuery[str | None] = None, keysonly: FromQuery[str | None] = None
) -> Answer:
    """Return how many blocks are stored, those without elements among them. Parameters are accepted and not needed."""
    del bycoord, keysonly
    check_end(request)
    return json_answer(await request.run(lambda: scan_counts(request.view)))


def _list(call: Call, prefix: bytes) -> Answer:
    """Answer with a list: on the event loop what is a few rows, in a thread the rest."""
    instance, view = call.instance_as(AnnotationInstance), call.view
    relationships, block_size = call.query.get("relationships"), instance.block_size
    if relationships == "true":
        parts = listed_as_in_blocks(view, prefix, block_size)
    elif relationships == "verbose":
        parts = listed_with_partners(view, prefix, block_size)
    else:
        rows = listed(view, prefix)
        few = list(islice(rows, _FEW_ROWS))
        if len(few) < _FEW_ROWS and sum(map(len, few)) < _FEW_BYTES:
            return binary(b"[%s]" % b",".join(few), _JSON)
        parts = chain(few, rows)

    def made() -> Answer:
        pieces = in_pieces(json_joined(parts))
        begun = list(islice(pieces, 2))
        if len(begun) < 2:
            return binary(begun[0], _JSON)
        return Pieces(chain(begun, pieces), call.server.pool, media_type=_JSON)

    return Later(made, call.server.pool)


@point_read("/tag/{tag:str}")
def get_tag(call: Call) -> Answer:
    """Return the elements that have a tag, without relationships.

    relationships=true: with them; relationships=verbose: each with the partner's Kind, Tags and Prop as well.
    """
    return _list(call, tag_prefix(call.segments[1]))


@point_read("/label/{label:str}")
def get_label(call: Call) -> Answer:
    """Return the elements in a label of the synced segmentation, without relationships; parameters as of tag."""
    return _list(call, label_prefix(parse_label(call.segments[1])))


@post("/labels")
async def post_labels(request: AnnotationRequest) -> Answer:
    """Set the lists of labels: `{"23": "[elements]"}`, each a text of JSON. Nothing else is changed."""
    check_end(request)
    body = await request.read_body(_BODY_BYTES)
    with holding_json(request, body):
        lists = await request.run(parse_label_lists, body)

        def work(edit: Edit, view: View, txn: Txn) -> None:
            post_label_lists(edit, view, txn, lists)
            edit.changes.emit(txn, "labels-post")
            txn.mark_internal()

        return await _change(request, work)


@get("/roi/{region:str}")
async def get_region(request: AnnotationRequest, region: FromPath[str]) -> Answer:
    """Return the elements of all blocks of a region of interest, `NAME` or `NAME,UUID`; null without any."""
    mask, version = region_of(request, region)
    block_size = request.instance.block_size
    return await _streamed(request, lambda: elements_in_region(request.view, mask, version, block_size), _LIST_OR_NULL)


@post("/reload")
async def reload(
    request: AnnotationRequest, check: FromQuery[str | None] = None, inmemory: FromQuery[str | None] = None
) -> Answer:
    """Make tags and labels what the blocks say, by a job: `jobs` tells how far it is. Reads and writes go on meanwhile.

    Elements in a wrong block are moved to the right one. Only what is wrong is written, and little memory is taken:
    so check= and inmemory= are accepted and not needed.
    """
    del check, inmemory
    call = request.call
    await request.run(
        lambda: request.instance.start_job(RELOAD_JOB, version=request.version, user=call.user, app=call.app)
    )
    return empty()


ROUTES = (
    post_all_elements,
    get_elements,
    delete_one,
    move,
    post_all_blocks,
    get_blocks,
    get_all_elements,
    scan,
    get_tag,
    get_label,
    post_labels,
    get_region,
    reload,
)
