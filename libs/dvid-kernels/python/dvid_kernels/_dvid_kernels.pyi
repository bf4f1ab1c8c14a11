from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_Buffer: TypeAlias = bytes | bytearray | memoryview
_Shape: TypeAlias = tuple[int, int, int]
_Labels: TypeAlias = NDArray[np.uint64]
_Mapping: TypeAlias = tuple[_Labels, _Labels] | None

__version__: str

class LabelFormatError(ValueError): ...

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
) -> _Labels: ...
def relabel_payloads(
    blocks: Sequence[_Buffer], shape: _Shape, mapping: tuple[_Labels, _Labels], threads: int
) -> list[bytes]: ...
def downsample_blocks(
    octants: Sequence[Sequence[_Buffer | None]],
    written: NDArray[np.uint8],
    old: Sequence[_Buffer | None],
    shape: _Shape,
    threads: int,
) -> list[bytes]: ...
def encode_segmentation(volume: _Labels) -> NDArray[np.uint32]: ...
