"""A server with labelmap and a tiny type of regions, segmentations in it, and volumes to write."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import dvid_labelmap.plugin
import numpy as np
import pytest
from dvid_labels import numpy_kernels, parse_block_stream
from numpy.typing import NDArray

from dvid_framework.api import BlockMask, Datatype, Instance, VersionRecord, hookimpl
from dvid_framework.testing import Plugins
from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.modules import module_beside
from dvid_framework.testing.running import ServerThread

Labels = NDArray[np.uint64]
Triple = tuple[int, int, int]
Blocks = dict[Triple, bytes]
module_beside(__file__, "modelled_bodies")


class DiagonalInstance(Instance):
    """A region of all blocks of 16^3 with x == y."""

    def mask_block_size(self) -> Triple:
        return (16, 16, 16)

    def block_mask(self, version: VersionRecord, first: Triple, count: Triple) -> bytes:
        x, y, z = (np.arange(low, low + size) for low, size in zip(first, count, strict=True))
        inside = (y[None, :, None] == x[None, None, :]) & np.ones((len(z), 1, 1), bool)
        return bytes(inside.astype(np.uint8).tobytes())


class Diagonal(Datatype):
    """Regions for tests."""

    name = "diagonal"
    instance = DiagonalInstance
    provides = (BlockMask,)


class RegionPlugin:
    @hookimpl
    def dvid_datatypes(self) -> list[type[Datatype]]:
        return [Diagonal]


def joined(numbers: Sequence[int]) -> str:
    return "_".join(str(int(number)) for number in numbers)


@dataclass
class Segmentation:
    """A labelmap instance and what tests do with it; volumes are uint64 (z, y, x), places are x, y, z."""

    client: Client
    root: str
    name: str
    block: Triple
    server: ServerThread
    version: str = field(default="")

    def path(self, rest: str, version: str | None = None) -> str:
        return f"/api/node/{version or self.version or self.root}/{self.name}/{rest}"

    def get(self, rest: str, body: Any = None, version: str | None = None) -> Reply:
        return self.client.get(self.path(rest, version), body)

    def post(self, rest: str, body: Any = b"", version: str | None = None) -> Reply:
        return self.client.post(self.path(rest, version), body)

    def json(self, rest: str, version: str | None = None) -> Any:
        return self.get(rest, version=version).ok().json()

    def write_raw(self, volume: Labels, offset: Sequence[int], query: str = "", version: str | None = None) -> Reply:
        size = volume.shape[::-1]
        return self.post(f"raw/0_1_2/{joined(size)}/{joined(offset)}{query}", volume.tobytes(), version)

    def read_raw(
        self, size: Sequence[int], offset: Sequence[int], query: str = "", version: str | None = None
    ) -> Labels:
        reply = self.get(f"raw/0_1_2/{joined(size)}/{joined(offset)}{query}", version=version).ok()
        return np.frombuffer(reply.body, "<u8").reshape(size[::-1])

    def instance(self) -> Any:
        """The server's own object."""
        server = self.server.server
        return server.instances.get(server.repos.find(self.root)[0], self.name)

    def commits(self) -> int:
        """The number of mutations of anything that the server has written."""
        return self.server.server.stores.log("default").written


@pytest.fixture(scope="session")
def plugins() -> Callable[[], Plugins]:
    return lambda: Plugins(extra={"labelmap": dvid_labelmap.plugin, "region": RegionPlugin()}, discover=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, plugins: Callable[[], Plugins]) -> Iterator[ServerThread]:
    running = ServerThread(tmp_path_factory.mktemp("data"), plugins=plugins())
    yield running
    running.stop()


@pytest.fixture
def new_segmentation(server: ServerThread) -> Callable[..., Segmentation]:
    def make(block: Triple = (16, 16, 16), **settings: str) -> Segmentation:
        root = server.client.new_repo()
        size = ",".join(str(side) for side in block)
        server.client.new_instance(root, "labelmap", "seg", BlockSize=size, **settings)
        return Segmentation(server.client, root, "seg", block, server)

    return make


@pytest.fixture
def segmentation(new_segmentation: Callable[..., Segmentation]) -> Segmentation:
    return new_segmentation(MaxDownresLevel="2")


def natural(size: Triple, seed: int = 0, bodies: int = 40) -> Labels:
    """Bodies of rough outline, some background, a few voxels of noise: uint64 (z, y, x)."""
    rng = np.random.default_rng(seed)
    x, y, z = size
    step = 8
    coarse = rng.integers(0, bodies, (z // step + 3, y // step + 3, x // step + 3)).astype(np.uint64)
    coarse[coarse < bodies // 4] = 0
    grid = np.indices((z, y, x)) + rng.integers(0, step, (3, z, y, x)) // 2
    volume: Labels = coarse[tuple(axis // step for axis in grid)] * np.uint64(1_000_003)
    noise = rng.random((z, y, x)) < 0.002
    volume[noise] = rng.integers(1, 2**63, int(noise.sum()), np.uint64)
    return volume


def halved(volume: Labels) -> Labels:
    """Down-sample by the rule: most votes, then the smallest label; 0 does not vote."""
    low = np.empty(tuple(side // 2 for side in volume.shape), np.uint64)
    for at in range(len(low)):  # plane by plane, for memory
        high = volume[2 * at : 2 * at + 2]
        eight = np.stack([high[i >> 2, i >> 1 & 1 :: 2, i & 1 :: 2] for i in range(8)])
        votes = np.stack([(eight == one).sum(axis=0) for one in eight])
        votes[eight == 0] = 0
        best = votes.max(axis=0)
        low[at] = np.where((votes == best) & (best > 0), eight, np.uint64(2**64 - 1)).min(axis=0)
        low[at][best == 0] = 0
    return low


def stream_of(blocks: Blocks) -> bytes:
    """A stream of blocks by block coordinate."""
    parts = [np.array([*at, len(data)], "<i4").tobytes() + data for at, data in blocks.items()]
    return b"".join(parts)


def encoded(volume: Labels, first: Triple, block: Triple) -> Blocks:
    """Gzipped label blocks of a volume whose first block has this coordinate."""
    payloads = numpy_kernels.write_blocks(volume, block)
    nx, ny, _ = (side // step for side, step in zip(volume.shape[::-1], block, strict=True))
    x, y, z = first
    return {(x + i % nx, y + i // nx % ny, z + i // nx // ny): data for i, data in enumerate(payloads)}


def decoded(body: bytes, block: Triple, compression: str) -> dict[Triple, Labels]:
    """The volumes of a stream of blocks by block coordinate, by plain numpy."""
    import lz4.block  # noqa: PLC0415 - the tests' alone

    coordinates, payloads = parse_block_stream(body, 1 << 20)
    x, y, z = block
    found = {}
    for (bx, by, bz), payload in zip(coordinates.tolist(), payloads, strict=True):
        if compression == "blocks":
            labels = numpy_kernels.decode_block(gzip.decompress(payload))
        else:
            raw = bytes(payload)
            if compression == "gzip":
                raw = gzip.decompress(raw)
            elif compression == "lz4":
                raw = lz4.block.decompress(raw, uncompressed_size=8 * x * y * z)
            labels = np.frombuffer(raw, "<u8").reshape(z, y, x)
        found[bx, by, bz] = labels
    return found


@pytest.fixture(scope="session")
def volumes() -> SimpleNamespace:
    """Functions on volumes and streams: natural, halved, stream_of, encoded, decoded, joined."""
    return SimpleNamespace(
        natural=natural, halved=halved, stream_of=stream_of, encoded=encoded, decoded=decoded, joined=joined
    )
