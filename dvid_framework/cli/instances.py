"""`dvid instances`: the data instances of a repo, and new ones."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from dvid_framework.cli.repos import repo_of
from dvid_framework.cli.service import Where, open_service, path_of
from dvid_framework.cli.showing import AsJson, say, show
from dvid_framework.errors import BadRequest

__all__ = ["app"]

app = App(name="instances", help="List the data instances of a repo, or make one.")


@app.default
def list_instances(uuid: str, *, where: Where | None = None, json: AsJson = False) -> None:
    """List the data instances of a repo.

    Args:
        uuid: any version of the repo.
        where: server or folder.
        json: print a JSON object of name and instance.
    """
    with open_service(where or Where()) as service:
        found: dict[str, Any] = repo_of(service, uuid)["DataInstances"]
    rows = [
        {
            "name": name,
            "type": instance["Base"]["TypeName"],
            "versioned": "yes" if instance["Base"]["Versioned"] else "no",
            "data UUID": instance["Base"]["DataUUID"],
            "installed": "no" if instance["Base"].get("Installed") is False else "yes",
        }
        for name, instance in sorted(found.items())
    ]
    show(rows, as_json=json, whole=found)


@app.command(name="new")
def new_instance(
    uuid: str, typename: str, name: str, *settings: str, where: Where | None = None, json: AsJson = False
) -> None:
    """Make a data instance at an open version.

    Args:
        uuid: the version.
        typename: its datatype; `dvid types` lists them.
        name: of the instance, new in its repo.
        settings: of the type, as KEY=VALUE; `dvid help TYPE` tells which.
        where: server or folder.
        json: print the answer as JSON.
    """
    body = {"typename": typename, "dataname": name}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise BadRequest(f"a setting is given as KEY=VALUE, and not {setting!r}")
        body[key] = value
    with open_service(where or Where()) as service:
        answer = service.post(path_of("repo", uuid, "instance"), body)
    if json:
        show([], as_json=True, whole=answer)
    else:
        say(answer["result"])
