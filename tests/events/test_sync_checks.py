"""What a follower may refuse to follow, what settings a datatype may refuse, and who changed before a merge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from dvid_framework.api import BadRequest, Datatype, Instance, Instances, Repo, changed_sides, hookimpl
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


class PickySettings(msgspec.Struct):
    """Settings of the type."""

    beside: str = ""


class PickyInstance(Instance):
    """It follows one at most."""

    def check_follows(self, leaders: Sequence[Instance]) -> None:
        if len(leaders) > 1:
            raise BadRequest(f"{leaders[1].name!r} is one too many")

    def on_event(self, *_: Any) -> None:
        """Nothing is taken in."""


class Picky(Datatype):
    """A type that refuses."""

    name = "picky"
    instance = PickyInstance
    settings = PickySettings
    follows = ("tiny",)

    @classmethod
    def check_settings(cls, settings: msgspec.Struct, repo: Repo, instances: Instances) -> None:
        assert isinstance(settings, PickySettings)
        if settings.beside:
            instances.get(repo, settings.beside)


class PickyPlugin:
    """The plugin."""

    @staticmethod
    @hookimpl
    def dvid_datatypes() -> list[type[Datatype]]:
        return [Picky]


@pytest.fixture
def server(dvid_server: ServerFactory) -> ServerThread:
    return dvid_server(plugins=Plugins({"tiny": tiny, "picky": PickyPlugin()}, discover=False))


def test_leaders_that_are_refused_change_nothing(server: ServerThread) -> None:
    client = server.client
    root = client.new_repo()
    for name in ("one", "two"):
        client.new_instance(root, "tiny", name)
    client.new_instance(root, "picky", "follower")
    path = f"/api/node/{root}/follower"
    client.post(f"{path}/sync", {"sync": "one"}).ok()
    reply = client.post(f"{path}/sync", {"sync": "two"})
    assert reply.status == 400
    assert "'two' is one too many" in reply.text
    assert client.json(f"{path}/info")["Base"]["Syncs"] == ["one"]
    client.post(f"{path}/sync?replace=true", {"sync": "two"}).ok()
    assert client.json(f"{path}/info")["Base"]["Syncs"] == ["two"]


def test_settings_that_the_repo_does_not_have_are_refused(server: ServerThread) -> None:
    client = server.client
    root = client.new_repo()
    body = {"typename": "picky", "dataname": "follower", "Beside": "other"}
    assert client.post(f"/api/repo/{root}/instance", body).status == 400
    assert "follower" not in client.json(f"/api/repo/{root}/info")["DataInstances"]
    client.new_instance(root, "tiny", "other")
    client.post(f"/api/repo/{root}/instance", body).ok()


@pytest.mark.parametrize(
    ("left", "right", "sides"), [("", "", 0), ("a", "", 1), ("ab", "", 1), ("a", "b", 2), ("b", "b", 2)]
)
def test_sides_of_a_merge_that_changed_something(server: ServerThread, left: str, right: str, sides: int) -> None:
    client = server.client
    root = client.new_repo()
    for name in "abc":
        client.new_instance(root, "tiny", name)
        client.post(f"/api/node/{root}/{name}/pair/x", b"0").ok()
    client.commit(root)
    ends = [client.child(root), client.child(root, "side")]
    for end, changed in zip(ends, (left, right), strict=True):
        for name in changed:
            client.post(f"/api/node/{end}/{name}/pair/{end}", b"1").ok()
    client.post(f"/api/node/{ends[0]}/c/pair/x", b"2").ok()
    repo, _ = server.server.repos.find(root)
    instances = [server.server.instances.get(repo, name) for name in "ab"]
    assert changed_sides(instances, [server.server.repos.find(end)[1] for end in ends]) == sides
