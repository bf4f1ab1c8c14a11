"""Neuroglancer's compressed_segmentation, against the field's own decoder."""

from types import ModuleType

import compressed_segmentation
import numpy as np
import pytest

from dvid_labels import LabelFormatError, decode_segmentation, numpy_kernels


def others_decode(data: bytes, size: tuple[int, int, int]) -> np.ndarray:
    array = compressed_segmentation.decompress(data, (*size, 1), np.uint64, (8, 8, 8), order="F")
    return np.asarray(array)[..., 0].T


@pytest.mark.parametrize("size", [(8, 8, 8), (64, 64, 64), (24, 8, 40)])
@pytest.mark.parametrize(("labels", "grain"), [(1, 4), (2, 3), (6, 1), (12, 1), (60, 1), (100_000, 1)])
def test_others_read_it(
    kernels: ModuleType, volume: object, size: tuple[int, int, int], labels: int, grain: int
) -> None:
    voxels = volume(size, labels, grain=grain)  # type: ignore[operator]
    data = kernels.encode_segmentation(voxels)
    assert (decode_segmentation(data, size) == voxels).all()
    assert (others_decode(data, size) == voxels).all()
    assert data == numpy_kernels.encode_segmentation(voxels)


def test_we_read_others(volume: object) -> None:
    voxels = volume((32, 24, 16), 30, grain=2)  # type: ignore[operator]
    data = compressed_segmentation.compress(np.asfortranarray(voxels.T[..., None]), (8, 8, 8), order="F")
    assert (decode_segmentation(bytes(data), (32, 24, 16)) == voxels).all()


def test_tables_are_shared(kernels: ModuleType) -> None:
    voxels = np.zeros((64, 64, 64), np.uint64)
    voxels[::2] = 9
    assert len(kernels.encode_segmentation(voxels)) == 4 + 512 * 8 + 2 * 8 + 512 * 64


def test_too_many_tables_are_refused(native: ModuleType) -> None:
    noise = np.arange(208 * 208 * 200, dtype=np.uint64).reshape(200, 208, 208)
    with pytest.raises(LabelFormatError, match="too many labels"):
        native.encode_segmentation(noise)


@pytest.mark.parametrize("size", [(8, 8, 12), (0, 8, 8)])
def test_sizes_must_be_multiples_of_8(kernels: ModuleType, size: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="multiple of"):
        kernels.encode_segmentation(np.zeros(size, np.uint64))
    with pytest.raises(ValueError, match="multiple of"):
        decode_segmentation(b"\1\0\0\0" * 9, size)


def test_damage_is_refused(volume: object) -> None:
    data = numpy_kernels.encode_segmentation(volume((16, 8, 8), 12, grain=1))  # type: ignore[operator]
    for bad in (data[:-4], data[:8], data[:-1], b"", b"\2" + data[1:], data[:7] + b"\x03" + data[8:]):
        with pytest.raises(LabelFormatError):
            decode_segmentation(bad, (16, 8, 8))
