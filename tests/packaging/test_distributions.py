"""All distributions of the repository agree: versions, entry points, shape, and pins that name no index."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

import dvid_framework

ROOT = Path(__file__).parents[2]
LIBRARIES = sorted(ROOT.glob("libs/dvid-*"))
PLUGINS = sorted(ROOT.glob("plugins/dvid-*"))
FOLDERS = [ROOT, *LIBRARIES, *PLUGINS]


def project_of(folder: Path) -> dict[str, Any]:
    """Return the table [project] of a distribution."""
    table: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return table


def our_needs(project: dict[str, Any]) -> set[str]:
    """Return which distributions of ours one needs, extras left aside."""
    names = {re.split(r"[\[<>=!~ ;]", need, maxsplit=1)[0] for need in project["dependencies"]}
    return {name for name in names if name.startswith("dvid-")}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_versions_license_and_shape(folder: Path) -> None:
    project = project_of(folder)
    assert project["version"] == dvid_framework.__version__
    assert project["license"] == "BSD-3-Clause"
    assert project["requires-python"] == project_of(ROOT)["requires-python"]
    assert (folder / "README.md").stat().st_size > 0
    if folder != ROOT:
        assert project["name"] == folder.name
        assert list(folder.rglob("py.typed")), "its types are published"
        assert list(folder.rglob("tests")), "it has its own tests"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_is_found_by_its_entry_point(plugin: Path) -> None:
    project = project_of(plugin)
    name = plugin.name.removeprefix("dvid-")
    package = plugin.name.replace("-", "_")
    assert project["entry-points"] == {"dvid": {name: f"{package}.plugin"}}
    assert (plugin / "src" / package / "plugin.py").exists()
    installed = distribution(plugin.name)
    assert installed.version == project["version"], "run `make install`"
    entries = {entry.name: entry.value for entry in installed.entry_points if entry.group == "dvid"}
    assert entries == project["entry-points"]["dvid"], "run `make install`"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_needs_the_core_and_libraries_only(plugin: Path) -> None:
    needs = our_needs(project_of(plugin))
    assert "dvid-framework" in needs
    assert needs <= {"dvid-framework", "dvid-voxels", "dvid-labels"}, "native kernels are an extra"


def test_the_core_needs_nothing_of_ours_nor_numpy() -> None:
    project = project_of(ROOT)
    assert our_needs(project) == set()
    assert not [need for need in project["dependencies"] if need.startswith("numpy")]
    assert project["scripts"] == {"dvid": "dvid_framework.cli:main"}
    assert project["entry-points"] == {"pytest11": {"dvid": "dvid_framework.testing.pytest_plugin"}}


def test_the_workspace_knows_all_of_them() -> None:
    sources = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["sources"]
    assert set(sources) == {"dvid-framework", *(folder.name for folder in FOLDERS[1:])}


def test_tox_has_an_environment_for_each_plugin() -> None:
    environments = re.search(r"env_list = (.*)", (ROOT / "tox.ini").read_text())
    assert environments is not None
    assert {plugin.name.removeprefix("dvid-") for plugin in PLUGINS} <= set(environments[1].split(", "))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-demo.lock", "build.lock"])
def test_pins_name_no_index_and_nothing_of_ours(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^dvid-", text, re.MULTILINE), "an index would be asked for a name of ours"


def test_the_pinned_tools_are_one_version() -> None:
    wanted = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    locked = re.search(r"^uv==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert wanted is not None
    assert locked is not None
    assert wanted[1] == locked[1]
