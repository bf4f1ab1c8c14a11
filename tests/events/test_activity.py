"""The activity log and the figures of load and pings."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from dvid_framework.events.activity import Activity
from dvid_framework.events.file_traffic import FileTraffic
from dvid_framework.testing.client import Client
from dvid_framework.testing.running import ServerThread
from dvid_framework.versions.record import Mutation


def _lines(server: ServerThread) -> list[dict[str, object]]:
    server.stop()
    return [json.loads(line) for line in (server.data / "activity.log").read_bytes().splitlines()]


def test_every_request_is_a_line_of_json_without_secrets(tiny_server: ServerThread) -> None:
    client = tiny_server.client
    root = client.new_repo()
    client.get(f"/api/node/{root}/nothing?u=ann&app=test&admintoken=hidden&x=%ff")
    client.get("/api/heartbeat?u=ann")
    lines = _lines(tiny_server)
    assert [line["method"] for line in lines] == ["POST", "GET"], "the silent addresses are not logged"
    last = lines[-1]
    assert (last["user"], last["client"], last["status"]) == ("ann", "test", 404)
    assert "hidden" not in json.dumps(lines)
    assert str(last["uri"]).startswith(f"/api/node/{root}/nothing")
    assert last["bytes_out"] == len("404 page not found\n")


def test_odd_requests_are_lines_too(tiny_server: ServerThread) -> None:
    client = tiny_server.client
    for path in ("/%ff%fe", "/api/%00", "/%22%0A%0D", "/x?%ff=%ff&a=%0A", "/" + "x" * 5000):
        client.get(path)
    assert len(_lines(tiny_server)) == 5


def test_load_is_integers(client: Client) -> None:
    load = client.json("/api/load")
    assert all(type(value) is int for value in load.values())
    assert {"GET requests", "PUT requests", "goroutines", "handlers active"} <= set(load)


def test_pings_are_shown_by_user(client: Client) -> None:
    assert client.json("/api/user-latencies") == {}
    client.get("/api/heartbeat?u=ann")
    shown = client.json("/api/user-latencies")
    assert list(shown) == ["ann"]
    assert shown["ann"]["LastPing"].endswith("Z")
    assert client.json("/api/user-latencies?u=nobody")["User"] == ""


def test_bytes_of_files_are_counted_per_second(tmp_path: Path) -> None:
    traffic = FileTraffic()
    before = _written()
    with (tmp_path / "file").open("wb") as file:
        file.write(b"x" * (4 << 20))
        file.flush()
        os.fsync(file.fileno())
    if _written() == before:
        assert traffic.per_second() == (0, 0)  # a system that does not count them
        return
    time.sleep(0.6)
    assert traffic.per_second()[1] > 0


def _written() -> int:
    counters = Path("/proc/self/io")
    return int(counters.read_text().split("\nwrite_bytes: ")[1].split()[0]) if counters.exists() else 0


def test_what_was_set_aside_is_removed_when_it_is_old(tmp_path: Path) -> None:
    path, aside = tmp_path / "activity.log", tmp_path / "activity.log.1"
    for days, kept in ((30, True), (2, False)):
        aside.write_bytes(b"old\n")
        old = time.time() - 3 * 86_400
        os.utime(aside, (old, old))
        activity = Activity(path, days=days)
        activity.sync(Mutation(number=1, repo=1, instance=1, version=1), 0.0, "")
        activity.close()
        assert aside.exists() is kept
