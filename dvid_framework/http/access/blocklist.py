"""The blocklist: users and addresses that are not served, read from a file."""

from __future__ import annotations

from pathlib import Path

from dvid_framework.errors import BadRequest, Blocked

__all__ = ["Blocklist"]

_NOTE = "you are not served here; ask the operators"


class Blocklist:
    """Lines `u=NAME[,NOTE]` and `ip=ADDRESS[,NOTE]`; `*` is any part of an address. Empty lines and `#` are skipped.

    Args:
        path: the file.

    Raises:
        BadRequest: it can't be read; the message names the line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._users: dict[str, str] = {}
        self._addresses: dict[str, str] = {}
        self._patterns: list[tuple[list[str], str]] = []
        self.reload()

    def reload(self) -> int:
        """Read the file again and return how many entries it has; one that is wrong changes nothing.

        Raises:
            BadRequest: it can't be read, or has a line that is no entry.
        """
        try:
            lines = self._path.read_text().splitlines()
        except UnicodeDecodeError as error:
            raise BadRequest("[server] blockListFile is no text") from error
        except OSError as error:
            raise BadRequest(f"[server] blockListFile can't be read: {error.strerror}") from error
        users: dict[str, str] = {}
        addresses: dict[str, str] = {}
        patterns: list[tuple[list[str], str]] = []
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            entry, _, note = text.partition(",")
            kind, _, name = (part.strip() for part in entry.partition("="))
            if kind not in ("u", "ip") or not name:
                raise BadRequest(f"[server] blockListFile: line {number} must be u=NAME[,NOTE] or ip=ADDRESS[,NOTE]")
            note = note.strip() or _NOTE
            if kind == "u":
                users[name] = note
            elif "*" in name:
                patterns.append((name.split("."), note))
            else:
                addresses[name] = note
        self._users, self._addresses, self._patterns = users, addresses, patterns
        return len(users) + len(addresses) + len(patterns)

    def check_user(self, user: str) -> None:
        """Refuse a user of the list.

        Raises:
            Blocked: with the note of the list.
        """
        note = self._users.get(user)
        if note is not None:
            raise Blocked(note)

    def check_address(self, address: str) -> None:
        """Refuse an address of the list.

        Raises:
            Blocked: with the note of the list.
        """
        note = self._addresses.get(address)
        if note is None and self._patterns:
            parts = address.split(".")
            for pattern, its_note in self._patterns:
                if len(parts) == len(pattern) and all(p in ("*", part) for p, part in zip(pattern, parts, strict=True)):
                    note = its_note
                    break
        if note is not None:
            raise Blocked(note)
