"""A small datatype that follows others, so that syncs are tested without any plugin: it counts what it is told.

For each action and key of a leader's entries it has a counter at the version of the mutation. So the counters equal the
leader's mutation log exactly if nothing was missed and nothing was taken in twice.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dvid_framework.api import (
    ANY_TYPE,
    Answer,
    Datatype,
    FromPath,
    Instance,
    InstanceRequest,
    Mutation,
    Txn,
    binary,
    empty,
    get,
    hookimpl,
    json_answer,
    post,
)

__all__ = ["Counting", "CountingInstance", "dvid_datatypes"]


class CountingSettings(msgspec.Struct):
    """Settings of the type.

    Attributes:
        only: the action that is counted; all if empty.
    """

    only: str = ""


class CountingInstance(Instance):
    """Counters by action and key."""

    def on_event(self, event: Mutation, leader: Instance, txn: Txn) -> None:
        """Count each entry of a mutation."""
        del leader
        version = self.repo.dag[event.version]
        with self.view(version) as view:
            for entry in event.entries:
                key = f"{entry['Action']} {entry.get('Key', '')}".encode()
                if not self.settings.only or entry["Action"] == self.settings.only:
                    value = view.get(key)
                    txn.put(key, str(int(bytes(value or b"0")) + 1).encode())
                    txn.emit("counted", Key=entry.get("Key", ""))


@get("/counters")
async def counters(request: InstanceRequest[CountingInstance]) -> Answer:
    """Return the counters as a JSON object: `ACTION KEY` and a number."""
    found = await request.run(lambda: {bytes(key).decode(): int(bytes(value)) for key, value in request.view.scan()})
    return json_answer(found)


@get("/counter/{name:str}")
async def counter(request: InstanceRequest[CountingInstance], name: FromPath[str]) -> Answer:
    """Return one counter, as text."""
    return binary(request.view.get(name.encode()) or b"0", "text/plain")


@post("/reset")
async def reset(request: InstanceRequest[CountingInstance]) -> Answer:
    """Set all counters to 0."""

    def write() -> None:
        with request.instance.lock, request.begin() as txn:
            for key in list(request.view.keys(b"")):
                txn.delete(key)
            txn.emit("reset")

    await request.run(write)
    return empty()


class Counting(Datatype):
    """Counts the mutations of what it follows, for tests."""

    name = "counting"
    url = "github.com/example/counting"
    instance = CountingInstance
    settings = CountingSettings
    routes = (counters, counter, reset)
    follows = (ANY_TYPE,)
    logged = True


@hookimpl
def dvid_datatypes() -> Iterable[type[Datatype]]:
    """Give the type to the core."""
    return [Counting]
