"""`dvid jobs`: background work, how far it is, and how to end it."""

from __future__ import annotations

import time
from typing import Any, Literal

from cyclopts import App
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from dvid_framework.cli.service import Refused, Service, Where, open_service, path_of
from dvid_framework.cli.showing import AsJson, show

__all__ = ["app", "wait_for"]

app = App(name="jobs", help="List background work; wait for it, cancel it, or have it go on.")
_PAUSE = 0.2
_ENDED = ("done", "failed", "cancelled")


def _row(job: dict[str, Any]) -> dict[str, Any]:
    done, total = job["done"], job["total"]
    return {
        "job": job["id"],
        "kind": job["kind"],
        "state": job["state"],
        "done": f"{done} of {total}" if total else str(done),
        "instance": job["instance"],
        "repo": job["repo"][:8],
        "created": job["created"][:19],
        "error": job["error"],
    }


def wait_for(service: Service, job: dict[str, Any]) -> dict[str, Any]:
    """Show the progress of a job until it ends; returns it.

    Raises:
        Refused: it failed, or was cancelled.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(str(job["kind"]), total=job["total"] or None, state=job["state"])
        while job["state"] not in _ENDED:
            time.sleep(_PAUSE)
            job = service.get(path_of("jobs", str(job["id"])))
            progress.update(task, total=job["total"] or None, completed=job["done"], state=job["state"])
    if job["state"] != "done":
        reason = f": {job['error']}" if job["error"] else ""
        raise Refused(f"the job {job['id']} ({job['kind']}) is {job['state']}{reason}")
    return job


@app.default
def list_jobs(*, where: Where | None = None, json: AsJson = False) -> None:
    """List the jobs, the oldest first: those that wait or run, and those that ended lately.

    Args:
        where: server or folder.
        json: print a JSON list.
    """
    with open_service(where or Where()) as service:
        found = service.get(path_of("jobs"))
    show([_row(job) for job in found], as_json=json, whole=found)


def _act(job: str, action: Literal["wait", "cancel", "resume"], where: Where | None, json: bool) -> None:
    with open_service(where or Where()) as service:
        if action == "wait":
            found = wait_for(service, service.get(path_of("jobs", job)))
        else:
            found = service.post(path_of("jobs", job, action))
    show([_row(found)], as_json=json, whole=found)


@app.command(name="wait")
def wait_for_job(job: str, *, where: Where | None = None, json: AsJson = False) -> None:
    """Show the progress of a job until it ends; exit status 2 if it fails.

    Args:
        job: its id.
        where: server or folder.
        json: print the job as JSON.
    """
    _act(job, "wait", where, json)


@app.command(name="cancel")
def cancel_job(job: str, *, where: Where | None = None, json: AsJson = False) -> None:
    """End a job: at once if it waits, at its next step if it runs; what it has done stays.

    Args:
        job: its id.
        where: server or folder.
        json: print the job as JSON.
    """
    _act(job, "cancel", where, json)


@app.command(name="resume")
def resume_job(job: str, *, where: Where | None = None, json: AsJson = False) -> None:
    """Have a failed or cancelled job go on from where it was.

    Args:
        job: its id.
        where: server or folder.
        json: print the job as JSON.
    """
    _act(job, "resume", where, json)
