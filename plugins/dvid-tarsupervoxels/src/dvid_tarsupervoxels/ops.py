"""The operations on files of supervoxels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import msgspec

from dvid_framework.api import BadRequest, CorruptValue, Txn, View
from dvid_tarsupervoxels.archive import END, archived_bytes, header, padding, read_files
from dvid_tarsupervoxels.keys import LARGEST, MISSING, data_key, file_name, parse_name, size_key

__all__ = [
    "MOST_FILES",
    "decode_supervoxels",
    "delete_file",
    "load_archive",
    "put_file",
    "read_file",
    "sizes_of",
    "tar_bytes",
    "tar_parts",
]

MOST_FILES = 1_000_000
"""How many supervoxels one request may name or load."""
_SIZE_BYTES = 8
_decode_numbers = msgspec.json.Decoder(list[Annotated[int, msgspec.Meta(ge=0)]]).decode
Buffer = bytes | memoryview


def put_file(txn: Txn, supervoxel: int, extension: str, data: Buffer) -> None:
    """Set the data of a supervoxel, for all versions."""
    txn.put_shared(data_key(supervoxel, extension), bytes(data))
    txn.put_shared(size_key(supervoxel, extension), len(data).to_bytes(_SIZE_BYTES, "big"))


def delete_file(txn: Txn, supervoxel: int, extension: str) -> None:
    """Take the data of a supervoxel away, for all versions, whether or not it is there."""
    txn.delete_shared(data_key(supervoxel, extension))
    txn.delete_shared(size_key(supervoxel, extension))
    txn.emit("delete", Supervoxel=supervoxel)


def load_archive(txn: Txn, archive: Buffer, extension: str) -> None:
    """Set the data of all supervoxels that have a file in a tar archive, or of none.

    Raises:
        BadRequest: it is no such archive, or a file has another name.
        TooLarge: it is more than one mutation may hold.
    """
    count = total = 0
    for name, data in read_files(memoryview(archive)):
        count += 1
        total += len(data)
        if count > MOST_FILES:
            raise BadRequest(f"at most {MOST_FILES} files can be loaded at once")
        put_file(txn, parse_name(name, extension), extension, data)
    if count:
        txn.emit("load", Files=count, Bytes=total)


def decode_supervoxels(body: bytes) -> list[int]:
    """Return the supervoxels of a JSON list of numbers.

    Raises:
        BadRequest: it is something else.
    """
    try:
        found = _decode_numbers(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadRequest(f"the body must be a JSON list of supervoxels: {error}") from error
    if len(found) > MOST_FILES:
        raise BadRequest(f"at most {MOST_FILES} supervoxels can be asked for at once")
    if max(found, default=0) > LARGEST:
        raise BadRequest(f"supervoxels are numbers of 64 bits, up to {LARGEST}")
    return found


def read_file(view: View, supervoxel: int, extension: str) -> memoryview | None:
    """Return the data of a supervoxel; None if it has none."""
    return view.get_shared(data_key(supervoxel, extension))


def sizes_of(view: View, supervoxels: Iterable[int], extension: str) -> list[int | None]:
    """Return how many bytes of data each of some supervoxels has; None for none at all."""
    sizes = (view.get_shared(size_key(one, extension)) for one in supervoxels)
    return [None if size is None else int.from_bytes(size, "big") for size in sizes]


def tar_bytes(sizes: Sequence[int | None]) -> int:
    """Return how many bytes the archive of some files has."""
    return sum(archived_bytes(size or 0) for size in sizes) + len(END)


def tar_parts(view: View, supervoxels: Sequence[int], sizes: Sequence[int | None], extension: str) -> Iterator[Buffer]:
    """Yield a tar archive with a file for each supervoxel, an empty `<supervoxel>.missing` for one without data.

    Raises:
        CorruptValue: stored bytes are damaged.
    """
    for supervoxel, size in zip(supervoxels, sizes, strict=True):
        yield header(file_name(supervoxel, MISSING if size is None else extension), size or 0)
        if size:
            data = read_file(view, supervoxel, extension)
            if data is None or len(data) != size:
                raise CorruptValue(f"the data of supervoxel {supervoxel} is not what was stored")
            yield data
            yield bytes(padding(size))
    yield END
