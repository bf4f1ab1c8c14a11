"""Label indices and mappings as protocol buffers: the format's own examples, round trips, every rule."""

import struct
from dataclasses import replace
from types import ModuleType

import lz4.block
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvid_labels import LabelFormatError, numpy_kernels
from dvid_labels.indices import (
    compressed_index,
    compressed_index_record,
    decode_index,
    encode_index,
    encode_indices,
    join_indices,
)
from dvid_labels.label_indices import LabelIndices, pack_blocks, unpack_blocks

#: Index of label 7: 4 voxels in block (1, 0, 0).
EXAMPLE = bytes.fromhex("0a0a080112060a04080710041007")
TIME = "2026-11-22T11:42:15Z"
LARGEST = 2**64 - 1


def field(number: int, value: int | bytes) -> bytes:
    """A field of a message, by the book."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def columns(indices: LabelIndices) -> list[object]:
    arrays = (indices.labels, indices.firsts, indices.coordinates, indices.supervoxels, indices.counts)
    others = (indices.surface_mutids, indices.last_mutids)
    types = [array.dtype for array in (*arrays, *others)]
    assert types == [np.uint64, np.int64, np.int32, np.uint64, np.uint32, np.uint64, np.uint64]
    texts = (indices.last_mod_times, indices.last_mod_users, indices.last_mod_apps)
    return [array.tolist() for array in (*arrays, *others)] + [list(text) for text in texts]


def some(labels: int = 6, seed: int = 0) -> LabelIndices:
    """Indices of 0 to 40 rows, in order; numbers of every length."""
    rng = np.random.default_rng(seed)

    def numbers(count: int, bits: int) -> np.ndarray:
        return rng.integers(0, 2**bits, count, np.uint64) >> rng.integers(0, bits, count).astype(np.uint64)

    rows: list[tuple[int, int, int, int, int, int, int]] = []
    firsts = [0]
    for i in range(labels):
        own = {}
        for z, y, x in rng.integers(-(2**20) + 1, 2**20, (int(rng.integers(0, 9)), 3)).tolist():
            surface = int(numbers(1, 63)[0])
            for supervoxel, count in zip(numbers(5, 63).tolist(), numbers(5, 32).tolist(), strict=True):
                own[(z, y, x, supervoxel)] = (i, z, y, x, supervoxel, count, surface)
        rows += sorted(own.values())
        firsts.append(len(rows))
    _, z, y, x, supervoxels, counts, surface = np.array(rows, object).reshape(-1, 7).T
    texts = [["", TIME, "bj\u00f6rn"][i % 3] for i in range(labels)]
    return LabelIndices(
        np.arange(labels, dtype=np.uint64) ** np.uint64(9),
        np.array(firsts),
        np.stack((x, y, z), axis=1).astype(np.int32),
        supervoxels.astype(np.uint64),
        counts.astype(np.uint32),
        surface.astype(np.uint64),
        np.arange(labels, dtype=np.uint64) * np.uint64(3),
        texts,
        texts[::-1],
        texts[1:] + texts[:1],
    )


def test_example_of_the_format(kernels: ModuleType) -> None:
    assert (
        encode_index(7, np.array([(1, 0, 0)], np.int32), np.array([7], np.uint64), np.array([4], np.uint32)) == EXAMPLE
    )
    found = kernels.read_indices([EXAMPLE])
    assert columns(found) == [[7], [0, 1], [[1, 0, 0]], [7], [4], [0], [0], [""], [""], [""]]
    assert kernels.index_messages(found) == [EXAMPLE]
    record = compressed_index_record(EXAMPLE)
    assert record.hex() == "800e000000e00a0a080112060a04080710041007"
    assert (compressed_index(7, EXAMPLE) + compressed_index(8, None)).hex() == (
        "14000000000000000700000000000000" + record.hex() + "00000000000000000800000000000000"
    )
    assert lz4.block.decompress(record[1:]) == EXAMPLE


def test_packed_blocks() -> None:
    assert pack_blocks([(1, -2, 3)]).tolist() == [3 << 42 | (1 << 20 | 2) << 21 | 1]
    rng = np.random.default_rng(0)
    blocks = np.concatenate(
        (rng.integers(-(2**20) + 1, 2**20, (1000, 3)), [(0, 0, 0), (2**20 - 1,) * 3, (1 - 2**20,) * 3])
    )
    keys = pack_blocks(blocks)
    assert keys.dtype == np.uint64
    assert (unpack_blocks(keys) == blocks).all()
    assert unpack_blocks(np.array([1 << 20], np.uint64)).tolist() == [[0, 0, 0]]
    for far in (2**20, -(2**20), 2**62):
        with pytest.raises(ValueError, match="out of range"):
            pack_blocks([(0, far, 0)])
    with pytest.raises(LabelFormatError):
        unpack_blocks(np.array([1 << 63], np.uint64))


@pytest.mark.parametrize("seed", range(5))
def test_indices_come_back(kernels: ModuleType, seed: int) -> None:
    indices = some(seed=seed)
    messages = kernels.index_messages(indices)
    assert messages == numpy_kernels.index_messages(indices)
    assert columns(kernels.read_indices(messages)) == columns(indices)
    assert columns(kernels.read_indices([bytearray(m) for m in messages])) == columns(indices)
    assert columns(kernels.decode_indices(join_indices(messages), 6)) == columns(indices)
    assert encode_indices(indices) == join_indices(messages)
    for i in range(len(indices)):
        own = indices.rows(i)
        alone = encode_index(
            int(indices.labels[i]),
            indices.coordinates[own],
            indices.supervoxels[own],
            indices.counts[own],
            int(indices.last_mutids[i]),
            indices.last_mod_times[i],
            indices.last_mod_users[i],
            indices.last_mod_apps[i],
            indices.surface_mutids[own],
        )
        assert alone == messages[i]
        assert (decode_index(alone).supervoxels == indices.supervoxels[own]).all()


def test_rows_are_put_in_order(kernels: ModuleType) -> None:
    indices = some(9)
    rng = np.random.default_rng(1)
    order = np.concatenate(
        [rng.permutation(np.arange(a, b)) for a, b in zip(indices.firsts, indices.firsts[1:], strict=False)]
    )
    mixed = replace(
        indices,
        coordinates=indices.coordinates[order],
        supervoxels=indices.supervoxels[order],
        counts=indices.counts[order],
        surface_mutids=indices.surface_mutids[order],
    )
    assert kernels.index_messages(mixed) == kernels.index_messages(indices)


def test_entries_in_any_order_are_read(kernels: ModuleType) -> None:
    indices = some(1, seed=3)
    (message,) = kernels.index_messages(indices)
    parts = []
    for place in np.unique(indices.coordinates, axis=0)[::-1]:
        chosen = np.flatnonzero((indices.coordinates == place).all(axis=1))[::-1]
        pairs = [
            field(1, field(2, int(indices.counts[i])) + field(1, int(indices.supervoxels[i]))) for i in chosen.tolist()
        ]
        surface = field(2, int(indices.surface_mutids[chosen[0]]))
        parts.append(field(1, field(2, surface + b"".join(pairs)) + field(1, int(pack_blocks([place])[0]))))
    assert len(parts) > 2
    assert columns(kernels.read_indices([b"".join(parts)])) == columns(kernels.read_indices([message]))


def test_no_indices_and_no_rows(kernels: ModuleType) -> None:
    assert columns(kernels.read_indices([])) == [[], [0], [], [], [], [], [], [], [], []]
    assert kernels.read_indices([]).coordinates.shape == (0, 3)
    empty = kernels.read_indices([b"", b"\x10\x09"])
    assert columns(empty) == [[0, 9], [0, 0, 0], [], [], [], [], [0, 0], ["", ""], ["", ""], ["", ""]]
    assert kernels.index_messages(empty) == [b"", b"\x10\x09"]
    assert kernels.index_messages(kernels.read_indices([])) == []
    assert len(kernels.decode_indices(b"", 0)) == 0


def test_what_may_be_left_out_or_added(kernels: ModuleType) -> None:
    """Keys and values of 0 are left out; unknown fields and fields of another type are passed over."""
    unknown = field(15, 3) + field(9, b"abc") + b"\x79" + bytes(8) + b"\x7d" + bytes(4)
    block = field(2, 6) + field(2, field(1, b"") + unknown + field(1, 5) + field(2, b"no number"))
    body = field(1, 4) + field(1, unknown + block) + unknown + field(2, b"no number") + field(4, 1) + field(3, 5)
    found = kernels.read_indices([body])
    assert columns(found) == [[0], [0, 1], [[0, 0, 0]], [0], [0], [0], [5], [""], [""], [""]]


BLOCK = field(1, field(1, 1) + field(2, field(1, field(1, 7) + field(2, 4))))
BROKEN = {
    "field cut off": EXAMPLE[:-1],
    "message cut off": EXAMPLE[:5],
    "length past the end": b"\x0a\x0b" + EXAMPLE[2:],
    "length of 2^63": b"\x0a" + varint(2**63),
    "length of 11 bytes": b"\x0a" + b"\x80" * 10 + b"\1",
    "number of 65 bits": b"\x10" + b"\xff" * 9 + b"\x02",
    "number of 11 bytes": b"\x10" + b"\x80" * 10 + b"\0",
    "field 0": b"\x00\x01",
    "field 2^29": varint(1 << 32) + b"\x01",
    "group": b"\x0b\x0c",
    "wire type 7": b"\x17\x01",
    "fixed cut off": b"\x79" + bytes(7),
    "block twice": BLOCK + BLOCK,
    "block twice, once as -0": field(1, field(1, 1 << 20)) + field(1, b""),
    "supervoxel twice": field(1, field(2, field(1, field(1, 7)) + field(1, field(1, 7)))),
    "two lists": field(1, field(2, b"") + field(2, b"")),
    "key of 64 bits": field(1, field(1, 1 << 63)),
    "count of 33 bits": field(1, field(2, field(1, field(2, 1 << 32)))),
    "text of another encoding": field(4, b"\xff"),
    "entry cut off": field(1, field(1, 1) + b"\x12\x05"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_every_rule_is_checked(kernels: ModuleType, name: str) -> None:
    with pytest.raises(LabelFormatError, match=r"^payload 1: ") as caught:
        kernels.read_indices([EXAMPLE, BROKEN[name], b"\0"])
    assert caught.value.payload == 1
    with pytest.raises(LabelFormatError, match=r"^payload 2: "):
        kernels.decode_indices(join_indices([EXAMPLE, EXAMPLE, BROKEN[name]]), 3)


def test_indices_are_bounded(kernels: ModuleType) -> None:
    with pytest.raises(LabelFormatError, match="more than 2"):
        kernels.decode_indices(b"\x0a\0" * 3, 2)
    for broken in (b"\x0a", b"\x0a\x05", b"\x0b"):
        with pytest.raises(LabelFormatError):
            kernels.decode_indices(broken, 2)
    assert len(kernels.decode_indices(b"\x0a\0" * 3 + b"\x10\x07", 3)) == 3


def test_columns_are_checked(kernels: ModuleType) -> None:
    indices = kernels.read_indices([BLOCK, BLOCK])
    assert indices.coordinates.tolist() == [[1, 0, 0]] * 2
    wrong = [
        replace(indices, firsts=np.array([0, 1])),
        replace(indices, firsts=np.array([0, 1, 1])),
        replace(indices, firsts=np.array([1, 1, 2])),
        replace(indices, firsts=np.array([0, 3, 2])),
        replace(indices, firsts=np.array([0, -1, 2])),
        replace(indices, firsts=np.array([0, 2, 2])),
        replace(indices, counts=indices.counts[:1]),
        replace(indices, supervoxels=indices.supervoxels[:1]),
        replace(indices, coordinates=indices.coordinates[:1]),
        replace(indices, coordinates=indices.coordinates * 2**20),
        replace(indices, last_mutids=indices.last_mutids[:1]),
        replace(indices, last_mod_apps=["one"]),
    ]
    for bad in wrong:
        with pytest.raises(ValueError, match=r"differ|firsts|range|twice"):
            kernels.index_messages(bad)


def ops(*rows: tuple[int, list[int]]) -> bytes:
    """MappingOps, packed and unpacked in turn, fields in any order."""
    made = []
    for i, (mapped, originals) in enumerate(rows):
        packed = field(3, b"".join(varint(label) for label in originals))
        unpacked = b"".join(field(3, label) for label in originals)
        made.append(field(1, [field(1, i) + field(2, mapped) + packed, unpacked + field(2, mapped)][i % 2]))
    return b"".join(made)


def test_mapping_ops_are_read_in_order(kernels: ModuleType) -> None:
    body = ops((5, [1, 2, LARGEST]), (LARGEST, [7, 300]), (0, [0]), (9, []), (6, [1]))
    original, mapped = kernels.decode_mapping_ops(body, 7)
    assert original.dtype == mapped.dtype == np.uint64
    assert original.tolist() == [1, 2, LARGEST, 7, 300, 0, 1]
    assert mapped.tolist() == [5, 5, 5, LARGEST, LARGEST, 0, 6]
    with pytest.raises(LabelFormatError, match="more than 6"):
        kernels.decode_mapping_ops(body, 6)
    both = field(1, field(3, 4) + field(3, b"\5\6") + field(9, b"") + field(3, 8) + field(2, 3)) + field(2, b"no op")
    assert [column.tolist() for column in kernels.decode_mapping_ops(both, 10)] == [[4, 5, 6, 8], [3] * 4]
    assert [column.tolist() for column in kernels.decode_mapping_ops(b"", 0)] == [[], []]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, LARGEST), st.sampled_from([1, 2, 300, LARGEST, 0]))), st.integers(0, LARGEST))
def test_mappings_come_back(kernels: ModuleType, pairs: list[tuple[int, int]], mutid: int) -> None:
    original, mapped = np.array(pairs, np.uint64).reshape(-1, 2).T
    body = kernels.encode_mapping_ops(original, mapped, mutid)
    assert body == numpy_kernels.encode_mapping_ops(original, mapped, mutid)
    found = kernels.decode_mapping_ops(body, len(pairs))
    assert [column.tolist() for column in found] == [original.tolist(), mapped.tolist()]


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a",
        b"\x0a\x02\x10",
        field(1, field(3, b"\x80")),
        field(1, field(3, b"\1\2" + b"\x80" * 10 + b"\1")),
        field(1, field(3, b"\xff" * 9 + b"\2")),
        field(1, field(3, b"\xff" * 9)),
        field(1, b"\x1b\x1c"),
        field(1, b"\x18" + b"\xff" * 10),
        b"\x04",
    ],
)
def test_broken_mapping_ops(kernels: ModuleType, body: bytes) -> None:
    with pytest.raises(LabelFormatError):
        kernels.decode_mapping_ops(body, 100)


def test_mapping_columns_are_checked(kernels: ModuleType) -> None:
    one, two = np.zeros(1, np.uint64), np.zeros(2, np.uint64)
    for pair in ((one, two), (two, one), (one.reshape(1, 1), one.reshape(1, 1))):
        with pytest.raises((TypeError, ValueError)):
            kernels.encode_mapping_ops(*pair)


def test_records_hold_the_size() -> None:
    record = compressed_index_record(EXAMPLE * 100)
    assert record[0] == 0x80
    assert struct.unpack_from("<I", record, 1)[0] == len(EXAMPLE) * 100
