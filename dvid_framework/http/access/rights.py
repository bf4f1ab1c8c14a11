"""Rights on repos, as a file of users or the claim of a token says them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["EVERYTHING_BUT_ADMIN", "Rights"]

_WORDS = {"none": "", "read": "r", "write": "w", "readwrite": "rw", "admin": "rwa"}
_ROOT = re.compile(r"[0-9a-f]{32}")
_ALL_REPOS = "*"


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody may do: for each repo letters of `r`ead, `w`rite and `a`dmin.

    Attributes:
        by_root: letters by a repo's root UUID; those of `*` hold where a repo has no entry of its own.
    """

    by_root: Mapping[str, str]

    @classmethod
    def parse(cls, given: Any) -> Rights:
        """Return rights that are said by a word for all repos, or by an object of words by root UUID and `*`.

        Raises:
            ValueError: an unknown word, or a key that is no full root UUID; the message says what is allowed.
        """
        words = {_ALL_REPOS: given} if isinstance(given, str) else given
        if not isinstance(words, dict):
            raise ValueError("rights must be a word, or an object of words by root UUID")  # noqa: TRY004 - of a file
        for root, word in words.items():
            if root != _ALL_REPOS and not _ROOT.fullmatch(root):
                raise ValueError(f"{root!r} must be * or the full UUID of a repo's root")
            if not isinstance(word, str) or word not in _WORDS:
                raise ValueError(f"a right must be one of {', '.join(_WORDS)}, and not {word!r}")
        return cls({root: _WORDS[word] for root, word in words.items()})

    def _letters(self, root: str) -> str:
        return self.by_root.get(root, self.by_root.get(_ALL_REPOS, ""))

    def allows(self, root: str, write: bool) -> bool:
        """Tell whether a repo may be read, or written."""
        return ("w" if write else "r") in self._letters(root)

    def administers(self, root: str | None) -> bool:
        """Tell whether somebody is administrator of a repo, or with None of the whole server."""
        return "a" in (self.by_root.get(_ALL_REPOS, "") if root is None else self._letters(root))

    def narrowed(self, other: Rights) -> Rights:
        """Return what both allow."""
        roots = {*self.by_root, *other.by_root, _ALL_REPOS}
        return Rights(
            {
                root: "".join(letter for letter in self._letters(root) if letter in other._letters(root))
                for root in roots
            }
        )


EVERYTHING_BUT_ADMIN = Rights({_ALL_REPOS: "rw"})
