"""Real precomputed volumes, written by TensorStore, on disk and behind a small HTTP server that knows ranges."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import tensorstore

SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 1,
    "minishard_bits": 2,
    "shard_bits": 1,
    "hash": "identity",
    "minishard_index_encoding": "gzip",
    "data_encoding": "raw",
}


@dataclass
class Written:
    """A volume that was written.

    Attributes:
        folder: where it is.
        voxels: (z, y, x) or (z, y, x, channel) of each scale; a hole is 0.
        offsets: the first voxel (x, y, z) of each scale.
        hole: index (x, y, z) of the chunk of the first scale that was never written.
    """

    folder: Path
    voxels: list[np.ndarray]
    offsets: list[tuple[int, int, int]]
    hole: tuple[int, int, int] = (1, 0, 0)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        return self.folder.as_uri()

    def box(self, scale: int, offset: tuple[int, int, int], size: tuple[int, int, int]) -> np.ndarray:
        """The voxels of a box by numpy: 0 outside."""
        voxels = self.voxels[scale]
        out = np.zeros((*size[::-1], *voxels.shape[3:]), voxels.dtype)
        source, target = [], []
        first = self.offsets[scale]
        for low, count, start, there in zip(offset[::-1], size[::-1], first[::-1], voxels.shape, strict=False):
            begin, end = max(low, start), min(low + count, start + there)
            if begin >= end:
                return out
            source.append(slice(begin - start, end - start))
            target.append(slice(begin - low, end - low))
        out[tuple(target)] = voxels[tuple(source)]
        return out


def write(
    folder: Path,
    *,
    sharded: bool = False,
    encoding: str = "raw",
    dtype: str = "uint8",
    kind: str = "image",
    channels: int = 1,
    offset: tuple[int, int, int] = (0, 0, 0),
    sharding: dict[str, Any] | None = None,
    scales: int = 2,
) -> Written:
    """Write a volume of 100 x 72 x 50 voxels in chunks of 32 x 24 x 16, and halved scales; one chunk is left out."""
    random, written = np.random.default_rng(5), Written(folder, [], [])
    for scale in range(scales):
        size = [-(-side // 2**scale) for side in (100, 72, 50)]
        first = tuple(low // 2**scale for low in offset)
        metadata: dict[str, Any] = {
            "size": size,
            "encoding": encoding,
            "chunk_size": [32, 24, 16],
            "resolution": [8.0 * 2**scale, 8.0 * 2**scale, 40.0],
            "voxel_offset": list(first),
        }
        if encoding == "compressed_segmentation":
            metadata["compressed_segmentation_block_size"] = [8, 8, 8]
        if sharded:
            metadata["sharding"] = {**SHARDING, **(sharding or {})}
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": folder.as_uri() + "/",
            "multiscale_metadata": {"type": kind, "data_type": dtype, "num_channels": channels},
            "scale_metadata": metadata,
        }
        array = tensorstore.open(spec, create=True).result()
        if encoding in ("jpeg", "png"):
            ramp = np.add.outer(np.add.outer(np.arange(size[0]), 2 * np.arange(size[1])), np.arange(size[2]))
            voxels = np.repeat((ramp % 200 + 20)[..., None], channels, axis=3).astype(dtype)
        else:
            voxels = random.integers(1, 250, (*size, channels)).astype(dtype)
        there = np.ones(size, bool)
        if scale == 0:
            there[32:64, :24, :16] = False
        voxels[~there] = 0
        with tensorstore.Transaction() as transaction:
            writing, low = array.with_transaction(transaction), first
            for x in range(0, size[0], 32):
                for y in range(0, size[1], 24):
                    for z in range(0, size[2], 16):
                        if there[x, y, z]:
                            part = voxels[x : x + 32, y : y + 24, z : z + 16]
                            ends = [low[axis] + at + part.shape[axis] for axis, at in enumerate((x, y, z))]
                            box = tuple(slice(low[axis] + at, ends[axis]) for axis, at in enumerate((x, y, z)))
                            writing[box].write(part).result()
        if encoding == "jpeg":
            voxels = np.asarray(array.read().result())
        found = np.ascontiguousarray(voxels.transpose(2, 1, 0, 3))
        written.voxels.append(found[..., 0] if channels == 1 else found)
        written.offsets.append((first[0], first[1], first[2]))
    return written


class _Files(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        served: Served = self.server.served  # type: ignore[attr-defined]
        path = unquote(self.path.partition("?")[0])
        wanted = self.headers.get("Range", "")
        served.asked.append((path, wanted))
        if served.failures:
            self._send(served.failures.pop(0), b"")
            return
        file = served.folder / path.lstrip("/")
        if not file.is_file():
            self._send(404, b"")
            return
        data = file.read_bytes()
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
        if match is None:
            self._send(200, data)
            return
        first = int(match[1]) if match[1] else max(len(data) - int(match[2]), 0)
        last = min(int(match[2]), len(data) - 1) if match[1] and match[2] else len(data) - 1
        self._send(206, data[first : last + 1], f"bytes {first}-{last}/{len(data)}")

    def _send(self, status: int, body: bytes, content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"as-it-is"')
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@dataclass
class Served:
    """A folder behind HTTP, what was asked, and the statuses of the next answers that fail."""

    folder: Path
    url: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The folder of the test behind HTTP."""
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    listener.daemon_threads = True
    found = Served(tmp_path, f"http://127.0.0.1:{listener.server_address[1]}")
    listener.served = found  # type: ignore[attr-defined]
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
    thread.start()
    yield found
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.fixture
def new_volume() -> Any:
    """Writes volumes."""
    return write


@pytest.fixture(scope="session")
def fake_gcs_server() -> str:
    """The program that serves buckets; tests that take it exist only where there is one."""
    program = _fake_gcs_server()
    assert program is not None
    return program


def _fake_gcs_server() -> str | None:
    named = os.environ.get("DVID_FAKE_GCS_SERVER")
    return named or shutil.which("fake-gcs-server") or shutil.which(Path.home() / "go" / "bin" / "fake-gcs-server")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where there is no server of buckets, its tests are deselected."""
    if _fake_gcs_server() is not None:
        return
    left_out = [item for item in items if "fake_gcs_server" in getattr(item, "fixturenames", ())]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
        terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.write_line("buckets are not tested: there is no fake-gcs-server here, see test_bucket.py")
