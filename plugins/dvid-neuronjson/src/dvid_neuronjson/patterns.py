"""Regular expressions of strangers, by RE2: they take time that grows with the text alone, whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from dvid_framework.api import BadRequest, NotInstalled

__all__ = ["Finder", "compile_pattern"]

_MOST_LETTERS = 1000
_MEMORY = 1 << 20
Finder = Callable[[str], bool]


def compile_pattern(pattern: str) -> Finder:
    """Return a function that tells whether a regular expression is found anywhere in a text.

    Raises:
        BadRequest: it is malformed, too long, or of a kind that takes more than linear time.
        NotInstalled: the library that finds it is missing.
    """
    try:
        import re2  # noqa: PLC0415 - the demo does without it
    except ImportError as error:
        raise NotInstalled("regular expressions need the package google-re2: pip install dvid-neuronjson") from error
    if len(pattern) > _MOST_LETTERS:
        raise BadRequest(f"a regular expression has at most {_MOST_LETTERS} letters, and not {len(pattern)}")
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MEMORY
    try:
        search = re2.compile(pattern, options).search
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if error.args else ""
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(error)
        raise BadRequest(f"the regular expression {pattern[:80]!r} is not one of RE2: {text}") from error
    return cast("Finder", lambda text: search(text) is not None)
