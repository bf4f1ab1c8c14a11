"""Bodies out of label blocks: against the voxels themselves, and native against its twin."""

import gzip
import struct
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvid_labels import LabelFormatError, numpy_kernels
from dvid_labels.runs import binary_blocks_header, block_slabs, encode_rles

SHAPE = (32, 16, 24)
GRID = (3, 2, 2)
#: Block coordinate of the first block.
CORNER = np.array((-2, -1, 3))
#: The example of the format: labels 7, 9 and 0 in block (1, 0, 0) of 16^3.
EXAMPLE = gzip.compress(
    bytes.fromhex(
        "02000000 02000000 02000000 03000000"
        "0700000000000000 0900000000000000 0000000000000000"
        "0300 0100 0100 0100 0100 0100 0100 0100"
        "00000000 01000000 02000000" + "02000000" * 7 + "1aaa02" + "aa" * 125
    )
)


def uint64(*labels: int) -> np.ndarray:
    return np.array(labels, np.uint64)


def places(grid: tuple[int, int, int] = GRID) -> np.ndarray:
    x, y, z = grid
    return np.array([(i, j, k) for k in range(z) for j in range(y) for i in range(x)]) + CORNER


@pytest.fixture(scope="module")
def whole() -> np.ndarray:
    """Labels 0 to 39 in patches: blocks of one label, of two, of few in each sub-block, of hundreds."""
    rng = np.random.default_rng(4)
    x, y, z = (side * count for side, count in zip(SHAPE, GRID, strict=True))
    patches = rng.integers(0, 40, tuple(-(-n // 5) for n in (z, y, x))).astype(np.uint64)
    voxels = np.ascontiguousarray(patches.repeat(5, 0).repeat(5, 1).repeat(5, 2)[:z, :y, :x])
    voxels[:24, :16, :64] = 5
    voxels[:24, :16, 64:] = rng.integers(0, 40, (24, 16, 32))
    voxels[24:, :16, :32] = rng.integers(5, 7, (24, 16, 32))
    voxels[24:, :16, 32:64] = rng.integers(4, 8, (24, 16, 32))
    voxels[:24, 16:, :32] = rng.integers(0, 700, (24, 16, 32))
    return voxels


@pytest.fixture(scope="module")
def payloads(whole: np.ndarray) -> list[bytes]:
    return numpy_kernels.write_blocks(whole, SHAPE)


def painted(runs: np.ndarray, low: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Voxels of runs, which must be sorted, apart from each other, and within the volume."""
    voxels = np.zeros(size, bool)
    behind = None
    for x, y, z, length in runs.tolist():
        assert length > 0
        if behind is not None:
            assert behind < (z, y, x), "not sorted, or not as long as it could be"
        behind = (z, y, x + length)
        i, j, k = (np.array((x, y, z)) - low).tolist()
        assert i >= 0 and i + length <= size[2]
        voxels[k, j, i : i + length] = True
    return voxels


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize(
    "labels", [(), (5,), (0,), (0, 5), (5, 6), (4, 6), (3, 9, 30), tuple(range(700)), (1000,), (2**64 - 1,)]
)
def test_runs_are_the_voxels(
    kernels: ModuleType, whole: np.ndarray, payloads: list[bytes], labels: tuple[int, ...], threads: int
) -> None:
    runs = kernels.body_runs(payloads, places(), SHAPE, uint64(*labels), None, threads)
    assert runs.dtype == np.int32 and runs.shape == (len(runs), 4)
    assert (painted(runs, CORNER * SHAPE, whole.shape) == np.isin(whole, uint64(*labels))).all()


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_part_of_any_body(
    kernels: ModuleType, whole: np.ndarray, payloads: list[bytes], data: st.DataObject
) -> None:
    labels = uint64(*sorted(data.draw(st.sets(st.integers(0, 42), max_size=6))))
    missing = data.draw(st.sets(st.integers(0, 11), max_size=4))
    order = data.draw(st.permutations(range(12)))
    first = CORNER * SHAPE
    corners = [
        sorted((data.draw(st.integers(a - 3, a + n + 3)), data.draw(st.integers(a - 3, a + n + 3))))
        for a, n in zip(first.tolist(), whole.shape[::-1], strict=True)
    ]
    low, high = (tuple(corner) for corner in zip(*corners, strict=True))
    known = np.isin(whole, labels)
    for i in missing:
        x, y, z = (places()[i] - CORNER) * SHAPE
        known[z : z + 24, y : y + 16, x : x + 32] = False
    outside = [np.arange(a, a + n) for a, n in zip(first, whole.shape[::-1], strict=True)]
    for axis, (a, b, at) in enumerate(zip(low, high, outside, strict=True)):
        known.swapaxes(0, 2 - axis)[(at < a) | (at > b)] = False
    given_blocks = [None if i in missing else payloads[i] for i in order]
    runs = kernels.body_runs(given_blocks, places()[list(order)], SHAPE, labels, (low, high))
    assert (painted(runs, first, whole.shape) == known).all()


@pytest.mark.parametrize("shape", [(8, 8, 8), (16, 24, 8), (64, 64, 64), (72, 8, 16), (8, 64, 128)])
def test_both_answer_alike(volume: object, shape: tuple[int, int, int], native: ModuleType) -> None:
    size = tuple(n * count for n, count in zip(shape, GRID, strict=True))
    for labels, grain in ((2, 3), (3, 1), (30, 5), (600, 2)):
        voxels = volume(size, labels, grain=grain)  # type: ignore[operator]
        made = numpy_kernels.write_blocks(voxels, shape)
        body = np.unique(voxels)[::2]
        for bounds in (None, ((-70, -8, 33), (9, 7, 150))):
            known = numpy_kernels.body_runs(made, places(), shape, body, bounds)
            assert (native.body_runs(made, places(), shape, body, bounds) == known).all()
        known_blocks = numpy_kernels.body_binary_blocks(made, places(), shape, body)
        assert native.body_binary_blocks(made, places(), shape, body) == known_blocks


def test_a_long_row_is_one_run(kernels: ModuleType) -> None:
    """More blocks than are looked at together, one of them missing."""
    (solid,) = numpy_kernels.write_blocks(np.full((64, 64, 64), 7, np.uint64), (64, 64, 64))
    row = np.array([(x, -1, -1) for x in range(-20, 21)])
    runs = kernels.body_runs([solid] * 41, row[::-1], (64, 64, 64), uint64(7))
    assert runs.tolist() == [[-1280, y, z, 41 * 64] for z in range(-64, 0) for y in range(-64, 0)]
    with_hole = [None if x == 3 else solid for x in row[:, 0].tolist()]
    runs = kernels.body_runs(with_hole, row, (64, 64, 64), uint64(7), ((-1281, -9, -1), (255, -9, -1)))
    assert runs.tolist() == [[-1280, -9, -1, 23 * 64]]
    runs = kernels.body_runs(with_hole, row, (64, 64, 64), uint64(7), ((-5, -9, -1), (256, -9, -1)))
    assert runs.tolist() == [[-5, -9, -1, 3 * 64 + 5], [256, -9, -1, 1]]


def test_slabs_are_the_whole(kernels: ModuleType, payloads: list[bytes]) -> None:
    where, body = places(), uint64(2, 5, 6)
    known = kernels.body_runs(payloads, where, SHAPE, body)
    for most, parts in ((1, 2), (6, 2), (7, 2), (12, 1), (100, 1)):
        slabs = list(block_slabs(where[::-1], most))
        assert len(slabs) == parts
        made = [kernels.body_runs([payloads[::-1][i] for i in slab], where[::-1][slab], SHAPE, body) for slab in slabs]
        assert (np.concatenate(made) == known).all()
    assert list(block_slabs(np.zeros((0, 3), int), 5)) == []
    with pytest.raises(ValueError, match="part"):
        list(block_slabs(where, 0))


def test_example_of_the_format(kernels: ModuleType) -> None:
    runs = kernels.body_runs([EXAMPLE], [(1, 0, 0)], (16, 16, 16), uint64(7))
    assert encode_rles(runs).hex() == (
        "00030000" + "00000000" + "02000000" + "10000000000000000000000001000000" + "10000000010000000000000003000000"
    )
    pieces = kernels.body_binary_blocks([EXAMPLE], [(1, 0, 0)], (16, 16, 16), uint64(7))
    stream = binary_blocks_header((16, 16, 16), 7) + b"".join(pieces)
    assert len(stream) == 105
    assert stream.hex() == (
        "0200000002000000020000000700000000000000" + "100000000000000000000000" + "02" + "020107" + "00" * 62 + "00" * 7
    )


def blocks_painted(pieces: list[bytes], whole: np.ndarray) -> np.ndarray:
    """Voxels of binary blocks, flag by flag and bit by bit."""
    voxels = np.zeros(whole.shape, bool)
    for piece in pieces:
        x, y, z = (np.array(struct.unpack_from("<3i", piece)) - CORNER * SHAPE).tolist()
        block = voxels[z : z + SHAPE[2], y : y + SHAPE[1], x : x + SHAPE[0]]
        at = 13
        if piece[12] == 1:
            block[:] = True
        else:
            assert piece[12] == 2
            for k in range(0, SHAPE[2], 8):
                for j in range(0, SHAPE[1], 8):
                    for i in range(0, SHAPE[0], 8):
                        flag, at = piece[at], at + 1
                        bits = {0: b"\0" * 64, 1: b"\xff" * 64, 2: piece[at : at + 64]}[flag]
                        at += 64 if flag == 2 else 0
                        cells = [bits[n >> 3] >> (n & 7) & 1 for n in range(512)]
                        assert flag == {0: 0, 512: 1}.get(sum(cells), 2)
                        block[k : k + 8, j : j + 8, i : i + 8] = np.array(cells).reshape(8, 8, 8)
        assert at == len(piece)
    return voxels


@pytest.mark.parametrize("labels", [(5,), (0,), (5, 6), (4, 6), (3, 9, 30), tuple(range(700)), (1000,)])
def test_binary_blocks(kernels: ModuleType, whole: np.ndarray, payloads: list[bytes], labels: tuple[int, ...]) -> None:
    order = np.random.default_rng(1).permutation(12)
    pieces = kernels.body_binary_blocks(
        [None, *(payloads[i] for i in order)], [(9, 9, 9), *places()[order]], SHAPE, uint64(*labels)
    )
    known = np.isin(whole, uint64(*labels))
    assert (blocks_painted(pieces, whole) == known).all()
    heads = [struct.unpack_from("<3i", piece) for piece in pieces]
    firsts = [tuple(row) for row in (places()[order] * SHAPE).tolist()]
    assert heads == [first for first in firsts if first in heads], "not in the order given"
    full = (
        [known[z : z + 24, y : y + 16, x : x + 32] for x, y, z in (np.array(heads) - CORNER * SHAPE)] if heads else []
    )
    assert [piece[12] for piece in pieces] == [1 if block.all() else 2 for block in full]
    assert all(block.any() for block in full)


def test_lists_may_name_labels_without_voxels(kernels: ModuleType) -> None:
    """All voxels of the only sub-block are its second label; the others stand in its list only."""
    for bits, count in ((1, 2), (2, 3), (2, 4), (3, 5), (9, 300)):
        values = np.unpackbits(np.full((512, 1), 1, ">u2").view(np.uint8), axis=1)[:, 16 - bits :]
        block = (
            struct.pack("<4I", 1, 1, 1, count)
            + np.arange(1, count + 1, dtype="<u8").tobytes()
            + struct.pack("<H", count)
            + np.arange(count, dtype="<u4").tobytes()
            + np.packbits(values).tobytes()
        )
        payload = [gzip.compress(block)]
        assert kernels.body_binary_blocks(payload, [(0, 0, 0)], (8, 8, 8), uint64(1)) == []
        assert kernels.body_runs(payload, [(0, 0, 0)], (8, 8, 8), uint64(1)).shape == (0, 4)
        assert kernels.body_binary_blocks(payload, [(-1, 0, 2)], (8, 8, 8), uint64(2)) == [
            struct.pack("<3iB", -8, 0, 16, 1)
        ]
        assert len(kernels.body_runs(payload, [(0, 0, 0)], (8, 8, 8), uint64(2))) == 64


def test_farthest_blocks(kernels: ModuleType) -> None:
    (solid,) = numpy_kernels.write_blocks(np.full((8, 8, 8), 7, np.uint64), (8, 8, 8))
    last = 2**28 - 1
    where = [(last, last, last), (-last - 1,) * 3]
    runs = kernels.body_runs([solid] * 2, where, (8, 8, 8), uint64(7))
    assert runs[0].tolist() == [-(2**31), -(2**31), -(2**31), 8]
    assert runs[-1].tolist() == [2**31 - 8, 2**31 - 1, 2**31 - 1, 8]
    corner = ((2**40, 2**31 - 1, 2**31 - 1), (2**50,) * 3)
    assert kernels.body_runs([solid] * 2, where, (8, 8, 8), uint64(7), corner).shape == (0, 4)
    for beyond in ((last + 1, 0, 0), (0, -last - 2, 0), (0, 0, 2**62)):
        with pytest.raises(ValueError, match="out of range"):
            kernels.body_runs([solid], [beyond], (8, 8, 8), uint64(7))
        with pytest.raises(ValueError, match="out of range"):
            kernels.body_binary_blocks([solid], [beyond], (8, 8, 8), uint64(7))


def test_arguments_are_checked(kernels: ModuleType, payloads: list[bytes]) -> None:
    two, where = payloads[:2], places()[:2]
    for call in (kernels.body_runs, kernels.body_binary_blocks):
        with pytest.raises(ValueError, match="one block coordinate"):
            call(two, where[:1], SHAPE, uint64(1))
        with pytest.raises(ValueError, match="same block coordinate"):
            call(two, [(1, 2, 3)] * 2, SHAPE, uint64(1))
        with pytest.raises(ValueError, match="multiples of 8"):
            call(two, where, (8, 8, 9), uint64(1))
        for wrong in (uint64(2, 1), uint64(1, 1), uint64(1).reshape(1, 1)):
            with pytest.raises(ValueError, match="ascending"):
                call(two, where, SHAPE, wrong)
        for threads in (0, 9):
            with pytest.raises(ValueError, match="threads"):
                call(two, where, SHAPE, uint64(1), threads=threads)
        assert len(call([], np.zeros((0, 3), np.int32), SHAPE, uint64(1))) == 0
        assert len(call([None, None], where, SHAPE, uint64(1))) == 0
    with pytest.raises(ValueError, match="corners"):
        kernels.body_runs(two, where, SHAPE, uint64(1), ((0, 0), (1, 1)))
    for threads in (0, 9):
        with pytest.raises(ValueError, match="threads"):
            kernels.count_changes(two, two, SHAPE, threads)


def test_damage_names_the_payload(kernels: ModuleType, payloads: list[bytes]) -> None:
    for bad in (b"", payloads[4][:-9], gzip.compress(b"x" * 30)):
        broken = [*payloads[:4], bad, *payloads[5:]]
        for call in (
            lambda bad=broken: kernels.body_runs(bad, places(), SHAPE, uint64(5)),
            lambda bad=broken: kernels.body_binary_blocks(bad, places(), SHAPE, uint64(5)),
            lambda bad=broken: kernels.count_changes(payloads, bad, SHAPE),
            lambda bad=broken: kernels.count_changes(bad, payloads, SHAPE),
        ):
            with pytest.raises(LabelFormatError, match=r"^payload 4: ") as caught:
                call()
            assert caught.value.payload == 4
    # What lies outside the bounds is not looked at.
    outside = ((int(CORNER[0]) * 32, -16, 72), (-1, 40, 95))
    assert len(kernels.body_runs([*payloads[:-1], b"bad"], places(), SHAPE, uint64(5), outside))


def test_count_changes(kernels: ModuleType, whole: np.ndarray, payloads: list[bytes]) -> None:
    new: list[bytes | None] = [None, *payloads[::-1]]
    old: list[bytes | None] = [payloads[3], *payloads[:6], None, None, *payloads[8:]]
    blocks, labels, deltas = kernels.count_changes(old, new, SHAPE)
    assert (blocks.dtype, labels.dtype, deltas.dtype) == (np.int64, np.uint64, np.int64)
    rows = []
    for i, pair in enumerate(zip(old, new, strict=True)):
        total: dict[int, int] = {}
        for payload, sign in zip(pair, (-1, 1), strict=True):
            voxels = np.zeros(0) if payload is None else kernels.decode_block(gzip.decompress(payload))
            for label, count in zip(*np.unique(voxels, return_counts=True), strict=True):
                total[int(label)] = total.get(int(label), 0) + sign * int(count)
        rows += [(i, label, delta) for label, delta in sorted(total.items()) if label and delta]
    assert list(zip(blocks.tolist(), labels.tolist(), deltas.tolist(), strict=True)) == rows
    assert all(len(column) == 0 for column in kernels.count_changes(payloads, payloads, SHAPE))
    assert all(len(column) == 0 for column in kernels.count_changes([], [], SHAPE))
    with pytest.raises(ValueError, match="one old block"):
        kernels.count_changes([None], [], SHAPE)
