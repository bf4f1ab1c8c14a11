"""Every test that takes `kernels` runs on each implementation that is installed."""

import importlib.util
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from dvid_labels import numpy_kernels

IMPLEMENTATIONS = [numpy_kernels]
if importlib.util.find_spec("dvid_kernels") is not None:
    from dvid_labels import native_kernels

    IMPLEMENTATIONS.append(native_kernels)

Volumes = Callable[..., NDArray[np.uint64]]


def _volume(size: tuple[int, int, int], labels: int, seed: int = 0, grain: int = 4) -> NDArray[np.uint64]:
    """Patches of `grain` voxels a side: some of 0, some of the largest label; size is (x, y, z)."""
    rng = np.random.default_rng(seed)
    others = rng.integers(1, 2**64 - 1, max(labels, 2), np.uint64)
    names = np.concatenate((np.array([0, 2**64 - 1], np.uint64), others))[:labels]
    patches = names[rng.integers(0, labels, tuple(-(-n // grain) for n in size[::-1]))]
    for axis in range(3):
        patches = np.repeat(patches, grain, axis)
    x, y, z = size
    return np.ascontiguousarray(patches[:z, :y, :x])


@pytest.fixture(scope="session", params=IMPLEMENTATIONS, ids=lambda module: module.__name__.rpartition(".")[2])
def kernels(request: pytest.FixtureRequest) -> ModuleType:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def native() -> ModuleType:
    """The native kernels, for tests that compare both implementations."""
    return IMPLEMENTATIONS[1]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where there are no native kernels there is nothing to compare, so these tests do not exist."""
    if len(IMPLEMENTATIONS) == 1:
        left_out = [item for item in items if "native" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def volume() -> Volumes:
    return _volume
