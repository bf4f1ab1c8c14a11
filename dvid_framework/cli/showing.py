"""What commands print: tables for people, JSON for programs, and a question before something is lost."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dvid_framework.errors import BadRequest

__all__ = ["AsJson", "Several", "Yes", "confirm", "say", "show"]

AsJson = Annotated[bool, Parameter(name="--json", negative=())]
Several = Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=False)]
Yes = Annotated[str, Parameter(name="--yes")]
_PIPE_WIDTH = 1000  # a program reads whole lines


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show(rows: list[dict[str, Any]], *, as_json: bool, whole: Any = None) -> None:
    """Print rows as a table, its columns named by the keys of the first.

    Args:
        rows: what a person sees.
        as_json: print JSON in its place.
        whole: the value of the JSON; the rows without it.
    """
    if as_json:
        say(msgspec.json.encode(rows if whole is None else whole).decode())
        return
    if not rows:
        say("none")
        return
    table = Table(*rows[0], box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(table)


def confirm(what: str, name: str, yes: str) -> None:
    """Ask for the name of what is about to be lost, unless `--yes NAME` gave it.

    Raises:
        BadRequest: another name was given, or there is nobody to ask.
    """
    if not yes and sys.stdin.isatty():
        yes = Console(stderr=True).input(f"This deletes {what} for good. Type [bold]{name}[/bold] to go on: ").strip()
    if yes != name:
        given = f", and not {yes!r}" if yes else ""
        raise BadRequest(f"to delete {what} confirm it by its name: --yes {name}{given}")
