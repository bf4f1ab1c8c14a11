"""The mode `authfile`: a token says who asks, and a file what they may do."""

from __future__ import annotations

from pathlib import Path

import msgspec

from dvid_framework.errors import BadRequest, DvidError, Forbidden
from dvid_framework.http.access.caller import Caller, Headers, refused
from dvid_framework.http.access.tokens import TokenMode

__all__ = ["AuthFileMode"]

_RIGHTS = {"read": (True, False), "write": (False, True), "readwrite": (True, True)}


class AuthFileMode:
    """Users of the file may do what stands beside them; `*` is everyone else with a token.

    Args:
        tokens: finds out who asks.
        path: the file, JSON `{email: "read" | "write" | "readwrite"}`.

    Raises:
        BadRequest: the file can't be read; the message names the key.
    """

    def __init__(self, tokens: TokenMode, path: Path) -> None:
        self._tokens = tokens
        self._path = path
        self._users: dict[str, str] = {}
        self.reload()

    def reload(self) -> None:
        """Read the file again; one that is wrong changes nothing.

        Raises:
            BadRequest: it can't be read, or is not such JSON.
        """
        try:
            users = msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
        except OSError as error:
            raise BadRequest(f"[auth] auth_file can't be read: {error.strerror}") from error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(f"[auth] auth_file must be a JSON object of users and rights: {error}") from error
        if wrong := sorted(user for user, right in users.items() if right not in _RIGHTS):
            raise BadRequest(f"[auth] auth_file: the right of {wrong[0]!r} must be read, write or readwrite")
        self._users = users

    async def __call__(self, headers: Headers, cookies: bool) -> Caller:
        """Return who asks."""
        del cookies
        user = self._tokens.user_of(headers)
        if isinstance(user, Forbidden):
            return refused(user)
        right = self._users.get(user) or self._users.get("*")
        reads, writes = _RIGHTS[right] if right else (False, False)

        def judge(root: str, write: bool) -> DvidError | None:
            del root
            if writes if write else reads:
                return None
            return Forbidden(f"the user of this token may not {'write' if write else 'read'}")

        return Caller(judge, user)
