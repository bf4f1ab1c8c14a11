"""`python -m dvid_framework.testing.child DATA PORT [MODULE ...]`: a server with further plugins, given as modules."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from dvid_framework.cli.running import run_server
from dvid_framework.config import load_config
from dvid_framework.plugins import Plugins
from dvid_framework.server import Server

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Serve until a signal.

    Args:
        arguments: the data folder, the port, and the names of modules that are plugins; `DVID_CONFIG` in the
            environment names a TOML file.
    """
    data, port, *modules = arguments
    plugins = Plugins({name: importlib.import_module(name) for name in modules})
    token = os.environ.get("DVID_ADMIN_TOKEN", "")
    given = os.environ.get("DVID_CONFIG")
    config = load_config(Path(given) if given else None)
    server = Server(Path(data), config, plugins=plugins, admin_token=token, port=int(port))
    run_server(server, lambda: print("ready", flush=True))  # noqa: T201 - the output of a program


if __name__ == "__main__":
    main(sys.argv[1:])
