"""Setting what an instance follows: checks, then one unit with the places from which it follows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dvid_framework.errors import BadRequest
from dvid_framework.events.pursuit import delete_cursor, put_cursor
from dvid_framework.events.syncs import Syncs
from dvid_framework.instances.datatype import ANY_TYPE
from dvid_framework.instances.instance import Instance
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.stores import Stores
from dvid_framework.versions.changes import log_lines
from dvid_framework.versions.record import InstanceRecord
from dvid_framework.versions.repos import Repos

__all__ = ["set_syncs"]


def set_syncs(
    stores: Stores, repos: Repos, syncs: Syncs, instance: Instance, names: Sequence[str], replace: bool, user: str = ""
) -> None:
    """Have an instance follow others from now on; what they hold already is not taken in.

    Args:
        stores: all stores.
        repos: all repos.
        syncs: the followers.
        instance: the follower.
        names: names of the leaders.
        replace: follow these alone, instead of these as well.
        user: who asked for it.

    Raises:
        BadRequest: there is no instance of a name, or it is of a type that can't be followed; nothing changes.
    """
    with repos.lock:
        record, repo = instance.record, instance.repo
        leaders = [_leader(instance, name) for name in names]
        named = list(dict.fromkeys(leader.data_uuid for leader in leaders))
        follows = named if replace else list(dict.fromkeys([*record.follows, *named]))
        by_uuid = {other.data_uuid: other for other in repo.instances.values()}
        instance.check_follows(
            [instance.instances.get(repo, by_uuid[uuid].name) for uuid in follows if uuid in by_uuid]
        )
        batch = Batch()
        for uuid in follows:
            if uuid not in record.follows:
                leader = by_uuid[uuid]
                put_cursor(batch, record.id, leader.id, stores.log(leader.store).written)
        for uuid in record.follows:
            if uuid not in follows and uuid in by_uuid:
                delete_cursor(batch, record.id, by_uuid[uuid].id)
        own = stores.log(record.store)
        if own is not repos.log:
            own.store.write(batch)  # a place without a sync means nothing
            own.store.sync()
            batch = Batch()
        text = f'Data instance "{record.name}" set to sync with {", ".join(names) or "nothing"}'
        now = msgspec.structs.replace(repo.record, log=repo.record.log + log_lines([text]))
        changed = msgspec.structs.replace(record, follows=follows)
        entry = {"Action": "sync", "Dataname": record.name, "Sync": list(names), "Replace": replace}
        try:
            repos.write([entry], repo=now, instances=(changed,), batch=batch, user=user)
        finally:
            syncs.follow(repo.instance(record.name))  # what was written holds, though it could not be synced


def _leader(instance: Instance, name: str) -> InstanceRecord:
    leader = instance.repo.instance(name)
    allowed = instance.datatype.follows or ()
    if leader.id == instance.record.id:
        raise BadRequest("an instance can't follow itself")
    if leader.type_name not in allowed and ANY_TYPE not in allowed:
        can = ", ".join(allowed) or "nothing"
        raise BadRequest(f"{instance.datatype.name} can follow {can}, but {name!r} is of type {leader.type_name}")
    return leader
