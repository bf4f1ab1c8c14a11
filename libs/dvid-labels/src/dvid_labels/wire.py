"""The wire format of protocol buffers, as far as the messages of labels need it; for the numpy twins."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from dvid_labels.errors import LabelFormatError
from dvid_labels.types import Labels

__all__ = ["Value", "bytes_field", "fields", "put_varint", "varint_field", "varints"]

#: A varint, the bytes of a string, message or packed list, or None for the fixed widths, which no label message has.
Value: TypeAlias = int | memoryview | None
_LONGEST = 10
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_CUT_OFF = "the message is cut off"
_TOO_LONG = "a number of the message is longer than 64 bits"


def put_varint(value: int) -> bytes:
    """Encode a number, 0 to 2^64 - 1."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint_field(number: int, value: int) -> bytes:
    """A field that is a number; nothing at all if it is 0."""
    return put_varint(number << 3 | _VARINT) + put_varint(value) if value else b""


def bytes_field(number: int, value: bytes) -> bytes:
    """A field that is a string, message or packed list."""
    return put_varint(number << 3 | _BYTES) + put_varint(len(value)) + value


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(view[at : at + _LONGEST]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            if value >> 64:
                raise LabelFormatError(_TOO_LONG)
            return value, at + i + 1
    raise LabelFormatError(_TOO_LONG if len(view) - at >= _LONGEST else _CUT_OFF)


def fields(view: memoryview) -> Iterator[tuple[int, Value]]:
    """Number and value of each field of a message, in order.

    Raises:
        LabelFormatError: a field is cut off, has no number, or is of a wire type that proto3 does not know.
    """
    at = 0
    while at < len(view):
        tag, at = _varint(view, at)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise LabelFormatError("a field of the message has no legal number")
        value: Value = None
        if kind == _VARINT:
            value, at = _varint(view, at)
        elif kind in (_EIGHT_BYTES, _BYTES, _FOUR_BYTES):
            size = 8 if kind == _EIGHT_BYTES else 4
            if kind == _BYTES:
                size, at = _varint(view, at)
            if size > len(view) - at:
                raise LabelFormatError(_CUT_OFF)
            value = view[at : at + size] if kind == _BYTES else None
            at += size
        else:
            raise LabelFormatError(f"a field of the message is of the unknown wire type {kind}")
        yield number, value


def varints(view: memoryview) -> Labels:
    """All numbers of a packed list.

    Returns:
        uint64 (n,).

    Raises:
        LabelFormatError: the last one is cut off, or one is longer than 64 bits.
    """
    data = np.frombuffer(view, np.uint8)
    if not len(data):
        return np.zeros(0, np.uint64)
    ends = np.flatnonzero(data < 128)
    starts = np.append(0, ends + 1)
    if (np.diff(np.append(starts, len(data))) > _LONGEST).any():
        raise LabelFormatError(_TOO_LONG)
    if not len(ends) or ends[-1] != len(data) - 1:
        raise LabelFormatError(_CUT_OFF)
    starts = starts[:-1]
    lengths = ends - starts + 1
    if (data[ends[lengths == _LONGEST]] > 1).any():
        raise LabelFormatError(_TOO_LONG)
    shifts = 7 * (np.arange(len(data)) - np.repeat(starts, lengths))
    parts = (data & 127).astype(np.uint64) << shifts.astype(np.uint64)
    numbers: Labels = np.bitwise_or.reduceat(parts, starts)
    return numbers
