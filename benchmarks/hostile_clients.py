"""What ordinary clients feel of hostile ones: p99 of small reads alone, and beside each kind of hostility.

    .venv/bin/python benchmarks/hostile_clients.py [--seconds 10]

Ten clients read a value of 1 kB from 127.0.0.2, 100 times a second each, while from 127.0.0.1

- 200 connections send a header byte a second, 50 a body byte a second, 50 do not read an answer of 24 MB, 500 are idle;
- one client keeps 100 requests for volumes of 256^3 voxels going.

Then it prints how long each hostile JSON body takes to be refused.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from dvid_framework.testing.client import Client
from dvid_framework.testing.running import free_port

_LIGHT, _HEAVY, _PERIOD = 10, 100, 0.01
_DEEP = b"[" * 100_000
_BODIES = {
    "100,000 open brackets": _DEEP,
    "depth 100,000": _DEEP + b"]" * 100_000,
    "objects of depth 100,000": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number of 100,000 digits": b'{"note":' + b"1" * 100_000 + b"}",
    "a million keys": b"{" + b",".join(b'"k%d":1' % number for number in range(1_000_000)) + b"}",
    "NaN": b'{"note":NaN}',
    "bad UTF-8": b'{"note":"\xff\xfe"}',
    "a key twice": b'{"note":"a","note":"b"}',
}


class Light(threading.Thread):
    """An ordinary client that notes how long each of its reads takes."""

    def __init__(self, port: int, path: str, until: float) -> None:
        super().__init__()
        self._port, self._path, self._until = port, path, until
        self.seconds: list[float] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60, source_address=("127.0.0.2", 0))
        while time.monotonic() < self._until:
            began = time.perf_counter()
            connection.request("GET", self._path)
            answer = connection.getresponse()
            answer.read()
            took = time.perf_counter() - began
            if answer.status != 200:
                raise RuntimeError(f"a light request got {answer.status}")
            self.seconds.append(took)
            time.sleep(max(_PERIOD - took, 0))
        connection.close()


def _p99(port: int, path: str, seconds: float) -> float:
    clients = [Light(port, path, time.monotonic() + seconds) for _ in range(_LIGHT)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return float(np.percentile([took for client in clients for took in client.seconds], 99))


@contextmanager
def _slow_clients(port: int, slot: str, large: str) -> Iterator[None]:
    """Hold connections of four kinds, and trickle."""
    opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(800)]
    heads, bodies, readers = opened[:200], opened[200:250], opened[250:300]
    for one in bodies:
        one.sendall(f"POST {slot} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n".encode())
    for one in readers:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sendall(f"GET {large} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    for one in heads:
        one.sendall(b"GET /api/heartbeat HTTP/1.1\r\nX: ")
    ending = threading.Event()

    def trickle() -> None:
        while not ending.wait(1.0):
            for one in heads + bodies:
                with contextlib.suppress(OSError):
                    one.send(b"G")

    thread = threading.Thread(target=trickle)
    thread.start()
    time.sleep(2.0)  # until the large answers are made: what they cost meanwhile is what heavy requests are about
    try:
        yield
    finally:
        ending.set()
        thread.join()
        for one in opened:
            one.close()


@contextmanager
def _heavy_client(port: int, path: str, statuses: Counter[int]) -> Iterator[None]:
    """Keep many heavy requests going; the client is a process of its own, so that it takes no time from the others."""
    source = (
        "import http.client, sys, threading, time\n"
        "def ask():\n"
        "    while True:\n"
        f"        c = http.client.HTTPConnection('127.0.0.1', {port}, timeout=600)\n"
        f"        c.request('GET', '{path}'); a = c.getresponse()\n"
        "        while a.read(1 << 20): pass\n"
        "        sys.stdout.write(f'{a.status}\\n'); sys.stdout.flush(); c.close()\n"
        "        if a.status == 503: time.sleep(float(a.getheader('retry-after')))\n"
        f"[threading.Thread(target=ask, daemon=True).start() for _ in range({_HEAVY})]\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    time.sleep(2.0)
    try:
        yield
    finally:
        child.kill()
        output, _ = child.communicate()
        statuses.update(int(line) for line in output.split())


def _refusals(client: Client, path: str) -> None:
    for name, body in _BODIES.items():
        took = []
        for _ in range(5):
            began = time.perf_counter()
            status = client.post(path, body).status
            took.append(time.perf_counter() - began)
        print(f"{name}: {status}, {max(took) * 1000:.1f} ms at most")


def main() -> None:
    """Run it all on a new data folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    seconds = parser.parse_args().seconds
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dvid_framework.cli", "serve", "--data", folder, "--port", str(port)]
        server = subprocess.Popen(command, env={**os.environ, "DVID_ADMIN_TOKEN": ""})
        client = Client("127.0.0.1", port)
        try:
            _measure(client, port, seconds)
        finally:
            client.close()
            server.terminate()
            server.wait()


def _measure(client: Client, port: int, seconds: float) -> None:
    deadline = time.monotonic() + 60
    while not _answers(client):
        if time.monotonic() > deadline:
            raise RuntimeError("the server does not start")
        time.sleep(0.05)
    root = client.new_repo()
    client.new_instance(root, "keyvalue", "kv")
    client.new_instance(root, "uint8blk", "gray")
    base = f"/api/node/{root}"
    client.post(f"{base}/kv/key/small", b"x" * 1000).ok()
    client.post(f"{base}/kv/key/large", os.urandom(24 << 20)).ok()
    client.post(f"{base}/gray/raw/0_1_2/256_256_256/0_0_0", os.urandom(256**3)).ok()
    small, volume = f"{base}/kv/key/small", f"{base}/gray/raw/0_1_2/256_256_256/0_0_0"
    alone = _p99(port, small, seconds)
    print(f"alone: p99 {alone * 1000:.2f} ms")
    with _slow_clients(port, f"{base}/kv/key/slow", f"{base}/kv/key/large"):
        _compare("beside slow clients", _p99(port, small, seconds), alone)
    statuses: Counter[int] = Counter()
    with _heavy_client(port, volume, statuses):
        _compare("beside a client with 100 heavy requests", _p99(port, small, seconds), alone)
    print(f"the heavy ones: {dict(statuses)}")
    _refusals(client, f"{base}/note")


def _answers(client: Client) -> bool:
    try:
        return client.get("/api/server/info").status == 200
    except OSError:
        return False


def _compare(name: str, found: float, alone: float) -> None:
    print(f"{name}: p99 {found * 1000:.2f} ms, {found / alone:.1f} times that alone")


if __name__ == "__main__":
    main()
