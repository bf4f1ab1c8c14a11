"""What is wrong with stored or sent blocks."""

from collections.abc import Sequence

__all__ = ["BlockFormatError", "VoxelFormatError", "damage"]


class BlockFormatError(ValueError):
    """Bytes that are not what a format of blocks allows; the text is one sentence.

    Attributes:
        payload: number of the block that is wrong, where one of several is.
    """

    payload: int | None = None


class VoxelFormatError(BlockFormatError):
    """Bytes that are not what the format of blocks of voxels allows."""

    def __init__(self, text: str, payload: int | None = None) -> None:
        super().__init__(text)
        self.payload = payload


def damage(error: BlockFormatError, scale: int, coordinates: Sequence[tuple[int, int, int]]) -> str:
    """Say which stored block is damaged, and how.

    Args:
        error: what a kernel said of blocks.
        scale: their scale.
        coordinates: block coordinate (x, y, z) of each payload that was given to it.
    """
    where = "" if error.payload is None else f" {tuple(int(n) for n in coordinates[error.payload])}"
    return f"the stored block{where} of scale {scale} is damaged: {error}"
