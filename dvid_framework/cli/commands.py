"""The command line: each command is a function whose docstring and annotations are its help."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import structlog
from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from dvid_framework import __version__
from dvid_framework.cli import changes, instances, jobs, removal, repos, types, versions
from dvid_framework.cli.load import load
from dvid_framework.cli.running import StandardError, run_server
from dvid_framework.cli.service import Unreachable, unguarded
from dvid_framework.cli.showing import AsJson, say, show
from dvid_framework.config import Config, load_config
from dvid_framework.errors import BadRequest, DvidError
from dvid_framework.fsck import check
from dvid_framework.http.auth import enforces
from dvid_framework.plugins import Plugins
from dvid_framework.server import Server
from dvid_framework.storage.engines import with_engine

__all__ = ["app", "main"]

app = App(name="dvid", version=__version__, help="A versioned dataservice for large 3d images.")
for command in (
    repos.app,
    versions.versions,
    versions.log,
    changes.commit,
    changes.newversion,
    changes.branch,
    changes.merge,
    removal.delete,
    removal.rename,
    instances.app,
    types.types,
    types.help_,
    jobs.app,
):
    app.command(command)
app.command(load)
app.register_install_completion_command(name="--install-completion")
_Data = Annotated[Path, Parameter(name="--data", env_var="DVID_DATA")]
_Token = Annotated[str, Parameter(name="--admin-token", env_var="DVID_ADMIN_TOKEN", show_env_var=True)]


@app.command
def serve(
    *,
    data: _Data = Path("dvid-data"),
    host: str | None = None,
    port: int | None = None,
    config: Path | None = None,
    admin_token: _Token = "",
) -> None:
    """Serve a data folder over HTTP until SIGINT or SIGTERM.

    Args:
        data: the data folder; it is made if it is not there.
        host: address to listen on; 127.0.0.1 by default.
        port: port to listen on; 8000 by default.
        config: a TOML file with the sections of the original's.
        admin_token: what administrators must show; without it everyone on this machine may make repos.
    """
    settings = load_config(config)
    server = open_server(data, settings, host, port, admin_token)
    run_server(server, lambda: say(f"dvid {__version__} serves {data} at http://{server.host}:{server.port}/"))


def open_server(data: Path, settings: Config, host: str | None, port: int | None, admin_token: str) -> Server:
    """Open a server as the options say.

    Raises:
        BadRequest: it would listen elsewhere than on loopback without an admin token.
    """
    configured = settings.address()
    server = Server(
        data,
        settings,
        admin_token=admin_token,
        host=configured[0] if host is None else host,
        port=configured[1] if port is None else port,
    )
    if not (server.on_loopback or server.admin_tokens or enforces(server) or settings.server.allow_public):
        server.close()
        raise BadRequest(
            f"listening on {server.host} needs an admin token (--admin-token, DVID_ADMIN_TOKEN or admin_token_file), "
            "`enforce` in [auth], or `allow_public = true` in [server]"
        )
    return server


@app.command
def demo(*, data: _Data = Path("dvid-demo"), port: int = 8000, admin_token: _Token = "") -> None:
    """Make a demo repo the first time, and serve it.

    Args:
        data: the data folder of the demo.
        port: port to listen on.
        admin_token: what administrators must show.
    """
    from dvid_framework.cli.demo import run_demo  # noqa: PLC0415 - numpy is needed for this command alone

    run_demo(data, port, admin_token)


@app.command
def fsck(*, data: _Data = Path("dvid-data"), config: Path | None = None, json: AsJson = False) -> None:
    """Check a data folder that no server has open; the exit status is 1 if anything is wrong.

    Args:
        data: the data folder.
        config: the TOML file that the server is started with, if any.
        json: print a JSON object with `counts` and `problems`.
    """
    if not data.exists():
        raise BadRequest(f"there is no data folder {data}")
    server = Server(data, unguarded(load_config(config)))
    try:
        with Console(stderr=True, quiet=json).status("opening") as status:
            report = check(
                server.stores, server.repos, server.instances, lambda text: status.update(f"checking {text}")
            )
    finally:
        server.close()
    if json:
        say(msgspec.json.encode(report).decode())
    else:
        for problem in report.problems:
            say(f"WRONG: {problem}")
        say(", ".join(f"{number} {what}" for what, number in report.counts.items()))
        say("clean" if report.clean else f"{len(report.problems)} problems")
    if not report.clean:
        raise SystemExit(1)


@app.command
def repair(*, data: _Data = Path("dvid-data"), config: Path | None = None) -> None:
    """Bring damaged stores back to where they open, as far as that goes. Copy the folder before.

    Args:
        data: the data folder.
        config: the TOML file that the server is started with, if any.
    """
    settings, plugins = load_config(config), Plugins()
    for alias, configured in settings.stores(data).items():
        store = with_engine(alias, configured, plugins.engines)
        for line in plugins.engines[store.engine].repair(store.path, store.options):
            say(f"{alias}: {line}")


@app.command
def plugins(*, json: AsJson = False) -> None:
    """List the plugins with their distributions, and why any of them was left out.

    Args:
        json: print a JSON list.
    """
    loaded = Plugins().loaded
    rows = [
        {"plugin": plugin.name, "distribution": plugin.distribution, "state": plugin.error or "works"}
        for plugin in loaded
    ]
    show(rows, as_json=json, whole=loaded)


def _refuse(status: int, text: str) -> NoReturn:
    sys.stderr.write(f"dvid: {text}\n")
    raise SystemExit(status)


def main() -> None:
    """Run the command line.

    A refusal is one sentence and exit status 2; where no server answers it is 3.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=StandardError,
    )
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False)
    except CycloptsError as error:
        words = " ".join(str(error).split())
        _refuse(2, f"{words} (`dvid --help` tells more)")
    except Unreachable as error:
        _refuse(3, error.message)
    except DvidError as error:
        _refuse(2, error.message)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        os._exit(0)  # the reader of our output went away
