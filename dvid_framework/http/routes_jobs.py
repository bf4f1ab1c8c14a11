"""Routes of background work: which jobs there are, and how to cancel one or have it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from dvid_framework.errors import BadRequest, NotFound
from dvid_framework.http.access.guard import check_writable, visible_versions
from dvid_framework.http.answers import Answer, json_answer
from dvid_framework.http.auth import need_admin
from dvid_framework.http.call import Call, CoreRequest, InstanceRequest
from dvid_framework.http.routing import get, post
from dvid_framework.instances.instance import Instance

if TYPE_CHECKING:
    from dvid_framework.instances.jobs import JobRecord
    from dvid_framework.server import Server
    from dvid_framework.versions.repo import Repo

__all__ = ["ROUTES", "instance_jobs", "job_json"]


def _repo(server: Server, job: JobRecord) -> Repo | None:
    try:
        return server.repos.by_id(job.repo)
    except BadRequest:
        return None


def job_json(server: Server, job: JobRecord) -> dict[str, Any]:
    """Return what the API shows of a job."""
    repo = _repo(server, job)
    instance = repo.find_instance(job.instance) if repo else None
    version = next((found.uuid for found in repo.dag if found.id == job.version), "") if repo and job.version else ""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": "cancelling" if job.cancelled and not job.ended else job.state,
        "done": job.done,
        "total": job.total,
        "error": job.error,
        "repo": repo.root if repo else "",
        "instance": instance.name if instance else "",
        "version": version,
        "arguments": job.arguments,
        "user": job.user,
        "app": job.app,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
    }


def _seen(call: Call, job: JobRecord) -> bool:
    """Tell whether a caller may know of a job: who may read all of its repo; those of no repo are administrators'."""
    repo = _repo(call.server, job)
    if repo is not None:
        return visible_versions(call, repo) is None
    return call.admin or call.server.guard is None or not call.server.guard.enforces


@get("/api/jobs")
async def jobs(request: CoreRequest) -> Answer:
    """Return the jobs, the oldest first: those that wait or run, and the last thousand that ended.

    A job has `id`, `kind`, `state` (`queued`, `running`, `cancelling`, `done`, `failed`, `cancelled`), `done` of
    `total` in units of its own (0 if not known), the last `error`, `repo`, `instance`, `version`, what it was started
    with (`arguments`, `user`, `app`), and the times `created`, `started` and `ended`.
    """
    server = request.server
    return json_answer([job_json(server, job) for job in server.jobs if _seen(request.call, job)])


@get("/api/jobs/{job:str}")
async def one_job(request: CoreRequest, job: FromPath[str]) -> Answer:
    """Return a job, as `GET /api/jobs` shows it."""
    record = request.server.jobs.get(job)
    if not _seen(request.call, record):
        raise NotFound(f"there is no job {job!r}")
    return json_answer(job_json(request.server, record))


def _check_changeable(call: Call, number: str) -> None:
    """Whoever may write a repo may end its jobs; those of the server itself are administrators' business."""
    repo = _repo(call.server, call.server.jobs.get(number))
    if repo is None:
        need_admin(call)
    else:
        check_writable(call, repo)


@post("/api/jobs/{job:str}/cancel", mutates=False)
async def cancel_job(request: CoreRequest, job: FromPath[str]) -> Answer:
    """End a job: at once if it waits, at its next step if it runs; what it has done stays. Answers the job."""
    _check_changeable(request.call, job)
    return json_answer(job_json(request.server, await request.run(request.server.jobs.cancel, job)))


@post("/api/jobs/{job:str}/resume", mutates=False)
async def resume_job(request: CoreRequest, job: FromPath[str]) -> Answer:
    """Have a failed or cancelled job go on from where it was. Answers the job."""
    _check_changeable(request.call, job)
    return json_answer(job_json(request.server, await request.run(request.server.jobs.resume, job)))


@get("/jobs")
async def instance_jobs(request: InstanceRequest[Instance]) -> Answer:
    """Return the jobs of the instance, the oldest first, each as `GET /api/jobs` shows it."""
    server, number = request.server, request.instance.record.id
    return json_answer([job_json(server, job) for job in server.jobs if job.instance == number])


ROUTES: list[HTTPRouteHandler] = [jobs, one_job, cancel_job, resume_job]
