"""Merges and cleaves of one supervoxel on a body of a million (block, supervoxel) entries: time and bytes of each.

    python benchmarks/big_body.py [--changes 60] [--folder /tmp]

The server runs in this process on the default store, and each change is durable when it is answered. Prints the median
and the worst wall time and CPU time of this process, and the median of what was written.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from dvid_labels import kernels
from dvid_labels.indices import encode_index, join_indices

from dvid_framework.testing.running import ServerThread

SIDE, CELL = 100, (4, 5, 5)  # blocks along each axis; blocks of a supervoxel, each with 1000 voxels
BODY, FIRST, VOXELS = 1 << 40, 1, 1000


def blocks_of(number: int) -> np.ndarray:
    """Give the blocks of a supervoxel, int32 (100, 3) as x, y, z."""
    grid = [SIDE // side for side in CELL]
    corner = np.array(
        (number % grid[0] * CELL[0], number // grid[0] % grid[1] * CELL[1], number // (grid[0] * grid[1]) * CELL[2])
    )
    return (np.argwhere(np.ones(CELL)) + corner).astype(np.int32)


def index_of(body: int, supervoxels: range, shift: int = 0) -> bytes:
    """Encode the index of a body of some supervoxels."""
    blocks = np.concatenate([blocks_of(number - FIRST) for number in supervoxels]) + np.int32(shift)
    names = np.repeat(np.array(supervoxels, np.uint64), len(blocks) // len(supervoxels))
    return encode_index(body, blocks, names, np.full(len(blocks), VOXELS, np.uint32))


def prepare(server: ServerThread, count: int) -> str:
    """Post the index of the large body, and of small ones that lie in the same blocks; returns the address."""
    client = server.client
    root = client.new_repo()
    client.new_instance(root, "labelmap", "seg")
    path = f"/api/node/{root}/seg"
    members = range(FIRST, FIRST + SIDE**3 // int(np.prod(CELL)))
    small = [index_of(BODY + 1 + i, range(FIRST + 97 * i, FIRST + 97 * i + 1)) for i in range(count)]
    client.post(f"{path}/indices", join_indices([index_of(BODY, members), *small])).ok()
    names = np.array(members, np.uint64)
    client.post(f"{path}/mappings", kernels.encode_mapping_ops(names, np.full(len(names), BODY, np.uint64))).ok()
    return path


def report(name: str, rows: list[tuple[float, float, int]]) -> None:
    """Print medians."""
    wall, cpu, stored = zip(*rows, strict=True)
    print(
        f"{name:8} wall {statistics.median(wall):6.2f} ms (worst {max(wall):7.2f})   "
        f"CPU {statistics.median(cpu):6.2f} ms (worst {max(cpu):7.2f})   "
        f"written {statistics.median(stored) / 1024:6.1f} KB"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=60)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        server = ServerThread(Path(folder) / "data")
        store: Any = server.server.stores.log("default").store
        written, write = [0], store.write

        def counted(batch: Any) -> None:
            written[0] += batch.stored_bytes
            write(batch)

        store.write = counted
        path = prepare(server, options.changes)

        def change(rest: str, body: Any) -> tuple[float, float, int]:
            before, wall, cpu = written[0], time.perf_counter(), time.process_time()
            server.client.post(f"{path}/{rest}", body).ok()
            return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu), written[0] - before

        report("merge", [change("merge", [BODY, BODY + 1 + i]) for i in range(options.changes)])
        report("cleave", [change(f"cleave/{BODY}", [FIRST + 31 + 89 * i]) for i in range(options.changes)])
        last = server.client.json(f"{path}/nextlabel")["nextlabel"] - 1
        numbers = [entry["MutationID"] for entry in server.client.json(f"{path}/mutations")][-options.changes :]
        assert last > BODY
        report("undo", [change(f"undo/{number}", b"") for number in numbers[::-1]])
        server.stop()


if __name__ == "__main__":
    main()
