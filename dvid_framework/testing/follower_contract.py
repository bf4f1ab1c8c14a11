"""What every datatype must do that follows others.

Subclass `FollowerContract` in a test file of the plugin:

    class TestElementsFollowLabels(FollowerContract):
        entry_points = ("annotation", "labelmap")
        leader_type, follower_type = "labelmap", "annotation"
        mutations = (Mutation("POST", "/merge", b"[1, 2]"),)
        reads = ("/label/1",)
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from dvid_framework.instances.instance import Instance
from dvid_framework.plugins import Plugins
from dvid_framework.testing.client import Client
from dvid_framework.testing.datatype_contract import Mutation
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

__all__ = ["FollowerContract"]

_State = dict[str, tuple[int, bytes]]


class FollowerContract:
    """The contract of a datatype that follows another.

    Attributes:
        entry_points: of the plugins of both types.
        plugins_given: plugins that are not installed, by name.
        leader_type: the type that is followed.
        leader_settings: settings of its instance.
        follower_type: the type that follows.
        follower_settings: settings of its instance.
        preparations: requests on the follower before it follows; on the leader those of `mutations` alone are done.
        mutations: requests that change the leader, done in this order; together they must change every read.
        reads: GET addresses below the follower.
    """

    entry_points: ClassVar[Sequence[str]] = ()
    plugins_given: ClassVar[Mapping[str, object]] = {}
    leader_type: ClassVar[str]
    leader_settings: ClassVar[Mapping[str, str]] = {}
    follower_type: ClassVar[str]
    follower_settings: ClassVar[Mapping[str, str]] = {}
    preparations: ClassVar[Sequence[Mutation]] = ()
    mutations: ClassVar[Sequence[Mutation]]
    reads: ClassVar[Sequence[str]]

    @pytest.fixture
    def server(self, dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch) -> ServerThread:
        """A server with both types, whose followers try again at once."""
        monkeypatch.setenv("DVID_LOAD_PLUGINS", ",".join(self.entry_points))
        monkeypatch.setattr("dvid_framework.events.pursuit._LONGEST_PAUSE", 0.01)
        return dvid_server(plugins=Plugins(self.plugins_given, discover=bool(self.entry_points)))

    @pytest.fixture
    def root(self, server: ServerThread) -> str:
        """UUID of the root of a repo in which `follower` follows `leader`."""
        return self._new(server.client)

    def _new(self, client: Client) -> str:
        root = client.new_repo()
        client.new_instance(root, self.leader_type, "leader", **self.leader_settings)
        client.new_instance(root, self.follower_type, "follower", **self.follower_settings)
        for mutation in self.preparations:
            client.request(mutation.method, f"/api/node/{root}/follower{mutation.path}", mutation.body).ok()
        client.post(f"/api/node/{root}/follower/sync", {"sync": "leader"}).ok()
        return root

    def _mutate(self, client: Client, uuid: str) -> None:
        for mutation in self.mutations:
            client.request(mutation.method, f"/api/node/{uuid}/leader{mutation.path}", mutation.body).ok()

    def _state(self, client: Client, uuid: str) -> _State:
        found = {}
        for path in self.reads:
            deadline = time.monotonic() + 30
            while (reply := client.get(f"/api/node/{uuid}/follower{path}")).status == 503:
                assert time.monotonic() < deadline, reply.text
                time.sleep(0.01)
            found[path] = (reply.status, reply.body if reply.status == 200 else b"")
        return found

    def _expected(self, client: Client) -> _State:
        """What the reads answer where nothing goes wrong."""
        root = self._new(client)
        self._mutate(client, root)
        return self._state(client, root)

    def test_reads_show_what_the_leader_acknowledged(self, server: ServerThread, root: str) -> None:
        before = self._state(server.client, root)
        self._mutate(server.client, root)
        after = self._state(server.client, root)
        assert all(status == 200 for status, _ in after.values())
        assert [path for path in self.reads if after[path] == before[path]] == []

    def test_what_was_set_aside_is_taken_in_after_a_restart(
        self, server: ServerThread, root: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As if the server had died between the leader's commits and the follower's part."""
        expected = self._expected(server.client)

        def fail(*_: Any) -> None:
            raise RuntimeError("the follower is away")

        with monkeypatch.context() as patching:
            patching.setattr(self._instance_class(server), "on_event", fail)
            self._mutate(server.client, root)
            server.stop()
        server.restart()
        assert self._state(server.client, root) == expected
        server.restart()
        assert self._state(server.client, root) == expected

    def test_a_failure_after_its_work_changes_nothing(
        self, server: ServerThread, root: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each mutation fails once when all its work is done, and is then taken in by a second call."""
        expected, seen = self._expected(server.client), set[int]()
        kind = self._instance_class(server)
        whole: Any = kind.on_event

        def fail_once(instance: Instance, event: Any, leader: Instance, txn: Any) -> None:
            whole(instance, event, leader, txn)
            if event.number not in seen:
                seen.add(event.number)
                raise RuntimeError("the disk is away")

        monkeypatch.setattr(kind, "on_event", fail_once)
        self._mutate(server.client, root)
        assert self._state(server.client, root) == expected
        assert seen

    def test_a_child_version_has_its_own_and_its_parent_stays(self, server: ServerThread, root: str) -> None:
        expected = self._expected(server.client)
        before = self._state(server.client, root)
        server.client.commit(root)
        child = server.client.child(root)
        self._mutate(server.client, child)
        assert self._state(server.client, child) == expected
        assert self._state(server.client, root) == before

    def _instance_class(self, server: ServerThread) -> type[Instance]:
        return server.server.datatypes[self.follower_type].instance
