"""Fixtures: a core over each kind of store, with one repo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dvid_framework.instances.instance import Instance
from dvid_framework.testing.core import Core, embedded_openers, memory_opener, single_row_opener
from dvid_framework.versions.repo import Repo


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    core = Core(tmp_path, memory_opener())
    yield core
    core.close()


@pytest.fixture(params=[*embedded_openers(), "memory", "single_row"])
def any_core(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Core]:
    openers = {
        **{name: opener(tmp_path / "store") for name, opener in embedded_openers().items()},
        "memory": memory_opener(),
        "single_row": single_row_opener(),
    }
    core = Core(tmp_path, openers[request.param])
    yield core
    core.close()


@pytest.fixture
def repo(core: Core) -> Repo:
    return core.repos.create("test")


@pytest.fixture
def instance(core: Core, repo: Repo) -> Instance:
    return core.instance(repo, "t")
