"""Files of mutation records: one for each instance and version, in the original's form, written from the mutation log.

A record is uint32 length, uint32 CRC-32C of the JSON and uint16 1, all little-endian, and the JSON. Records come from
the log and never from a request: a disk that is away delays them and none is lost; after a crash the last ones may come
again. A file that is full is renamed to NAME.1, NAME.2 and so on, and begun anew.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import google_crc32c
import msgspec

from dvid_framework.events.feed import BatchFollower
from dvid_framework.instances.wire import wire_entries
from dvid_framework.storage.stores import Stores
from dvid_framework.versions.record import Mutation
from dvid_framework.versions.repos import Repos

if TYPE_CHECKING:
    from dvid_framework.instances.datatype import Datatype

__all__ = ["MutationFiles"]

_CURSOR = "mutation-files"
_HEAD = struct.Struct("<IIH")
_TYPE = 1
_encode = msgspec.json.Encoder(enc_hook=str).encode


class MutationFiles:
    """Writes what is mutated to files of a folder.

    Args:
        folder: the folder.
        limit: bytes at which a file is full.
        stores: all stores, whose logs are followed.
        repos: all repos.
        datatypes: the installed types.
    """

    def __init__(
        self, folder: Path, limit: int, stores: Stores, repos: Repos, datatypes: Mapping[str, type[Datatype]]
    ) -> None:
        self._folder = folder
        self._limit = limit
        self._repos = repos
        self._datatypes = datatypes
        self._whole: dict[Path, int] = {}  # up to where the files of this run have whole records
        folder.mkdir(parents=True, exist_ok=True)
        logs = [stores.log(alias) for alias in stores.aliases()]
        self.followers = [BatchFollower(log, _CURSOR, self._receive, log.synced) for log in logs]

    def _receive(self, mutations: Iterator[Mutation]) -> None:
        """Write records durably: the cursor moves on when this returns."""
        pending: dict[Path, bytearray] = {}
        for mutation in mutations:
            found = self._file_and_entries(mutation)
            if found is not None:
                path, entries = found
                for entry in entries:
                    data = _encode(entry)
                    pending.setdefault(path, bytearray()).extend(
                        _HEAD.pack(len(data), google_crc32c.value(data), _TYPE) + data
                    )
        for path, records in pending.items():
            self._append(path, records)

    def _file_and_entries(self, mutation: Mutation) -> tuple[Path, list[dict[str, object]]] | None:
        """Return where a mutation belongs and what is told of it; None for what the original does not log."""
        repo = self._repos.former(mutation.repo)
        instance = repo.former_instance(mutation.instance) if repo else None
        version = repo.former_version(mutation.version) if repo else None
        if mutation.internal or instance is None or version is None:
            return None
        datatype = self._datatypes.get(instance.type_name)
        name = f"{instance.data_uuid}-{version.uuid}.plog"
        return self._folder / name, wire_entries(mutation, version.uuid, datatype)

    def _append(self, path: Path, records: bytes | bytearray) -> None:
        end = self._whole.get(path)
        if end is None:
            end = _end_of_whole_records(path)
        with path.open("r+b" if path.exists() else "wb") as file:
            file.truncate(end)  # of a record that was cut off, or written in part, it comes again
            file.seek(end)
            file.write(records)
            file.flush()
            os.fsync(file.fileno())
        self._whole[path] = end + len(records)
        if self._whole[path] >= self._limit:
            self._set_aside(path)

    def _set_aside(self, path: Path) -> None:
        number = 1 + max((int(other.suffix[1:]) for other in path.parent.glob(f"{path.name}.*")), default=0)
        path.replace(path.with_name(f"{path.name}.{number}"))
        self._whole.pop(path)

    def close(self) -> None:
        """End after the records in hand; the others are written after the next start."""
        for follower in self.followers:
            follower.stop()


def _end_of_whole_records(path: Path) -> int:
    """Return how long a file is without a torn record at its end; 0 for one that is not there."""
    if not path.exists():
        return 0
    end, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while end + _HEAD.size <= size:
            file.seek(end)
            length, checksum, _ = _HEAD.unpack(file.read(_HEAD.size))
            if end + _HEAD.size + length > size:
                break
            if end + _HEAD.size + length == size and google_crc32c.value(file.read(length)) != checksum:
                break
            end += _HEAD.size + length
    return end
