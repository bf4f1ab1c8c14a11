"""The broker of the tests; the tests' names say which kind it is."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from dvid_framework.testing.modules import module_beside

if TYPE_CHECKING:
    from broker import Broker

KIND = "real-broker" if shutil.which("java") and shutil.which("mvn") else "mock-cluster-for-want-of-java"
collect_ignore_glob = [] if importlib.util.find_spec("confluent_kafka") else ["test_*.py"]


@pytest.fixture(scope="session", params=[KIND])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that runs."""
    module = module_beside(__file__, "broker")
    started = module.RealBroker(tmp_path_factory.mktemp("kafka")) if KIND == "real-broker" else module.MockBroker()
    try:
        started.start()
        yield started
    finally:
        started.close()
