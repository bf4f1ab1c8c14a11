"""Merges and cleaves of whole records, beside changes row by row."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvid_labels import LabelFormatError
from dvid_labels.body_records import Stamp, decode_record, encode_record
from dvid_labels.types import Shape

Rows = dict[tuple[Shape, int], int]
coordinates = st.tuples(*[st.integers(-9, 9) | st.sampled_from((-(2**31), 2**31 - 1))] * 3)
rows_of_body = st.dictionaries(
    st.tuples(coordinates, st.integers(1, 4) | st.just(2**64 - 1)), st.integers(1, 9), min_size=1, max_size=12
)
STAMP = Stamp(6, "later", "ü", "b")


def changed(
    kernels: ModuleType,
    labels: list[int],
    records: list[bytes | None],
    rows: list[tuple[int, Shape, int, int]],
    *,
    adding: bool,
    stamp: Stamp,
) -> list[bytes | None]:
    """Change records by rows: number of the body, block, supervoxel, voxels; the mutation marks all their blocks."""
    owners, names, voxels = (np.array([row[i] for row in rows], kind) for i, kind in ((0, "i8"), (2, "u8"), (3, "i8")))
    blocks = np.array([row[1] for row in rows], np.int64).reshape(-1, 3)
    marks = np.full(len(rows), stamp.mutation_id, np.uint64)
    columns = blocks, names, voxels
    options = {"adding": adding, "stamp": stamp}
    return kernels.change_records(np.array(labels, np.uint64), records, owners, columns, marks, **options)


def recorded(kernels: ModuleType, label: int, rows: Rows, mutation: int = 5) -> bytes:
    flat = [(0, block, name, voxels) for (block, name), voxels in rows.items()]
    (record,) = changed(kernels, [label], [None], flat, adding=False, stamp=Stamp(mutation, "t", "u", "a"))
    assert record is not None
    return record


@given(st.lists(rows_of_body, min_size=1, max_size=4), st.integers(1, 9))
def test_bodies_become_one(kernels: ModuleType, bodies: list[Rows], former: int) -> None:
    records = [recorded(kernels, 2, rows, former) for rows in bodies]
    record, members, names = kernels.merge_records(2, records, STAMP)
    come = [(0, block, name, voxels) for rows in bodies[1:] for (block, name), voxels in rows.items()]
    assert [record] == changed(kernels, [2], records[:1], come, adding=True, stamp=STAMP)
    assert [np.frombuffer(own, "<u8").tolist() for own in members] == [
        sorted({name for _, name in rows}) for rows in bodies[1:]
    ]
    assert names.dtype == np.uint64
    assert names.tolist() == sorted({row[2] for row in come})


@given(rows_of_body, st.sets(st.integers(1, 5) | st.just(2**64 - 1), max_size=4), st.integers(1, 9))
def test_supervoxels_become_a_body(kernels: ModuleType, rows: Rows, gone: set[int], former: int) -> None:
    record, names = recorded(kernels, 2, rows, former), np.array(sorted(gone), np.uint64)
    mine = {place: voxels for place, voxels in rows.items() if place[1] in gone}
    found, voxels = kernels.record_share(record, names)
    assert found.dtype == np.uint64
    assert (found.tolist(), voxels) == (sorted({name for _, name in mine}), sum(mine.values()))
    if not mine or len(mine) == len(rows):
        with pytest.raises(ValueError, match="all of the body"):
            kernels.cleave_record((2, 3), record, names, STAMP)
        return
    stays, leaves, blocks = kernels.cleave_record((2, 3), memoryview(record), names, STAMP)
    flat = [(0, block, name, 0) for block, name in mine]
    flat += [(1, block, name, voxels) for (block, name), voxels in mine.items()]
    assert [stays, leaves] == changed(kernels, [2, 3], [record, None], flat, adding=False, stamp=STAMP)
    assert np.frombuffer(blocks, "<i4").reshape(-1, 3).tolist() == [list(at) for at in sorted({at for at, _ in mine})]


def test_damaged_records_and_wrong_arguments_are_refused(kernels: ModuleType) -> None:
    record, names = recorded(kernels, 2, {((0, 0, 0), 1): 2, ((0, 0, 0), 2): 1}), np.ones(1, np.uint64)
    empty = encode_record(decode_record(record).summary, [], [])
    for wrong in (b"", record[:55], record[:56], record[:-1], record + b"\0"):
        for records in ([wrong], [record, wrong], [wrong, record]):
            with pytest.raises(LabelFormatError):
                kernels.merge_records(2, records, STAMP)
        with pytest.raises(LabelFormatError):
            kernels.cleave_record((2, 3), wrong, names, STAMP)
        with pytest.raises(LabelFormatError):
            kernels.record_share(wrong, names)
    with pytest.raises(LabelFormatError, match="names no voxels"):
        kernels.merge_records(2, [empty, empty], STAMP)
    with pytest.raises(ValueError, match="no body that stays"):
        kernels.merge_records(2, [], STAMP)
    for unsorted in (np.array([2, 1], np.uint64), np.array([1, 1], np.uint64)):
        with pytest.raises(ValueError, match="ascending"):
            kernels.cleave_record((2, 3), record, unsorted, STAMP)
        with pytest.raises(ValueError, match="ascending"):
            kernels.record_share(record, unsorted)
