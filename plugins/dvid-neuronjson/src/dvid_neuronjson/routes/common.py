"""What several routes do alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from dvid_framework.api import Answer, BadRequest, InstanceRequest, in_pieces, whole_or_pieces
from dvid_neuronjson.answers import Buffer
from dvid_neuronjson.instance import NeuronInstance, Reading
from dvid_neuronjson.update import Change

__all__ = ["BINARY", "BODY_BYTES", "JSON", "TAR", "Request", "change_of", "format_of", "reading", "stream"]

JSON = "application/json"
BINARY = "application/octet-stream"
TAR = "application/tar"
BODY_BYTES = 64 << 20
Request = InstanceRequest[NeuronInstance]


def change_of(request: Request) -> Change:
    """Return who posts, when and how.

    Raises:
        BadRequest: nobody is named.
    """
    user = request.who
    if not user:
        raise BadRequest("say who sets the fields: u=USER is needed")
    query = request.query
    conditional = query.get("conditional") or query.get("conditionals") or ""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Change(user, now, request.flag("replace"), frozenset(name for name in conditional.split(",") if name))


def format_of(request: Request) -> str:
    """Return `json`, `tar` or `protobuf`.

    Raises:
        BadRequest: two are asked for.
    """
    as_json, as_tar = request.flag("json"), request.flag("tar") or request.flag("jsontar")
    if as_json and as_tar:
        raise BadRequest("json=true and tar=true exclude each other")
    return "json" if as_json else "tar" if as_tar else "protobuf"


async def reading(request: Request) -> Reading:
    """Return the present state, which must be closed, with the neurons in memory."""
    return await request.run(request.instance.reading, request.version)


async def stream(
    request: Request,
    media_type: str,
    state: Reading,
    parts: Callable[[], Iterable[Buffer]],
    headers: Mapping[str, str] | None = None,
    code: Callable[[Iterator[Buffer]], Iterator[Buffer]] | None = None,
) -> Answer:
    """Answer with a Content-Length what fits into one piece, and stream the rest; then close what it is read from."""

    def make() -> Iterator[Buffer]:
        pieces = in_pieces(parts())
        return pieces if code is None else code(pieces)

    return await whole_or_pieces(request, make, media_type, headers, on_end=state.close)
