"""What reads our volumes, in an environment of its own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def readers() -> ModuleType:
    """The module `environment`: `run_reader(script, ...)` runs a script with these tools."""
    spec = importlib.util.spec_from_file_location("dvid_tests_readers", HERE / "environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
