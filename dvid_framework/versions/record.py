"""Stored metadata: one record for each repo, version and instance; and the record of a mutation."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["InstanceRecord", "Mutation", "RepoRecord", "VersionRecord"]


class RepoRecord(msgspec.Struct, kw_only=True):
    """A repo, without its versions and instances.

    Attributes:
        deleted: it is as if it never was; its record stays, so that the mutation log can still be read.
    """

    id: int
    root: str
    alias: str = ""
    description: str = ""
    passcode: str = ""
    log: list[str] = []
    created: str
    updated: str
    deleted: bool = False


class VersionRecord(msgspec.Struct, kw_only=True):
    """A version (node). Its children are the versions that name it as a parent.

    Attributes:
        deleted: as of a repo.
    """

    id: int
    repo: int
    uuid: str
    branch: str = ""
    note: str = ""
    log: list[str] = []
    locked: bool = False
    parents: list[int] = []
    created: str
    updated: str
    deleted: bool = False


class InstanceRecord(msgspec.Struct, kw_only=True):
    """A data instance.

    Attributes:
        made_at: UUID of the version at which it was made.
        settings: the datatype's own settings, as JSON values.
        store: alias of the store that holds its data.
        follows: data UUIDs of the instances that it is synced with.
        deleted: as of a repo.
    """

    id: int
    repo: int
    name: str
    type_name: str
    type_url: str
    type_version: str
    data_uuid: str
    made_at: str
    versioned: bool = True
    compression: str = "lz4"
    checksum: str = "none"
    tags: dict[str, str] | None = None
    settings: dict[str, Any] = {}
    store: str = "default"
    follows: list[str] = []
    deleted: bool = False


class Mutation(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one request changed, as it stands in the mutation log.

    Attributes:
        number: position in the log of its store (not stored: it is the key).
        instance: id of the instance; 0 for changes of repos and versions.
        version: id of the version; 0 where there is none.
        repo: id of the repo.
        time: RFC 3339, UTC.
        entries: what happened, in order; each has at least `Action`.
        internal: the original does not log such a mutation, so `mutations` does not show it.
        through: ids of the instances by whose mutations a follower was led to this one, the first cause first.
    """

    number: int = 0
    repo: int = 0
    instance: int = 0
    version: int = 0
    time: str = ""
    user: str = ""
    app: str = ""
    mutation_id: int = 0
    entries: list[dict[str, Any]] = []
    internal: bool = False
    through: list[int] = []
