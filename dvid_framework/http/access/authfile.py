"""The mode `authfile`: a token says who asks, and a file what they may do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dvid_framework.errors import BadRequest, Forbidden
from dvid_framework.http.access.caller import Caller, Headers, refused
from dvid_framework.http.access.lines import read_json
from dvid_framework.http.access.rights import Rights
from dvid_framework.http.access.tokens import TokenMode, caller_of

__all__ = ["AuthFileMode"]

_NOTHING = Rights({})


class AuthFileMode:
    """Users of the file may do what stands beside them; `*` is everyone else with a token.

    Args:
        tokens: finds out who asks. The roles that a token claims narrow what the file allows.
        path: the file, JSON of a word, or of an object of words by root UUID, for each user.

    Raises:
        BadRequest: the file can't be read; the message names the key.
    """

    def __init__(self, tokens: TokenMode, path: Path) -> None:
        self._tokens = tokens
        self._path = path
        self._users: dict[str, Rights] = {}
        self.reload()

    def reload(self) -> None:
        """Read the files again; one that is wrong changes nothing.

        Raises:
            BadRequest: it can't be read, or is not such JSON.
        """
        entries: dict[str, Any] = read_json("[auth] auth_file", self._path, dict[str, Any])
        users = {}
        for user, given in entries.items():
            try:
                users[user] = Rights.parse(given)
            except ValueError as error:
                raise BadRequest(f"[auth] auth_file: the rights of {user!r}: {error}") from error
        self._tokens.reload()
        self._users = users

    async def __call__(self, headers: Headers, cookies: bool) -> Caller:
        """Return who asks."""
        del cookies
        proven = self._tokens.prove(headers)
        if isinstance(proven, Forbidden):
            return refused(proven)
        rights = self._users.get(proven.user) or self._users.get("*") or _NOTHING
        return caller_of(proven.user, rights if proven.rights is None else rights.narrowed(proven.rights))
