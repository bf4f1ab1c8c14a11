"""Label indices and mappings as protocol buffers, in numpy: the reference for the native kernels.

LabelIndex: 1 map of block to SVCount, 2 label, 3 last_mutid, 4 last_mod_time, 5 last_mod_user, 6 last_mod_app. SVCount:
1 map of supervoxel to voxels, 2 surface_mutid. MappingOps: 1 MappingOp, repeated. MappingOp: 1 mutid, 2 mapped, 3
original, repeated. A map is a repeated message of 1 key and 2 value, which may be left out if they are 0.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dvid_labels.errors import LabelFormatError
from dvid_labels.label_indices import LabelIndices, check_indices, unpack_blocks
from dvid_labels.types import Buffer, Labels
from dvid_labels.wire import Value, bytes_field, fields, put_varint, varint_field, varints

__all__ = ["decode_indices", "decode_mapping_ops", "encode_mapping_ops", "index_messages", "read_indices"]

_LARGEST_COUNT = (1 << 32) - 1
Row = tuple[int, int, int, int, int, int]


def index_messages(indices: LabelIndices) -> list[bytes]:
    """Encode label indices.

    Args:
        indices: their columns. Rows of an index may be in any order; in the message they are by z, y, x, supervoxel.

    Returns:
        One LabelIndex message for each.

    Raises:
        ValueError: columns are not parallel, a coordinate is out of range, or a supervoxel is twice in a block.
    """
    ordered, keys = check_indices(indices)
    messages: list[bytes] = []
    for i, label in enumerate(ordered.labels.tolist()):
        own = ordered.rows(i)
        columns = (keys[own], ordered.supervoxels[own], ordered.counts[own], ordered.surface_mutids[own])
        texts = (ordered.last_mod_times[i], ordered.last_mod_users[i], ordered.last_mod_apps[i])
        tail = [varint_field(2, label), varint_field(3, int(ordered.last_mutids[i]))]
        tail += [bytes_field(4 + j, text.encode()) for j, text in enumerate(texts) if text]
        messages.append(b"".join((*_blocks(*columns), *tail)))
    return messages


def _pair(key: int, value: bytes) -> bytes:
    """An entry of a map, its key always there."""
    return bytes_field(1, b"\x08" + put_varint(key) + value)


def _stretches(values: Labels) -> list[tuple[int, int]]:
    """Begin and end of each stretch of one value."""
    cuts = (np.flatnonzero(values[1:] != values[:-1]) + 1).tolist()
    return list(pairwise([0, *cuts, len(values)])) if len(values) else []


def _blocks(keys: Labels, supervoxels: Labels, counts: NDArray[np.uint32], surface: Labels) -> list[bytes]:
    """Entries of the map of blocks."""
    made: list[bytes] = []
    for begin, end in _stretches(keys):
        rows = zip(supervoxels[begin:end].tolist(), counts[begin:end].tolist(), strict=True)
        voxels = b"".join(_pair(supervoxel, b"\x10" + put_varint(count)) for supervoxel, count in rows)
        voxels += varint_field(2, int(surface[begin]))
        made.append(_pair(int(keys[begin]), bytes_field(2, voxels)))
    return made


def read_indices(messages: Sequence[Buffer]) -> LabelIndices:
    """Decode label indices.

    Args:
        messages: LabelIndex messages.

    Returns:
        Their columns, rows sorted by z, y, x, supervoxel; blocks without supervoxels have no rows. A byte of a message
        makes at most 16 bytes of columns.

    Raises:
        LabelFormatError: a message is cut off or malformed, a block or supervoxel is twice in its map, a count is no
            uint32, or a text is not UTF-8; the text names the index of the message.
    """
    heads: list[tuple[int, int, str, str, str]] = []
    rows: list[Row] = []
    firsts = [0]
    for index, message in enumerate(messages):
        try:
            head, own = _read_index(memoryview(message).cast("B"))
        except LabelFormatError as error:
            raise error.in_payload(index) from None
        heads.append(head)
        rows += own
        firsts.append(len(rows))
    z, y, x, supervoxels, counts, surface = zip(*rows, strict=True) if rows else ((),) * 6
    labels, mutids, times, users, apps = zip(*heads, strict=True) if heads else ((),) * 5
    return LabelIndices(
        np.array(labels, np.uint64),
        np.array(firsts, np.int64),
        np.array((x, y, z), np.int32).reshape(3, -1).T.copy(),
        np.array(supervoxels, np.uint64),
        np.array(counts, np.uint32),
        np.array(surface, np.uint64),
        np.array(mutids, np.uint64),
        list(times),
        list(users),
        list(apps),
    )


def _read_index(view: memoryview) -> tuple[tuple[int, int, str, str, str], list[Row]]:
    numbers = {2: 0, 3: 0}
    texts = {4: "", 5: "", 6: ""}
    blocks: list[tuple[int, dict[int, int], int]] = []
    for number, value in fields(view):
        if isinstance(value, int) and number in numbers:
            numbers[number] = value
        elif isinstance(value, memoryview) and number in texts:
            texts[number] = _text(value)
        elif isinstance(value, memoryview) and number == 1:
            blocks.append(_read_block(value))
    places = unpack_blocks(np.array([key for key, _, _ in blocks], np.uint64)).tolist()
    if len({tuple(place) for place in places}) != len(places):
        raise LabelFormatError("a block is twice in the label index")
    rows = [
        (z, y, x, supervoxel, count, surface)
        for (x, y, z), (_, counts, surface) in zip(places, blocks, strict=True)
        for supervoxel, count in counts.items()
    ]
    return (numbers[2], numbers[3], texts[4], texts[5], texts[6]), sorted(rows)


def _text(value: memoryview) -> str:
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise LabelFormatError("a text of the label index is not UTF-8") from None


def _entry(view: memoryview) -> tuple[int, list[Value]]:
    """Key of an entry of a map, and each value that it has."""
    key, values = 0, list[Value]()
    for number, value in fields(view):
        if number == 1 and isinstance(value, int):
            key = value
        elif number == 2:
            values.append(value)
    return key, values


def _read_block(view: memoryview) -> tuple[int, dict[int, int], int]:
    """Key of a block, its supervoxels and their voxels, the mutation of its surface."""
    key, values = _entry(view)
    counted = [value for value in values if isinstance(value, memoryview)]
    if len(counted) > 1:
        raise LabelFormatError("a block of the label index has two lists of supervoxels")
    counts: dict[int, int] = {}
    surface = 0
    for number, value in fields(counted[0]) if counted else ():
        if number == 1 and isinstance(value, memoryview):
            supervoxel, numbers = _entry(value)
            count = next((n for n in reversed(numbers) if isinstance(n, int)), 0)
            if supervoxel in counts:
                raise LabelFormatError("a supervoxel is twice in a block of the label index")
            if any(isinstance(n, int) and n > _LARGEST_COUNT for n in numbers):
                raise LabelFormatError("a supervoxel of the label index has more voxels than a uint32 can tell")
            counts[supervoxel] = count
        elif number == 2 and isinstance(value, int):
            surface = value
    return key, counts, surface


def decode_indices(body: Buffer, limit: int) -> LabelIndices:
    """Decode a LabelIndices message.

    Args:
        body: the message; may be empty.
        limit: most indices that it may hold.

    Returns:
        Their columns, as `read_indices` gives them.

    Raises:
        LabelFormatError: the message is malformed or holds more than `limit` indices; the text names the index of the
            one that is malformed.
    """
    messages: list[memoryview] = []
    for number, value in fields(memoryview(body).cast("B")):
        if number == 1 and isinstance(value, memoryview):
            if len(messages) == limit:
                raise LabelFormatError(f"the message has more than {limit} label indices")
            messages.append(value)
    return read_indices(messages)


def decode_mapping_ops(body: Buffer, limit: int) -> tuple[Labels, Labels]:
    """Decode MappingOps.

    Args:
        body: the message; may be empty.
        limit: most entries that it may hold.

    Returns:
        Labels and what they become, uint64 (n,) each, in the order of the message: a later entry overrides.

    Raises:
        LabelFormatError: the message is cut off or malformed, or holds more than `limit` entries.
    """
    originals: list[Labels] = [np.zeros(0, np.uint64)]
    mapped: list[Labels] = [np.zeros(0, np.uint64)]
    total = 0
    for number, value in fields(memoryview(body).cast("B")):
        if number != 1 or not isinstance(value, memoryview):
            continue
        own, target = _read_op(value)
        total += len(own)
        if total > limit:
            raise LabelFormatError(f"the message has more than {limit} mappings")
        originals.append(own)
        mapped.append(np.full(len(own), target, np.uint64))
    return np.concatenate(originals), np.concatenate(mapped)


def _read_op(view: memoryview) -> tuple[Labels, int]:
    target = 0
    originals: list[Labels] = [np.zeros(0, np.uint64)]
    for number, value in fields(view):
        if number == 2 and isinstance(value, int):
            target = value
        elif number == 3 and value is not None:
            originals.append(np.array([value], np.uint64) if isinstance(value, int) else varints(value))
    return np.concatenate(originals), target


def encode_mapping_ops(original: Labels, mapped: Labels, mutid: int = 0) -> bytes:
    """Encode MappingOps; neighbours with the same target share an operation.

    Args:
        original: labels, uint64 (n,).
        mapped: what they become, uint64 (n,).
        mutid: mutation of all operations.

    Raises:
        ValueError: the arrays are not parallel.
    """
    if original.shape != mapped.shape or original.ndim != 1:
        raise ValueError("the two arrays of the mapping differ in length")
    ops: list[bytes] = []
    for begin, end in _stretches(mapped):
        packed = b"".join(put_varint(label) for label in original[begin:end].tolist())
        head = varint_field(1, mutid) + varint_field(2, int(mapped[begin]))
        ops.append(bytes_field(1, head + bytes_field(3, packed)))
    return b"".join(ops)
