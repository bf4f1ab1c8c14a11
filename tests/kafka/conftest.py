"""The broker of the tests; the tests' names say which kind it is."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from broker import Broker

KIND = "real-broker" if shutil.which("java") and shutil.which("mvn") else "mock-cluster-for-want-of-java"
collect_ignore_glob = [] if importlib.util.find_spec("confluent_kafka") else ["test_*.py"]


@pytest.fixture(scope="session", params=[KIND])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that runs."""
    spec = importlib.util.spec_from_file_location("dvid_tests_broker", Path(__file__).with_name("broker.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    started = module.RealBroker(tmp_path_factory.mktemp("kafka")) if KIND == "real-broker" else module.MockBroker()
    try:
        started.start()
        yield started
    finally:
        started.close()
