"""TensorStore reads versions over HTTP, from both formats, as they were written."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorstore
from numpy.typing import NDArray

Labels = NDArray[np.uint64]
SPEC = {"open": True, "read": True}


def address(seg: Any, rest: str, version: str | None = None) -> str:
    return f"{seg.client.url}{seg.path(rest, version)}/"


def precomputed(seg: Any, scale: int, version: str | None = None, below: str = "precomputed") -> tuple[Any, Labels]:
    """First voxel (x, y, z) and labels (z, y, x) of a scale."""
    driver = {"driver": "neuroglancer_precomputed", "kvstore": address(seg, below, version), "scale_index": scale}
    store = tensorstore.open(driver, **SPEC).result()
    assert store.dtype.name == "uint64"
    return store.domain.origin[:3], store.read().result()[..., 0].T


def zarr(seg: Any, scale: int, version: str | None = None, below: str = "zarr") -> Labels:
    """Labels (z, y, x) of a scale."""
    store = tensorstore.open({"driver": "zarr3", "kvstore": address(seg, f"{below}/{scale}", version)}, **SPEC)
    return store.result().read().result()


@pytest.fixture
def versions(new_segmentation: Callable[..., Any], volumes: SimpleNamespace) -> tuple[Any, dict[str, Labels]]:
    """Two versions with volumes (z, y, x) from (64, 0, 128) on; blocks of 64^3, three scales."""
    seg = new_segmentation((64, 64, 64), MaxDownresLevel="2")
    first = volumes.natural((128, 128, 64), 3)
    seg.write_raw(first, (64, 0, 128)).ok()
    seg.client.commit(seg.root)
    child = seg.client.child(seg.root)
    second = first.copy()
    second[:, :64, :64] = volumes.natural((64, 64, 64), 4)
    seg.write_raw(second[:, :64, :64].copy(), (64, 0, 128), version=child).ok()
    bodies = seg.json("existing-labels", child)[:8]
    seg.post("merge", bodies, child).ok()
    second[np.isin(second, np.array(bodies, np.uint64))] = bodies[0]
    return seg, {seg.root: first, child: second}


def test_both_formats_at_two_versions_and_three_scales(versions: tuple[Any, dict[str, Labels]]) -> None:
    seg, expected = versions
    for version, volume in expected.items():
        origin, labels = precomputed(seg, 0, version)
        assert list(origin) == [64, 0, 128]
        assert (labels == volume).all()
        array = zarr(seg, 0, version)
        assert (array[128:, :, 64:] == volume).all()
        assert not array[:128].any()
        for scale in (1, 2):
            low = seg.read_raw([side >> scale for side in (128, 128, 64)], (64 >> scale, 0, 128 >> scale),
                               f"?scale={scale}", version)  # fmt: skip
            origin, labels = precomputed(seg, scale, version)
            x, y, z = ((at >> scale) - first for at, first in zip((64, 0, 128), origin, strict=True))
            assert (labels[z:, y:, x:] == low).all()
            assert not labels[:, :, :x].any()
            assert (zarr(seg, scale, version)[128 >> scale :, :, 64 >> scale :] == low).all()


def test_supervoxels(versions: tuple[Any, dict[str, Labels]]) -> None:
    seg, expected = versions
    child = list(expected)[1]
    stored = seg.read_raw((128, 128, 64), (64, 0, 128), "?supervoxels=true", child)
    assert (stored != expected[child]).any()
    assert (precomputed(seg, 0, child, "precomputed/supervoxels")[1] == stored).all()
    assert (zarr(seg, 0, child, "zarr/supervoxels")[128:, :, 64:] == stored).all()


def test_negative_coordinates_and_odd_extents(new_segmentation: Callable[..., Any], volumes: SimpleNamespace) -> None:
    seg = new_segmentation((32, 16, 48))
    volume = volumes.natural((64, 32, 96), 6)
    seg.write_raw(volume, (-64, -16, 0)).ok()
    seg.post("extents", {"MinPoint": [-64, -16, 0], "MaxPoint": [-6, 14, 90]}).ok()
    origin, labels = precomputed(seg, 0)
    assert list(origin) == [-64, -64, 0]
    assert labels.shape == (91, 64 + 15, 59)
    assert (labels[:, 48:] == volume[:91, :31, :59]).all()
    assert (zarr(seg, 0) == labels).all()
