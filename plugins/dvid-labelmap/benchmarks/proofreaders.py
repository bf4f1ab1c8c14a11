"""Many small merges and cleaves, on several servers by turns: what each costs at 1 and 8 clients.

    python benchmarks/proofreaders.py http://127.0.0.1:8000 [http://127.0.0.1:8001 ...] [--changes 400] [--token TOKEN]

The servers are those that run already, ours or any that speaks the same API, on this machine; each gets a repo of its
own with bodies of a few supervoxels, whose indices are posted, and one of several hundred. Changes go over connections
that stay open, in portions that take turns between the servers. For each kind and number of clients it prints the
median of the answers' times, changes a second, the server's CPU time for each, and how often the first server's rate
the others have.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import statistics
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
from dvid_labels import kernels
from dvid_labels.indices import encode_index, join_indices

PORTION, SUPERVOXELS, BLOCKS, LARGE = 40, 6, 4, 400
LARGE_BODY, FIRST = 1 << 40, 1 << 20
CLIENTS = (1, 8)
_TICKS = os.sysconf("SC_CLK_TCK")


class Change(NamedTuple):
    """What is posted: the path behind the instance, and the JSON."""

    path: str
    body: bytes


class Tally:
    """What changes of one kind took on one server."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.wall = self.processor = 0.0


def _process_of(port: int) -> int:
    """Return the id of the process that listens on a port of this machine; 0 if it is not told."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    names = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1][-4:], 16) == port}
    for file in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(file.readlink()) in names:
                return int(file.parts[2])
        except OSError:
            continue
    return 0


class Proofread:
    """One server, with a repo of its own.

    Args:
        address: where it listens.
        token: its admin token.
    """

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self._token = token
        url = urlsplit(address)
        self._place = url.hostname or "127.0.0.1", url.port or 80
        self._process = _process_of(self._place[1])
        root = json.loads(self.post("/api/repos", b'{"alias":"proofreaders"}'))["root"]
        self.post(f"/api/repo/{root}/instance", b'{"typename":"labelmap","dataname":"seg"}')
        self.path = f"/api/node/{root}/seg"

    def post(self, path: str, body: bytes) -> bytes:
        """Post something, and return the answer."""
        request = urllib.request.Request(f"{self.address}{path}?admintoken={self._token}", body, method="POST")
        with urllib.request.urlopen(request) as answer:
            found: bytes = answer.read()
        return found

    def processor_seconds(self) -> float:
        """Return the CPU time that the server took so far."""
        if not self._process:
            return 0.0
        fields = Path(f"/proc/{self._process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def connect(self) -> socket.socket:
        """Open a connection."""
        connection = socket.create_connection(self._place)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def request(self, change: Change) -> bytes:
        """Return what is sent for a change."""
        head = (
            f"POST {self.path}/{change.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(change.body)}\r\n\r\n"
        )
        return head.encode() + change.body


def prepare(server: Proofread, count: int) -> None:
    """Post the indices of the bodies: of each pair one of several supervoxels, and one of one."""
    indices, names, bodies = [], [], []

    def add(body: int, supervoxels: Sequence[int], place: int) -> None:
        grid = np.array([(place + at) // np.array((1, 24, 576)) % 24 for at in range(BLOCKS)])
        blocks = np.concatenate([grid + np.array((number % 3, 0, 0)) for number in range(len(supervoxels))]).astype(
            np.int32
        )
        of = np.repeat(np.array(supervoxels, np.uint64), BLOCKS)
        indices.append(encode_index(body, blocks, of, np.full(len(of), 1000, np.uint32)))
        names.extend(supervoxels)
        bodies.extend([body] * len(supervoxels))

    for number in range(count):
        target = FIRST + 10 * number
        add(target, range(target, target + SUPERVOXELS), 7 * number)
        add(target + SUPERVOXELS, [target + SUPERVOXELS], 7 * number + 2)
    add(LARGE_BODY, range(LARGE_BODY, LARGE_BODY + LARGE), 0)
    for first in range(0, len(indices), 500):
        server.post(f"{server.path}/indices", join_indices(indices[first : first + 500]))
    entries = np.array(names, np.uint64), np.array(bodies, np.uint64)
    server.post(f"{server.path}/mappings", kernels.encode_mapping_ops(*entries))


def whole_answer(connection: socket.socket) -> bytes:
    """Read an answer that has begun to come."""
    answer = connection.recv(1 << 16)
    while True:
        head, end, body = answer.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0] or b"0"):
            return answer
        more = connection.recv(1 << 16)
        if not more:
            raise SystemExit("a server closed a connection")
        answer += more


def play(connections: Sequence[socket.socket], server: Proofread, changes: Sequence[Change], tally: Tally) -> None:
    """Have changes made, one at a time on each connection."""
    waiting = [server.request(change) for change in changes][::-1]
    began: dict[socket.socket, float] = {}
    with selectors.DefaultSelector() as selector:
        processor, start = server.processor_seconds(), time.perf_counter()
        for connection in connections[: len(waiting)]:
            selector.register(connection, selectors.EVENT_READ)
            began[connection] = time.perf_counter()
            connection.sendall(waiting.pop())
        while began:
            for key, _ in selector.select():
                connection = key.fileobj  # type: ignore[assignment]
                answer = whole_answer(connection)
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise SystemExit(f"{server.address} answered {answer.decode(errors='replace')}")
                now = time.perf_counter()
                tally.seconds.append(now - began.pop(connection))
                if waiting:
                    began[connection] = now
                    connection.sendall(waiting.pop())
        tally.wall += time.perf_counter() - start
        tally.processor += server.processor_seconds() - processor


def measure(name: str, servers: Sequence[Proofread], clients: int, changes: Sequence[Change]) -> None:
    """Have the same changes made on all servers, and print what they took."""
    tallies, opened = [Tally() for _ in servers], [[server.connect() for _ in range(clients)] for server in servers]
    for first in range(0, len(changes), PORTION):
        for server, connections, tally in zip(servers, opened, tallies, strict=True):
            play(connections, server, changes[first : first + PORTION], tally)
    for server, connections, tally in zip(servers, opened, tallies, strict=True):
        for connection in connections:
            connection.close()
        print(
            f"{name:13} {clients} clients  {server.address}  median {1e3 * statistics.median(tally.seconds):6.2f} ms  "
            f"{len(changes) / tally.wall:7.1f} a second  CPU {1e3 * tally.processor / len(changes):6.2f} ms  "
            f"{tallies[0].wall / tally.wall:5.2f} times the first"
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("addresses", nargs="+")
    parser.add_argument("--changes", type=int, default=400)
    parser.add_argument("--token", default="")
    options = parser.parse_args()
    servers = [Proofread(address, options.token) for address in options.addresses]
    count, large = options.changes, min(options.changes, LARGE // 2 - 1)
    for server in servers:
        prepare(server, count * len(CLIENTS))
    for turn, clients in enumerate(CLIENTS):
        targets = [FIRST + 10 * number for number in range(turn * count, (turn + 1) * count)]
        pairs = [(target, target + SUPERVOXELS) for target in targets]
        measure("merge", servers, clients, [Change("merge", b"[%d,%d]" % pair) for pair in pairs])
        measure("cleave", servers, clients, [Change(f"cleave/{target}", b"[%d]" % one) for target, one in pairs])
        gone = [LARGE_BODY + 1 + number for number in range(turn * large, (turn + 1) * large)]
        measure("cleave large", servers, clients, [Change(f"cleave/{LARGE_BODY}", b"[%d]" % one) for one in gone])


if __name__ == "__main__":
    main()
