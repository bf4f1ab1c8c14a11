"""Stored forms of bodies: what is written is read back, and damaged bytes are told."""

from __future__ import annotations

import numpy as np
from dvid_labelmap import keys
from dvid_labelmap.index_codec import (
    Chunk,
    Summary,
    decode_chunk,
    decode_chunks,
    decode_summary,
    encode_chunk,
    encode_summary,
)
from dvid_labelmap.ops.index_rows import ChunkRows, blocks_of_places, joined_chunks, places_of_blocks
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.api import CorruptValue

uint64 = st.integers(0, 2**64 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
triple = st.tuples(int32, int32, int32)


@st.composite
def chunks(draw: st.DrawFn) -> Chunk:
    rows = draw(st.dictionaries(st.tuples(st.integers(0, 511), uint64), st.integers(1, 2**32 - 1), max_size=12))
    surfaces = draw(st.dictionaries(st.integers(0, 511), uint64, max_size=6))
    placed, marked = sorted(rows), sorted(surfaces)
    return Chunk(
        np.array([place for place, _ in placed], np.uint16),
        np.array([label for _, label in placed], np.uint64),
        np.array([rows[row] for row in placed], np.uint32),
        np.array(marked, np.uint16),
        np.array([surfaces[place] for place in marked], np.uint64),
    )


@given(st.lists(chunks(), max_size=40))
def test_chunks_come_back(given_chunks: list[Chunk]) -> None:
    stored = [encode_chunk(chunk) for chunk in given_chunks]
    for chunk, value in zip(given_chunks, stored, strict=True):
        for column, found in zip(chunk, decode_chunk(value), strict=True):
            assert column.tolist() == found.tolist()
    columns = decode_chunks(stored)
    for number, column in enumerate(columns.chunk):
        assert column.tolist() == [value for chunk in given_chunks for value in chunk[number].tolist()]
    assert columns.counts.tolist() == [len(chunk.places) for chunk in given_chunks]
    rows = joined_chunks(stored)
    assert rows.groups.tolist() == [at for at, chunk in enumerate(given_chunks) for _ in chunk.places]
    assert rows.surface_groups.tolist() == [at for at, chunk in enumerate(given_chunks) for _ in chunk.surface_places]


@given(st.binary(max_size=200), st.integers(1, 40))
def test_damaged_chunks_are_told(value: bytes, count: int) -> None:
    for decode in (decode_chunk, lambda data: decode_chunks([data] * count)):
        try:
            decode(value)
        except CorruptValue:
            continue
        n, k = np.frombuffer(value, "<u4", 2).tolist()
        assert len(value) == 8 + 14 * n + 10 * k


@given(st.tuples(uint64, uint64, uint64), triple, triple, uint64, st.text(max_size=9), st.text(max_size=9))
def test_summaries_come_back(
    counts: tuple[int, int, int], low: keys.Triple, high: keys.Triple, number: int, user: str, app: str
) -> None:
    summary = Summary(*counts, low, high, number, "2026-01-01T00:00:00Z" if number else "", user, app)
    assert decode_summary(encode_summary(summary)) == summary


@given(st.binary(max_size=80))
def test_damaged_summaries_are_told(value: bytes) -> None:
    try:
        decode_summary(value)
    except CorruptValue:
        return
    assert len(value) >= 56


@given(st.lists(triple, max_size=20))
def test_places_in_chunks(blocks: list[keys.Triple]) -> None:
    coordinates = np.array(blocks, np.int64).reshape(-1, 3)
    found, places = places_of_blocks(coordinates)
    assert (places < 512).all()
    assert blocks_of_places(found, places).tolist() == coordinates.tolist()


rows_of_chunks = st.dictionaries(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(1, 4)), st.integers(0, 9), max_size=20
)
surfaces_of_chunks = st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 5)), st.integers(1, 9), max_size=9)


def made(rows: dict[tuple[int, int, int], int], marks: dict[tuple[int, int], int]) -> ChunkRows:
    keys_of_rows, marked = sorted(rows), sorted(marks)
    columns = np.array(keys_of_rows, np.int64).reshape(-1, 3).T
    places = np.array(marked, np.int64).reshape(-1, 2).T
    voxels = np.array([rows[row] for row in keys_of_rows], np.int64)
    ids = np.array([marks[place] for place in marked], np.uint64)
    return ChunkRows(columns[0], columns[1], columns[2].astype(np.uint64), voxels, places[0], places[1], ids)


@given(rows_of_chunks, rows_of_chunks, surfaces_of_chunks, surfaces_of_chunks, st.booleans())
def test_rows_are_combined(
    old: dict[tuple[int, int, int], int],
    new: dict[tuple[int, int, int], int],
    old_marks: dict[tuple[int, int], int],
    new_marks: dict[tuple[int, int], int],
    adding: bool,
) -> None:
    one, other = made(old, old_marks), made(new, new_marks)
    found = one.added(other) if adding else one.replaced(other)
    both = {row: old.get(row, 0) + new.get(row, 0) if adding else new.get(row, old.get(row, 0)) for row in old | new}
    expected = {row: count for row, count in both.items() if count}
    columns = (found.groups, found.places, found.supervoxels, found.voxels)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == [
        (*row, expected[row]) for row in sorted(expected)
    ]
    blocks = {row[:2] for row in expected}
    marks = {at: max(old_marks.get(at, 0), new_marks.get(at, 0)) for at in old_marks | new_marks if at in blocks}
    shown = zip(found.surface_groups.tolist(), found.surface_places.tolist(), found.surface_ids.tolist(), strict=True)
    assert list(shown) == [(*at, marks[at]) for at in sorted(marks)]


@given(uint64, triple, uint64, st.integers(0, 2**32 - 2), st.integers(0, 2**32 - 1))
def test_keys_tell_what_they_are_of(body: int, chunk: keys.Triple, other: int, slot: int, part: int) -> None:
    key = keys.chunk_key(body, chunk)
    assert keys.chunk_of_key(key) == (body, chunk)
    start, stop = keys.chunk_bounds(other)
    assert (start <= key < stop) == (body == other)
    summary = keys.summary_key(body)
    assert keys.body_of_summary(summary) == body
    start, stop = keys.summary_bounds(other)
    assert (start <= summary < stop) == (body >= other)
    start, stop = keys.summary_bounds(0, other)
    assert (start <= summary < stop) == (body <= other)
    for make in (keys.mapping_chunk_key, keys.firsts_key, keys.former_mapping_key):
        start, stop = keys.run_bounds(make, 7, slot)
        assert start <= make(7, slot, part) < stop <= make(8, 0, 0)
    assert keys.place_of_former_mapping(keys.former_mapping_key(7, slot, part)) == (slot, part)
    start, stop = keys.former_mapping_bounds(7)
    assert start <= keys.former_mapping_key(7, slot, part) < stop
