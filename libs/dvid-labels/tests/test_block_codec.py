"""Single label blocks, not gzipped: the format's own example, round trips, every rule."""

import struct
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dvid_labels import LabelFormatError, numpy_kernels
from dvid_labels.layout import largest_block

SHAPE = (16, 16, 16)
#: The example of the format: labels 7, 9 and 0 in a block of 16^3.
EXAMPLE = bytes.fromhex(
    "02000000 02000000 02000000 03000000"
    "0700000000000000 0900000000000000 0000000000000000"
    "0300 0100 0100 0100 0100 0100 0100 0100"
    "00000000 01000000 02000000" + "02000000" * 7 + "1aaa02" + "aa" * 125
)
#: Where its parts begin.
LABELS, COUNTS, INDICES, VALUES = 12, 40, 56, 96


def patched(at: int, value: int, form: str) -> bytes:
    block = bytearray(EXAMPLE)
    struct.pack_into(form, block, at, value)
    return bytes(block)


def example_voxels() -> np.ndarray:
    voxels = np.zeros((16, 16, 16), np.uint64)
    voxels[0, 0, :2] = 7, 9
    voxels[0, 1, :3] = 7
    return voxels


def test_example_is_read(kernels: ModuleType) -> None:
    assert len(EXAMPLE) == 224
    assert (kernels.decode_block(EXAMPLE) == example_voxels()).all()
    assert kernels.block_table(EXAMPLE).tolist() == [7, 9, 0]
    kernels.check_block(EXAMPLE, SHAPE)


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_any_buffer_is_taken(kernels: ModuleType, form: type) -> None:
    assert (kernels.decode_block(form(EXAMPLE)) == example_voxels()).all()


def test_solid_block_is_24_bytes(kernels: ModuleType) -> None:
    solid = bytes.fromhex("02000000 03000000 04000000 01000000 ffffffffffffffff")
    voxels = np.full((32, 24, 16), 2**64 - 1, np.uint64)
    assert kernels.encode_block(voxels) == solid
    assert (kernels.decode_block(solid) == voxels).all()


def test_empty_lists_are_label_0(kernels: ModuleType) -> None:
    block = bytearray(EXAMPLE[:84] + EXAMPLE[96:])
    for sub in (1, 2, 3):
        struct.pack_into("<H", block, COUNTS + 2 * sub, 0)
    kernels.check_block(bytes(block), SHAPE)
    assert (kernels.decode_block(bytes(block)) == example_voxels()).all()


def test_duplicate_and_unused_table_entries_are_read(kernels: ModuleType) -> None:
    voxels = kernels.decode_block(patched(24, 7, "<Q"))
    assert (voxels == np.where(example_voxels() == 9, 7, example_voxels())).all()


@pytest.mark.parametrize("shape", [(8, 8, 8), (16, 16, 16), (64, 64, 64), (32, 16, 8), (8, 40, 24)])
@pytest.mark.parametrize(("labels", "grain"), [(1, 4), (2, 4), (3, 3), (5, 1), (300, 2), (100_000, 1)])
def test_round_trip(kernels: ModuleType, volume: object, shape: tuple[int, int, int], labels: int, grain: int) -> None:
    voxels = volume(shape, labels, grain=grain)  # type: ignore[operator]
    block = kernels.encode_block(voxels)
    assert len(block) <= largest_block(shape)
    kernels.check_block(block, shape)
    assert (kernels.decode_block(block) == voxels).all()
    assert (numpy_kernels.decode_block(block) == voxels).all()
    assert sorted(kernels.block_table(block).tolist()) == np.unique(voxels).tolist()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129, 256, 257, 511, 512])
def test_each_width_of_values(kernels: ModuleType, count: int) -> None:
    voxels = (np.arange(512, dtype=np.uint64) % count).reshape(8, 8, 8) + np.uint64(2**63)
    block = kernels.encode_block(voxels)
    kernels.check_block(block, (8, 8, 8))
    assert (kernels.decode_block(block) == voxels).all()
    assert (numpy_kernels.decode_block(block) == voxels).all()


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint64, (8, 16, 8), elements=st.integers(0, 2**64 - 1)))
def test_any_array_comes_back(kernels: ModuleType, array: np.ndarray) -> None:
    assert (kernels.decode_block(kernels.encode_block(array)) == array).all()


def test_relabel_maps_the_table_only(kernels: ModuleType) -> None:
    mapping = (np.array([5, 7, 9], np.uint64), np.array([1, 2**64 - 1, 0], np.uint64))
    mapped = kernels.relabel_block(EXAMPLE, mapping)
    assert mapped[VALUES:] == EXAMPLE[VALUES:]
    assert kernels.block_table(mapped).tolist() == [2**64 - 1, 0, 0]
    assert kernels.relabel_block(EXAMPLE, None) == EXAMPLE


BROKEN = {
    "nothing": b"",
    "short": EXAMPLE[:23],
    "no sub-blocks": patched(0, 0, "<I"),
    "too many sub-blocks": patched(4, 129, "<I"),
    "other size": patched(8, 1, "<I"),
    "no labels": patched(LABELS, 0, "<I"),
    "one label and more bytes": patched(LABELS, 1, "<I"),
    "more labels than bytes": patched(LABELS, 4000, "<I"),
    "more labels than voxels": patched(LABELS, 2**32 - 1, "<I"),
    "table cut off": EXAMPLE[:39],
    "counts cut off": EXAMPLE[:55],
    "indices cut off": EXAMPLE[:95],
    "values cut off": EXAMPLE[:-1],
    "byte behind": EXAMPLE + b"\0",
    "513 labels in a sub-block": patched(COUNTS, 513, "<H"),
    "65535 labels in a sub-block": patched(COUNTS, 65535, "<H"),
    "index past the table": patched(INDICES, 3, "<I"),
    "index of a solid sub-block past the table": patched(INDICES + 12, 2**32 - 1, "<I"),
    "value past the list": patched(VALUES, 0xFF, "<B"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_every_rule_is_checked(kernels: ModuleType, name: str) -> None:
    with pytest.raises(LabelFormatError):
        kernels.check_block(BROKEN[name], SHAPE)


@pytest.mark.parametrize("count", [3, 5, 9, 17, 33, 65, 129, 257])
def test_values_past_the_list_are_refused_at_each_width(kernels: ModuleType, count: int) -> None:
    voxels = (np.arange(512, dtype=np.uint64) % count).reshape(8, 8, 8)
    block = bytearray(kernels.encode_block(voxels))
    block[-2:] = b"\xff\xff"
    for call in (kernels.decode_block, lambda bad: kernels.check_block(bad, (8, 8, 8))):
        with pytest.raises(LabelFormatError):
            call(bytes(block))


def test_claimed_size_is_bounded(kernels: ModuleType) -> None:
    with pytest.raises(LabelFormatError):
        kernels.decode_block(struct.pack("<4IQ", 128, 128, 128, 1, 7))


@pytest.mark.parametrize("size", [(8, 8, 9), (0, 8, 8), (8, 8, 1032)])
def test_wrong_sizes_are_refused(kernels: ModuleType, size: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="multiple"):
        kernels.encode_block(np.zeros(size, np.uint64))
