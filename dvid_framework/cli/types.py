"""`dvid types` and `dvid help`: what is installed, and how it is used."""

from __future__ import annotations

import re
from html import unescape

from cyclopts import App

from dvid_framework.cli.service import Where, open_service, path_of
from dvid_framework.cli.showing import AsJson, say, show
from dvid_framework.http.all_routes import routes_of_type
from dvid_framework.http.help import type_help
from dvid_framework.plugins import Plugins

__all__ = ["help_", "types"]

types = App(name="types", help="List the datatypes that are installed here, or in a server.")
help_ = App(name="help", help="Show the help of a server's API or of a datatype.")
_TAG = re.compile(r"<[^>]+>")


@types.default
def list_types(*, where: Where | None = None, json: AsJson = False) -> None:
    """List the datatypes that are installed here; with `--url` (or DVID_URL) those of a server.

    Args:
        where: server or folder.
        json: print a JSON object of type and URL.
    """
    if where is not None and where.url:
        with open_service(where) as service:
            urls = service.get(path_of("server", "compiled-types"))
        show([{"datatype": name, "URL": url} for name, url in sorted(urls.items())], as_json=json, whole=urls)
        return
    found = Plugins().datatypes
    rows = [
        {"datatype": name, "version": kind.version, "what it is": kind.help_text().partition("\n")[0]}
        for name, kind in found.items()
    ]
    show(rows, as_json=json, whole={name: kind.url for name, kind in found.items()})


@help_.default
def show_help(datatype: str = "", *, where: Where | None = None) -> None:
    """Show the help of a datatype: installed here, or with `--url` in a server; without a type that of a server's API.

    Args:
        datatype: its name; `dvid types` lists them.
        where: server or folder.
    """
    found = Plugins().datatypes if datatype and not (where and (where.url or where.data)) else {}
    if datatype in found:
        say(type_help(found[datatype], routes_of_type(found[datatype])).rstrip())
        return
    with open_service(where or Where()) as service:
        text = service.text(path_of("help", *([datatype] if datatype else [])))
    say(text.rstrip() if datatype else unescape(_TAG.sub("", text)).strip())
