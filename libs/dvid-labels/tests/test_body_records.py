"""Answers out of stored bodies, and their changes, beside a plain model; points as JSON; inflated blocks."""

import contextlib
import struct
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import lz4.block
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dvid_labels import LabelFormatError
from dvid_labels.body_records import Stamp, Summary, decode_known, decode_record, encode_record, is_whole
from dvid_labels.index_chunks import CHUNK_SIDE, Chunk, encode_chunk
from dvid_labels.indices import decode_index, encode_index
from dvid_labels.runs import decode_rles
from dvid_labels.types import Shape

Volumes = Callable[..., NDArray[np.uint64]]
Rows = dict[tuple[int, int, int], dict[int, int]]
FAR = ((-(2**31),) * 3, (2**31 - 1,) * 3)


def body(seed: int, chunks: int, blocks: int = 40) -> tuple[Rows, dict[tuple[int, int, int], int]]:
    """A body: by block the voxels of each supervoxel, and the mutations of some blocks."""
    rng = np.random.default_rng(seed)
    rows: Rows = {}
    for corner in rng.integers(-3, 4, (chunks, 3)):
        for place in rng.integers(0, CHUNK_SIDE, (blocks, 3)):
            x, y, z = (corner * CHUNK_SIDE + place).tolist()
            own = rows.setdefault((x, y, z), {})
            for name in rng.integers(1, 2**64 - 1, rng.integers(1, 4), np.uint64) % np.uint64(
                1 << int(rng.integers(3, 64))
            ):
                own[int(name) or 1] = int(rng.integers(1, 2**32))
    marks = {at: int(rng.integers(1, 2**63)) for at in rows if rng.random() < 0.4}
    return rows, marks


def stored(rows: Rows, marks: dict[tuple[int, int, int], int]) -> tuple[list[Shape], list[bytes]]:
    """The chunks of a body, not in order."""
    parts: dict[Shape, list[tuple[int, int, int, int]]] = {}
    for (x, y, z), own in rows.items():
        chunk = x // CHUNK_SIDE, y // CHUNK_SIDE, z // CHUNK_SIDE
        place = z % CHUNK_SIDE * 64 + y % CHUNK_SIDE * 8 + x % CHUNK_SIDE
        parts.setdefault(chunk, []).extend((place, name, count, marks.get((x, y, z), 0)) for name, count in own.items())
    values = []
    for own in parts.values():
        columns = sorted(own)
        marked = sorted({(place, mark) for place, _, _, mark in columns if mark})
        pairs = ((0, "<u2"), (1, "<u8"), (2, "<u4"))
        places, names, counts = (np.array([row[i] for row in columns], kind) for i, kind in pairs)
        surfaces = np.array([place for place, _ in marked], "<u2"), np.array([mark for _, mark in marked], "<u8")
        values.append(encode_chunk(Chunk(places, names, counts, *surfaces)))
    return list(parts), values


def expected_index(label: int, mutation: int, texts: tuple[str, str, str], rows: Rows, marks: dict) -> bytes:
    flat = [(at, name, count, marks.get(at, 0)) for at, own in rows.items() for name, count in own.items()]
    at = np.array([row[0] for row in flat], np.int32).reshape(-1, 3)
    names, surfaces = (np.array([row[i] for row in flat], np.uint64) for i in (1, 3))
    counts = np.array([row[2] for row in flat], np.uint32)
    return encode_index(label, at, names, counts, mutation, *texts, surface_mutids=surfaces)


def recorded(rows: Rows, marks: dict[Shape, int], label: int = 0, mutation: int = 0, *texts: str) -> bytes:
    """The record of a body."""
    total = sum(sum(own.values()) for own in rows.values())
    own_voxels = sum(own.get(label, 0) for own in rows.values())
    low, high = (tuple(edge(at[i] for at in rows) for i in range(3)) for edge in (min, max))
    summary = Summary(total, own_voxels, len(rows), low, high, mutation, *texts)  # type: ignore[arg-type]
    return encode_record(summary, *stored(rows, marks))


@pytest.mark.parametrize("chunks", [1, 2, 7, 20])
@pytest.mark.parametrize("seed", range(3))
def test_answers_are_those_of_the_rows(kernels: ModuleType, seed: int, chunks: int) -> None:
    rows, marks = body(seed, chunks)
    texts = ("2026-01-02T03:04:05Z", "ann", "näme")
    record = recorded(rows, marks, 77, 9, *texts)
    assert kernels.record_message(77, record) == expected_index(77, 9, texts, rows, marks)
    total: Counter[int] = Counter()
    for own in rows.values():
        total.update(own)
    assert kernels.record_supervoxel_sizes(record) == (sorted(total), [total[name] for name in sorted(total)])
    blocks, names = kernels.record_blocks(record)
    assert blocks.tolist() == [list(at) for at in sorted(rows, key=lambda at: at[::-1])]
    assert names.tolist() == sorted(total)
    for low, high in (FAR, ((-5, -9, 0), (4, 11, 12)), ((1, 1, 1), (0, 0, 0))):
        inside = {at for at in rows if all(a <= n <= b for a, n, b in zip(low, at, high, strict=True))}
        runs = decode_rles(kernels.record_coarse_rles(record, low, high), 1 << 20).tolist()
        assert runs == sorted(runs, key=lambda run: run[2::-1])
        assert Counter((x + i, y, z) for x, y, z, n in runs for i in range(n)) == Counter(inside)
        assert not any((x + n, y, z) in inside for x, y, z, n in runs), "runs are as long as can be"


def test_many_bodies_in_one_message_or_stream(kernels: ModuleType) -> None:
    bodies = {label: body(label, chunks) for label, chunks in ((5, 1), (3, 4), (2**64 - 1, 2))}
    labels = [5, 4, 3, 2**64 - 1, 5]
    records: list[bytes | None] = []
    messages = []
    for place, label in enumerate(labels):
        texts = ("t", "u", str(label)) if place % 2 else ("", "", "")
        if label in bodies:
            records.append(recorded(*bodies[label], label, place, *texts))
            messages.append(expected_index(label, place, texts, *bodies[label]))
        else:
            records.append(None)
            messages.append(expected_index(label, 0, ("", "", ""), {}, {}))
    names = np.array(labels, np.uint64)
    whole = kernels.record_messages(names, records, compressed=False)
    found = kernels.decode_indices(whole, 10)
    assert found.labels.tolist() == labels
    assert list(found.last_mod_apps) == ["", "", "", str(2**64 - 1), ""]
    assert len(whole) == sum(len(message) + (2 if len(message) < 128 else 3) for message in messages)
    stream, at = kernels.record_messages(names, records, compressed=True), 0
    for label, message in zip(labels, messages, strict=True):
        size, name = struct.unpack_from("<QQ", stream, at)
        one = stream[at + 16 : at + 16 + size]
        at += 16 + size
        assert name == label
        if label == 4:
            assert one == b""
            continue
        assert one[0] == 0x80
        assert lz4.block.decompress(one[5:], uncompressed_size=int.from_bytes(one[1:5], "little")) == message
    assert at == len(stream)
    assert kernels.record_messages(np.zeros(0, np.uint64), [], compressed=True) == b""


@pytest.mark.parametrize("seed", range(3))
def test_many_chunks_are_encoded_as_one_by_one(kernels: ModuleType, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes, marked = rng.integers(0, 9, 40), rng.integers(0, 3, 40)
    rows, marks = int(sizes.sum()), int(marked.sum())
    columns = (
        rng.integers(0, 512, rows),
        rng.integers(0, 2**64 - 1, rows, np.uint64),
        rng.integers(1, 2**32, rows),
    )
    surfaces = rng.integers(0, 512, marks), rng.integers(0, 2**64 - 1, marks, np.uint64)
    found = kernels.encode_chunks(np.cumsum(sizes), columns, np.cumsum(marked), surfaces)
    for value, end, size, mark, count in zip(found, np.cumsum(sizes), sizes, np.cumsum(marked), marked, strict=True):
        own, own_marks = slice(end - size, end), slice(mark - count, mark)
        chunk = Chunk(*(column[own] for column in columns), *(column[own_marks] for column in surfaces))
        kinds = ("<u2", "<u8", "<u4", "<u2", "<u8")
        assert value == encode_chunk(Chunk(*(column.astype(kind) for column, kind in zip(chunk, kinds, strict=True))))
    short = columns[0][:-1], *columns[1:]
    with pytest.raises(ValueError, match="length"):
        kernels.encode_chunks(np.cumsum(sizes), short, np.cumsum(marked), surfaces)
    for ends in (np.cumsum(sizes) + 1, np.cumsum(sizes)[::-1], np.cumsum(sizes) - rows - 1):
        with pytest.raises(ValueError, match="cut"):
            kernels.encode_chunks(ends, columns, np.cumsum(marked), surfaces)


def test_payloads_are_checked_and_counted_at_once(kernels: ModuleType, volume: Volumes) -> None:
    shape = (32, 32, 32)
    payloads = kernels.write_blocks(volume((64, 64, 64), 9, 4), shape, 1)
    largest, counts = kernels.check_and_count(payloads, shape, 2)
    assert largest.tolist() == kernels.check_payloads(payloads, shape, 1).tolist()
    for column, other in zip(counts, kernels.label_counts(payloads, shape, None, 1), strict=True):
        assert column.dtype == other.dtype
        assert column.tolist() == other.tolist()
    with pytest.raises(LabelFormatError) as refused:
        kernels.check_and_count([payloads[0], payloads[1][:-1]], shape, 1)
    assert refused.value.payload == 1


def test_damaged_records_and_wrong_columns_are_refused(kernels: ModuleType) -> None:
    record = recorded({(0, 0, 0): {1: 2}}, {(0, 0, 0): 3}, 0, 0, "t", "u", "v")
    one, block = np.ones(1, np.uint64), np.zeros((1, 3), np.int64)
    nobody, count = np.zeros(1, np.int64), np.ones(1, np.int64)
    change = partial(kernels.change_records, one, adding=True, stamp=None)
    behind = bytearray(record)
    behind[56 + 16] = 2  # one part more than there is
    wrong_text = record.replace(b"tuv", b"\xff\xfe\xfd")
    for wrong in (b"", record[:55], record[:56], record[:75], record[:-1], record + b"\0", bytes(behind), wrong_text):
        for ask in (
            lambda value: kernels.record_message(1, value),
            kernels.record_supervoxel_sizes,
            kernels.record_blocks,
            lambda value: kernels.record_coarse_rles(value, *FAR),
            lambda value: change([value], nobody, (block, one, count), one),
        ):
            with pytest.raises(LabelFormatError):
                ask(wrong)
        if wrong != record[:56]:  # which is what is stored of a body whose index is apart
            with pytest.raises(LabelFormatError):
                kernels.record_messages(one, [wrong], compressed=True)
    assert decode_index(kernels.record_message(1, record)).surface_mutids.tolist() == [3]
    far = encode_record(Summary(0, 0, 0, (0, 0, 0), (0, 0, 0)), [(1 << 17, 0, 0)], decode_record(record).chunks)
    with pytest.raises(ValueError, match="out of range"):
        kernels.record_message(1, far)
    with pytest.raises(ValueError, match="one record"):
        kernels.record_messages(one, [], compressed=False)
    for owners, rows, marks in (
        (nobody + 1, (block, one, count), one),
        (nobody - 1, (block, one, count), one),
        (nobody[:0], (block, one, count), one),
        (nobody, (block[:0], one, count), one),
        (nobody, (block, one, count), one[:0]),
        (nobody, (block + 2**31, one, count), one),
    ):
        with pytest.raises(ValueError, match=r"length|no body|int32"):
            change([record], owners, rows, marks)
    with pytest.raises(ValueError, match="length"):
        change([], nobody, (block, one, count), one)


@given(st.binary(max_size=40), st.integers(0, 200), st.integers(0, 40))
def test_records_that_are_written_over_are_told(kernels: ModuleType, noise: bytes, at: int, cut: int) -> None:
    record = recorded(*body(3, 2, 3), 7, 9, "time", "ann", "app")
    value = record[:at] + noise + record[at + len(noise) + cut :]
    for ask in (
        kernels.record_supervoxel_sizes,
        kernels.record_blocks,
        lambda value: kernels.record_message(1, value),
        lambda value: kernels.record_coarse_rles(value, *FAR),
    ):
        with contextlib.suppress(LabelFormatError, ValueError):
            ask(value)


coordinates = st.tuples(*[st.integers(-9, 9) | st.sampled_from((-(2**31), 2**31 - 1))] * 3)
few_rows = st.dictionaries(st.tuples(st.integers(0, 2), coordinates, st.integers(1, 4)), st.integers(0, 3), max_size=12)
marked = st.sampled_from((0, 3, 2**63))


@given(few_rows, few_rows, marked, marked, st.booleans(), st.booleans(), st.booleans())
def test_rows_come_to_records(
    kernels: ModuleType,
    old: dict[tuple[int, Shape, int], int],
    new: dict[tuple[int, Shape, int], int],
    old_mark: int,
    new_mark: int,
    adding: bool,
    stamped: bool,
    turned: bool,
) -> None:
    labels = np.array([1, 3, 2**64 - 1], np.uint64)

    def change(records: list[bytes | None], rows: dict, mark: int, **options: Any) -> list[bytes | None]:
        pairs = sorted(rows.items(), reverse=turned)
        owners = np.array([owner for (owner, _, _), _ in pairs], np.int64)
        blocks = np.array([block for (_, block, _), _ in pairs], np.int64).reshape(-1, 3)
        names = np.array([name for (_, _, name), _ in pairs], np.uint64)
        voxels = np.array([count for _, count in pairs], np.int64)
        marks = np.full(len(pairs), mark, np.uint64)
        return kernels.change_records(labels, records, owners, (blocks, names, voxels), marks, **options)

    first = change([None] * 3, old, old_mark, adding=False, stamp=Stamp(5, "t", "ü", "a"))
    stamp = Stamp(6, "later", "", "b") if stamped else None
    found = change(first, new, new_mark, adding=adding, stamp=stamp)
    for number, label in enumerate(labels.tolist()):
        before = {key[1:]: count for key, count in old.items() if key[0] == number and count}
        come = {key[1:]: count for key, count in new.items() if key[0] == number}
        after = {k: before.get(k, 0) * (adding or k not in come) + come.get(k, 0) for k in before | come}
        rows: Rows = {}
        for (block, name), count in after.items():
            if count:
                rows.setdefault(block, {})[name] = count
        marks = dict.fromkeys([block for block, _ in before if old_mark], old_mark)
        for block in {block for block, _ in come} if new_mark else ():
            marks[block] = max(marks.get(block, 0), new_mark)
        record = found[number]
        if not rows:
            assert record is None
            continue
        assert record is not None
        known = stamp or (Stamp(5, "t", "ü", "a") if before else Stamp(0, "", "", ""))
        expected = recorded(rows, {at: mark for at, mark in marks.items() if at in rows}, label, *known)
        assert decode_record(record).summary == decode_record(expected).summary
        order = sorted(zip(*decode_record(expected)[1:], strict=True), key=lambda part: part[0][::-1])
        assert list(zip(*decode_record(record)[1:], strict=True)) == order


def test_sizes_of_what_is_stored(kernels: ModuleType) -> None:
    record = recorded({(0, 0, 0): {1: 2, 7: 2**32 - 1}}, {}, 7)
    values = [None, record, memoryview(record)[:56], memoryview(b"xy" + record)[2:]]
    total, own = kernels.stored_sizes(values)
    assert (total.dtype, own.dtype) == (np.uint64, np.uint64)
    assert total.tolist() == [0, *[2**32 + 1] * 3]
    assert own.tolist() == [0, *[2**32 - 1] * 3]
    assert [part.tolist() for part in kernels.stored_sizes([])] == [[], []]
    with pytest.raises(LabelFormatError):
        kernels.stored_sizes([record, record[:55]])


def test_bodies_whose_index_is_apart_are_left_to_others(kernels: ModuleType) -> None:
    record, names = recorded({(0, 0, 0): {1: 2}}, {}), np.array([1, 2, 3], np.uint64)
    for apart in (record[:56], record[:56] + b"\x93\xa1t\xa1u\xa1v"):
        for compressed in (True, False):
            assert kernels.record_messages(names, [None, record, apart], compressed=compressed) is None


@pytest.mark.parametrize("size", [100, 5000])
def test_views_are_read_as_what_they_show(kernels: ModuleType, size: int) -> None:
    rows: Rows = {(x, 0, 0): {1: 1 + x} for x in range(size // 14)}
    record = recorded(rows, {})
    expected = kernels.record_supervoxel_sizes(record)
    around = b"abc" + record + b"defg"
    views = (memoryview(record), memoryview(around)[3:-4], memoryview(bytearray(around))[3:-4], bytearray(record))
    for view in (*views, memoryview(np.frombuffer(around, np.uint8))[3:-4]):
        assert kernels.record_supervoxel_sizes(view) == expected
    with pytest.raises(LabelFormatError):
        kernels.record_supervoxel_sizes(memoryview(around)[3:-5])


texts = st.text(max_size=9)
counts = st.integers(0, 2**64 - 1)
corner = st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 3)


@given(
    st.tuples(counts, counts, counts, corner, corner, counts, texts, texts, texts), st.dictionaries(corner, st.binary())
)
def test_records_come_back(summary: tuple[Any, ...], parts: dict[Shape, bytes]) -> None:
    value = encode_record(Summary(*summary), list(parts), list(parts.values()))
    assert is_whole(value)
    assert decode_record(value) == (summary, list(parts), list(parts.values()))
    assert decode_known(value)[0] == summary
