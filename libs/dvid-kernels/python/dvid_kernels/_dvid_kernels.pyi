from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_Buffer: TypeAlias = bytes | bytearray | memoryview
_Shape: TypeAlias = tuple[int, int, int]
_Labels: TypeAlias = NDArray[np.uint64]
_Mapping: TypeAlias = tuple[_Labels, _Labels] | None
_Texts: TypeAlias = list[str]
_Indices: TypeAlias = tuple[
    _Labels,
    NDArray[np.int64],
    NDArray[np.int32],
    _Labels,
    NDArray[np.uint32],
    _Labels,
    _Labels,
    _Texts,
    _Texts,
    _Texts,
]

__version__: str

class LabelFormatError(ValueError): ...

class BlockCache:
    def __init__(self, limit: int) -> None: ...
    def size(self) -> int: ...
    def name(
        self, state: tuple[int, int, int, int], blocks: NDArray[np.int64], payloads: Sequence[_Buffer | None]
    ) -> None: ...

def check_and_count(
    blocks: Sequence[_Buffer], shape: _Shape, threads: int
) -> tuple[_Labels, tuple[NDArray[np.int64], _Labels, NDArray[np.uint32]]]: ...
def encode_chunks(
    ends: NDArray[np.int64],
    places: NDArray[np.int64],
    supervoxels: _Labels,
    voxels: NDArray[np.int64],
    surface_ends: NDArray[np.int64],
    surface_places: NDArray[np.int64],
    surface_ids: _Labels,
) -> list[bytes]: ...
def first_voxels(coordinates: NDArray[np.int64], shape: _Shape, count: int) -> NDArray[np.int64]: ...
def change_records(
    labels: _Labels,
    records: Sequence[_Buffer | None],
    owners: NDArray[np.int64],
    rows: tuple[NDArray[np.int64], _Labels, NDArray[np.int64]],
    marks: _Labels,
    adding: bool,
    stamp: tuple[int, str, str, str] | None,
) -> list[bytes | None]: ...
def merge_records(
    label: int, records: Sequence[_Buffer], texts: tuple[int, str, str, str]
) -> tuple[bytes, list[bytes], _Labels]: ...
def cleave_record(
    labels: tuple[int, int], record: _Buffer, supervoxels: _Labels, texts: tuple[int, str, str, str]
) -> tuple[bytes, bytes, bytes]: ...
def record_share(record: _Buffer, supervoxels: _Labels) -> tuple[_Labels, int]: ...
def record_blocks(record: _Buffer) -> tuple[NDArray[np.int64], _Labels]: ...
def record_coarse_rles(record: _Buffer, low: _Shape, high: _Shape) -> bytes: ...
def record_message(label: int, record: _Buffer) -> bytes: ...
def record_messages(labels: _Labels, records: Sequence[_Buffer | None], compressed: bool) -> bytes | None: ...
def stored_sizes(values: Sequence[_Buffer | None]) -> tuple[_Labels, _Labels]: ...
def json_numbers(numbers: _Labels) -> bytes: ...
def record_supervoxel_sizes(record: _Buffer) -> tuple[list[int], list[int]]: ...
def json_points(body: _Buffer, limit: int) -> NDArray[np.int64] | None: ...
def block_shape(block: _Buffer) -> _Shape: ...
def check_block(block: _Buffer, shape: _Shape) -> _Labels: ...
def decode_block(block: _Buffer, out: _Labels) -> None: ...
def encode_block(volume: _Labels) -> bytes: ...
def relabel_block(block: _Buffer, mapping: _Mapping) -> bytes: ...
def read_voxels(
    blocks: Sequence[_Buffer | None],
    origins: NDArray[np.int64],
    shape: _Shape,
    out: _Labels,
    mapping: _Mapping,
    threads: int,
    low: _Shape,
    high: _Shape,
) -> None: ...
def write_blocks(volume: _Labels, shape: _Shape, threads: int) -> list[bytes]: ...
def check_payloads(blocks: Sequence[_Buffer], shape: _Shape, threads: int) -> _Labels: ...
def label_counts(
    blocks: Sequence[_Buffer | None], shape: _Shape, mapping: _Mapping, threads: int
) -> tuple[NDArray[np.int64], _Labels, NDArray[np.uint32]]: ...
def labels_at(
    blocks: Sequence[_Buffer | None],
    block_of_point: NDArray[np.int64],
    offsets: NDArray[np.int64],
    shape: _Shape,
    mapping: _Mapping,
    threads: int,
    cache: BlockCache | None,
) -> _Labels: ...
def labels_kept(
    cache: BlockCache, state: tuple[int, int, int, int], points: NDArray[np.int64], shape: _Shape
) -> _Labels | None: ...
def group_points(
    points: NDArray[np.int64], shape: _Shape
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]: ...
def relabel_payloads(
    blocks: Sequence[_Buffer], shape: _Shape, mapping: tuple[_Labels, _Labels], threads: int
) -> list[bytes]: ...
def downsample_blocks(
    octants: Sequence[Sequence[_Buffer | None]],
    written: NDArray[np.uint8],
    old: Sequence[_Buffer | None],
    shape: _Shape,
    threads: int,
    changed: NDArray[np.uint8] | None = None,
    plain: bool = False,
) -> list[bytes]: ...
def encode_segmentation(volume: _Labels) -> NDArray[np.uint32]: ...
def body_runs(
    blocks: Sequence[_Buffer | None],
    firsts: NDArray[np.int64],
    shape: _Shape,
    supervoxels: _Labels,
    low: _Shape,
    high: _Shape,
    threads: int,
    cache: BlockCache | None,
) -> NDArray[np.int32]: ...
def body_binary_blocks(
    blocks: Sequence[_Buffer | None],
    firsts: NDArray[np.int64],
    shape: _Shape,
    supervoxels: _Labels,
    threads: int,
    cache: BlockCache | None,
) -> list[bytes]: ...
def count_changes(
    old: Sequence[_Buffer | None], new: Sequence[_Buffer | None], shape: _Shape, threads: int
) -> tuple[NDArray[np.int64], _Labels, NDArray[np.int64]]: ...
def split_blocks(
    blocks: Sequence[_Buffer],
    runs: NDArray[np.int64],
    starts: NDArray[np.int64],
    shape: _Shape,
    source: _Labels,
    inside: _Labels,
    outside: _Labels,
    threads: int,
) -> tuple[list[bytes], NDArray[np.int64], _Labels, NDArray[np.int64], NDArray[np.uint8]]: ...
def index_messages(
    labels: _Labels,
    firsts: NDArray[np.int64],
    keys: _Labels,
    supervoxels: _Labels,
    counts: NDArray[np.uint32],
    surface: _Labels,
    last_mutids: _Labels,
    texts: tuple[Sequence[str], Sequence[str], Sequence[str]],
) -> list[bytes]: ...
def read_indices(messages: Sequence[_Buffer]) -> _Indices: ...
def decode_indices(body: _Buffer, limit: int) -> _Indices: ...
def decode_mapping_ops(body: _Buffer, limit: int) -> tuple[_Labels, _Labels]: ...
def encode_mapping_ops(original: _Labels, mapped: _Labels, mutid: int) -> bytes: ...
def sort_mapping(source: _Labels, target: _Labels) -> tuple[_Labels, _Labels]: ...
def encode_mapping(source: _Labels, target: _Labels, each: int) -> list[bytes]: ...
def decode_mapping(chunks: Sequence[_Buffer]) -> tuple[_Labels, _Labels]: ...
def find_mapping(
    chunks: Sequence[_Buffer], owners: NDArray[np.int64], labels: _Labels
) -> tuple[NDArray[np.bool_], _Labels]: ...
def read_voxel_blocks(
    blocks: Sequence[_Buffer | None],
    origins: NDArray[np.int64],
    shape: _Shape,
    codec: str,
    out: NDArray[np.uint8],
    size: _Shape,
    background: int,
    threads: int,
) -> None: ...
def write_pieces(pieces: Sequence[_Buffer], size: _Shape, shape: _Shape, threads: int) -> tuple[list[bytes], int]: ...
def seal_puts(
    prefix: bytes,
    value_tail: bytes,
    tombstone_tail: bytes,
    type_keys: Sequence[bytes],
    values: Sequence[_Buffer],
    codec: int,
) -> tuple[list[tuple[bytes, bytes | None]], int]: ...
def open_values(pairs: Sequence[tuple[bytes, bytes]]) -> tuple[list[memoryview | None], bool]: ...
def encode_voxel_pieces(
    pieces: Sequence[_Buffer], size: _Shape, shape: _Shape, codec: str, threads: int, chosen: Sequence[int] | None
) -> list[bytes]: ...
def decode_voxel_blocks(blocks: Sequence[_Buffer], codec: str, size: int, threads: int) -> list[bytes]: ...
