"""What was done to bodies, and taking it back."""

from __future__ import annotations

from dvid_framework.api import Answer, BadRequest, FromPath, check_readable, get, json_answer, post
from dvid_labelmap.ops.counters import parse_label
from dvid_labelmap.ops.history import body_history, line_of_versions
from dvid_labelmap.ops.undoing import undo
from dvid_labelmap.routes.asked import LabelRequest
from dvid_labelmap.routes.changes import change_bodies, need_bodies

__all__ = ["ROUTES"]


@get("/history/{label:str}/{first:str}/{last:str}")
async def history(request: LabelRequest, label: FromPath[str], first: FromPath[str], last: FromPath[str]) -> Answer:
    """Return the mutations of the versions from `first` to `last` that concern a body: a JSON list, the oldest first.

    The body is that of version `last`; mutations of the bodies that it came from, by merges, cleaves, splits and
    renumberings, are among them, each as `mutations` shows it.
    """
    body, instance, repos = parse_label(label), request.instance, request.server.repos
    (owner, start), (other, end) = repos.find(first), repos.find(last)
    if owner is not instance.repo or other is not instance.repo:
        raise BadRequest("both versions must be of the instance's repo")
    versions = line_of_versions(instance, start, end)
    check_readable(request.call, instance.repo, {version.id for version in versions})
    return json_answer(await request.run(body_history, instance, body, versions))


@post("/undo/{mutation:str}")
async def undo_(request: LabelRequest, mutation: FromPath[str]) -> Answer:
    """Take back a merge, cleave, split or renumbering of this version or of an ancestor, named by its mutation id.

    It is a mutation of its own, which can be undone in turn unless it joined parts of supervoxels. 409 if its bodies
    have changed since in a way that forbids it: all that the mutation moved must still be where it left it. Answers
    `{"MutationID": 1000000005, "Undone": 1000000003}`.
    """
    need_bodies(request)
    number = parse_label(mutation)
    new, _ = await change_bodies(request, lambda change: undo(change, number))
    return json_answer({"MutationID": new, "Undone": number})


ROUTES = (history, undo_)
