"""What several routes do alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain, islice

from dvid_framework.api import Answer, BadRequest, InstanceRequest, Pieces, binary
from dvid_neuronjson.answers import Buffer, in_pieces
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
    code: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None,
) -> Answer:
    """Answer with a Content-Length what fits into one piece, and stream the rest; then close what it is read from."""

    def begin() -> tuple[list[bytes], Iterator[bytes]]:
        pieces = in_pieces(parts())
        pieces = pieces if code is None else code(pieces)
        return list(islice(pieces, 2)), pieces

    try:
        begun, pieces = await request.run(begin)
    except BaseException:
        state.close()
        raise
    if len(begun) < 2:
        state.close()
        return binary(begun[0] if begun else b"", media_type, headers)
    return Pieces(chain(begun, pieces), request.server.pool, media_type=media_type, headers=headers, on_end=state.close)
