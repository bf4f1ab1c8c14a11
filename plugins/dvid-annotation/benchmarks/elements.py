"""Synapses in a server of its own: `python benchmarks/elements.py [--thousands 200] [--folder /tmp]`.

Posts them 20,000 at a time at random places of a volume of 4096^3 voxels, in which every request touches every part;
prints how long the last request took, the server's memory, and how long reads and a reload take.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from dvid_framework.testing.client import Client
from dvid_framework.testing.jobs import wait_for_job
from dvid_framework.testing.running import ServerProcess

AT_ONCE = 20_000
SIDE = 4096
READS = (
    "elements/512_512_512/1000_1000_1000",
    "elements/4096_4096_64/0_0_640",
    "tag/all",
    "tag/t5",
    "tag/t5?relationships=true",
    "tag/t5?relationships=verbose",
    "all-elements",
)


def place(chance: random.Random) -> list[int]:
    """Give a random voxel."""
    return [chance.randrange(SIDE) for _ in range(3)]


def elements(chance: random.Random) -> list[dict[str, Any]]:
    """Give the elements of one request."""
    return [
        {
            "Pos": place(chance),
            "Kind": chance.choice(("PreSyn", "PostSyn")),
            "Tags": ["all", f"t{number % 1000}"],
            "Prop": {"conf": "0.5"},
            "Rels": [{"Rel": "PreSynTo", "To": place(chance)} for _ in range(3)],
        }
        for number in range(AT_ONCE)
    ]


def memory(server: ServerProcess) -> int:
    """Return how many megabytes a server holds."""
    text = Path(f"/proc/{server.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) >> 10


def measure(client: Client, server: ServerProcess, requests: int) -> None:
    """Post, read and reload, and print what it took."""
    chance = random.Random(1)
    uuid = client.new_repo()
    client.new_instance(uuid, "annotation", "syn")
    path = f"/api/node/{uuid}/syn"
    for number in range(requests):
        body = json.dumps(elements(chance)).encode()
        began = time.perf_counter()
        client.post(f"{path}/elements", body).ok()
        if number in (0, requests - 1):
            took = time.perf_counter() - began
            print(f"post {AT_ONCE} after {number * AT_ONCE}: {took:.2f} s, {memory(server)} MB")
    for read in READS:
        began = time.perf_counter()
        size = len(client.get(f"{path}/{read}").ok().body)
        print(f"{read}: {(time.perf_counter() - began) * 1000:.1f} ms, {size} bytes, {memory(server)} MB")
    began = time.perf_counter()
    client.post(f"{path}/reload").ok()
    wait_for_job(client, client.json(f"{path}/jobs")[0]["id"], 3600)
    print(f"reload: {time.perf_counter() - began:.1f} s, {memory(server)} MB")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thousands", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        server = ServerProcess(Path(folder) / "data")
        with server.new_client() as client:
            measure(client, server, max(1, options.thousands * 1000 // AT_ONCE))
        server.stop()


if __name__ == "__main__":
    main()
