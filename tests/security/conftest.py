"""A stand-in for the service that knows the users."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dvid_framework.testing.gateway import FakeGateway


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    """A gateway that knows nobody yet."""
    opened = FakeGateway()
    yield opened
    opened.close()
