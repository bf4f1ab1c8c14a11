"""Every decoder of strangers' bytes, on mutated inputs: it answers, or it raises LabelFormatError; nothing else."""

import gzip
import os
import resource
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType

import numpy as np
import pytest

from dvid_labels import (
    LabelFormatError,
    decode_segmentation,
    gunzip,
    lz4_block,
    numpy_kernels,
    parse_block_stream,
    unlz4_block,
)
from dvid_labels.indices import encode_index, join_indices
from dvid_labels.layout import largest_block
from dvid_labels.runs import decode_rles, decode_runs, encode_rles

SHAPE = (16, 16, 16)
Decoder = Callable[[bytes], object]


def rounds(kernels: ModuleType | None) -> int:
    default = 10_000 if kernels is not None and kernels.__name__.endswith("native_kernels") else 1_000
    return int(os.environ.get("DVID_FUZZ_COUNT", default))


def mutated(seed: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One to three damages: a flipped bit, a new byte, a cut, a splice, a length field, a repeat."""
    data = bytearray(seed)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(0, max(len(data), 1)))
        kind = int(rng.integers(0, 7))
        if kind == 0 and data:
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1 and data:
            data[at] = int(rng.integers(0, 256))
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:] = other[int(rng.integers(0, max(len(other), 1))) :]
        elif kind == 4 and len(data) >= 4:
            field = min(at, len(data) - 4) // 2 * 2
            struct.pack_into("<I", data, field, int(rng.choice([0, 1, 2, 512, 513, 65535, 2**31, 2**32 - 1])))
        elif kind == 5 and len(data) >= 20:
            # The head of a block or of a stream is where the lengths are.
            struct.pack_into("<I", data, 4 * int(rng.integers(0, 5)), int(rng.integers(0, 600)))
        else:
            data[at:at] = data[at : at + int(rng.integers(1, 40))]
    return bytes(data)


def fuzz(decoder: Decoder, seeds: list[bytes], count: int) -> None:
    rng = np.random.default_rng(20)
    refused = 0
    for i in range(count):
        data = mutated(seeds[i % len(seeds)], seeds[int(rng.integers(0, len(seeds)))], rng)
        try:
            decoder(data)
        except LabelFormatError:
            refused += 1
    assert refused > count // 10


@pytest.fixture(scope="module")
def blocks(volume: object) -> list[bytes]:
    kinds = [(1, 4), (2, 3), (3, 2), (7, 2), (40, 1), (300, 1), (5000, 1)]
    made = [numpy_kernels.encode_block(volume(SHAPE, *kind)) for kind in kinds]  # type: ignore[operator]
    return made


def packed(block: bytes) -> bytes:
    return gzip.compress(block, 1, mtime=0)


def test_blocks(kernels: ModuleType, blocks: list[bytes]) -> None:
    mapping = (np.array([1], np.uint64), np.array([2], np.uint64))

    def decoder(data: bytes) -> None:
        try:
            kernels.check_block(data, SHAPE)
        except LabelFormatError:
            for call in (kernels.decode_block, kernels.block_table, lambda bad: kernels.relabel_block(bad, mapping)):
                with suppress(LabelFormatError):
                    call(data)
            raise
        assert len(kernels.decode_block(data)) == 16

    fuzz(decoder, blocks, rounds(kernels))


def test_blocks_inside_good_gzip(kernels: ModuleType, blocks: list[bytes]) -> None:
    out = np.empty((16, 16, 16), np.uint64)
    part = np.empty((9, 9, 9), np.uint64)
    corner = np.array([(0, 0, 15)])
    body = np.unique([numpy_kernels.block_table(block)[0] for block in blocks])

    def decoder(data: bytes) -> None:
        payload = packed(data)
        calls: tuple[Callable[[], object], ...] = (
            lambda: kernels.read_voxels([payload], [(0, 0, 0)], SHAPE, out, None, 1),
            lambda: kernels.read_voxels([payload], [(-3, -5, 2)], SHAPE, part, None, 1),
            lambda: kernels.labels_at([payload], [0], corner, SHAPE, None, 1),
            lambda: kernels.label_counts([payload], SHAPE, None, 1),
            lambda: kernels.downsample_blocks([[payload] + [None] * 7], np.ones((1, 8), np.uint8), [None], SHAPE, 1),
            lambda: kernels.body_runs([payload], [(-1, 0, 1)], SHAPE, body, None, 1),
            lambda: kernels.body_binary_blocks([payload], [(-1, 0, 1)], SHAPE, body, 1),
            lambda: kernels.count_changes([payload], [None], SHAPE, 1),
        )
        for call in calls:
            with suppress(LabelFormatError):
                call()
        kernels.check_payloads([payload], SHAPE, 1)

    fuzz(decoder, blocks, rounds(kernels) // 2)


def test_gzip_of_blocks(kernels: ModuleType, blocks: list[bytes]) -> None:
    seeds = [packed(block) for block in blocks]
    fuzz(lambda data: kernels.check_payloads([data], SHAPE, 1), seeds, rounds(kernels))


def test_both_refuse_the_same(blocks: list[bytes], native: ModuleType) -> None:

    def answer(kernels: ModuleType, data: bytes) -> object:
        try:
            kernels.check_block(data, SHAPE)
            return kernels.decode_block(data).tobytes()
        except LabelFormatError:
            return None

    def decoder(data: bytes) -> None:
        known = answer(numpy_kernels, data)
        assert answer(native, data) == known
        if known is None:
            raise LabelFormatError

    fuzz(decoder, blocks, rounds(None))


def test_streams(blocks: list[bytes]) -> None:
    seeds = [b"".join(struct.pack("<4i", i, -i, 0, len(b)) + b for i, b in enumerate(blocks[:n])) for n in (1, 2, 4)]
    fuzz(lambda data: parse_block_stream(data, 100), seeds, 10 * rounds(None))


def test_gunzip_and_lz4(blocks: list[bytes]) -> None:
    fuzz(lambda data: gunzip(data, 10**6), [packed(block) for block in blocks], 10 * rounds(None))
    raw = [lz4_block(np.frombuffer(block, np.uint8)) for block in blocks]
    fuzz(lambda data: unlz4_block(data, len(blocks[3])), raw, 10 * rounds(None))


def test_segmentations(volume: object) -> None:
    seeds = [numpy_kernels.encode_segmentation(volume(SHAPE, n, grain=2)) for n in (1, 2, 9, 90)]  # type: ignore[operator]
    fuzz(lambda data: decode_segmentation(data, SHAPE), seeds, 2 * rounds(None))


@pytest.fixture(scope="module")
def index_messages() -> list[bytes]:
    rng = np.random.default_rng(3)
    made = []
    for rows in (0, 1, 3, 9):
        blocks = rng.integers(-300, 300, (rows, 3)).astype(np.int32).repeat(2, 0)
        supervoxels = rng.integers(0, 2**64 - 1, 2 * rows, np.uint64)
        counts = rng.integers(0, 2**18, 2 * rows).astype(np.uint32)
        made.append(encode_index(7, blocks, supervoxels, counts, 300, "2026-11-22T11:42:15Z", "me", "tests", 5))
    return made


def test_label_indices(kernels: ModuleType, index_messages: list[bytes]) -> None:
    fuzz(lambda data: kernels.read_indices([data]), index_messages, rounds(kernels))
    seeds = [join_indices(index_messages), join_indices(index_messages[2:])]
    fuzz(lambda data: kernels.decode_indices(data, 5), seeds, rounds(kernels))


def test_mapping_ops(kernels: ModuleType) -> None:
    rng = np.random.default_rng(3)
    seeds = []
    for bits in (7, 20, 63):
        labels, targets = rng.integers(0, 2**bits, (2, 12)).astype(np.uint64)
        seeds.append(kernels.encode_mapping_ops(labels, targets[[0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 3, 4]], 300))
    fuzz(lambda data: kernels.decode_mapping_ops(data, 12), seeds, rounds(kernels))


def test_both_read_the_same_messages(index_messages: list[bytes], native: ModuleType) -> None:

    def answers(kernels: ModuleType, data: bytes) -> list[object]:
        found: list[object] = []
        for call in (lambda: kernels.decode_indices(data, 5), lambda: kernels.decode_mapping_ops(data, 12)):
            try:
                parts = call()
            except LabelFormatError as error:
                found.append(error.payload)
                continue
            columns = parts if isinstance(parts, tuple) else [getattr(parts, name) for name in parts.__slots__]
            found.append([list(column) if isinstance(column, list) else column.tolist() for column in columns])
        return found

    def decoder(data: bytes) -> None:
        known = answers(numpy_kernels, data)
        assert answers(native, data) == known
        if not isinstance(known[0], list) or not isinstance(known[1], list):
            raise LabelFormatError

    fuzz(decoder, [join_indices(index_messages), join_indices(index_messages[1:3])], 2 * rounds(None))


def test_both_find_the_same_bodies(blocks: list[bytes], native: ModuleType) -> None:
    """Native kernels may answer where numpy finds damage, because they look at fewer sub-blocks."""
    body = np.unique([numpy_kernels.block_table(block)[0] for block in blocks])

    def decoder(data: bytes) -> None:
        payload = packed(data)
        known_runs = numpy_kernels.body_runs([payload], [(-1, 0, 1)], SHAPE, body)
        known_blocks = numpy_kernels.body_binary_blocks([payload], [(-1, 0, 1)], SHAPE, body)
        assert (native.body_runs([payload], [(-1, 0, 1)], SHAPE, body, None, 1) == known_runs).all()
        assert native.body_binary_blocks([payload], [(-1, 0, 1)], SHAPE, body, 1) == known_blocks

    fuzz(decoder, blocks, rounds(None))


def test_sparse_volumes() -> None:
    runs = np.random.default_rng(3).integers(1, 500, (20, 4)).astype(np.int32)
    seeds = [encode_rles(runs[:n]) for n in (0, 1, 2, 20)]
    fuzz(lambda data: decode_rles(data, 30), seeds, 10 * rounds(None))
    fuzz(lambda data: decode_runs(data, 30), [seed[12:] for seed in seeds[1:]], 10 * rounds(None))


def test_gzip_bomb_is_refused_early(kernels: ModuleType) -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    bomb = b"".join([*(deflater.compress(zeros) for _ in range(1024)), deflater.flush()])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    out = np.zeros((16, 16, 16), np.uint64)
    for call in (
        lambda: kernels.check_payloads([bomb] * 8, SHAPE),
        lambda: kernels.read_voxels([bomb], [(0, 0, 0)], SHAPE, out),
        lambda: kernels.body_runs([bomb], [(0, 0, 0)], SHAPE, np.ones(1, np.uint64)),
        lambda: gunzip(bomb, largest_block(SHAPE)),
    ):
        with pytest.raises(LabelFormatError, match="more than"):
            call()
    # In kilobytes; a gigabyte would show.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
