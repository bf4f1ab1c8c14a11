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
