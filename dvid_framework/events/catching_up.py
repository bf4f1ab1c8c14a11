"""Read your writes: a read of a follower waits until it has taken in what its leaders had acknowledged before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator

from dvid_framework.errors import Unavailable
from dvid_framework.events.pursuit import Pursuit
from dvid_framework.events.syncs import Syncs
from dvid_framework.versions.record import InstanceRecord
from dvid_framework.versions.repo import Repo

__all__ = ["CatchingUp"]

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02


class CatchingUp:
    """Waits for followers, what they follow before them, and never round a cycle.

    Args:
        syncs: the followers.
        seconds: how long to wait at most.
    """

    def __init__(self, syncs: Syncs, seconds: float) -> None:
        self._syncs = syncs
        self._seconds = seconds

    def is_needed(self, repo: Repo, record: InstanceRecord) -> bool:
        """Tell whether a follower, or one that it follows, lacks something now."""
        for follower in _upstream_first(repo, [record]):
            if any(not self._syncs.has_reached(*target) for target in self._syncs.targets(follower)):
                return True
        return False

    async def wait_for(self, repo: Repo, record: InstanceRecord) -> None:
        """Wait until an instance has taken in all that was acknowledged by now.

        Raises:
            Unavailable: that takes too long, or one of the followers was set aside.
        """
        deadline = time.monotonic() + self._seconds
        for follower in _upstream_first(repo, [record]):
            for pursuit, number in self._syncs.targets(follower):
                if pursuit.log.synced < number and not self._syncs.has_reached(pursuit, number):
                    await asyncio.to_thread(pursuit.log.make_durable, number)
                pause = _SHORTEST_PAUSE
                while not self._is_there(repo, pursuit, number, deadline):
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)

    def drain(self, repo: Repo) -> None:
        """Wait, in a thread, until all followers of a repo have taken in what there is by now.

        Raises:
            Unavailable: that takes too long, or one of them was set aside.
        """
        deadline = time.monotonic() + self._seconds
        followers = [record for record in list(repo.instances.values()) if record.follows]
        for follower in _upstream_first(repo, followers):
            for pursuit, number in self._syncs.targets(follower):
                pursuit.log.make_durable(number)
                while not self._is_there(repo, pursuit, number, deadline):
                    self._syncs.wait(_LONGEST_PAUSE)

    def _is_there(self, repo: Repo, pursuit: Pursuit, number: int, deadline: float) -> bool:
        if self._syncs.has_reached(pursuit, number):
            return True
        record = repo.find_instance(pursuit.follower)
        name = record.name if record else str(pursuit.follower)
        if pursuit.error:
            raise Unavailable(
                f"instance {name!r} is behind what it follows: it failed at mutation {pursuit.failed_at} "
                f"({pursuit.error}) and is tried again",
                retry_after=5,
            )
        if time.monotonic() > deadline:
            lag = number - self._syncs.reached(pursuit)
            raise Unavailable(f"instance {name!r} is {lag} mutations behind what it follows; ask again", retry_after=5)
        return False


def _upstream_first(repo: Repo, records: Iterable[InstanceRecord]) -> Iterator[int]:
    """Yield the ids of followers and of all that they follow, directly or not, leaders before their followers."""
    by_uuid = {record.data_uuid: record for record in list(repo.instances.values())}
    seen: set[int] = set()

    def visit(record: InstanceRecord) -> Iterator[int]:
        if record.id in seen:
            return
        seen.add(record.id)
        for uuid in record.follows:
            if uuid in by_uuid:
                yield from visit(by_uuid[uuid])
        if record.follows:
            yield record.id

    for record in records:
        yield from visit(record)
