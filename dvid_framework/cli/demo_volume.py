"""A synthetic segmentation that looks like neurites: branching random walks of changing width, cut into supervoxels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["DemoVolume", "grayscale_of", "grow"]

_SIZE = 256
_BODIES = 160
_STEPS = 130
_STEPS_PER_SUPERVOXEL = 9


@dataclass(slots=True)
class DemoVolume:
    """A segmentation.

    Attributes:
        supervoxels: uint64 labels, shape (z, y, x); 0 is background.
        bodies: the supervoxels of each body; a body has the id of its first one.
        sizes: voxels of each supervoxel.
    """

    supervoxels: NDArray[np.uint64]
    bodies: dict[int, list[int]] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)

    def supervoxels_of_largest(self, count: int) -> list[int]:
        """Return the supervoxels of the largest bodies."""
        by_size = sorted(self.bodies.values(), key=lambda parts: -sum(self.sizes.get(part, 0) for part in parts))
        return [part for parts in by_size[:count] for part in parts]


def grayscale_of(supervoxels: NDArray[np.uint64], seed: int = 7) -> NDArray[np.uint8]:
    """Return what a microscope might have seen of a segmentation: dark membranes, gray insides, bright gaps; noise.

    Args:
        supervoxels: uint64 (z, y, x); 0 is background.
        seed: of the noise.

    Returns:
        uint8 of the same shape.
    """
    random = np.random.default_rng(seed)
    # Each supervoxel has its own gray, the same as long as the seed is.
    tints = random.integers(120, 165, 256).astype(np.int16)
    gray = np.where(supervoxels == 0, np.int16(195), tints[(supervoxels % np.uint64(256)).astype(np.intp)])
    for axis in range(3):
        edge = np.diff(supervoxels, axis=axis) != 0
        at = tuple(slice(None, -1) if other == axis else slice(None) for other in range(3))
        gray[at][edge] = 70
    gray += random.integers(-12, 13, gray.shape, np.int16)
    return gray.astype(np.uint8)


def _paint(labels: NDArray[np.uint64], centre: NDArray[np.float64], radius: float, label: int) -> None:
    """Give the empty voxels of a ball the label."""
    low = np.maximum(np.floor(centre - radius), 0).astype(int)
    high = np.minimum(np.ceil(centre + radius) + 1, labels.shape).astype(int)
    if (low >= high).any():
        return
    z, y, x = (np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True))
    inside = z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2 <= radius**2
    box = labels[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    box[inside & (box == 0)] = label


def _walk(
    labels: NDArray[np.uint64],
    random: np.random.Generator,
    start: NDArray[np.float64],
    steps: int,
    radius: float,
    first: int,
) -> tuple[int, list[NDArray[np.float64]]]:
    """Paint a wandering tube; returns the next free label and the way that it took."""
    heading = random.normal(size=3)
    at, label, way = start.copy(), first, []
    for step in range(steps):
        heading = 0.82 * heading / np.linalg.norm(heading) + 0.45 * random.normal(size=3)
        at = at + heading / np.linalg.norm(heading) * max(radius * 0.5, 1.5)
        if ((at < -8) | (at > _SIZE + 8)).any():
            heading = _SIZE / 2 - at  # turn back into the volume
        radius = float(np.clip(radius + random.normal() * 0.35, 2.5, 11.0))
        label = first + step // _STEPS_PER_SUPERVOXEL
        _paint(labels, at, radius, label)
        way.append(at.copy())
    return label + 1, way


def grow(progress: Callable[[float], object] = bool, seed: int = 7) -> DemoVolume:
    """Grow a volume of 256^3 voxels; the same seed gives the same volume.

    Args:
        progress: called with the share that is done, 0 to 1.
        seed: of the random numbers.
    """
    random = np.random.default_rng(seed)
    volume = DemoVolume(np.zeros((_SIZE, _SIZE, _SIZE), np.uint64))
    following = 1
    for number in range(_BODIES):
        first = following
        soma = random.uniform(0, _SIZE, 3)
        _paint(volume.supervoxels, soma, float(random.uniform(6, 16)), first)
        following, way = _walk(volume.supervoxels, random, soma, _STEPS, float(random.uniform(4, 8)), first)
        for _ in range(int(random.integers(1, 4))):
            branch_at = way[int(random.integers(len(way) // 4, len(way)))]
            following, _way = _walk(volume.supervoxels, random, branch_at, _STEPS // 2, 3.5, following)
        volume.bodies[first] = list(range(first, following))
        progress((number + 1) / _BODIES)
    labels, counts = np.unique(volume.supervoxels, return_counts=True)
    volume.sizes = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    for body, parts in list(volume.bodies.items()):
        seen = [part for part in parts if part in volume.sizes]  # some were painted over nothing but others
        del volume.bodies[body]
        if seen:
            volume.bodies[seen[0]] = seen
    return volume
