"""The data instances of a server: making them, and finding them by repo and name or by a typed interface."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from dvid_framework.errors import BadRequest, NotInstalled, Unavailable
from dvid_framework.instances.cache import CACHE_BYTES, ValueCache
from dvid_framework.instances.context import InstanceContext
from dvid_framework.instances.datatype import Datatype
from dvid_framework.instances.instance import Instance
from dvid_framework.instances.jobs import JobQueue
from dvid_framework.instances.settings import split_settings
from dvid_framework.storage.grids import GridVolume
from dvid_framework.storage.stores import Stores
from dvid_framework.versions.changes import check_parents, log_lines
from dvid_framework.versions.ids import new_uuid
from dvid_framework.versions.record import InstanceRecord, VersionRecord
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.repos import Repos
from dvid_framework.versions.txn import MUTATION_BYTES

__all__ = ["Instances"]

_Interface = TypeVar("_Interface")
_Shared = TypeVar("_Shared")


class Instances:
    """Opens instances on first use, and keeps them.

    Attributes:
        datatypes: the installed datatypes by name.
        cache: decoded values of all instances.
    """

    def __init__(
        self,
        repos: Repos,
        stores: Stores,
        datatypes: Mapping[str, type[Datatype]],
        mutation_bytes: int = MUTATION_BYTES,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._repos = repos
        self._stores = stores
        self.datatypes = dict(datatypes)
        self._mutation_bytes = mutation_bytes
        self._options = dict(options or {})
        self._lock = threading.RLock()
        self.cache = ValueCache(cache_bytes)
        self._open: dict[int, Instance] = {}
        self._shared: dict[str, Any] = {}
        self._retired: list[Instance] = []
        self._jobs: JobQueue | None = None

    @property
    def jobs(self) -> JobQueue:
        """Where instances queue their work in the background.

        Raises:
            Unavailable: this is no running server.
        """
        if self._jobs is None:
            raise Unavailable("no jobs are done here: this is no running server")
        return self._jobs

    @jobs.setter
    def jobs(self, queue: JobQueue) -> None:
        self._jobs = queue

    def by_id(self, repo: int, instance: int) -> Instance:
        """Return an instance by the ids of its repo and of itself.

        Raises:
            BadRequest: it is gone.
            NotInstalled: its datatype is not installed.
        """
        owner = self._repos.by_id(repo)
        return self.get(owner, owner.instance_by_id(instance).name)

    def get(self, repo: Repo, name: str) -> Instance:
        """Return an instance.

        Raises:
            BadRequest: there is none of that name.
            NotInstalled: its datatype is not installed.
        """
        record = repo.instance(name)
        instance = self._open.get(record.id)
        return instance if instance is not None else self._open_record(repo, record)

    def provider(self, repo: Repo, name: str, interface: type[_Interface]) -> _Interface:
        """Return an instance that provides an interface.

        Raises:
            BadRequest: there is no such instance, or its type does not provide it.
        """
        instance = self.get(repo, name)
        if not isinstance(instance, interface):
            raise BadRequest(
                f"instance {name!r} of type {instance.datatype.name} can't serve as a {interface.__name__}"
            )
        return instance

    def options(self, plugin: str) -> Mapping[str, Any]:
        """Return the section `[plugin.NAME]` of the configuration; empty where there is none."""
        return self._options.get(plugin, {})

    def grid(self, alias: str) -> GridVolume:
        """Return the volume of a store that instances name by their setting GridStore.

        Raises:
            BadRequest: the configuration has no such volume, or it can't be used.
            BadGateway: its medium fails.
        """
        return self._stores.grids.get(alias)

    def shared(self, name: str, make: Callable[[], _Shared]) -> _Shared:
        """Return what instances of a server have in common under a name: bounded caches above all.

        Args:
            name: the type's name and what it is, such as `labelmap.blocks`.
            make: makes it at first use.
        """
        with self._lock:
            if name not in self._shared:
                self._shared[name] = make()
            found: _Shared = self._shared[name]
            return found

    def _open_record(self, repo: Repo, record: InstanceRecord) -> Instance:
        datatype = self.datatypes.get(record.type_name)
        if datatype is None:
            raise NotInstalled(
                f"the datatype {record.type_name!r} of instance {record.name!r} is not installed: "
                f"pip install dvid-{record.type_name} and restart; its data is kept"
            )
        with self._lock:
            if record.id not in self._open:
                log = self._stores.log(record.store)
                context = InstanceContext(
                    record=record,
                    repo=repo,
                    repos=self._repos,
                    log=log,
                    store_text=self._stores.text(record.store),
                    instances=self,
                    mutation_bytes=self._mutation_bytes,
                )
                self._open[record.id] = datatype.instance(context)
            return self._open[record.id]

    def create(self, repo: Repo, version: VersionRecord, body: Mapping[str, Any], user: str = "") -> Instance:
        """Make an instance; it exists for every version of the repo at once.

        Args:
            repo: the repo.
            version: where it is made.
            body: the settings of the request.
            user: who asked for it.

        Raises:
            BadRequest: settings are missing or malformed, or the name is in use in the repo.
        """
        common = split_settings(body)
        datatype = self.datatypes.get(common.type_name)
        if datatype is None:
            raise BadRequest(
                f"there is no datatype {common.type_name!r}; installed are {', '.join(sorted(self.datatypes))}"
            )
        settings = datatype.complete_settings(datatype.parse_settings(common.own), self)
        datatype.check_settings(settings, repo, self)
        store = self._stores.choose(common.type_name, common.name, common.tags or {}, version.uuid)
        lacking = datatype.needs & ~self._stores.log(store).store.capabilities
        if lacking:
            raise BadRequest(f"store {store!r} lacks what {common.type_name} needs: {lacking}")
        with self._repos.lock:
            if common.name in repo.instances:
                raise BadRequest(f"the repo has an instance named {common.name!r} already")
            record = InstanceRecord(
                id=self._repos.next_instance_id(),
                repo=repo.id,
                name=common.name,
                type_name=datatype.name,
                type_url=datatype.url,
                type_version=datatype.version,
                data_uuid=new_uuid(),
                made_at=version.uuid,
                versioned=common.versioned,
                compression=datatype.choose_compression(settings, common.compression),
                checksum=common.checksum,
                tags=common.tags,
                settings=msgspec.to_builtins(settings),
                store=store,
            )
            text = (
                f'New data instance "{record.name}" of type "{record.type_name}" with config {json.dumps(dict(body))}'
            )
            now = msgspec.structs.replace(repo.record, log=repo.record.log + log_lines([text]))
            entry = {
                "Action": "newinstance",
                "UUID": version.uuid,
                "Typename": record.type_name,
                "Dataname": record.name,
            }
            self._repos.write([entry], repo=now, instances=(record,), user=user)
        return self.get(repo, record.name)

    def check_version_merge(self, repo: Repo, parents: Sequence[tuple[Repo, VersionRecord]]) -> None:
        """Check that versions can be merged, and that the data of all instances can follow.

        Raises:
            BadRequest: see `check_parents`.
            Conflict: an instance can't follow.
        """
        check_parents(repo, parents)
        for record in list(repo.instances.values()):
            if record.type_name in self.datatypes:
                self.get(repo, record.name).check_version_merge([version for _, version in parents])

    def note_in_log(self, repo: Repo, version: VersionRecord, line: str, user: str = "") -> None:
        """Add a line to the log of a version, as commands that change much do."""
        with self._repos.lock:
            now = repo.dag[version.id]
            entry = {"Action": "nodelog", "UUID": now.uuid, "Log": [line]}
            self._repos.update_version(repo, now.id, entry, user, log=now.log + log_lines([line]))

    def retire(self, number: int) -> None:
        """Open an instance that was deleted no more; requests that have it are still answered."""
        with self._lock:
            instance = self._open.pop(number, None)
            if instance is not None:
                self._retired.append(instance)

    def type_names_in_use(self) -> set[str]:
        """Return the names of the types that have instances now."""
        return {record.type_name for repo in self._repos for record in list(repo.instances.values())}

    def __iter__(self) -> Iterator[Instance]:
        """Yield the instances that are open."""
        return iter(list(self._open.values()))

    def close(self) -> None:
        """Close all open instances."""
        for instance in [*self, *self._retired]:
            instance.close()
        self._open.clear()
        self._retired.clear()
