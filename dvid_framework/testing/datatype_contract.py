"""What every datatype must do.

Subclass `DatatypeContract` in a test file of the plugin and say what the type is:

    class TestGreeting(DatatypeContract):
        entry_point = "greeting"
        type_name = "greeting"
        mutations = (Mutation("POST", "/word/en", b"Hello"),)
        reads = ("/greet/en/Ann",)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from dvid_framework.config import Config
from dvid_framework.fsck import check
from dvid_framework.http.table import options_of
from dvid_framework.plugins import Plugins
from dvid_framework.server import Server
from dvid_framework.testing.client import Client
from dvid_framework.testing.faults import FailingEngine, FailingStore, FaultPlugin
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

__all__ = ["DatatypeContract", "Mutation"]

_TYPED = re.compile(r"\{(\w+)(:\w+)?\}")
_HEADING = re.compile(r"^(GET|POST|PUT|DELETE) +/api/node/<uuid>/<data name>(\S+)$", re.MULTILINE)
_BASE_KEYS = {"TypeName", "TypeURL", "TypeVersion", "DataUUID", "Name", "RepoUUID", "Compression", "Checksum"} | {
    "Syncs",
    "Versioned",
    "KVStore",
    "LogStore",
    "Tags",
}
_MOST_FAULTS = 60
_State = dict[str, tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Mutation:
    """A request that changes an instance and is answered with 200.

    Attributes:
        method: its method.
        path: its path below the instance, with any query.
        body: its body.
    """

    method: str
    path: str
    body: bytes = b""


class DatatypeContract:
    """The contract of a datatype.

    Attributes:
        entry_point: name of the plugin's entry point in the group `dvid`.
        plugin: the plugin itself, for one that is not installed; then there is no entry point.
        type_name: the type's name.
        settings: settings of the instances that are made.
        bad_settings: settings that must be refused, each with a sentence that names the setting.
        mutations: requests that change an instance, done in this order; together they must change every read.
        reads: GET addresses below the instance that show what the mutations change.
        extended: keys that `info` must show under `Extended`.
        answers_head: whether reads answer HEAD; some of the original's types refuse it.
    """

    entry_point: ClassVar[str] = ""
    plugin: ClassVar[object] = None
    type_name: ClassVar[str]
    settings: ClassVar[Mapping[str, str]] = {}
    bad_settings: ClassVar[Sequence[Mapping[str, Any]]] = ()
    mutations: ClassVar[Sequence[Mutation]]
    reads: ClassVar[Sequence[str]]
    extended: ClassVar[Sequence[str]] = ()
    answers_head: ClassVar[bool] = True

    # -- what the tests use

    @pytest.fixture
    def plugins(self, monkeypatch: pytest.MonkeyPatch) -> Plugins:
        """The plugin alone, and a store with faults."""
        monkeypatch.setenv("DVID_LOAD_PLUGINS", self.entry_point)
        extra: dict[str, object] = {"faults": FaultPlugin()}
        if not self.entry_point:
            extra[self.type_name] = self.plugin
        return Plugins(extra, discover=bool(self.entry_point))

    @pytest.fixture
    def server(self, dvid_server: ServerFactory, plugins: Plugins) -> ServerThread:
        """A server with the plugin alone."""
        return dvid_server(plugins=plugins)

    @pytest.fixture
    def client(self, server: ServerThread) -> Client:
        """A client of `server`."""
        return server.client

    @pytest.fixture
    def root(self, client: Client) -> str:
        """UUID of the open root of a new repo with an instance `data`."""
        return self._new(client, "data")

    def _new(self, client: Client, name: str, **settings: str) -> str:
        root = client.new_repo()
        client.new_instance(root, self.type_name, name, **{**self.settings, **settings})
        return root

    def _mutate(self, client: Client, uuid: str, name: str = "data") -> None:
        for mutation in self.mutations:
            client.request(mutation.method, f"/api/node/{uuid}/{name}{mutation.path}", mutation.body).ok()

    def _state(self, client: Client, uuid: str, name: str = "data") -> _State:
        replies = {path: client.get(f"/api/node/{uuid}/{name}{path}") for path in self.reads}
        return {path: (reply.status, reply.body if reply.status == 200 else b"") for path, reply in replies.items()}

    def _routes(self, server: ServerThread) -> list[tuple[str, str]]:
        datatype = server.server.datatypes[self.type_name]
        found = [options_of(route) for route in server.server.routes_of(datatype)]
        return [(options.method, options.template) for options in found if options is not None]

    # -- discovery, help, OpenAPI

    def test_it_is_found_alone(self, plugins: Plugins) -> None:
        assert plugins.failures == []
        assert self.type_name in plugins.datatypes

    def test_it_is_listed(self, client: Client) -> None:
        assert self.type_name in client.json("/api/server/compiled-types")
        assert client.json("/api/server/types") == {}
        self._new(client, "data")
        assert list(client.json("/api/server/types")) == [self.type_name]

    def test_help_names_every_route_and_no_other(self, server: ServerThread, root: str) -> None:
        text = server.client.get(f"/api/help/{self.type_name}").ok().text
        routes = {(method, _TYPED.sub(r"<\1>", template)) for method, template in self._routes(server)}
        assert set(_HEADING.findall(text)) == routes
        assert server.client.get(f"/api/node/{root}/data/help").ok().text == text

    def test_every_route_has_a_docstring(self, server: ServerThread) -> None:
        text = server.client.get(f"/api/help/{self.type_name}").text
        for heading in _HEADING.finditer(text):
            following = text[heading.end() :].lstrip("\n").partition("\n")[0]
            assert following.startswith("    "), f"{heading.group()} has no explanation"

    def test_openapi_has_its_routes_at_their_addresses(self, client: Client, server: ServerThread) -> None:
        paths = client.json("/schema/openapi.json")["paths"]
        for method, template in self._routes(server):
            address = f"/api/node/{{uuid}}/{{{self.type_name}}}" + _TYPED.sub(r"{\1}", template)
            assert method.lower() in paths.get(address, {}), f"{method} {address}"

    # -- info and settings

    def test_info_has_the_shape_of_all_types(self, client: Client, root: str) -> None:
        info = client.json(f"/api/node/{root}/data/info")
        assert list(info)[:2] == ["Base", "Extended"]
        assert set(info["Base"]) >= _BASE_KEYS
        assert (info["Base"]["TypeName"], info["Base"]["Name"]) == (self.type_name, "data")
        assert info["Base"]["RepoUUID"] == root
        assert set(info["Extended"]) >= set(self.extended)
        assert client.json(f"/api/repo/{root}/info")["DataInstances"]["data"] == info

    def test_bad_settings_are_refused_with_a_sentence_and_make_nothing(self, client: Client) -> None:
        root = client.new_repo()
        for bad in ({"dataname": ""}, {"versioned": "perhaps"}, {"Compression": "zip"}, *self.bad_settings):
            body = {"typename": self.type_name, "dataname": "data", **self.settings, **bad}
            reply = client.post(f"/api/repo/{root}/instance", body)
            assert reply.status == 400, bad
            assert len(reply.text.split()) > 3, bad
        assert client.json(f"/api/repo/{root}/info")["DataInstances"] == {}

    # -- requests

    def test_mutations_are_seen_by_the_reads(self, client: Client, root: str) -> None:
        before = self._state(client, root)
        self._mutate(client, root)
        after = self._state(client, root)
        assert all(status == 200 for status, _ in after.values())
        assert [path for path in self.reads if after[path] == before[path]] == []

    def test_head_is_get_without_the_body(self, client: Client, root: str) -> None:
        self._mutate(client, root)
        for path in ("/info", "/help", *self.reads):
            got = client.get(f"/api/node/{root}/data{path}")
            headed = client.head(f"/api/node/{root}/data{path}")
            if not self.answers_head and path != "/help":
                assert (headed.status, headed.body) == (400, b""), path
                continue
            assert (headed.status, headed.body) == (got.status, b""), path
            for name in ("content-type", "content-length"):
                assert headed.headers.get(name) == got.headers.get(name), path

    def test_unknown_keywords_are_400(self, client: Client, root: str) -> None:
        for method in ("GET", "POST", "PUT", "DELETE"):
            reply = client.request(method, f"/api/node/{root}/data/no-such-keyword/x", b"")
            assert reply.status == 400
            assert f"/api/help/{self.type_name}" in reply.text

    def test_options_tell_the_methods_of_each_keyword(self, client: Client, server: ServerThread, root: str) -> None:
        for method, template in self._routes(server):
            keyword = template.split("/")[1]
            reply = client.request("OPTIONS", f"/api/node/{root}/data/{keyword}")
            assert reply.status == 200
            assert method in reply.headers["allow"], template

    # -- versions

    def test_a_committed_version_refuses_its_mutations_and_stays_as_it_is(self, client: Client, root: str) -> None:
        self._mutate(client, root)
        client.commit(root)
        before = self._state(client, root)
        for mutation in self.mutations:
            reply = client.request(mutation.method, f"/api/node/{root}/data{mutation.path}", mutation.body)
            assert reply.status == 400, mutation.path
        assert self._state(client, root) == before

    def test_a_child_begins_with_its_parents_data_and_does_not_change_it(self, client: Client, root: str) -> None:
        empty = self._state(client, root)
        client.commit(root)
        child = client.child(root)
        assert self._state(client, child) == empty
        self._mutate(client, child)
        assert self._state(client, root) == empty
        written = self._state(client, child)
        client.commit(child)
        assert self._state(client, client.child(child)) == written

    def test_an_unversioned_instance_has_one_set_of_data_and_no_locks(self, client: Client) -> None:
        root = self._new(client, "data", versioned="false")
        client.commit(root)
        child = client.child(root)
        self._mutate(client, child)
        assert all(status == 200 for status, _ in self._state(client, root).values())
        assert self._state(client, root) == self._state(client, child)
        self._mutate(client, root)

    def test_two_instances_do_not_see_each_other(self, client: Client, root: str) -> None:
        client.new_instance(root, self.type_name, "other", **self.settings)
        before = self._state(client, root, "other")
        self._mutate(client, root)
        assert self._state(client, root, "other") == before

    # -- keeping

    def test_everything_is_there_after_a_restart(self, server: ServerThread, root: str) -> None:
        self._mutate(server.client, root)
        before = self._state(server.client, root), server.client.json(f"/api/node/{root}/data/info")
        before[1]["Base"]["Tags"] = before[1]["Base"]["Tags"] or {}  # null until the first restart, as in the original
        server.restart()
        after = self._state(server.client, root), server.client.json(f"/api/node/{root}/data/info")
        assert after == before

    def test_fsck_finds_nothing_wrong(self, server: ServerThread, plugins: Plugins, root: str) -> None:
        self._mutate(server.client, root)
        server.stop()
        offline = Server(server.data, plugins=plugins)
        report = check(offline.stores, offline.repos, offline.instances)
        offline.close()
        assert report.problems == []

    def test_wherever_the_store_fails_a_mutation_is_whole_or_nowhere(
        self, dvid_server: ServerFactory, plugins: Plugins
    ) -> None:
        """Let the n-th write or sync fail, for each n; the answer is 5xx and the next request works."""
        server = dvid_server(plugins=plugins, config=Config(store={"default": {"engine": FailingEngine.name}}))
        store = server.server.stores.metadata.store
        assert isinstance(store, FailingStore)
        for number, mutation in enumerate(self.mutations):
            for fault in range(_MOST_FAULTS):
                if not self._try_with_fault(server.client, store, number, fault):
                    break
            else:
                raise AssertionError(f"{mutation.path} makes more than {_MOST_FAULTS} writes")

    def _try_with_fault(self, client: Client, store: FailingStore, number: int, fault: int) -> bool:
        """Do a mutation whose write number `fault` fails; False if there were not that many writes."""
        root, mutation = self._new(client, "data"), self.mutations[number]
        for earlier in self.mutations[:number]:
            client.request(earlier.method, f"/api/node/{root}/data{earlier.path}", earlier.body).ok()
        before = self._state(client, root)
        store.fail_next(after=fault)
        reply = client.request(mutation.method, f"/api/node/{root}/data{mutation.path}", mutation.body)
        failed = store.calls >= store.fail_at
        store.fail_at = 0
        between = self._state(client, root)
        if failed and reply.status != 200:
            assert reply.status in (500, 503, 507)
            assert "Traceback" not in reply.text
        client.request(mutation.method, f"/api/node/{root}/data{mutation.path}", mutation.body).ok()
        assert between in (before, self._state(client, root)), f"a part of {mutation.path} is visible"
        return failed
