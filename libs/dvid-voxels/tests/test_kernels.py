"""Native and numpy kernels do the same, and refuse the same."""

import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvid_voxels import kernels, numpy_kernels
from dvid_voxels.block_codec import encode_block
from dvid_voxels.errors import VoxelFormatError
from dvid_voxels.geometry import Box
from dvid_voxels.tiling import block_coordinates, block_origins

CODECS = ("none", "lz4", "gzip", "jpeg")
DTYPES = ("uint8", "uint16", "uint32", "uint64", "float32")
IMPLEMENTATIONS = {kernels.IMPLEMENTATION: kernels, "numpy": numpy_kernels}


def volume_of(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.random.default_rng(seed).integers(0, 4, size, np.uint8).view(dtype).reshape(shape)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@settings(max_examples=60, deadline=None)
@given(
    block=st.tuples(*[st.integers(1, 9)] * 3),
    offset=st.tuples(*[st.integers(-30, 30)] * 3),
    size=st.tuples(*[st.integers(1, 25)] * 3),
    dtype=st.sampled_from(DTYPES),
    channels=st.sampled_from([1, 4]),
    codec=st.sampled_from(CODECS[:3]),
    threads=st.integers(1, 3),
    data=st.data(),
)
def test_a_box_is_what_its_blocks_say(
    implementation: str,
    block: tuple[int, int, int],
    offset: tuple[int, int, int],
    size: tuple[int, int, int],
    dtype: str,
    channels: int,
    codec: Any,
    threads: int,
    data: st.DataObject,
) -> None:
    box = Box(offset, size)
    behind = () if channels == 1 else (channels,)
    coordinates = block_coordinates(box, block)
    origins = block_origins(coordinates, block, offset)
    blocks = [volume_of((*block[::-1], *behind), dtype, seed) for seed in range(len(coordinates))]
    absent = data.draw(st.sets(st.integers(0, len(blocks) - 1), max_size=2))
    payloads = [
        None if number in absent else encode_block(one.tobytes(), codec, block[0]) for number, one in enumerate(blocks)
    ]
    out = np.full((*box.shape, *behind), 9).astype(dtype)
    IMPLEMENTATIONS[implementation].read_voxel_blocks(payloads, origins, block, codec, out, 7, threads)
    unset = np.full(np.dtype(dtype).itemsize, 7, np.uint8).view(dtype)[0]
    z, y, x = np.indices(box.shape)
    for number, origin in enumerate(origins.tolist()):
        inside = np.stack([x - origin[0], y - origin[1], z - origin[2]])
        here = ((inside >= 0) & (inside < np.reshape(block, (3, 1, 1, 1)))).all(axis=0)
        at = inside[:, here]
        expected = unset if number in absent else blocks[number][at[2], at[1], at[0]]
        assert (out[here] == expected).all()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("codec", CODECS)
def test_blocks_are_decoded(implementation: str, codec: Any) -> None:
    smooth = (np.indices((16, 8, 16)).sum(axis=0) * 4).astype(np.uint8)
    payloads = [memoryview(encode_block(smooth.tobytes(), codec, 16)), encode_block(bytes(2048), codec, 16)] * 3
    decoded = IMPLEMENTATIONS[implementation].decode_blocks(payloads, codec, 2048, 2)
    found = np.frombuffer(decoded[0], np.uint8).astype(int)
    assert np.abs(found - smooth.ravel()).max() <= (3 if codec == "jpeg" else 0)
    assert bytes(decoded[5]) == bytes(2048)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("codec", CODECS)
def test_damage_names_its_block(implementation: str, codec: Any) -> None:
    good = encode_block(bytes(range(256)) * 2, codec, 8)
    for bad in (b"", good[:-20], good[:3], encode_block(bytes(513), codec, 1), encode_block(bytes(511), codec, 1)):
        for call in (
            lambda bad=bad: IMPLEMENTATIONS[implementation].decode_blocks([good, bad], codec, 512, 1),
            lambda bad=bad: IMPLEMENTATIONS[implementation].read_voxel_blocks(
                [good, bad], np.array([[0, 0, 0], [8, 0, 0]]), (8, 8, 8), codec, np.zeros((8, 8, 16), np.uint8), 0, 1
            ),
        ):
            with pytest.raises(VoxelFormatError) as error:
                call()
            assert error.value.payload == 1


@pytest.mark.parametrize("codec", ["lz4", "gzip"])
def test_nothing_is_inflated_past_the_block(codec: Any) -> None:
    bomb = encode_block(bytes(64 << 20), codec, 1)
    for implementation in IMPLEMENTATIONS.values():
        with pytest.raises(VoxelFormatError):
            implementation.decode_blocks([bomb], codec, 512, 1)


def test_a_jpeg_that_says_it_is_huge_is_refused_before_it_is_decoded() -> None:
    small = bytearray(encode_block(bytes(512), "jpeg", 8))
    frame = small.index(b"\xff\xc0")
    small[frame + 5 : frame + 9] = struct.pack(">HH", 65500, 65500)
    for implementation in IMPLEMENTATIONS.values():
        tracemalloc.start()
        with pytest.raises(VoxelFormatError, match="4290250000 pixels and not 512"):
            implementation.decode_blocks([bytes(small)], "jpeg", 512, 1)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_decoded(data: bytes) -> None:
    for codec in CODECS:
        found = []
        for implementation in IMPLEMENTATIONS.values():
            try:
                found.append([bytes(block) for block in implementation.decode_blocks([data], codec, 64, 1)])
            except VoxelFormatError:
                found.append([])
        assert found[0] == found[-1]


def test_a_volume_is_cut_into_blocks() -> None:
    volume = volume_of((4, 6, 8), "uint16")
    payloads = kernels.encode_blocks(volume, (4, 3, 2), "none", 1, 2)
    assert len(payloads) == 8
    assert payloads[3] == volume[:2, 3:, 4:].tobytes()
    assert kernels.encode_blocks(volume, (4, 3, 2), "none", 1, 1, [3, 7]) == [payloads[3], payloads[7]]


def test_a_block_that_no_jpeg_can_hold_is_refused() -> None:
    with pytest.raises(VoxelFormatError, match="too large for a JPEG"):
        encode_block(bytes(70_000), "jpeg", 1)


@settings(max_examples=60, deadline=None)
@given(
    block=st.tuples(*[st.integers(1, 5)] * 3),
    grid=st.tuples(*[st.integers(1, 3)] * 3),
    voxel_bytes=st.sampled_from([1, 2, 8]),
    codec=st.sampled_from(CODECS[:3]),
    threads=st.integers(1, 3),
    data=st.data(),
)
def test_a_volume_in_pieces_is_cut_into_blocks(
    block: tuple[int, int, int],
    grid: tuple[int, int, int],
    voxel_bytes: int,
    codec: Any,
    threads: int,
    data: st.DataObject,
) -> None:
    size = tuple(side * count for side, count in zip(block, grid, strict=True))
    volume = volume_of((*size[::-1], voxel_bytes), "uint8")
    body, count = volume.tobytes(), int(np.prod(grid))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=9)))
    pieces = [body[first:last] for first, last in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    chosen = data.draw(st.none() | st.lists(st.integers(0, count - 1)))
    expected = numpy_kernels.encode_blocks(volume, block, "none", 1, 1)
    bytes_of_block = len(expected[0])
    for implementation in IMPLEMENTATIONS.values():
        blocks = implementation.encode_pieces(pieces, size, block, voxel_bytes, codec, 1, threads, chosen)
        decoded = numpy_kernels.decode_blocks(blocks, codec, bytes_of_block, 1)
        assert decoded == [expected[number] for number in (range(count) if chosen is None else chosen)]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("codec", ["none", "lz4"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_volume_of_many_megabytes_is_cut_into_blocks(implementation: str, codec: Any, threads: int) -> None:
    volume = volume_of((64, 192, 256), "uint8")
    volume[:, :, ::2] = 7
    body = volume.tobytes()
    pieces = [body[: 1 << 20], body[1 << 20 :]]
    blocks = IMPLEMENTATIONS[implementation].encode_pieces(pieces, (256, 192, 64), (64, 64, 64), 1, codec, 1, threads)
    decoded = numpy_kernels.decode_blocks(blocks, codec, 1 << 18, 1)
    assert decoded == numpy_kernels.encode_blocks(volume, (64, 64, 64), "none", 1, 1)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("pieces", "size"), [([bytes(63)], (4, 4, 4)), ([bytes(60)], (4, 5, 3)), ([], (4, 4, 4)), ([bytes(65)], (4, 4, 4))]
)
def test_pieces_that_are_no_whole_blocks_are_refused(
    implementation: str, pieces: list[bytes], size: tuple[int, int, int]
) -> None:
    with pytest.raises(ValueError):
        IMPLEMENTATIONS[implementation].encode_pieces(pieces, size, (4, 4, 4), 1, "lz4", 1, 1)
