"""A kill -9 harness: writers journal what was acknowledged, the server is killed, and what it left is judged.

Each writer repeats one mutation with growing generation numbers, from 1. After a kill and a restart exactly one
generation of each writer must be visible, whole, no older than the last acknowledged and no newer than the last
attempted one.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dvid_framework.fsck import check
from dvid_framework.plugins import Plugins
from dvid_framework.server import Server
from dvid_framework.testing.client import Client
from dvid_framework.testing.running import ServerProcess

__all__ = ["CrashReport", "GroupWorkload", "Workload", "fsck_problems", "run_crash_cycles"]

_SHORTEST, _LONGEST = 0.05, 0.6  # seconds from the first acknowledgement to the kill


class Workload(Protocol):
    """What is written while the server is killed.

    Attributes:
        writers: how many threads write, each its own thing.
    """

    writers: int

    def prepare(self, client: Client) -> None:
        """Make repo and instances, once."""

    def write(self, client: Client, writer: int, generation: int) -> None:
        """Do one mutation; return when it is acknowledged, and raise if it is refused."""

    def visible(self, client: Client, writer: int) -> Collection[int]:
        """Return all generations of which anything of a writer is visible; 0 for what was never written."""


@dataclass(slots=True)
class CrashReport:
    """What happened.

    Attributes:
        cycles: how many times the server was killed among writes.
        acknowledged: how many mutations were acknowledged.
        undecided: how many writers had a mutation in flight at a kill.
        problems: a sentence for each broken promise.
        slowest_start: seconds that the slowest restart took, with the start of the interpreter.
    """

    cycles: int = 0
    acknowledged: int = 0
    undecided: int = 0
    problems: list[str] = field(default_factory=list)
    slowest_start: float = 0.0


class GroupWorkload:
    """Groups of keys that are written by one request, all with the generation as their value.

    Args:
        type_name: datatype of the instance that is made.
        send: posts a group: client, address of the instance, and the pairs.
        key_path: address of a key below the instance, with `{}` for the key.
    """

    def __init__(
        self,
        type_name: str,
        send: Callable[[Client, str, dict[str, str]], None],
        key_path: str,
        writers: int = 4,
        keys: int = 12,
    ) -> None:
        self.writers = writers
        self._type_name = type_name
        self._send = send
        self._key_path = key_path
        self._keys = keys
        self._address = ""

    def prepare(self, client: Client) -> None:
        root = client.new_repo()
        client.new_instance(root, self._type_name, "data")
        self._address = f"/api/node/{root}/data"

    def write(self, client: Client, writer: int, generation: int) -> None:
        value = f"{generation:08d}" * (50 + generation % 200)
        self._send(client, self._address, {f"w{writer}k{key}": value for key in range(self._keys)})

    def visible(self, client: Client, writer: int) -> Collection[int]:
        found = set()
        for key in range(self._keys):
            reply = client.get(self._address + self._key_path.format(f"w{writer}k{key}"))
            if reply.status == 404:
                found.add(0)
                continue
            text = reply.ok().text
            found |= {int(text[at : at + 8]) for at in range(0, len(text), 8)}
        return found


class _Journal:
    """What one writer attempted, and what of it was acknowledged."""

    def __init__(self) -> None:
        self.attempted = 0
        self.acknowledged = 0

    def write_until_dead(self, workload: Workload, client: Client, writer: int, first: threading.Event) -> None:
        with client:
            while True:
                self.attempted += 1
                try:
                    workload.write(client, writer, self.attempted)
                except (OSError, http.client.HTTPException):
                    return  # the server is gone; whether this one counts is open
                self.acknowledged = self.attempted
                first.set()

    def judge(self, writer: int, found: Collection[int]) -> list[str]:
        if len(set(found)) != 1:
            return [f"writer {writer}: half a mutation is visible: generations {sorted(set(found))}"]
        generation = next(iter(found))
        if generation < self.acknowledged:
            return [f"writer {writer}: generation {generation} is visible, but {self.acknowledged} was acknowledged"]
        if generation > self.attempted:
            return [f"writer {writer}: generation {generation} is visible, but {self.attempted} was the last attempted"]
        return []


def fsck_problems(data: Path, plugins: Plugins | None = None) -> list[str]:
    """Check a data folder that no server has open; returns what is wrong."""
    server = Server(data, plugins=plugins)
    try:
        return check(server.stores, server.repos, server.instances).problems
    finally:
        server.close()


def _kill_among_writes(server: ServerProcess, workload: Workload, journals: Sequence[_Journal], seconds: float) -> None:
    first = threading.Event()
    writers = [
        threading.Thread(target=journal.write_until_dead, args=(workload, server.new_client(), number, first))
        for number, journal in enumerate(journals)
    ]
    for writer in writers:
        writer.start()
    first.wait(30)
    time.sleep(seconds)
    server.kill()
    for writer in writers:
        writer.join()


def run_crash_cycles(
    start: Callable[[], ServerProcess],
    workload: Workload,
    cycles: int,
    problems_of_folder: Callable[[], list[str]] = list,
    seed: int | None = None,
) -> CrashReport:
    """Kill a server again and again among writes, and judge what is left each time.

    Args:
        start: starts the server, always on the same data folder.
        workload: what is written.
        cycles: how many kills.
        problems_of_folder: checks the data folder while no server runs, such as `fsck_problems`.
        seed: of the moments of the kills; printed, so that a failure can be tried again.

    Returns:
        What happened; `problems` must be empty.
    """
    seed = random.randrange(1 << 32) if seed is None else seed  # noqa: S311 - chooses moments
    print(f"crash cycles with seed {seed}")  # noqa: T201 - for whoever repeats a failure
    chance, report = random.Random(seed), CrashReport()  # noqa: S311 - chooses moments
    journals = [_Journal() for _ in range(workload.writers)]
    server = start()
    workload.prepare(server.client)
    for _ in range(cycles):
        _kill_among_writes(server, workload, journals, chance.uniform(_SHORTEST, _LONGEST))
        report.cycles += 1
        report.undecided += sum(journal.attempted > journal.acknowledged for journal in journals)
        began = time.monotonic()
        server = start()
        report.slowest_start = max(report.slowest_start, time.monotonic() - began)
        for writer, journal in enumerate(journals):
            found = workload.visible(server.client, writer)
            report.problems += [f"cycle {report.cycles}, seed {seed}: {text}" for text in journal.judge(writer, found)]
            # A mutation in flight may have counted: the next generation must not be taken for an old one.
            journal.acknowledged = max([journal.acknowledged, *found])
        server.kill()
        report.problems += [f"cycle {report.cycles}, seed {seed}: fsck: {text}" for text in problems_of_folder()]
        server = start()
    report.acknowledged = sum(journal.acknowledged for journal in journals)
    if server.stop() != 0:
        report.problems.append(f"seed {seed}: the last server did not end well: {server.output()}")
    return report
