"""Plugin discovery: entry points of the group `dvid`, loaded one by one, so that a broken one stops nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from dvid_framework import __version__, hookspecs
from dvid_framework.errors import DvidError
from dvid_framework.storage.base import StoreEngine
from dvid_framework.storage.engines import embedded_engines
from dvid_framework.storage.memory import MemoryEngine

if TYPE_CHECKING:
    from dvid_framework.server import Server
    from dvid_framework.versions.record import Mutation

__all__ = ["BuiltIn", "LoadedPlugin", "PluginClash", "Plugins"]


class PluginClash(DvidError):
    """Two plugins contribute a thing of one name: the server does not start."""


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """What `dvid plugins` shows of a plugin.

    Attributes:
        name: name of the entry point.
        distribution: the installed distribution and its version.
        error: why it was left out; empty where it works.
    """

    name: str
    distribution: str
    error: str = ""


class BuiltIn:
    """The parts that come with the core, contributed like any plugin's."""

    @staticmethod
    @hookspecs.hookimpl
    def dvid_store_engines() -> Iterable[type[StoreEngine]]:
        """The stores of the local disk, and memory for tests."""
        return [*embedded_engines(), MemoryEngine]


class Plugins:
    """The typed face of the plugin manager: everything that plugins contribute, gathered once.

    Args:
        extra: plugins that are given as objects and not found by entry point (built-in parts, tests).
        discover: whether to look for entry points; the environment variable DVID_LOAD_PLUGINS, a list of names
            separated by commas, keeps it to those.
    """

    def __init__(self, extra: Mapping[str, object] | None = None, discover: bool = True) -> None:
        self._manager = pluggy.PluginManager("dvid")
        self._manager.add_hookspecs(hookspecs)
        self.loaded: list[LoadedPlugin] = []
        for name, plugin in {"core": BuiltIn(), **(extra or {})}.items():
            self._register(name, f"dvid-framework {__version__}" if name == "core" else "given", plugin)
        if discover:
            allowed = os.environ.get("DVID_LOAD_PLUGINS")
            for entry in sorted(entry_points(group="dvid"), key=lambda entry: entry.name):
                if allowed is None or entry.name in allowed.split(","):
                    self._load(entry)
        self.datatypes = self._by_name("dvid_datatypes", "datatype")
        engines = self._by_name("dvid_store_engines", "store engine")
        self.engines: dict[str, StoreEngine] = {name: engine() for name, engine in engines.items()}

    def _load(self, entry: EntryPoint) -> None:
        """A plugin may do anything at import, so anything that it raises is kept and shown."""
        origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
        try:
            plugin = entry.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything at import
            self.loaded.append(LoadedPlugin(entry.name, origin, f"import failed: {type(error).__name__}: {error}"))
            return
        self._register(entry.name, origin, plugin)

    def _register(self, name: str, origin: str, plugin: object) -> None:
        if self._manager.has_plugin(name):
            raise PluginClash(f"two plugins are named {name!r}; the second is of {origin}: uninstall one of them")
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            self.loaded.append(LoadedPlugin(name, origin, f"its hooks do not fit: {error}"))
            return
        self.loaded.append(LoadedPlugin(name, origin))

    def _leave_out(self, name: str, error: str) -> None:
        """Take a registered plugin out again, and keep why."""
        self._manager.unregister(name=name)
        self.loaded = [replace(plugin, error=error) if plugin.name == name else plugin for plugin in self.loaded]

    def _by_name(self, hook: str, what: str) -> dict[str, Any]:
        """Ask each plugin for its contributions; one that fails or brings something else is left out."""
        found: dict[str, Any] = {}
        for implementation in list(getattr(self._manager.hook, hook).get_hookimpls()):
            try:
                kinds = list(implementation.function())
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything in a hook
                self._leave_out(implementation.plugin_name, f"{hook} failed: {type(error).__name__}: {error}")
                continue
            if strange := [kind for kind in kinds if not isinstance(getattr(kind, "name", None), str)]:
                self._leave_out(implementation.plugin_name, f"{hook} gives what is no {what}: {strange[0]!r}")
                continue
            for kind in kinds:
                if kind.name in found:
                    raise PluginClash(
                        f"two plugins bring a {what} named {kind.name!r} "
                        f"({found[kind.name].__module__} and {kind.__module__}): uninstall one of them"
                    )
                found[kind.name] = kind
        return dict(sorted(found.items()))

    @property
    def failures(self) -> list[LoadedPlugin]:
        """The plugins that were left out."""
        return [plugin for plugin in self.loaded if plugin.error]

    # -- the hooks that are called while serving

    def routes(self, server: Server) -> list[Any]:
        """Gather the routes that belong to no instance."""
        return [handler for handlers in self._manager.hook.dvid_routes(server=server) for handler in handlers]

    def startup(self, server: Server) -> list[Any]:
        """Call the start hooks; returns what is to be awaited."""
        return [result for result in self._manager.hook.dvid_startup(server=server) if result is not None]

    def shutdown(self, server: Server) -> list[Any]:
        """Call the stop hooks; returns what is to be awaited."""
        return [result for result in self._manager.hook.dvid_shutdown(server=server) if result is not None]

    @property
    def follows_mutations(self) -> bool:
        """Whether any plugin wants to learn of mutations."""
        return bool(self._manager.hook.dvid_mutation.get_hookimpls())

    def mutation(self, server: Server, mutation: Mutation) -> None:
        """Tell the plugins of a committed mutation."""
        self._manager.hook.dvid_mutation(server=server, mutation=mutation)

    def authorize(self, server: Server, who: str, action: str) -> bool | None:
        """Ask the plugins whether an action is allowed; None where none decides."""
        answer: bool | None = self._manager.hook.dvid_authorize(server=server, who=who, action=action)
        return answer
