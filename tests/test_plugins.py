"""Plugins: a broken one is named and left out, and the rest works; two of one name refuse to start."""

from __future__ import annotations

import types
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import jwt
import pytest

from dvid_framework import plugins as plugins_module
from dvid_framework.api import Datatype, Instance, hookimpl
from dvid_framework.config import AuthSettings, Config
from dvid_framework.http.access.tokens import SECRET
from dvid_framework.plugins import PluginClash, Plugins
from dvid_framework.server import Server
from dvid_framework.storage.engines import embedded_engines
from dvid_framework.testing import tiny
from dvid_framework.testing.pytest_plugin import ServerFactory


class _Hooks:
    """A plugin as an object."""

    def __init__(self, **hooks: Any) -> None:
        for name, function in hooks.items():
            setattr(self, name, hookimpl(function))


def _types(*names: str) -> _Hooks:
    kinds = [type(name, (Datatype,), {"name": name, "instance": Instance, "__doc__": "A type."}) for name in names]
    return _Hooks(dvid_datatypes=lambda: kinds)


def test_the_core_brings_its_stores() -> None:
    assert set(Plugins(discover=False).engines) == {*(kind.name for kind in embedded_engines()), "memory"}


def test_a_plugin_contributes_its_types() -> None:
    found = Plugins({"tiny": tiny, "more": _types("b", "a")}, discover=False)
    assert list(found.datatypes) == ["a", "b", "tiny"]
    assert found.failures == []


def _entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "dvid")


def _discover(monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint) -> None:
    monkeypatch.setattr(plugins_module, "entry_points", lambda group: [e for e in entries if e.group == group])


def test_a_plugin_that_fails_at_import_is_named_and_the_rest_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, text in (("raises", "raise RuntimeError('no luck')"), ("leaves", "import sys; sys.exit(3)")):
        (tmp_path / f"plugin_{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    _discover(
        monkeypatch,
        _entry("raises", "plugin_raises"),
        _entry("leaves", "plugin_leaves"),
        _entry("missing", "no_such_module_at_all"),
        _entry("attribute", "dvid_framework.testing.tiny:nothing"),
        _entry("tiny", "dvid_framework.testing.tiny"),
    )
    found = Plugins()
    assert list(found.datatypes) == ["tiny"]
    assert {failure.name for failure in found.failures} == {"raises", "leaves", "missing", "attribute"}
    assert any("no luck" in failure.error for failure in found.failures)


def test_a_hook_with_unknown_arguments_is_named_and_the_rest_works() -> None:
    def dvid_startup(server: Any, unknown: Any) -> None:
        del server, unknown

    found = Plugins({"bad": _Hooks(dvid_startup=dvid_startup), "tiny": tiny}, discover=False)
    assert [failure.name for failure in found.failures] == ["bad"]
    assert "unknown" in found.failures[0].error
    assert list(found.datatypes) == ["tiny"]


def test_a_hook_of_an_unknown_name_is_named_and_the_rest_works() -> None:
    found = Plugins({"bad": _Hooks(dvid_no_such_hook=lambda: None), "tiny": tiny}, discover=False)
    assert [failure.name for failure in found.failures] == ["bad"]
    assert list(found.datatypes) == ["tiny"]


def test_two_types_of_one_name_refuse_to_start() -> None:
    with pytest.raises(PluginClash, match=r"'tiny'.*uninstall one"):
        Plugins({"one": tiny, "two": _types("tiny")}, discover=False)


def test_two_plugins_of_one_name_refuse_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    _discover(monkeypatch, _entry("x", "dvid_framework.testing.tiny"), _entry("x", "dvid_framework.testing.client"))
    with pytest.raises(PluginClash, match="'x'"):
        Plugins()


def test_the_environment_chooses_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    _discover(monkeypatch, _entry("tiny", "dvid_framework.testing.tiny"))
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "")
    assert Plugins().datatypes == {}
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "other,tiny")
    assert list(Plugins().datatypes) == ["tiny"]


def test_a_datatypes_hook_that_raises_is_named_and_the_rest_works() -> None:
    def dvid_datatypes() -> list[type[Datatype]]:
        raise RuntimeError("broken inside")

    found = Plugins({"bad": _Hooks(dvid_datatypes=dvid_datatypes), "tiny": tiny}, discover=False)
    assert [failure.name for failure in found.failures] == ["bad"]
    assert "broken inside" in found.failures[0].error
    assert list(found.datatypes) == ["tiny"]


def test_a_type_that_is_no_datatype_is_named_and_the_rest_works() -> None:
    bad = _Hooks(dvid_datatypes=lambda: [object, types.SimpleNamespace(name=5)])
    found = Plugins({"bad": bad, "tiny": tiny}, discover=False)
    assert [failure.name for failure in found.failures] == ["bad"]
    assert list(found.datatypes) == ["tiny"]


def test_left_out_plugins_show_in_the_servers_info(dvid_server: ServerFactory) -> None:
    bad = _Hooks(dvid_no_such_hook=lambda: None)
    server = dvid_server(plugins=Plugins({"bad": bad, "tiny": tiny}, discover=False))
    assert "bad" in server.client.json("/api/server/info")["Plugins left out"]
    rows = {row["name"]: row["error"] for row in server.client.json("/api/server/plugins")}
    assert rows["bad"]
    assert rows["tiny"] == ""
    assert "tiny" in server.client.json("/api/server/compiled-types")


def test_start_stop_and_mutation_hooks_are_called(dvid_server: ServerFactory) -> None:
    calls: list[str] = []

    async def later(word: str) -> None:
        calls.append(word)

    def dvid_startup(server: Server) -> Any:
        return later("start")

    def dvid_shutdown(server: Server) -> Any:
        return later("stop")

    def dvid_mutation(server: Server, mutation: Any) -> None:
        calls.extend(entry["Action"] for entry in mutation.entries)

    hooks = _Hooks(dvid_startup=dvid_startup, dvid_shutdown=dvid_shutdown, dvid_mutation=dvid_mutation)
    server = dvid_server(plugins=Plugins({"hooks": hooks, "tiny": tiny}, discover=False))
    root = server.client.new_repo()
    server.client.new_instance(root, "tiny", "t")
    server.client.post(f"/api/node/{root}/t/pair/a", b"1").ok()
    follower = server.server._followers[0]
    assert follower.wait_for(server.server.stores.metadata.written, 10)
    server.stop()
    assert calls == ["start", "newrepo", "newinstance", "set", "stop"]


def test_an_authorizing_plugin_has_the_first_word(dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    def dvid_authorize(server: Server, who: str, action: str) -> bool | None:
        return {"ann": True, "bob": False}.get(who)

    monkeypatch.setenv(SECRET, "a secret that is long enough for sha-256")
    found = Plugins({"guard": _Hooks(dvid_authorize=dvid_authorize)}, discover=False)
    config = Config(auth=AuthSettings(enforce="token"))
    client = dvid_server(plugins=found, admin_token="secret", config=config).client

    def bearer(user: str) -> dict[str, str]:
        token = jwt.encode({"user": user}, "a secret that is long enough for sha-256", "HS256")
        return {"Authorization": f"Bearer {token}"}

    assert client.post("/api/repos", {}, **bearer("ann")).status == 200
    assert client.post("/api/repos?admintoken=secret", {}, **bearer("bob")).status == 400
    assert client.post("/api/repos?u=ann", {}).status == 400, "a name that nothing proves counts for nothing"
    assert client.post("/api/repos?u=ann", {}, **bearer("eve")).status == 400
    assert client.post("/api/repos", {}).status == 400
    assert client.post("/api/repos?admintoken=secret", {}).status == 200
