"""Kernels over whole requests: against plain numpy, and native against its twin."""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import lz4.block
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvid_labels import LabelFormatError, gunzip, map_labels, numpy_kernels
from dvid_labels import kernels as chosen

SHAPE = (32, 16, 24)
GRID = (2, 3, 2)


@pytest.fixture(scope="module")
def whole(volume: object) -> np.ndarray:
    size = tuple(n * count for n, count in zip(SHAPE, GRID, strict=True))
    voxels = volume(size, 40, grain=3)  # type: ignore[operator]
    voxels[:24, :16, :32] = 5
    voxels[:24, :16, 32:] = np.random.default_rng(3).integers(0, 2**64 - 1, (24, 16, 32), np.uint64)
    return np.asarray(voxels)


@pytest.fixture(scope="module")
def payloads(whole: np.ndarray) -> list[bytes]:
    return numpy_kernels.write_blocks(whole, SHAPE)


def origins() -> np.ndarray:
    x, y, z = GRID
    places = [(i, j, k) for k in range(z) for j in range(y) for i in range(x)]
    return np.array(places) * SHAPE


def some_mapping(whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels = np.unique(whole)[::2]
    return labels, np.arange(len(labels), dtype=np.uint64) // 3


def test_written_blocks_are_the_volume(kernels: ModuleType, whole: np.ndarray, payloads: list[bytes]) -> None:
    own = kernels.write_blocks(whole, SHAPE, threads=2)
    for made, known in zip(own, payloads, strict=True):
        assert (kernels.decode_block(gzip.decompress(made)) == kernels.decode_block(gzip.decompress(known))).all()
    out = np.empty_like(whole)
    kernels.read_voxels(own, origins(), SHAPE, out)
    assert (out == whole).all()


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 8 * 64 * 48 * 48), max_size=6).map(sorted), threads=st.integers(1, 3))
def test_a_volume_may_come_in_pieces(kernels: ModuleType, whole: np.ndarray, cuts: list[int], threads: int) -> None:
    body = whole.tobytes()
    pieces = [body[first:last] for first, last in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    blocks, largest = kernels.write_pieces(pieces, whole.shape[::-1], SHAPE, threads)
    assert blocks == kernels.write_blocks(whole, SHAPE)
    assert largest == whole.max()


@pytest.mark.parametrize("size", [(64, 48, 47), (64, 48, 24), (0, 48, 48), (16, 48, 192), (1 << 40, 1 << 40, 1 << 40)])
def test_pieces_must_be_whole_blocks(kernels: ModuleType, whole: np.ndarray, size: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError):
        kernels.write_pieces([whole.tobytes()], size, SHAPE)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_mapped_read(kernels: ModuleType, whole: np.ndarray, payloads: list[bytes], threads: int) -> None:
    mapping = some_mapping(whole)
    out = np.empty_like(whole)
    kernels.read_voxels(payloads, origins(), SHAPE, out, mapping, threads)
    assert (out == map_labels(whole, mapping)).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_part_is_read(kernels: ModuleType, whole: np.ndarray, payloads: list[bytes], data: st.DataObject) -> None:
    size = [data.draw(st.integers(1, n)) for n in whole.shape[::-1]]
    low = [data.draw(st.integers(-9, n + 3)) for n in whole.shape[::-1]]
    missing = data.draw(st.sets(st.integers(0, 11), max_size=3))
    given_blocks = [None if i in missing else payload for i, payload in enumerate(payloads)]
    known = whole.copy()
    for i in missing:
        x, y, z = origins()[i]
        known[z : z + 24, y : y + 16, x : x + 32] = 0
    region = None
    if data.draw(st.booleans()):
        corners = [sorted((data.draw(st.integers(-3, n + 3)), data.draw(st.integers(-3, n + 3)))) for n in size]
        region = tuple(zip(*corners, strict=True))
    out = np.full(size[::-1], 77, np.uint64)
    kernels.read_voxels(given_blocks, origins() - low, SHAPE, out, region=region)
    expected = np.full(size[::-1], 77, np.uint64)
    padded = np.full(np.array(whole.shape) + 160, 77, np.uint64)
    padded[80:-80, 80:-80, 80:-80] = known
    first, end = region or ((0, 0, 0), tuple(size))
    inside = tuple(slice(max(a, 0), max(0, min(b, n))) for a, b, n in zip(first, end, size, strict=True))[::-1]
    cut = tuple(slice(80 + a, 80 + a + n) for a, n in zip(low, size, strict=True))[::-1]
    expected[inside] = padded[cut][inside]
    assert (out == expected).all()


def test_origins_must_fit(kernels: ModuleType, whole: np.ndarray, payloads: list[bytes]) -> None:
    out = np.empty_like(whole)
    for wrong in (origins()[:-1], origins() + np.arange(12)[:, None], origins() + 2**50):
        with pytest.raises(ValueError, match="origin"):
            kernels.read_voxels(payloads, wrong, SHAPE, out)
    for bad in (out[:, :, ::2], out.astype(np.int64), out[0]):
        with pytest.raises(ValueError, match="output"):
            kernels.read_voxels(payloads, origins(), SHAPE, bad)
    for threads in (0, 9):
        with pytest.raises(ValueError, match="threads"):
            kernels.read_voxels(payloads, origins(), SHAPE, out, None, threads)


def test_parts_of_one_output_are_written_side_by_side(
    kernels: ModuleType, whole: np.ndarray, payloads: list[bytes]
) -> None:
    out = np.empty_like(whole)
    with ThreadPoolExecutor(4) as pool:
        slabs = [(low, out[low : low + 12]) for low in range(0, 48, 12)]
        jobs = [
            pool.submit(kernels.read_voxels, payloads, origins() - (0, 0, low), SHAPE, slab, None, 2)
            for low, slab in slabs
        ]
        for job in jobs:
            job.result()
    assert (out == whole).all()


def test_a_row_of_one_label_ends_with_its_row(kernels: ModuleType) -> None:
    """A mixed sub-block ends one row, and the next row goes on with the same label above it."""
    voxels = np.zeros((16, 16, 32), np.uint64)
    voxels[0, 0, 28] = 2
    voxels[0, 8, 4] = 3
    out = np.full_like(voxels, 9)
    kernels.read_voxels(numpy_kernels.write_blocks(voxels, (32, 16, 16)), [(0, 0, 0)], (32, 16, 16), out)
    assert (out == voxels).all()


def test_unaligned_volumes_are_copied(kernels: ModuleType, whole: np.ndarray, payloads: list[bytes]) -> None:
    unaligned = np.frombuffer(b"x" + whole.tobytes(), np.uint8)[1:].view(np.uint64).reshape(whole.shape)
    made = kernels.write_blocks(unaligned, SHAPE)
    assert [gunzip(a, 10**7) for a in made] == [gunzip(a, 10**7) for a in kernels.write_blocks(whole, SHAPE)]


def test_largest_labels(kernels: ModuleType, payloads: list[bytes], whole: np.ndarray) -> None:
    largest = kernels.check_payloads(payloads, SHAPE)
    assert largest.dtype == np.uint64
    assert largest.tolist() == [int(kernels.decode_block(gzip.decompress(p)).max()) for p in payloads]
    assert kernels.check_payloads([], SHAPE).shape == (0,)


BROKEN = [b"", b"\x1f\x8b", b"not gzip at all", b"cut", b"crc", b"behind", b"length", gzip.compress(b"x" * 30)]


@pytest.mark.parametrize("kind", BROKEN)
def test_damage_names_the_payload(kernels: ModuleType, payloads: list[bytes], kind: bytes) -> None:
    good = payloads[4]
    bad = {
        b"cut": good[:-9],
        b"crc": good[:-5] + bytes([good[-5] ^ 1]) + good[-4:],
        b"length": good[:-1] + b"\1",
        b"behind": good + b"\0",
    }.get(kind, kind)
    broken = [*payloads[:4], bad, *payloads[5:]]
    out = np.empty((48, 48, 64), np.uint64)
    mapping = (np.array([5], np.uint64), np.array([6], np.uint64))
    calls: list[Callable[[], object]] = [
        lambda: kernels.check_payloads(broken, SHAPE),
        lambda: kernels.read_voxels(broken, origins(), SHAPE, out),
        lambda: kernels.label_counts(broken, SHAPE),
        lambda: kernels.labels_at(broken, [4], [(0, 0, 0)], SHAPE),
        lambda: kernels.transcode(broken, SHAPE, "blocks", mapping),
        lambda: kernels.transcode(broken, SHAPE, "lz4"),
        lambda: kernels.downsample_blocks([[None] * 8] * 4 + [[bad] * 8], np.ones((5, 8), np.uint8), [None] * 5, SHAPE),
    ]
    for call in calls:
        with pytest.raises(LabelFormatError, match=r"^payload 4: ") as caught:
            call()
        assert caught.value.payload == 4


def test_members_of_gzip_are_joined(kernels: ModuleType, payloads: list[bytes]) -> None:
    block = gzip.decompress(payloads[1])
    parts = gzip.compress(block[:100]) + gzip.compress(b"") + gzip.compress(block[100:])
    assert kernels.check_payloads([parts], SHAPE) == kernels.check_payloads(payloads[1:2], SHAPE)


@pytest.mark.parametrize("mapped", [False, True])
def test_transcode(kernels: ModuleType, whole: np.ndarray, payloads: list[bytes], mapped: bool) -> None:
    mapping = some_mapping(whole) if mapped else None
    readers: dict[str, Callable[[bytes], bytes]] = {
        "lz4": lambda data: lz4.block.decompress(data, uncompressed_size=8 * 32 * 16 * 24),
        "gzip": gzip.decompress,
        "uncompressed": bytes,
        "blocks": lambda data: kernels.decode_block(gzip.decompress(data)).tobytes(),
    }
    known = [map_labels(kernels.decode_block(gzip.decompress(p)), mapping).tobytes() for p in payloads]
    for compression, read in readers.items():
        made = kernels.transcode(payloads * 2, SHAPE, compression, mapping)
        assert [read(data) for data in made] == known * 2
    with pytest.raises(ValueError, match="compression"):
        kernels.transcode(payloads, SHAPE, "zstd")
    assert kernels.transcode(payloads, SHAPE, "blocks") == payloads


def test_labels_at(kernels: ModuleType, whole: np.ndarray, payloads: list[bytes]) -> None:
    rng = np.random.default_rng(5)
    owners = rng.integers(0, 12, 2000)
    places = rng.integers(0, SHAPE, (2000, 3))
    x, y, z = (origins()[owners] + places).T
    mapping = some_mapping(whole)
    found = kernels.labels_at(payloads, owners, places, SHAPE, mapping)
    assert (found == map_labels(whole[z, y, x], mapping)).all()
    assert kernels.labels_at([None], [0], [(1, 2, 3)], SHAPE).tolist() == [0]
    assert kernels.labels_at([], [], [], SHAPE).shape == (0,)
    for owner, place in ((1, (0, 0, 0)), (-1, (0, 0, 0)), (0, (32, 0, 0)), (0, (0, -1, 0))):
        with pytest.raises(ValueError, match="point"):
            kernels.labels_at(payloads[:1], [owner], [place], SHAPE)


@pytest.mark.parametrize("mapped", [False, True])
def test_label_counts(kernels: ModuleType, whole: np.ndarray, payloads: list[bytes], mapped: bool) -> None:
    mapping = some_mapping(whole) if mapped else None
    blocks, labels, counts = kernels.label_counts([None, *payloads], SHAPE, mapping)
    assert (blocks.dtype, labels.dtype, counts.dtype) == (np.int64, np.uint64, np.uint32)
    rows = []
    for i, payload in enumerate(payloads):
        voxels = map_labels(kernels.decode_block(gzip.decompress(payload)), mapping)
        rows += [(i + 1, int(a), int(n)) for a, n in zip(*np.unique(voxels, return_counts=True), strict=True)]
    assert list(zip(blocks.tolist(), labels.tolist(), counts.tolist(), strict=True)) == rows
    assert all(len(column) == 0 for column in kernels.label_counts([None], SHAPE))


def low_of(high: np.ndarray) -> np.ndarray:
    """The rule, spelled out voxel by voxel."""
    low = np.zeros(tuple(n // 2 for n in high.shape), np.uint64)
    for z, y, x in np.ndindex(low.shape):
        names, votes = np.unique(high[2 * z : 2 * z + 2, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2], return_counts=True)
        votes[names == 0] = 0
        low[z, y, x] = names[votes.argmax()]
    return low


@pytest.mark.parametrize(("labels", "grain"), [(2, 1), (3, 1), (5, 1), (9, 1), (4, 3), (40, 1), (1000, 1)])
@pytest.mark.parametrize("seed", [0, 1])
def test_lower_resolution(kernels: ModuleType, volume: object, labels: int, grain: int, seed: int) -> None:
    shape = (16, 8, 24)
    high = volume((32, 16, 48), labels, seed, grain)  # type: ignore[operator]
    eight: list[bytes | None] = list(kernels.write_blocks(high, shape))
    eight[6] = None
    high[24:, 8:, :16] = 0
    old = volume(shape, 6, seed + 9)  # type: ignore[operator]
    written = np.array([[1, 1, 0, 1, 1, 0, 1, 1], [1] * 8], np.uint8)
    old_payload = kernels.write_blocks(old, shape)[0]
    made = kernels.downsample_blocks([eight, eight], written, [old_payload, b"not looked at"], shape)
    alone = kernels.downsample_blocks([eight], written[:1], [old_payload], shape, 2)
    assert gunzip(alone[0], 10**6) == gunzip(made[0], 10**6)
    first, second = (kernels.decode_block(gunzip(block, 10**6)) for block in made)
    low = low_of(high)
    assert (second == low).all()
    expected = low.copy()
    expected[:12, 4:, :8] = old[:12, 4:, :8]
    expected[12:, :4, 8:] = old[12:, :4, 8:]
    assert (first == expected).all()


@pytest.mark.parametrize("seed", range(6))
def test_lower_resolution_of_what_changed(kernels: ModuleType, volume: object, seed: int) -> None:
    shape, rng = (16, 16, 32), np.random.default_rng(seed)
    high = volume((32, 32, 64), 5, seed, 1 + seed % 3)  # type: ignore[operator]
    old = volume(shape, 3, seed + 9, 2)  # type: ignore[operator]
    if seed == 1:
        old[:] = 7
    if seed == 2:
        high[:32, :16, :16] = 4
    eight: list[bytes | None] = list(kernels.write_blocks(high, shape))
    eight[3] = None
    high[:32, 16:, 16:] = 0
    written = np.array([[1, 0, 1, 1, 1, 1, 0, 1]] * 2, np.uint8)
    changed = rng.integers(0, 2, (2, 4, 2, 2)).astype(np.uint8)
    changed[0, 0, 1, 1] = 1
    (payload,) = kernels.write_blocks(old, shape)
    made = kernels.downsample_blocks([eight, eight], written, [payload, None], shape, 2, changed)
    plain = [None if block is None else gunzip(block, 10**6) for block in eight]
    bare = kernels.downsample_blocks([plain, plain], written, [payload, None], shape, 2, changed, plain=True)
    assert bare == [gunzip(block, 10**6) for block in made]
    low, (first, second) = low_of(high), (kernels.decode_block(gunzip(block, 10**6)) for block in made)
    chosen = written[0].reshape(2, 2, 2).astype(bool).repeat(16, 0).repeat(8, 1).repeat(8, 2)
    made_anew = chosen & changed[0].astype(bool).repeat(8, 0).repeat(8, 1).repeat(8, 2)
    assert (first == np.where(made_anew, low, old)).all()
    assert (second == np.where(chosen, low, 0)).all()
    with pytest.raises(ValueError, match="flag"):
        kernels.downsample_blocks([eight], written[:1], [payload], shape, 2, changed)


def test_duplicates_in_a_table_vote_together(kernels: ModuleType) -> None:
    high = np.random.default_rng(2).integers(1, 6, (8, 8, 8)).astype(np.uint64)
    mapping = (np.array([2, 3], np.uint64), np.array([1, 1], np.uint64))
    (payload,) = kernels.transcode(kernels.write_blocks(high, (8, 8, 8)), (8, 8, 8), "blocks", mapping)
    (made,) = kernels.downsample_blocks([[payload] + [None] * 7], np.ones((1, 8), np.uint8), [None], (8, 8, 8))
    assert (kernels.decode_block(gunzip(made, 10**6))[:4, :4, :4] == low_of(map_labels(high, mapping))).all()


def test_octants_must_be_eight(kernels: ModuleType) -> None:
    with pytest.raises(ValueError, match="eight"):
        kernels.downsample_blocks([[None] * 7], np.ones((1, 8), np.uint8), [None], SHAPE)
    assert kernels.downsample_blocks([], np.ones((0, 8), np.uint8), [], SHAPE) == []


def test_environment_chooses_numpy() -> None:
    code = "from dvid_labels import kernels; print(kernels.IMPLEMENTATION)"
    environment = os.environ | {"DVID_KERNELS": "numpy"}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == "numpy\n"
    assert chosen.IMPLEMENTATION in ("native", "numpy")
