"""Deleting and renaming by commands: what is asked before, and what is gone after."""

from __future__ import annotations

import sys

import pytest

from dvid_framework.testing.pytest_plugin import ServerFactory
from tests.cli.conftest import Dvid


def _repo(dvid: Dvid) -> str:
    root: str = dvid("repos", "new", "fly").out.strip()
    dvid("instances", "new", root, "keyvalue", "notes")
    dvid("commit", root)
    dvid("newversion", root)
    dvid("branch", root, "side")
    return root


def test_instances_branches_and_repos_are_deleted(dvid: Dvid) -> None:
    root = _repo(dvid)
    assert dvid("delete", "instance", root, "notes", "--yes", "notes").out == "deleted notes\n"
    assert dvid("instances", root, "--json").json() == {}
    assert dvid("delete", "branch", root, "side", "--yes", "side", "--json").json()["state"] == "done"
    assert len(dvid("versions", root, "--json").json()) == 2
    assert dvid("delete", "repo", root, "--yes", "fly").out == "deleted fly\n"
    assert dvid("repos", "--json").json() == {}


def test_they_are_renamed(dvid: Dvid) -> None:
    root = _repo(dvid)
    assert dvid("rename", "instance", root, "notes", "comments").out == "renamed notes to comments\n"
    assert dvid("rename", "branch", root, "side", "way").out == "renamed side to way\n"
    assert dvid("rename", "repo", root, "bee").out == "renamed fly to bee\n"
    repo = dvid("repos", "--json").json()[root]
    assert repo["Alias"] == "bee"
    assert list(repo["DataInstances"]) == ["comments"]
    assert {node["Branch"] for node in repo["DAG"]["Nodes"].values()} == {"", "way"}


@pytest.mark.parametrize("given", [(), ("--yes", "other")])
def test_a_deletion_needs_the_name(run: Dvid, dvid_server: ServerFactory, given: tuple[str, ...]) -> None:
    url = ("--url", dvid_server().url)
    root = _repo(lambda *arguments: run(*arguments, *url))
    for what in (("instance", root, "notes"), ("branch", root, "side"), ("repo", root)):
        said = run("delete", *what, *given, *url)
        assert said.status == 2
        assert f"confirm it by its name: --yes {'fly' if what[0] == 'repo' else what[-1]}" in said.err
    assert len(run("versions", root, "--json", *url).json()) == 3


def test_a_person_is_asked_for_the_name(run: Dvid, dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    url = ("--url", dvid_server().url)
    root = _repo(lambda *arguments: run(*arguments, *url))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda *_: "no")
    assert run("delete", "repo", root, *url).status == 2
    monkeypatch.setattr("builtins.input", lambda *_: "fly")
    assert run("delete", "repo", root, *url).status == 0


def test_a_passcode_is_needed_where_there_is_one(run: Dvid, dvid_server: ServerFactory) -> None:
    url = ("--url", dvid_server().url)
    root = run("repos", "new", "fly", "--passcode", "sesame", *url).out.strip()
    assert "passcode" in run("delete", "repo", root, "--yes", "fly", *url).err
    assert run("delete", "repo", root, "--yes", "fly", "--passcode", "sesame", *url).status == 0
