"""The server: everything that one running service holds hangs from here, so that two can live in one process."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog
from litestar import Litestar

from dvid_framework import __version__
from dvid_framework.config import Config
from dvid_framework.config_keys import keys_without_effect
from dvid_framework.events.activity import Activity
from dvid_framework.events.catching_up import CatchingUp
from dvid_framework.events.deletion import Deletion
from dvid_framework.events.feed import Follower
from dvid_framework.events.interactive import InteractiveRequests
from dvid_framework.events.jobs import Jobs
from dvid_framework.events.kafka import Kafka, open_kafka
from dvid_framework.events.mutation_files import MutationFiles
from dvid_framework.events.start_webhook import announce_start
from dvid_framework.events.syncs import Syncs
from dvid_framework.events.upgrades import start_upgrades
from dvid_framework.events.version_hooks import VersionHooks
from dvid_framework.http.access.admin import AdminTokens
from dvid_framework.http.access.cors import build_cors
from dvid_framework.http.access.guard import build_guard
from dvid_framework.http.all_routes import core_routes, routes_of_type
from dvid_framework.http.app import build_app
from dvid_framework.http.limits import Budget, Throttle
from dvid_framework.http.neighbours import Neighbours
from dvid_framework.http.sending import Sender
from dvid_framework.http.web_client import web_client
from dvid_framework.http.work import WorkPool
from dvid_framework.instances.datatype import Datatype
from dvid_framework.instances.registry import Instances
from dvid_framework.plugins import Plugins
from dvid_framework.storage.keys import instance_bounds
from dvid_framework.storage.stores import Stores
from dvid_framework.versions.gate import Gates
from dvid_framework.versions.ids import log_time
from dvid_framework.versions.record import Mutation
from dvid_framework.versions.repos import Repos

__all__ = ["Server"]

_log = structlog.get_logger("dvid.server")


_OBJECTS_PER_PERCENT = 7  # the collector's own default, 700 new objects, is 100 percent


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _duration(seconds: float) -> str:
    """Return a time span as Go writes it."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest:.3f}s"


class Server:
    """A service over a data folder: stores, repos, instances, plugins and the ASGI application.

    Args:
        data: the data folder.
        config: the configuration; defaults without it.
        admin_token: the admin token; without one everyone on loopback may do what administrators may, but lift locks.
        plugins: loaded plugins; found by entry points without it.
        host: where it will listen, for what holds on loopback.
        port: likewise.

    Attributes:
        app: the ASGI application.
    """

    def __init__(
        self,
        data: Path,
        config: Config | None = None,
        *,
        admin_token: str = "",
        plugins: Plugins | None = None,
        host: str = "127.0.0.1",
        port: int = 8000,
    ) -> None:
        self.config = config or Config()
        self.limits = self.config.limits
        self.admin_token = admin_token
        tokens = self.config.server.admin_token_file
        self.admin_tokens = AdminTokens(admin_token, Path(self.config.folder, tokens) if tokens else None)
        self.host, self.port = host, port
        self.on_loopback = _is_loopback(host)
        self.read_only = self.config.server.rwmode == "readonly"
        self.full_write = self.config.server.rwmode == "fullwrite"
        self.plugins = plugins or Plugins()
        for failure in self.plugins.failures:
            _log.error("plugin left out", plugin=failure.name, distribution=failure.distribution, error=failure.error)
        for key, reason in keys_without_effect(self.config.document):
            _log.warning("key of the configuration has no effect", key=key, reason=reason)
        self.stores = Stores(self.config.stores(data), self.plugins.engines, self.config.choices())
        try:
            self._build(data)
        except BaseException:
            self.stores.close()
            raise

    def _build(self, data: Path) -> None:
        self.repos = Repos(self.stores.metadata, Gates(), self.config.server.min_mutation_id_start)
        self.datatypes: Mapping[str, type[Datatype]] = self.plugins.datatypes
        self.instances = Instances(
            self.repos,
            self.stores,
            self.datatypes,
            self.limits.mutation_bytes,
            self.config.plugin,
            self.limits.cache_bytes,
        )
        self.jobs = Jobs(self.stores, self.repos, self.instances, self.limits.job_threads, self.limits.jobs)
        self.syncs = Syncs(self.stores, self.repos, self.instances, self.limits.follower_threads, self._tell_of_sync)
        self.version_hooks = VersionHooks(self.repos, self.instances, self.jobs)
        self.deletion = Deletion(self.stores, self.instances, self.jobs, self.syncs)
        self.catching_up = CatchingUp(self.syncs, self.limits.follow_seconds)
        self.cors = build_cors(self.config)
        self.guard = build_guard(self.config, self.repos, self.cors)
        limits, self.neighbours, self.sender = self.limits, Neighbours(), Sender()
        self.pool = WorkPool(limits.threads, limits.waiting_requests, limits.waiting_in_all, self.neighbours)
        self.web_client = web_client(self.config, self.pool)
        self.budget = Budget(self.limits.memory_bytes)
        self.throttle = Throttle(self.limits.throttled_operations)
        logfile = self.config.logging.logfile
        path = Path(self.config.folder, logfile) if logfile else data / "activity.log"
        interactive = InteractiveRequests(self.config.server.interactive_operations)
        self.jobs.must_rest = interactive.are_many
        logging = self.config.logging
        self.activity = Activity(path, logging.max_log_size << 20, logging.max_log_age, interactive)
        self.kafka: Kafka | None = None
        self._mutation_files: MutationFiles | None = None
        self._followers: list[Follower] = []
        self._started = time.monotonic()
        self._gc_percentage = 100
        self.app = build_app(self)

    # -- life

    async def start(self) -> None:
        """Begin: the plugins' start hooks, and their following of the mutation logs."""
        try:
            for alias in self.stores.grids.options():
                await asyncio.to_thread(self.stores.grids.get, alias)
            self.kafka = open_kafka(self.config, self.repos, self.datatypes, self.stores)
        except BaseException:
            self.close()
            raise
        self.activity.publish = self.kafka.activity if self.kafka else None
        for waiting in self.plugins.startup(self):
            await waiting
        if self.plugins.follows_mutations:
            for alias in self.stores.aliases():
                log = self.stores.log(alias)
                self._followers.append(
                    Follower(log, "plugins", lambda mutation: self.plugins.mutation(self, mutation), log.synced)
                )
        if self.config.mutations.jsonstore:
            folder = Path(self.config.folder, self.config.mutations.jsonstore)
            limit = self.config.logging.max_log_size << 20
            self._mutation_files = MutationFiles(folder, limit, self.stores, self.repos, self.datatypes)
        self.syncs.run()
        start_upgrades(self.jobs, self.repos, self.instances)
        self.jobs.run()

    async def announce(self) -> None:
        """Tell whom the configuration names that this server has started.

        Raises:
            BadRequest: it does not agree.
        """
        if self.config.server.start_webhook:
            shown = self.info()
            told = {"Host": shown["Host"], "Note": shown["Note"], "HTTP Address": f"{self.host}:{self.port}"}
            told["RPC Address"] = shown["RPC Address"]
            await asyncio.to_thread(announce_start, self.config.server.start_webhook, told)

    async def stop(self) -> None:
        """End: what runs is finished, then everything is synced and closed."""
        for waiting in self.plugins.shutdown(self):
            await waiting
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Close everything, for a server that was never started or has been stopped."""
        self.jobs.stop()
        self.syncs.stop()
        for follower in self._followers:
            follower.stop()
        self._followers.clear()
        if self._mutation_files is not None:
            self._mutation_files.close()
        if self.kafka is not None:
            self.activity.publish = None
            self.kafka.close()
        if self.guard is not None:
            self.guard.close()
        self.pool.shutdown()
        self.sender.shutdown()
        self.instances.close()
        self.stores.close()
        self.activity.close()

    def _tell_of_sync(self, mutation: Mutation, seconds: float, error: str) -> None:
        self.activity.sync(mutation, seconds, error)

    # -- what routes ask of the server as a whole

    @property
    def litestar(self) -> Litestar:
        """A Litestar app that has all routes, for what goes through them."""
        return self.app.documentation.app()

    def core_routes(self) -> list[Any]:
        """Return the routes at fixed addresses."""
        return core_routes()

    def routes_of(self, datatype: type[Datatype]) -> list[Any]:
        """Return the routes below instances of a type, the shared ones included."""
        return routes_of_type(datatype)

    def info(self) -> dict[str, str]:
        """Return what `/api/server/info` shows; all values are strings."""
        shown = self._lasting_info.copy()
        shown["Server time"] = log_time()
        shown["Server uptime"] = _duration(time.monotonic() - self._started)
        if self.kafka is not None:
            shown |= self.kafka.info()
        return shown

    @cached_property
    def _lasting_info(self) -> dict[str, str]:
        """What does not change; the times are left open."""
        server = self.config.server
        shown = {
            "Cores": str(os.cpu_count() or 1),
            "Maximum Cores": str(os.cpu_count() or 1),
            "Datastore Version": "0.11.0",
            "DVID Version": f"dvid-framework {__version__}",
            "Storage backend": "; ".join(self.stores.engine_names()),
            "Server time": "",
            "Server uptime": "",
            "RPC Address": "",
            "Host": f"{server.host or self.host}:{self.port}",
            "Note": server.note,
            "TOML location": "given" if self.config.document else "",
            "Max Open Files": str(os.sysconf("SC_OPEN_MAX")),
            "Plugins left out": "; ".join(f"{plugin.name}: {plugin.error}" for plugin in self.plugins.failures),
        }
        if server.rwmode:
            shown["Mode"] = "read only" if server.rwmode == "readonly" else "allow writes on committed nodes"
        return shown

    def change_setting(self, name: str, value: int) -> str:
        """Change a setting while running; returns a sentence."""
        if name == "throttle":
            old, self.throttle.limit = self.throttle.limit, value
            return f"Maximum throttled operations set to {value} from {old}"
        old, self._gc_percentage = self._gc_percentage, value
        gc.set_threshold(value * _OBJECTS_PER_PERCENT)
        return f"Garbage collection percentage set to {value} from {old}"

    def storage_summary(self) -> list[dict[str, Any]]:
        """Return the bytes of each instance."""
        rows = []
        for repo in self.repos:
            for record in list(repo.instances.values()):
                store = self.stores.log(record.store).store
                rows.append(
                    {
                        "Store": self.stores.text(record.store),
                        "Name": record.name,
                        "Type": record.type_name,
                        "DataUUID": record.data_uuid,
                        "RootUUID": repo.root,
                        "Bytes": store.approximate_bytes(*instance_bounds(record.id)),
                    }
                )
        return rows
