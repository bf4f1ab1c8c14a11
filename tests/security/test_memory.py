"""Bodies that grow when they are decoded, and answers larger than the memory: refused or streamed, within a bound."""

from __future__ import annotations

import gzip
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import lz4.block
import pytest

from dvid_framework.testing.pytest_plugin import ProcessFactory
from dvid_framework.testing.running import ServerProcess

_MORE_BYTES = 64 << 20  # how much the largest memory of the process may grow by
_ZEROS = bytes(1 << 20)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def _deflated(megabytes: int) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(deflater.compress(_ZEROS) for _ in range(megabytes)), deflater.flush()])


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1 << 24), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _jpeg(width: int, height: int) -> bytes:
    frame = b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\x00"
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + frame + b"\xff\xd9"


def _frame(payload: bytes, claimed: int | None = None) -> bytes:
    return struct.pack("<4i", 0, 0, 0, len(payload) if claimed is None else claimed) + payload


BOMB = _deflated(256)
LABEL_BLOCK = struct.pack("<4IQ", 8, 8, 8, 1, 7)
HEADS = {
    "sides": struct.pack("<4IQ", 1 << 30, 1 << 30, 1 << 30, 1, 7),
    "labels": struct.pack("<4I", 8, 8, 8, (1 << 32) - 1),
    "no labels": struct.pack("<4I", 8, 8, 8, 0),
}
LABELS = {
    "gzip": ("blocks", _frame(BOMB)),
    "gzip of gzip": ("blocks", _frame(gzip.compress(BOMB))),
    "many members": ("blocks", _frame(_deflated(1) * 200)),
    "a length that lies": ("blocks", _frame(gzip.compress(LABEL_BLOCK), (1 << 31) - 1)),
    "a negative length": ("blocks", _frame(gzip.compress(LABEL_BLOCK), -1)),
    **{f"head: {name}": ("blocks", _frame(gzip.compress(head))) for name, head in HEADS.items()},
    "ingest": ("ingest-supervoxels", _frame(BOMB)),
    "ingest of gzip of gzip": ("ingest-supervoxels", _frame(gzip.compress(BOMB))),
    "raw gzip": ("raw/0_1_2/64_64_64/0_0_0?compression=gzip", BOMB),
    "raw lz4": ("raw/0_1_2/64_64_64/0_0_0?compression=lz4", lz4.block.compress(_ZEROS * 200, store_size=False)),
    "raw lz4 of a claimed size": (
        "raw/0_1_2/64_64_64/0_0_0?compression=lz4",
        struct.pack("<I", (1 << 32) - 1) + lz4.block.compress(_ZEROS, store_size=False),
    ),
    "indices": ("indices", b"\x0a" + b"\xff\xff\xff\xff\x0f" + bytes(100)),
    "mappings": ("mappings", b"\x0a" + b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(100)),
}
IMAGES = {
    "png": ("raw/0_1/100000_100000/0_0_0", _png(100_000, 100_000)),
    "png of another size": ("raw/0_1/64_64/0_0_0", _png(100_000, 100_000)),
    "png of the largest size": ("raw/0_1/64_64/0_0_0", _png((1 << 31) - 1, (1 << 31) - 1)),
    "jpeg": ("raw/0_1/65535_65535/0_0_0", _jpeg(65535, 65535)),
    "jpeg of another size": ("raw/0_1/64_64/0_0_0", _jpeg(65535, 65535)),
}
HUGE = [
    ("labelmap", "raw/0_1_2/4096_4096_4096/0_0_0"),
    ("labelmap", "raw/0_1_2/2147483647_2147483647_2147483647/0_0_0"),
    ("labelmap", "raw/0_1/30000_30000/0_0_0"),
    ("labelmap", "raw/0_1_2/2048_2048_2048/0_0_0?compression=lz4"),
    ("labelmap", "blocks/4096_4096_4096/0_0_0"),
    ("labelmap", "pseudocolor/0_1/30000_30000/0_0_0"),
    ("uint8blk", "raw/0_1_2/8192_8192_8192/0_0_0"),
    ("uint8blk", "raw/0_1/60000_60000/0_0_0"),
    ("uint8blk", "raw/0_1/60000_60000/0_0_0/jpg"),
    ("uint8blk", "blocks/0_0_0/2147483647"),
    ("roi", "mask/0_1_2/8192_8192_8192/0_0_0"),
    ("keyvalue", "keyrangevalues/a/z?json=true"),
    ("keyvalue", "keyrangevalues/a/z?tar=true"),
    ("keyvalue", "keyrangevalues/a/z"),
]


class Peak:
    """Tells by how much the largest memory of a process has grown."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        (self._folder / "clear_refs").write_text("5")
        self._before = self._read("VmRSS")

    def _read(self, name: str) -> int:
        line = next(line for line in (self._folder / "status").read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) << 10

    def grown(self) -> int:
        return self._read("VmHWM") - self._before


@pytest.fixture
def server(dvid_process: ProcessFactory) -> Iterator[ServerProcess]:
    """A server whose threads and caches are warm."""
    server = dvid_process()
    client = server.client
    for _ in range(20):
        client.get("/api/help")
    yield server
    assert client.get("/api/heartbeat").text == "OK"
    assert server.alive


def _instance(server: ServerProcess, type_name: str) -> str:
    if type_name not in server.client.json("/api/server/compiled-types"):
        raise AssertionError(f"the type {type_name} is not installed")
    root = server.client.new_repo()
    server.client.new_instance(root, type_name, "data")
    return f"/api/node/{root}/data"


@pytest.mark.parametrize(("type_name", "bombs"), [("labelmap", LABELS), ("uint8blk", IMAGES)])
def test_bombs_are_refused_before_they_go_off(
    server: ServerProcess, type_name: str, bombs: dict[str, tuple[str, bytes]]
) -> None:
    address = _instance(server, type_name)
    if type_name == "labelmap":  # the code of every route has been used once
        server.client.post(f"{address}/blocks", _frame(gzip.compress(LABEL_BLOCK))).ok()
    peak = Peak(server.pid)
    for name, (path, bomb) in bombs.items():
        reply = server.client.post(f"{address}/{path}", bomb)
        assert reply.status in (400, 413), f"{name}: {reply.status} {reply.body[:200]!r}"
        assert peak.grown() < _MORE_BYTES, f"{name}: {peak.grown() >> 20} MB more"


def _read_some(server: ServerProcess, path: str, most: int) -> tuple[int, int]:
    """Read an answer up to a number of bytes, and hang up; returns its status and how much came."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        head, count = connection.recv(65536), 0
        while (piece := connection.recv(1 << 20)) and count < most:
            count += len(piece)
    return int(head.split()[1]), count


def test_answers_larger_than_memory_are_refused_or_streamed(server: ServerProcess) -> None:
    addresses = {name: _instance(server, name) for name in {name for name, _ in HUGE}}
    for number in range(300):
        server.client.post(f"{addresses['keyvalue']}/key/k{number}", _ZEROS).ok()
    server.client.post(f"{addresses['labelmap']}/blocks", _frame(gzip.compress(LABEL_BLOCK))).ok()
    for name, path in HUGE:
        server.client.get(f"{addresses[name]}/{path.replace('4096', '64').replace('8192', '64')}")
        peak = Peak(server.pid)
        status, count = _read_some(server, f"{addresses[name]}/{path}", 400 << 20)
        about = f"{name} {path}: {status}, {count >> 20} MB came, {peak.grown() >> 20} MB more"
        assert status in (200, 400, 413), about
        assert peak.grown() < _MORE_BYTES, about


def test_parameters_cost_what_they_are_long(server: ServerProcess) -> None:
    address = _instance(server, "keyvalue")
    peak = Peak(server.pid)
    many = "&".join(f"k{number}=v" for number in range(12_000))
    for query in (many, "a" * 60_000, urlencode({"u": "x" * 50_000}), "%00" * 20_000, "&" * 60_000):
        assert server.client.get(f"{address}/keys?{query}").status < 500
    for length in (100, 60_000):
        assert server.client.get(f"{address}/key/{'k' * length}").status < 500
    assert peak.grown() < _MORE_BYTES
