"""How long a POST of keyvalue takes while the broker is there, and while it is away.

`python tests/kafka/benchmarks/posts_while_away.py [--posts 2000] [--rounds 3]` needs Java and Maven. There and away
take turns, so that a machine that is busy for a while is so for both.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from dvid_framework.testing.running import ServerProcess

sys.path.insert(0, str(Path(__file__).parents[1]))
from broker import RealBroker

WARM_UP = 200


def posts(server: ServerProcess, address: str, count: int) -> list[float]:
    """Return the seconds that each of some POSTs took."""
    taken = []
    for number in range(count):
        began = time.perf_counter()
        server.client.post(f"{address}/key/k{number}", b"v" * 100).ok()
        taken.append(time.perf_counter() - began)
    return taken


def shown(name: str, taken: list[float]) -> float:
    """Print what a list of seconds says; returns its 99th percentile."""
    ordered = sorted(taken)
    middle, high = (ordered[int(len(ordered) * part)] * 1000 for part in (0.5, 0.99))
    print(
        f"{name:6} {len(ordered):6} posts  p50 {middle:7.2f} ms  p99 {high:7.2f} ms  max {ordered[-1] * 1000:7.2f} ms"
    )
    return high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = RealBroker(folder)
        broker.start()
        config = folder / "dvid.toml"
        config.write_text(f'[kafka]\nservers = ["{broker.address}"]\n')
        server = ServerProcess(folder / "data", environment={"DVID_CONFIG": str(config)})
        try:
            root = server.client.new_repo()
            server.client.new_instance(root, "keyvalue", "kv")
            address = f"/api/node/{root}/kv"
            posts(server, address, WARM_UP)
            there: list[float] = []
            away: list[float] = []
            for _ in range(options.rounds):
                there += posts(server, address, options.posts)
                broker.stop()
                away += posts(server, address, options.posts)
                broker.start()
                time.sleep(3)  # what waited is delivered
        finally:
            server.stop()
            broker.stop()
    ratio = shown("away", away) / shown("there", there)
    print(f"p99 away is {ratio:.2f} times that of there")


if __name__ == "__main__":
    main()
