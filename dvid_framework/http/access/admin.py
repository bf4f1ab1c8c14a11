"""The admin tokens: the one of the command line or the environment, and those of a file that may change meanwhile."""

from __future__ import annotations

import hmac
from pathlib import Path

from dvid_framework.http.access.lines import read_lines

__all__ = ["AdminTokens"]


class AdminTokens:
    """Tells whether a text is an admin token.

    Args:
        given: the token of the command line or the environment; empty for none.
        path: a file with a token on each line.

    Raises:
        BadRequest: the file can't be read.
    """

    def __init__(self, given: str, path: Path | None) -> None:
        self._given = [given] if given else []
        self._path = path
        self._tokens: list[bytes] = []
        self.reload()

    def __bool__(self) -> bool:
        """Tell whether there is any token."""
        return bool(self._tokens)

    def reload(self) -> None:
        """Read the file again; one that is wrong changes nothing.

        Raises:
            BadRequest: it can't be read, or is empty.
        """
        lines = [] if self._path is None else read_lines("[server] admin_token_file", self._path)
        self._tokens = [token.encode() for token in self._given + lines]

    def match(self, shown: str) -> bool:
        """Tell whether a text is one of the tokens; takes as long whichever it is."""
        if not shown:
            return False
        text = shown.encode(errors="surrogatepass")
        found = [hmac.compare_digest(text, token) for token in self._tokens]
        return any(found)
