"""Proofreading: merges, cleaves, splits, renumbering."""

from __future__ import annotations

from functools import partial

from dvid_framework.api import Answer, BadRequest, FromPath, FromQuery, empty, json_answer, post
from dvid_labelmap.ops.body_splitting import split_body
from dvid_labelmap.ops.cleaving import cleave_at_once, cleave_body
from dvid_labelmap.ops.counters import parse_label
from dvid_labelmap.ops.merging import merge_at_once, merge_bodies, parse_merge
from dvid_labelmap.ops.renumbering import parse_renumber, renumber_body
from dvid_labelmap.ops.split_runs import parse_split
from dvid_labelmap.ops.splitting import SplitLabels, split_supervoxel
from dvid_labelmap.routes.asked import LabelRequest
from dvid_labelmap.routes.bodies import labels_of_body
from dvid_labelmap.routes.changes import change_at_once, change_bodies, need_bodies

__all__ = ["ROUTES"]

_SPLIT_BYTES = 512 << 20


@post("/merge")
async def merge(request: LabelRequest) -> Answer:
    """Merge bodies into the first one, which keeps its label: a JSON list [target, label, ...].

    Answers `{"MutationID": 1000000001}`.
    """
    need_bodies(request)
    target, merged = parse_merge(await labels_of_body(request))
    mutation, _ = await change_at_once(
        request,
        lambda change: merge_at_once(change, target, merged),
        lambda change: merge_bodies(change, target, merged),
    )
    return json_answer({"MutationID": mutation})


@post("/cleave/{label:str}")
async def cleave(request: LabelRequest, label: FromPath[str]) -> Answer:
    """Make some supervoxels of a body, a JSON list, a body of their own with a new label; others must remain.

    Answers `{"CleavedLabel": 6, "MutationID": 1000000002}`.
    """
    need_bodies(request)
    body, supervoxels = parse_label(label), await labels_of_body(request)
    mutation, cleaved = await change_at_once(
        request,
        lambda change: cleave_at_once(change, body, supervoxels),
        lambda change: cleave_body(change, body, supervoxels),
    )
    return json_answer({"CleavedLabel": cleaved, "MutationID": mutation})


@post("/renumber")
async def renumber(request: LabelRequest) -> Answer:
    """Give bodies other labels: a JSON list [new, old, new, old, ...], pair after pair, each its own mutation.

    There must be no body with the new label. After an error the pairs before it are done.
    """
    need_bodies(request)
    for new, old in parse_renumber(await labels_of_body(request)):
        await change_bodies(request, partial(renumber_body, new=new, old=old))
    return empty()


def _wanted(text: str | None) -> int:
    return 0 if text in (None, "", "0") else parse_label(str(text))


@post("/split-supervoxel/{label:str}")
async def split_supervoxel_(
    request: LabelRequest,
    label: FromPath[str],
    split: FromQuery[str | None] = None,
    remain: FromQuery[str | None] = None,
    downres: FromQuery[str | None] = None,
) -> Answer:
    """Split voxels off a supervoxel: a sparse volume in the format rles, all of it within the supervoxel.

    Both parts get new labels, or those of split and remain, and stay in their body. downres=false: the lower
    resolutions stay as they are. Answers `{"SplitSupervoxel": 7, "RemainSupervoxel": 8, "MutationID": 1000000003}`.
    """
    need_bodies(request)
    supervoxel, wanted = parse_label(label), SplitLabels(_wanted(split), _wanted(remain))
    runs = await request.run(parse_split, await request.read_body(_SPLIT_BYTES))
    mutation, labels = await change_bodies(
        request, lambda change: split_supervoxel(change, supervoxel, runs, wanted, downres=downres != "false")
    )
    return json_answer({"SplitSupervoxel": labels.split, "RemainSupervoxel": labels.remain, "MutationID": mutation})


@post("/split/{label:str}")
async def split_body_(request: LabelRequest, label: FromPath[str]) -> Answer:
    """Split voxels off a body: a sparse volume in the format rles; they become a body with a new label.

    Only where the server's configuration allows it: `[server] allowLabelmapSplit = true`. Each supervoxel that has some
    of the voxels is split. Answers `{"label": 9, "MutationID": 1000000004}`.
    """
    need_bodies(request)
    if not request.server.config.server.allow_labelmap_split:
        raise BadRequest("bodies can't be split here, only supervoxels: [server] allowLabelmapSplit is not set")
    body, runs = parse_label(label), await request.run(parse_split, await request.read_body(_SPLIT_BYTES))
    mutation, made = await change_bodies(request, lambda change: split_body(change, body, runs))
    return json_answer({"label": made, "MutationID": mutation})


ROUTES = (merge, cleave, renumber, split_supervoxel_, split_body_)
