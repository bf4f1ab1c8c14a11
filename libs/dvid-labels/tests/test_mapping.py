"""Sorted mappings in chunks: what is encoded comes back and is found, by both kernels alike; damaged bytes are told."""

import random
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvid_labels import LabelFormatError, numpy_mapping
from dvid_labels.types import Mapping

LARGEST = 2**64 - 1
numbers = st.integers(0, LARGEST) | st.integers(0, 40) | st.integers(LARGEST - 40, LARGEST)
mappings = st.dictionaries(numbers, numbers, min_size=1, max_size=60)


def columns(entries: dict[int, int]) -> Mapping:
    labels = sorted(entries)
    return np.array(labels, np.uint64), np.array([entries[label] for label in labels], np.uint64)


def random_mapping(seed: int, count: int, bits: int, bodies: int) -> Mapping:
    rng = np.random.default_rng(seed)
    source = np.unique(rng.integers(0, 2**bits, count, np.uint64, endpoint=False))
    return source, rng.integers(0, 2**64 - 1, bodies, np.uint64)[rng.integers(0, bodies, len(source))]


@given(st.lists(st.tuples(numbers, numbers), max_size=40))
def test_entries_are_sorted_and_the_last_counts(kernels: ModuleType, entries: list[tuple[int, int]]) -> None:
    source, target = (np.array([entry[i] for entry in entries], np.uint64) for i in (0, 1))
    found = kernels.sort_mapping(source, target)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == sorted(dict(entries).items())


@given(mappings, st.integers(1, 70))
def test_what_is_encoded_comes_back(kernels: ModuleType, entries: dict[int, int], each: int) -> None:
    source, target = columns(entries)
    chunks = kernels.encode_mapping(source, target, each)
    assert len(chunks) == -(-len(source) // each)
    assert chunks == numpy_mapping.encode_mapping(source, target, each)
    found = kernels.decode_mapping(chunks)
    assert found[0].tolist() == source.tolist()
    assert found[1].tolist() == target.tolist()


@given(mappings, st.integers(1, 70), st.lists(numbers, max_size=30))
def test_labels_are_found(kernels: ModuleType, entries: dict[int, int], each: int, others: list[int]) -> None:
    source, target = columns(entries)
    near = [*entries, *(min(label + 1, LARGEST) for label in entries), *others]
    labels = np.array(near, np.uint64)
    owners = np.maximum(np.searchsorted(source[::each], labels, side="right") - 1, 0)
    hits, targets = kernels.find_mapping(kernels.encode_mapping(source, target, each), owners, labels)
    assert hits.dtype == bool
    assert hits.tolist() == [label in entries for label in near]
    assert targets.tolist() == [entries.get(label, label) for label in near]


@pytest.mark.parametrize("bodies", [1, 9, 5000])
@pytest.mark.parametrize("bits", [12, 40, 63])
def test_many_entries(kernels: ModuleType, bits: int, bodies: int) -> None:
    source, target = random_mapping(bits, 5000, bits, bodies)
    chunks = kernels.encode_mapping(source, target, 2048)
    assert chunks == numpy_mapping.encode_mapping(source, target, 2048)
    found = kernels.decode_mapping(chunks)
    assert (found[0] == source).all()
    assert (found[1] == target).all()
    labels = np.concatenate((source, source + np.uint64(1)))
    owners = np.searchsorted(source[::2048], labels, side="right") - 1
    hits, targets = kernels.find_mapping(chunks, owners, labels)
    assert (hits == np.isin(labels, source)).all()
    assert (targets[: len(source)] == target).all()
    spread = (source[-1] - source[0]) / len(source)
    most = 2 + max(np.log2(spread), 0) + min(64, np.log2(bodies) + 1 + 64 * bodies / len(source))
    assert sum(map(len, chunks)) * 8 <= 1.1 * most * len(source) + 3 * 8 * 80


def test_an_empty_mapping(kernels: ModuleType) -> None:
    nothing = np.zeros(0, np.uint64)
    assert kernels.encode_mapping(nothing, nothing, 5) == []
    assert [len(part) for part in kernels.decode_mapping([])] == [0, 0]
    assert [len(part) for part in kernels.sort_mapping(nothing, nothing)] == [0, 0]
    assert [len(part) for part in kernels.find_mapping([], np.zeros(0, np.int64), nothing)] == [0, 0]


def test_arguments_are_checked(kernels: ModuleType) -> None:
    two, one = np.array([1, 2], np.uint64), np.array([1], np.uint64)
    for each in (0, 65537):
        with pytest.raises(ValueError, match="1 to 65536"):
            kernels.encode_mapping(two, two, each)
    for source in (two[::-1], np.array([2, 2], np.uint64)):
        with pytest.raises(ValueError, match="ascend"):
            kernels.encode_mapping(source, two, 5)
    for call in (lambda: kernels.encode_mapping(two, one, 5), lambda: kernels.sort_mapping(two, one)):
        with pytest.raises(ValueError, match="differ in length"):
            call()
    chunks = kernels.encode_mapping(two, two, 5)
    for owners in ([1, 0], [0, -1]):
        with pytest.raises(ValueError, match="not there"):
            kernels.find_mapping(chunks, np.array(owners), two)
    with pytest.raises(ValueError, match="one chunk"):
        kernels.find_mapping(chunks, np.array([0]), two)


@given(st.integers(0, 5), st.sampled_from([(1, 8, 1), (40, 20, 3), (300, 40, 300), (300, 9, 2)]), st.integers(0, 2**32))
def test_damaged_chunks_are_told_or_still_chunks(
    kernels: ModuleType, seed: int, shape: tuple[int, int, int], chance: int
) -> None:
    """Flipped, cut and lengthened bytes: an error, or entries in order; the same by both kernels."""
    (chunk,) = numpy_mapping.encode_mapping(*random_mapping(seed, *shape), 4096)
    draw = random.Random(chance)
    bad = bytearray(chunk)
    for _ in range(draw.randint(1, 3)):
        bad[draw.randrange(len(bad) if draw.random() < 0.5 else 40)] ^= 1 << draw.randrange(8)
    if draw.random() < 0.2:
        bad = bad[: draw.randrange(len(bad))] if draw.random() < 0.5 else bad + bytes(draw.randint(1, 16))
    answers = []
    for module in (kernels, numpy_mapping):
        try:
            source, target = module.decode_mapping([chunk, bytes(bad)])
            count = len(source) - int.from_bytes(chunk[:4], "little")
            assert (np.diff(source[-count:].astype(object)) > 0).all()
            answers.append((source.tolist(), target.tolist()))
        except LabelFormatError as error:
            assert error.payload == 1
            answers.append(None)
    assert answers[0] == answers[1]
    try:
        kernels.find_mapping([bytes(bad)], np.zeros(50, np.int64), np.arange(50, dtype=np.uint64))
    except LabelFormatError as error:
        assert error.payload == 0


@given(st.binary(max_size=120))
def test_strange_bytes_are_told(kernels: ModuleType, value: bytes) -> None:
    for call in (
        lambda: kernels.decode_mapping([value]),
        lambda: kernels.find_mapping([value], np.array([0]), np.array([7], np.uint64)),
    ):
        try:
            call()
        except LabelFormatError:
            continue
        assert len(value) >= 48
