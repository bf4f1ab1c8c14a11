"""The commands about repos and versions, against a server and a folder alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dvid_framework.testing.pytest_plugin import ServerFactory
from tests.cli.conftest import Dvid


def _root(dvid: Dvid) -> str:
    root: str = dvid("repos", "new", "fly", "--description", "a brain", "--json").json()["root"]
    return root


def test_a_repo_is_made_and_listed(dvid: Dvid) -> None:
    assert dvid("repos").out == "none\n"
    root = _root(dvid)
    found = dvid("repos", "--json").json()
    assert (found[root]["Alias"], found[root]["Description"]) == ("fly", "a brain")
    line = dvid("repos").out.splitlines()[1]
    assert line.split()[:4] == [root, "fly", "1", "0"]


def test_versions_are_committed_branched_and_merged(dvid: Dvid) -> None:
    root = _root(dvid)
    assert dvid("commit", root[:8], "--note", "first", "--log", "one", "--log", "two", "--json").json() == {
        "committed": root
    }
    child = dvid("newversion", root, "--note", "on", "--json").json()["child"]
    side = dvid("branch", root, "side", "--json").json()["child"]
    for uuid in (child, side):
        dvid("commit", uuid)
    merged = dvid("merge", child, ":side", "--note", "both", "--json").json()["child"]
    nodes = dvid("versions", root, "--json").json()
    assert [node["UUID"] for node in nodes] == [root, child, side, merged]
    rows = [line.split() for line in dvid("versions", root).out.splitlines()]
    assert rows[0][:4] == ["version", "branch", "state", "parents"]
    assert rows[1][:3] == [root, "master", "committed"]
    assert rows[3][:4] == [side, "side", "committed", root[:8]]
    assert rows[4][:5] == [merged, "master", "open", f"{child[:8]},", side[:8]]
    assert len(dvid("versions", root, "--branch", "side", "--json").json()) == 2
    assert [line.split("  ")[1] for line in dvid("log", root).out.splitlines()] == ["one", "two"]


def test_a_merge_may_settle_conflicts(dvid: Dvid) -> None:
    root = _root(dvid)
    dvid("instances", "new", root, "keyvalue", "notes")
    dvid("commit", root)
    sides = [dvid("branch", root, name, "--json").json()["child"] for name in ("a", "b")]
    for side in sides:
        dvid("commit", side)
    merged = dvid("merge", *sides, "--resolve", "notes", "--json").json()["child"]
    assert dvid("versions", merged, "--json").json()[-1]["UUID"] == merged


def test_logs_are_shown_and_added_to(dvid: Dvid) -> None:
    root = _root(dvid)
    assert dvid("log", root, "--json").json() == []
    assert [line.split("  ")[1] for line in dvid("log", root, "--add", "seen", "--json").json()] == ["seen"]
    assert "for all" in dvid("log", root, "--repo", "--add", "for all").out


def test_instances_are_made_and_listed(dvid: Dvid) -> None:
    root = _root(dvid)
    said = dvid("instances", "new", root, "keyvalue", "notes", "versioned=false")
    assert said.out == f"Added notes [keyvalue] to node {root}\n"
    assert dvid("instances", root, "--json").json()["notes"]["Base"]["Versioned"] is False
    assert dvid("instances", root).out.splitlines()[1].split()[:3] == ["notes", "keyvalue", "no"]


def test_jobs_are_listed(dvid: Dvid) -> None:
    assert dvid("jobs", "--json").json() == []
    assert dvid("jobs", "wait", "77").status == 2


def test_help_and_types(dvid: Dvid) -> None:
    assert "keyvalue" in dvid("help").out
    assert "/api/node/<uuid>/<data name>/key/<" in dvid("help", "keyvalue").out
    assert "keyvalue" in dvid("types", "--json").json()


def test_help_and_types_of_what_is_installed_need_no_server(run: Dvid) -> None:
    assert "/api/node/<uuid>/<data name>/key/<" in run("help", "keyvalue").out
    assert "keyvalue" in run("types").out
    assert "keyvalue" in {plugin["name"] for plugin in run("plugins", "--json").json()}
    assert "works" in run("plugins").out


_REFUSALS = {
    ("versions", "0123"): "there is no version whose UUID starts with '0123'",
    ("merge", "0123"): "a merge needs two versions or more",
    ("instances", "new", "0123", "keyvalue", "x", "oops"): "a setting is given as KEY=VALUE, and not 'oops'",
    ("commit",): "--uuid",
    ("repos", "--nonsense"): "--nonsense",
    ("nonsense",): "nonsense",
    ("help", "nonsense"): "nonsense",
    ("jobs", "cancel", "99"): "99",
}


def test_a_refusal_is_one_sentence_and_exit_status_2(dvid: Dvid) -> None:
    for arguments, sentence in _REFUSALS.items():
        said = dvid(*arguments)
        assert said.status == 2
        assert said.out == ""
        assert re.fullmatch(r"dvid: [^\n]+\n", said.err), said.err
        assert sentence in said.err


def test_a_server_that_does_not_answer_is_exit_status_3(run: Dvid) -> None:
    said = run("repos", "--url", "http://127.0.0.1:1")
    assert (said.status, said.out) == (3, "")
    assert said.err.startswith("dvid: no server answers at http://127.0.0.1:1: ")


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:8000", "http://"])
def test_what_is_no_url_is_refused(run: Dvid, url: str) -> None:
    assert "a server is named like" in run("repos", "--url", url).err


def test_a_folder_must_be_there_and_excludes_a_server(run: Dvid, tmp_path: Path) -> None:
    assert "there is no data folder" in run("repos", "--data", str(tmp_path / "none")).err
    assert "exclude each other" in run("repos", "--data", str(tmp_path), "--url", "http://x").err


def test_a_folder_that_is_served_is_refused(run: Dvid, tmp_path: Path, dvid_server: ServerFactory) -> None:
    dvid_server(tmp_path / "d")
    said = run("repos", "--data", str(tmp_path / "d"))
    assert said.status == 2
    assert "another server has" in said.err


def test_tokens_come_from_the_environment(
    run: Dvid, monkeypatch: pytest.MonkeyPatch, dvid_server: ServerFactory
) -> None:
    url = dvid_server(admin_token="secret").url
    assert run("repos", "new", "x", "--url", url).status == 2
    monkeypatch.setenv("DVID_ADMIN_TOKEN", "secret")
    monkeypatch.setenv("DVID_URL", url)
    assert run("repos", "new", "x").status == 0
    monkeypatch.setenv("DVID_TOKEN", "a token of a user")
    assert run("repos", "new", "y").status == 0
    assert len(run("repos", "--json").json()) == 2
