"""Jobs under test: waiting for them, and killing the server in the middle of them.

def test_tiles_survive_kills(dvid_process, tmp_path):
report = run_job_among_kills(
lambda name: dvid_process(tmp_path / name),
prepare=make_instance_and_data,            # client -> whatever the others need, such as an address
begin=lambda client, address: client.post(f"{address}/tiles").ok().json()["job"],
state=lambda client, address: client.get(f"{address}/tile/xy/0/0_0_0").ok().body,
)
assert report.problems == []
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dvid_framework.testing.client import Client
from dvid_framework.testing.running import ServerProcess

__all__ = ["JobCrashReport", "run_job_among_kills", "wait_for_job"]

_ENDS = frozenset({"done", "failed", "cancelled"})
_T = TypeVar("_T")


def wait_for_job(client: Client, job: str, seconds: float = 60.0) -> dict[str, Any]:
    """Return a job as the API shows it, once it has ended."""
    deadline = time.monotonic() + seconds
    while True:
        found: dict[str, Any] = client.json(f"/api/jobs/{job}")
        if found["state"] in _ENDS:
            return found
        assert time.monotonic() < deadline, f"the job has not ended in {seconds} s: {found}"
        time.sleep(0.01)


@dataclass(slots=True)
class JobCrashReport:
    """What happened.

    Attributes:
        kills: how many times the server was killed before the job was done.
        problems: a sentence for each broken promise.
    """

    kills: int = 0
    problems: list[str] = field(default_factory=list)


def run_job_among_kills(
    start: Callable[[str], ServerProcess],
    prepare: Callable[[Client], _T],
    begin: Callable[[Client, _T], str],
    state: Callable[[Client, _T], Any],
    *,
    kills: int = 5,
    longest: float = 0.3,
    seed: int | None = None,
) -> JobCrashReport:
    """Run a job twice, once undisturbed and once with kill -9 at random moments: both must end the same.

    Args:
        start: starts a server on the data folder of a name.
        prepare: makes what the job works on; what it returns is given to `begin` and `state`.
        begin: starts the job; returns its id.
        state: everything that the job changes, as a client sees it; must be the same on both servers.
        kills: how many times the server is killed at most.
        longest: seconds from a start to a kill at most; so long that the job gets on between two kills.
        seed: of the moments; printed, so that a failure can be tried again.

    Returns:
        What happened; `problems` must be empty, and `kills` should not be 0.
    """
    seed = random.randrange(1 << 32) if seed is None else seed  # noqa: S311 - chooses moments
    print(f"a job among kills with seed {seed}")  # noqa: T201 - for whoever repeats a failure
    chance, report = random.Random(seed), JobCrashReport()  # noqa: S311 - chooses moments
    server = start("undisturbed")
    what = prepare(server.client)
    began, job = time.monotonic(), begin(server.client, what)
    ended = wait_for_job(server.client, job)
    longest = min(longest, (time.monotonic() - began) / 2)  # a job that is quick is killed in time too
    expected, total = state(server.client, what), ended["done"]
    server.stop()
    if ended["state"] != "done":
        report.problems.append(f"undisturbed it is {ended['state']}: {ended['error']}")
    server = start("killed")
    what = prepare(server.client)
    job = begin(server.client, what)
    before = 0
    while report.kills < kills:
        time.sleep(chance.uniform(0.0, longest))
        found = server.client.json(f"/api/jobs/{job}")
        if found["done"] < before:
            report.problems.append(f"seed {seed}: after a kill it fell back from {before} to {found['done']}")
        before = found["done"]
        if found["state"] in _ENDS:
            break
        server.kill()
        report.kills += 1
        server = start("killed")
    ended = wait_for_job(server.client, job)
    if (ended["state"], ended["done"]) != ("done", total):
        report.problems.append(f"seed {seed}: it is {ended['state']} at {ended['done']} of {total}: {ended['error']}")
    if state(server.client, what) != expected:
        report.problems.append(f"seed {seed}: the end is not that of the undisturbed job")
    server.stop()
    return report
