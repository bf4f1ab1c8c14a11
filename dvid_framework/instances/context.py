"""What an instance gets from the core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dvid_framework.storage.log import CommitLog
from dvid_framework.versions.record import InstanceRecord
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.repos import Repos
from dvid_framework.versions.txn import MUTATION_BYTES

if TYPE_CHECKING:
    from dvid_framework.instances.registry import Instances

__all__ = ["InstanceContext"]


@dataclass(frozen=True, slots=True)
class InstanceContext:
    """What an instance gets from the core.

    Attributes:
        record: the stored record at opening; `Instance.record` is the present one.
        repo: its repo.
        repos: all repos of the server.
        log: commit log of the store that holds its data.
        store_text: what `info` shows of the store.
        instances: the registry, to reach other instances.
        mutation_bytes: how many stored bytes one mutation may have.
    """

    record: InstanceRecord
    repo: Repo
    repos: Repos
    log: CommitLog
    store_text: str
    instances: Instances
    mutation_bytes: int = MUTATION_BYTES
