"""Background work: it is durable and bounded, tells how far it is, can be ended, and fails with its name."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from dvid_framework.api import BadRequest, Datatype, Instance, Job, Step, StorageError, Work, hookimpl
from dvid_framework.config import Config, LimitSettings
from dvid_framework.plugins import Plugins
from dvid_framework.testing.client import Client
from dvid_framework.testing.jobs import wait_for_job
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


class Worker(Instance):
    """Counts, as slowly as a test wants."""

    def jobs(self) -> Mapping[str, Work]:
        return {"count": self._count}

    def _count(self, job: Job) -> Iterator[Step]:
        control = self.datatype.control  # type: ignore[attr-defined]
        for number in range(job.cursor or 0, job.arguments["to"]):
            control.steps.acquire()
            if control.fault is not None:
                raise control.fault
            control.seen.append((self.name, number))
            yield Step(number + 1, number + 1, job.arguments["to"])


class Control:
    """What a test decides."""

    def __init__(self) -> None:
        self.steps = threading.Semaphore(0)
        self.fault: Exception | None = None
        self.seen: list[tuple[str, int]] = []

    def plugins(self) -> Plugins:
        control = self

        class WorkerType(Datatype):
            """Counts."""

            name = "worker"
            instance = Worker

        WorkerType.control = control  # type: ignore[attr-defined]

        class Plugin:
            @staticmethod
            @hookimpl
            def dvid_datatypes() -> list[type[Datatype]]:
                return [WorkerType]

        return Plugins({"worker": Plugin()}, discover=False)


@pytest.fixture
def control() -> Control:
    return Control()


@pytest.fixture
def server(dvid_server: ServerFactory, control: Control) -> Iterator[ServerThread]:
    yield dvid_server(plugins=control.plugins(), config=Config(limits=LimitSettings(jobs=4, job_threads=2)))
    control.steps.release(1000)


@pytest.fixture
def setting(server: ServerThread) -> SimpleNamespace:
    root = server.client.new_repo()
    for name in ("a", "b", "c"):
        server.client.new_instance(root, "worker", name)
    return SimpleNamespace(root=root, client=server.client)


def begin(server: ServerThread, root: str, name: str = "a", to: int = 3) -> str:
    repo, version = server.server.repos.find(root)
    return server.server.instances.get(repo, name).start_job("count", {"to": to}, version=version, user="ann").id


def stop_within_a_step(server: ServerThread, control: Control) -> None:
    """Stop a server whose job waits for its next step, which then comes."""

    def step() -> None:
        while not server.server.jobs.stopping:
            time.sleep(0.005)
        control.steps.release()

    stepper = threading.Thread(target=step)
    stepper.start()
    server.stop()
    stepper.join()


def wait_until(client: Client, job: str, **wanted: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while True:
        found: dict[str, Any] = client.json(f"/api/jobs/{job}")
        if all(found[key] == value for key, value in wanted.items()):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.005)


def test_a_job_shows_how_far_it_is(server: ServerThread, setting: SimpleNamespace, control: Control) -> None:
    job, client = begin(server, setting.root), setting.client
    wait_until(client, job, state="running", done=0)
    control.steps.release(2)
    found = wait_until(client, job, done=2)
    assert (found["state"], found["total"], found["kind"], found["instance"]) == ("running", 3, "count", "a")
    assert (found["repo"], found["version"], found["user"]) == (setting.root, setting.root, "ann")
    assert found["arguments"] == {"to": 3}
    assert found["created"] <= found["started"]
    assert client.json(f"/api/node/{setting.root}/a/jobs") == client.json("/api/jobs") == [found]
    assert client.json(f"/api/node/{setting.root}/b/jobs") == []
    control.steps.release()
    assert wait_for_job(client, job)["state"] == "done"
    assert control.seen == [("a", 0), ("a", 1), ("a", 2)]


def test_a_job_rests_while_it_must_and_can_be_ended_then(
    server: ServerThread, setting: SimpleNamespace, control: Control
) -> None:
    rest = threading.Event()
    server.server.jobs.must_rest = rest.is_set
    for ends in ("done", "cancelled"):
        job = begin(server, setting.root)
        control.steps.release()
        wait_until(setting.client, job, done=1)
        rest.set()
        control.steps.release(2)
        wait_until(setting.client, job, done=2)
        if ends == "cancelled":
            setting.client.post(f"/api/jobs/{job}/cancel", {}).ok()
            wait_until(setting.client, job, state="cancelled", done=2)
        rest.clear()
        wait_until(setting.client, job, state=ends)
        control.steps.acquire(timeout=0.1)  # the one that the cancelled job did not take


def test_unknown_jobs_are_404(setting: SimpleNamespace) -> None:
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/resume")):
        reply = setting.client.request(method, f"/api/jobs/nothing{path}")
        assert reply.status == 404
        assert "no job" in reply.text


def test_a_stopped_job_goes_on_at_its_cursor(server: ServerThread, setting: SimpleNamespace, control: Control) -> None:
    job = begin(server, setting.root)
    control.steps.release(2)
    wait_until(setting.client, job, done=2)
    stop_within_a_step(server, control)
    server.restart()
    control.steps.release(10)
    assert wait_for_job(server.client, job)["state"] == "done"
    assert control.seen == [("a", 0), ("a", 1), ("a", 2)]


def test_a_running_job_is_cancelled_at_its_next_step(
    server: ServerThread, setting: SimpleNamespace, control: Control
) -> None:
    job, client = begin(server, setting.root), setting.client
    wait_until(client, job, state="running")
    assert client.post(f"/api/jobs/{job}/cancel").ok().json()["state"] == "cancelling"
    control.steps.release()
    assert wait_for_job(client, job)["state"] == "cancelled"
    assert control.seen == [("a", 0)]
    refused = client.post(f"/api/jobs/{job}/cancel")
    assert (refused.status, "cancelled" in refused.text) == (400, True)
    assert client.post(f"/api/jobs/{job}/resume").ok().json()["state"] == "queued"
    control.steps.release(5)
    assert wait_for_job(client, job)["state"] == "done"
    assert control.seen == [("a", 0), ("a", 1), ("a", 2)]
    assert client.post(f"/api/jobs/{job}/resume").status == 400


def test_queue_and_threads_are_bounded(server: ServerThread, setting: SimpleNamespace, control: Control) -> None:
    jobs = [begin(server, setting.root, name) for name in ("a", "a", "b", "c")]
    client = setting.client
    wait_until(client, jobs[0], state="running")
    wait_until(client, jobs[2], state="running")
    assert [job["state"] for job in client.json("/api/jobs")] == ["running", "queued", "running", "queued"]
    with pytest.raises(Exception, match="4 jobs are waiting already"):
        begin(server, setting.root)
    assert client.post(f"/api/jobs/{jobs[3]}/cancel").ok().json()["state"] == "cancelled"
    control.steps.release(100)
    assert [wait_for_job(client, job)["state"] for job in jobs] == ["done", "done", "done", "cancelled"]
    assert [number for name, number in control.seen if name == "a"] == [0, 1, 2, 0, 1, 2]


def test_an_error_is_named_and_tried_again(
    server: ServerThread, setting: SimpleNamespace, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dvid_framework.events.jobs._LONGEST_PAUSE", 0.01)
    control.fault = StorageError("the disk is away")
    job, client = begin(server, setting.root), setting.client
    control.steps.release()
    wait_until(client, job, error="the disk is away")
    control.fault = None
    control.steps.release(10)
    assert wait_for_job(client, job)["state"] == "done"
    assert client.json(f"/api/jobs/{job}")["error"] == ""


@pytest.mark.parametrize(
    ("fault", "text"), [(BadRequest("it is malformed"), "it is malformed"), (ValueError("odd"), "ValueError: odd")]
)
def test_a_hopeless_job_fails_with_its_error(
    server: ServerThread,
    setting: SimpleNamespace,
    control: Control,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    text: str,
) -> None:
    monkeypatch.setattr("dvid_framework.events.jobs._LONGEST_PAUSE", 0.01)
    control.fault = fault
    job = begin(server, setting.root)
    control.steps.release(10)
    found = wait_for_job(setting.client, job)
    assert (found["state"], found["error"]) == ("failed", text)
    server.restart()
    assert server.client.json(f"/api/jobs/{job}") == found
    control.fault = None
    server.client.post(f"/api/jobs/{job}/resume").ok()
    control.steps.release(10)
    assert wait_for_job(server.client, job)["state"] == "done"


def test_a_job_whose_type_is_not_installed_waits(
    server: ServerThread, setting: SimpleNamespace, control: Control, dvid_server: ServerFactory
) -> None:
    job = begin(server, setting.root)
    wait_until(setting.client, job, state="running")
    stop_within_a_step(server, control)
    other = dvid_server(server.data, plugins=Plugins({}, discover=False))
    deadline = time.monotonic() + 10
    while "not installed" not in other.client.json(f"/api/jobs/{job}")["error"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    other.stop()
    again = dvid_server(server.data, plugins=control.plugins())
    control.steps.release(10)
    assert wait_for_job(again.client, job)["state"] == "done"


def test_work_that_nobody_knows_fails(server: ServerThread, setting: SimpleNamespace) -> None:
    repo, _ = server.server.repos.find(setting.root)
    job = server.server.instances.get(repo, "a").start_job("fly").id
    found = wait_for_job(setting.client, job)
    assert (found["state"], "fly" in found["error"]) == ("failed", True)


def test_those_that_ended_long_ago_are_forgotten(
    server: ServerThread, setting: SimpleNamespace, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dvid_framework.events.job_records._MOST_ENDED", 3)
    control.steps.release(100)
    jobs = []
    for _ in range(5):
        jobs.append(begin(server, setting.root, to=1))
        wait_for_job(setting.client, jobs[-1])
    assert [job["id"] for job in setting.client.json("/api/jobs")] == jobs[2:]
    server.restart()
    assert [job["id"] for job in server.client.json("/api/jobs")] == jobs[2:]
