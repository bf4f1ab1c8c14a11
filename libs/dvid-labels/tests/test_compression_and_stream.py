"""Bounded gzip and LZ4, and the stream of blocks."""

import gzip
import struct
import zlib

import numpy as np
import pytest

from dvid_labels import (
    LabelFormatError,
    block_stream,
    gunzip,
    gzip_bytes,
    lz4_block,
    map_labels,
    parse_block_stream,
    unlz4_block,
)

DATA = bytes(range(256)) * 40


def test_gzip_comes_back() -> None:
    assert gzip.decompress(gzip_bytes(DATA)) == DATA
    assert gunzip(gzip.compress(DATA), len(DATA)) == DATA
    assert gunzip(gzip.compress(b"") + gzip.compress(DATA), len(DATA)) == DATA
    assert gunzip(gzip.compress(b""), 0) == b""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA,
        gzip.compress(DATA)[:-1],
        gzip.compress(DATA)[:30],
        gzip.compress(DATA) + b"\0",
        gzip.compress(DATA)[:-8] + bytes(8),
        zlib.compress(DATA),
    ],
)
def test_bad_gzip_is_refused(data: bytes) -> None:
    with pytest.raises(LabelFormatError):
        gunzip(data, 10**6)


def test_gzip_is_bounded() -> None:
    with pytest.raises(LabelFormatError, match="more than"):
        gunzip(gzip.compress(DATA), len(DATA) - 1)


def test_lz4_comes_back() -> None:
    array = np.arange(1000, dtype=np.uint64)
    packed = lz4_block(array)
    assert unlz4_block(packed, 8000) == array.tobytes()
    for data, size in ((packed, 7999), (packed, 8001), (packed[:-1], 8000), (b"", 8000), (b"\xff" * 50, 8000)):
        with pytest.raises(LabelFormatError):
            unlz4_block(data, size)


def test_stream_of_the_format() -> None:
    body = bytes.fromhex("01000000 00000000 feffffff 03000000") + b"abc"
    coordinates, payloads = parse_block_stream(body * 2, 2)
    assert coordinates.dtype == np.int32
    assert coordinates.tolist() == [[1, 0, -2]] * 2
    assert [bytes(payload) for payload in payloads] == [b"abc"] * 2
    assert b"".join(block_stream(coordinates, payloads)) == body * 2
    empty, none = parse_block_stream(b"", 2)
    assert (empty.shape, none, block_stream(empty, none)) == ((0, 3), [], [])


@pytest.mark.parametrize("size", [0, -1, 4, 2**31 - 1])
def test_wrong_lengths_in_a_stream(size: int) -> None:
    with pytest.raises(LabelFormatError, match="block 0"):
        parse_block_stream(struct.pack("<4i", 0, 0, 0, size) + b"abc", 9)


def test_stream_is_cut_off_or_too_long() -> None:
    body = struct.pack("<4i", 0, 0, 0, 1) + b"a"
    for cut in range(1, 16):
        with pytest.raises(LabelFormatError, match="cut off"):
            parse_block_stream((body * 2)[: 17 + cut], 9)
    with pytest.raises(LabelFormatError, match="more than 2"):
        parse_block_stream(body * 3, 2)


def test_stream_coordinates_must_fit() -> None:
    with pytest.raises(ValueError, match="int32"):
        block_stream([(2**31, 0, 0)], [b"a"])
    with pytest.raises(ValueError, match="one block coordinate"):
        block_stream([(0, 0, 0)], [])


def test_mapping() -> None:
    labels = np.array([[0, 5], [7, 2**64 - 1]], np.uint64)
    mapping = (np.array([5, 2**64 - 1], np.uint64), np.array([1, 2], np.uint64))
    assert map_labels(labels, mapping).tolist() == [[0, 1], [7, 2]]
    assert map_labels(labels, None) is labels
    with pytest.raises(ValueError, match="length"):
        map_labels(labels, (mapping[0], mapping[1][:1]))
