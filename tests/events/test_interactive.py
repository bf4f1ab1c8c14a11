"""Jobs rest while many people are at work; what is marked as not interactive does not count."""

from __future__ import annotations

import time

import pytest

from dvid_framework.config import Config, ServerSettings
from dvid_framework.events.interactive import InteractiveRequests
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.pytest_plugin import ServerFactory


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_requests_of_the_last_two_minutes_count(clock: list[float]) -> None:
    requests = InteractiveRequests(3)
    for _ in range(3):
        requests.add()
        clock[0] += 50
    assert requests.count() == 2, "the first was 150 seconds ago"
    assert not requests.are_many()
    requests.add()
    assert requests.are_many()
    clock[0] += 200
    assert requests.count() == 0


def test_zero_is_never_many(clock: list[float]) -> None:
    requests = InteractiveRequests(0)
    requests.add()
    assert not requests.are_many()
    assert clock[0] == 1000.0


def test_what_counts_are_requests_below_instances_but_for_those_that_say_no(dvid_server: ServerFactory) -> None:
    settings = ServerSettings(interactive_operations=2)
    server = dvid_server(config=Config(server=settings), plugins=Plugins({"tiny": tiny}, discover=False))
    client, jobs = server.client, server.server.jobs
    root = client.new_repo()
    client.new_instance(root, "tiny", "t")
    for path in ("t/pairs?interactive=false", "t/pairs?interactive=0", "status", "t/pairs"):
        client.get(f"/api/node/{root}/{path}").ok()
    assert not jobs.must_rest()
    client.get(f"/api/node/{root}/t/pairs?interactive=true").ok()
    deadline = time.monotonic() + 10
    while not jobs.must_rest() and time.monotonic() < deadline:  # a request is counted behind its answer
        time.sleep(0.01)
    assert jobs.must_rest()
