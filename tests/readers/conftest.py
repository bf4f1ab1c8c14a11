"""What reads our volumes, in an environment of its own."""

from __future__ import annotations

from types import ModuleType

import pytest

from dvid_framework.testing.modules import module_beside


@pytest.fixture(scope="session")
def readers() -> ModuleType:
    """The module `environment`: `run_reader(script, ...)` runs a script with these tools."""
    return module_beside(__file__, "environment")
