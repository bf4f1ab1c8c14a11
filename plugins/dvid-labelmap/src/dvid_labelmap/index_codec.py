"""Stored forms of bodies: records of whole ones, and of large ones summaries, whose indices are stored apart, in parts.

A summary is the head of a record, and behind it, if there are any, three texts as msgpack. Which of both stored bytes
are is told by the byte behind the head. Everything but the largest bodies is written as a whole; folders of earlier
releases have summaries and parts for all bodies, which stay as they are until such a body is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from dvid_labels import body_records, index_chunks
from dvid_labels.body_records import HEAD_BYTES, Record, Stamp, Summary, encode_record, is_whole
from dvid_labels.errors import LabelFormatError
from dvid_labels.index_chunks import CHUNK_SIDE, Chunk, Columns, encode_chunk
from dvid_labels.types import Buffer

from dvid_framework.api import CorruptValue

__all__ = [
    "CHUNK_SIDE",
    "Chunk",
    "Columns",
    "Record",
    "Stamp",
    "Summary",
    "damaged_index",
    "decode_chunk",
    "decode_chunks",
    "decode_head",
    "decode_record",
    "decode_summary",
    "encode_chunk",
    "encode_record",
    "encode_summary",
    "is_whole",
    "stored_bodies",
]

_texts = msgspec.msgpack.Decoder(tuple[str, str, str]).decode
_packed = msgspec.msgpack.Encoder().encode


def damaged_index(error: LabelFormatError) -> CorruptValue:
    """Return what is said of stored bytes that the libraries refuse."""
    return CorruptValue(f"a stored body is damaged: {error}")


@contextmanager
def stored_bodies() -> Iterator[None]:
    """Say of bytes that the libraries refuse that they are stored ones.

    Raises:
        CorruptValue: the libraries' sentence.
    """
    try:
        yield
    except LabelFormatError as error:
        raise damaged_index(error) from error


def decode_chunk(value: Buffer) -> Chunk:
    """Return a chunk of its stored bytes.

    Raises:
        CorruptValue: they are not such.
    """
    with stored_bodies():
        return index_chunks.decode_chunk(value)


def decode_chunks(values: Sequence[Buffer]) -> Columns:
    """Return the rows of several chunks of their stored bytes, by few steps however many they are.

    Raises:
        CorruptValue: one is damaged.
    """
    with stored_bodies():
        return index_chunks.decode_chunks(values)


def decode_record(value: Buffer) -> Record:
    """Return a whole body of its stored bytes.

    Raises:
        CorruptValue: they are not such.
    """
    with stored_bodies():
        return body_records.decode_record(value)


def encode_summary(summary: Summary) -> bytes:
    """Return the stored bytes of what is known of a body whose index is stored apart."""
    texts = summary[-3:]
    return body_records.encode_head(summary) + (_packed(texts) if any(texts) else b"")


def decode_summary(value: Buffer) -> Summary:
    """Return what is known of a body of its stored bytes, whether or not these are all of it.

    Raises:
        CorruptValue: they are damaged.
    """
    if is_whole(value):
        with stored_bodies():
            return body_records.decode_known(value)[0]
    try:
        summary = body_records.decode_head(value)
        if len(value) == HEAD_BYTES:
            return summary
        time, user, app = _texts(memoryview(value)[HEAD_BYTES:])
    except (LabelFormatError, msgspec.MsgspecError, ValueError) as error:
        raise CorruptValue(f"what is known of a body is damaged: {error}") from error
    return summary._replace(time=time, user=user, app=app)


def decode_head(value: Buffer) -> Summary:
    """Return what is known of a body but for its texts.

    Raises:
        CorruptValue: the stored bytes are cut off.
    """
    with stored_bodies():
        return body_records.decode_head(value)
