"""The pages of a web client: files of a folder that the configuration names, where nothing else is served."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

from dvid_framework.http.answers import Answer, Pieces, empty

if TYPE_CHECKING:
    from dvid_framework.config import Config

__all__ = ["WebClient", "web_client"]

_PIECE = 1 << 20
_HEADERS = {"content-security-policy": "frame-ancestors 'self'", "x-content-type-options": "nosniff"}


class WebClient:
    """Serves the files of a folder.

    Args:
        folder: the folder.
        redirect: where a missing file leads to, if anywhere.
        default: else the file that is shown instead, below the folder; none if empty.
        pool: where files are read.
    """

    def __init__(self, folder: Path, redirect: str, default: str, pool: Executor) -> None:
        self._folder = folder.resolve()
        self._redirect = redirect
        self._default = default
        self._pool = pool

    def answer(self, segments: Sequence[str]) -> Answer | None:
        """Return the answer for a path by its decoded segments; None if there is no such file."""
        found = self._file(segments)
        if found is None and self._redirect:
            return empty(308, {"Location": self._redirect})
        if found is None and self._default:
            found = self._file([self._default])
        if found is None:
            return None
        kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
        kind += "; charset=utf-8" if kind.startswith("text/") else ""
        return Pieces(_read(found), self._pool, media_type=kind, length=found.stat().st_size, headers=_HEADERS)

    def _file(self, segments: Sequence[str]) -> Path | None:
        """Return a file within the folder, wherever links and dots lead to; of a folder its index.html."""
        try:
            path = self._folder.joinpath(*segments).resolve()
            path = path / "index.html" if path.is_dir() else path
            return path if path.is_relative_to(self._folder) and path.is_file() else None
        except (OSError, ValueError):  # no name of a file
            return None


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def web_client(config: Config, pool: Executor) -> WebClient | None:
    """Return the web client of a configuration, if it has one."""
    server = config.server
    if not server.web_client:
        return None
    folder = Path(config.folder, server.web_client)
    return WebClient(folder, server.web_redirect_path, server.web_default_file, pool)
