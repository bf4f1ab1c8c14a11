"""Public versions: committed ones, and all their ancestors, that everyone may read."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dvid_framework.errors import BadRequest
from dvid_framework.versions.repos import Repos

__all__ = ["public_versions"]

_FULL = re.compile(r"[0-9a-f]{32}")


def public_versions(repos: Repos, uuids: Iterable[str]) -> dict[int, frozenset[int]]:
    """Return the ids of the public versions by id of their repo.

    Raises:
        BadRequest: an entry is no full UUID of a committed version of this server.
    """
    found: dict[int, frozenset[int]] = {}
    for uuid in uuids:
        wrong = f"[auth] public_versions: {uuid!r} "
        if not _FULL.fullmatch(uuid):
            raise BadRequest(wrong + "is not a full UUID, 32 lower-case hex digits")
        try:
            repo, version = repos.find(uuid)
        except BadRequest as error:
            raise BadRequest(wrong + "is no version of this server") from error
        if version.uuid != uuid:
            raise BadRequest(wrong + "is no version of this server")
        if not version.locked:
            raise BadRequest(wrong + "is an open version; only committed ones can be public")
        found[repo.id] = found.get(repo.id, frozenset()) | repo.dag.lineage(version.id).members
    return found
