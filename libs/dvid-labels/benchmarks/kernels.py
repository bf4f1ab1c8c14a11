"""Microseconds for each kernel, native and numpy: `python benchmarks/kernels.py [threads]`.

Per block of 64^3 voxels, or per thousand entries of a message.
"""

import sys
import time
from collections.abc import Callable
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from dvid_labels import gunzip, numpy_kernels
from dvid_labels.indices import join_indices
from dvid_labels.label_indices import LabelIndices

SIDE = 64
SHAPE = (SIDE, SIDE, SIDE)
BLOCKS = 8


def natural_volume(side: int, cells: int, seed: int = 7) -> NDArray[np.uint64]:
    """Cells with curved borders, and thin processes between them: nearest seed in a warped space, uint64 (z, y, x)."""
    rng = np.random.default_rng(seed)
    axis = np.arange(side, dtype=np.float32)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    warped = [
        x + 5 * np.sin(y / 9) + 3 * np.sin(z / 5),
        y + 5 * np.sin(z / 8) + 3 * np.sin(x / 6),
        1.5 * z + 4 * np.sin(x / 7),
    ]
    nearest = np.zeros(x.shape, np.int64)
    best = np.full(x.shape, np.inf, np.float32)
    for i, seed_point in enumerate(rng.uniform(-10, side * 1.2, (cells, 3))):
        distance = sum((w - p) ** 2 for w, p in zip(warped, seed_point, strict=True)) + rng.uniform(0, 200)
        closer = distance < best
        nearest[closer], best[closer] = i, distance[closer]
    labels: NDArray[np.uint64] = rng.integers(1, 2**40, cells).astype(np.uint64)[nearest]
    labels[best > 900] = 0
    return labels


def microseconds(call: Callable[[], object], per: int, repeats: int) -> float:
    """Least time of a call, per block."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best / per * 1e6


def calls(kernels: ModuleType, threads: int) -> dict[str, tuple[Callable[[], object], int]]:
    """Each kernel, and how many blocks a call of it stands for."""
    volume = natural_volume(2 * SIDE, 160)
    payloads = kernels.write_blocks(volume, SHAPE)
    origins = np.array([(x, y, z) for z in (0, 64) for y in (0, 64) for x in (0, 64)])
    out = np.empty_like(volume)
    block = gunzip(payloads[0], 10**8)
    cut = np.ascontiguousarray(volume[:SIDE, :SIDE, :SIDE])
    small = np.empty_like(cut)
    labels = np.unique(volume)
    mapping = (labels, labels[::-1].copy())
    rng = np.random.default_rng(1)
    owners, places = rng.integers(0, BLOCKS, 800), rng.integers(0, SIDE, (800, 3))
    ones = np.ones((1, 8), np.uint8)
    print(f"{kernels.__name__}: {len(labels)} labels, block {len(block)} B, payload {len(payloads[0])} B")
    return {
        "decode_block (no gzip)": (lambda: kernels.decode_block(block), 1),
        "encode_block (no gzip)": (lambda: kernels.encode_block(cut), 1),
        "read_voxels 64^3": (lambda: kernels.read_voxels(payloads[:1], origins[:1], SHAPE, small, None, threads), 1),
        "read_voxels 128^3 mapped": (
            lambda: kernels.read_voxels(payloads, origins, SHAPE, out, mapping, threads),
            BLOCKS,
        ),
        "write_blocks": (lambda: kernels.write_blocks(volume, SHAPE, threads), BLOCKS),
        "check_payloads": (lambda: kernels.check_payloads(payloads, SHAPE, threads), BLOCKS),
        "label_counts": (lambda: kernels.label_counts(payloads, SHAPE, None, threads), BLOCKS),
        "labels_at (100 points a block)": (
            lambda: kernels.labels_at(payloads, owners, places, SHAPE, None, threads),
            BLOCKS,
        ),
        "transcode lz4": (lambda: kernels.transcode(payloads, SHAPE, "lz4", None, threads), BLOCKS),
        "transcode gzip": (lambda: kernels.transcode(payloads, SHAPE, "gzip", None, threads), BLOCKS),
        "transcode uncompressed": (lambda: kernels.transcode(payloads, SHAPE, "uncompressed", None, threads), BLOCKS),
        "transcode blocks mapped": (lambda: kernels.transcode(payloads, SHAPE, "blocks", mapping, threads), BLOCKS),
        "downsample_blocks (8 to 1)": (
            lambda: kernels.downsample_blocks([payloads], ones, [None], SHAPE, threads),
            1,
        ),
        "encode_segmentation": (lambda: kernels.encode_segmentation(volume), BLOCKS),
    }


def body_calls(kernels: ModuleType, threads: int) -> dict[str, tuple[Callable[[], object], int]]:
    """Bodies: a thin one, one of half of the labels, one that is not there; and the changes of an overwrite."""
    volume = natural_volume(2 * SIDE, 160)
    payloads = kernels.write_blocks(volume, SHAPE)
    blocks = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)])
    labels = np.unique(volume)
    bodies = {"thin": labels[1:2], "half": labels[1::2].copy(), "absent": np.ones(1, np.uint64)}
    made: dict[str, tuple[Callable[[], object], int]] = {
        "count_changes": (lambda: kernels.count_changes(payloads, payloads[::-1], SHAPE, threads), BLOCKS)
    }
    for name, body in bodies.items():
        made[f"body_runs, {name}"] = (
            lambda body=body: kernels.body_runs(payloads, blocks, SHAPE, body, None, threads),
            BLOCKS,
        )
        made[f"body_binary_blocks, {name}"] = (
            lambda body=body: kernels.body_binary_blocks(payloads, blocks, SHAPE, body, threads),
            BLOCKS,
        )
    return made


def message_calls(kernels: ModuleType, rows: int = 10_000) -> dict[str, tuple[Callable[[], object], int]]:
    """Messages, per thousand entries."""
    rng = np.random.default_rng(1)
    places = np.arange(rows // 4)
    blocks = np.stack((places % 50, places // 50, places // 2500), axis=1).astype(np.int32).repeat(4, 0)
    supervoxels = np.sort(rng.integers(1, 2**40, (rows // 4, 4)).astype(np.uint64), axis=1).ravel()
    zeros, counts = np.zeros(rows, np.uint64), rng.integers(1, 2**18, rows).astype(np.uint32)
    labels = np.arange(rows // 10, dtype=np.uint64)
    texts = ["2026-11-22T11:42:15Z"] * len(labels)
    large = LabelIndices(
        labels[:1], np.array([0, rows]), blocks, supervoxels, counts, zeros, labels[:1], texts[:1], [""], [""]
    )
    small = LabelIndices(
        labels, np.arange(0, rows + 1, 10), blocks, supervoxels, counts, zeros, labels, texts, texts, texts
    )
    one, many = kernels.index_messages(large), kernels.index_messages(small)
    body = join_indices(many)
    targets = np.sort(supervoxels)[::20].repeat(20)
    operations = kernels.encode_mapping_ops(supervoxels, targets)
    thousands = rows // 1000
    return {
        "index_messages, one": (lambda: kernels.index_messages(large), thousands),
        "index_messages, of 10 rows": (lambda: kernels.index_messages(small), thousands),
        "read_indices, one": (lambda: kernels.read_indices(one), thousands),
        "decode_indices, of 10 rows": (lambda: kernels.decode_indices(body, rows), thousands),
        "encode_mapping_ops": (lambda: kernels.encode_mapping_ops(supervoxels, targets), thousands),
        "decode_mapping_ops": (lambda: kernels.decode_mapping_ops(operations, rows), thousands),
    }


def main() -> None:
    """Print the table."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    implementations = [(numpy_kernels, 2)]
    try:
        from dvid_labels import native_kernels  # noqa: PLC0415 - not there without dvid-kernels
    except ImportError:
        print("dvid-kernels is not installed")
    else:
        implementations.insert(0, (native_kernels, 15))
    measured = {}
    for kernels, repeats in implementations:
        wanted = calls(kernels, threads) | body_calls(kernels, threads) | message_calls(kernels)
        name = kernels.__name__.rpartition(".")[2]
        measured[name] = {name: microseconds(call, per, repeats) for name, (call, per) in wanted.items()}
    print(f"{'us per block, ' + str(threads) + ' thread(s)':32}", *(f"{name:>16}" for name in measured))
    for name in next(iter(measured.values())):
        print(f"{name:32}", *(f"{figures[name]:16.0f}" for figures in measured.values()))


if __name__ == "__main__":
    main()
