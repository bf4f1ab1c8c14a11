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

from dvid_labels import LabelFormatError, decode_segmentation, gunzip, lz4_block, parse_block_stream, unlz4_block
from dvid_labels.layout import largest_block

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
    from dvid_labels import numpy_kernels  # noqa: PLC0415

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

    def decoder(data: bytes) -> None:
        payload = packed(data)
        calls: tuple[Callable[[], object], ...] = (
            lambda: kernels.read_voxels([payload], [(0, 0, 0)], SHAPE, out, None, 1),
            lambda: kernels.read_voxels([payload], [(-3, -5, 2)], SHAPE, part, None, 1),
            lambda: kernels.labels_at([payload], [0], corner, SHAPE, None, 1),
            lambda: kernels.label_counts([payload], SHAPE, None, 1),
            lambda: kernels.downsample_blocks([[payload] + [None] * 7], np.ones((1, 8), np.uint8), [None], SHAPE, 1),
        )
        for call in calls:
            with suppress(LabelFormatError):
                call()
        kernels.check_payloads([payload], SHAPE, 1)

    fuzz(decoder, blocks, rounds(kernels) // 2)


def test_gzip_of_blocks(kernels: ModuleType, blocks: list[bytes]) -> None:
    seeds = [packed(block) for block in blocks]
    fuzz(lambda data: kernels.check_payloads([data], SHAPE, 1), seeds, rounds(kernels))


def test_both_refuse_the_same(blocks: list[bytes]) -> None:
    native = pytest.importorskip("dvid_labels.native_kernels")
    from dvid_labels import numpy_kernels  # noqa: PLC0415

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
    from dvid_labels import numpy_kernels  # noqa: PLC0415

    seeds = [numpy_kernels.encode_segmentation(volume(SHAPE, n, grain=2)) for n in (1, 2, 9, 90)]  # type: ignore[operator]
    fuzz(lambda data: decode_segmentation(data, SHAPE), seeds, 2 * rounds(None))


def test_gzip_bomb_is_refused_early(kernels: ModuleType) -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    bomb = b"".join([*(deflater.compress(zeros) for _ in range(1024)), deflater.flush()])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    out = np.zeros((16, 16, 16), np.uint64)
    for call in (
        lambda: kernels.check_payloads([bomb] * 8, SHAPE),
        lambda: kernels.read_voxels([bomb], [(0, 0, 0)], SHAPE, out),
        lambda: gunzip(bomb, largest_block(SHAPE)),
    ):
        with pytest.raises(LabelFormatError, match="more than"):
            call()
    # In kilobytes; a gigabyte would show.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
