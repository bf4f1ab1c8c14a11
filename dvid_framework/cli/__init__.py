"""The command `dvid`."""

from __future__ import annotations

from dvid_framework.cli.commands import app, main

__all__ = ["app", "main"]
