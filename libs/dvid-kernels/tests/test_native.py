"""What the native module promises by itself; what its functions mean is tested in dvid-labels, beside their twins."""

import ast
from pathlib import Path

import dvid_kernels
import numpy as np
import pytest

SHAPE = (16, 16, 16)


def test_stub_names_every_function() -> None:
    stub = ast.parse((Path(dvid_kernels.__file__).parent / "_dvid_kernels.pyi").read_text())
    named = {node.name for node in stub.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert named | {"__version__"} == set(dvid_kernels.__all__)


def test_error_is_a_value_error_with_the_payload() -> None:
    with pytest.raises(dvid_kernels.LabelFormatError) as caught:
        dvid_kernels.check_payloads([b"no"], SHAPE, 1)
    assert isinstance(caught.value, ValueError)
    assert caught.value.args[1] == 0


@pytest.mark.parametrize("threads", [0, 9])
def test_threads_are_bounded(threads: int) -> None:
    with pytest.raises(ValueError, match="threads"):
        dvid_kernels.check_payloads([], SHAPE, threads)


@pytest.mark.parametrize("shape", [(0, 16, 16), (16, 12, 16), (16, 16, 1032)])
def test_shapes_are_checked(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 8"):
        dvid_kernels.write_blocks(np.zeros((16, 16, 16), np.uint64), shape, 1)


def test_output_is_neither_copied_nor_another_type() -> None:
    origins = np.zeros((1, 3), np.int64)
    whole = np.zeros((16, 16, 32), np.uint64)
    for out in (whole[:, :, ::2], whole.astype(np.int64), whole[0]):
        with pytest.raises((TypeError, ValueError)):
            dvid_kernels.read_voxels([None], origins, SHAPE, out, None, 1, (0, 0, 0), (16, 16, 16))  # type: ignore[arg-type]
    read_only = np.zeros((16, 16, 16), np.uint64)
    read_only.flags.writeable = False
    with pytest.raises((TypeError, ValueError)):
        dvid_kernels.read_voxels([None], origins, SHAPE, read_only, None, 1, (0, 0, 0), (16, 16, 16))


@pytest.mark.parametrize("first", [2**63 - 1, -(2**63), 2**31, -(2**31) - 16, 2**31 - 8, 3])
def test_first_voxels_of_blocks_are_checked(first: int) -> None:
    body = np.array([7], np.uint64)
    for axis in range(3):
        firsts = np.zeros((1, 3), np.int64)
        firsts[0, axis] = first
        with pytest.raises(ValueError, match="out of range"):
            dvid_kernels.body_runs([None], firsts, SHAPE, body, (0, 0, 0), (9, 9, 9), 1, None)
        with pytest.raises(ValueError, match="out of range"):
            dvid_kernels.body_binary_blocks([None], firsts, SHAPE, body, 1, None)


def test_requests_for_bodies_are_checked() -> None:
    body, low, high = np.array([7], np.uint64), (-(2**63), 0, 0), (2**63 - 1, 9, 9)
    firsts = np.zeros((2, 3), np.int64)
    with pytest.raises(ValueError, match="same block"):
        dvid_kernels.body_runs([b"", b""], firsts, SHAPE, body, low, high, 1, None)
    with pytest.raises(ValueError, match="for each payload"):
        dvid_kernels.body_runs([b""], firsts, SHAPE, body, low, high, 1, None)
    with pytest.raises(ValueError, match="ascending"):
        dvid_kernels.body_runs([None, None], firsts, SHAPE, np.array([7, 7], np.uint64), low, high, 1, None)
    with pytest.raises(ValueError, match="old block"):
        dvid_kernels.count_changes([None], [], SHAPE, 1)
    assert dvid_kernels.body_runs([None, None], firsts, SHAPE, body, high, low, 1, None).shape == (0, 4)


@pytest.mark.parametrize("cuts", [[0, 2], [0, 3, 2], [-1, 1, 2], [2**62, 2**63 - 1, 2], [1, 0, 2]])
def test_columns_of_indices_are_checked(cuts: list[int]) -> None:
    two, counts, texts = np.array([1, 2], np.uint64), np.array([1, 2], np.uint32), ["", ""]
    firsts = np.array(cuts, np.int64)
    with pytest.raises(ValueError, match=r"firsts|length"):
        dvid_kernels.index_messages(two, firsts, two, two, counts, two, two, (texts, texts, texts))
    good = np.array([0, 1, 2], np.int64)
    for wrong in ((two[:1], counts, two, texts), (two, counts[:1], two, texts), (two, counts, two[:1], texts)):
        keys, numbers, mutids, names = wrong
        with pytest.raises(ValueError, match="length"):
            dvid_kernels.index_messages(two, good, keys, two, numbers, two, mutids, (names, names, names))
    with pytest.raises(ValueError, match="length"):
        dvid_kernels.encode_mapping_ops(two, two[:1], 0)
