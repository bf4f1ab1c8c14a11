"""What is wrong with stored voxels."""

__all__ = ["VoxelFormatError"]


class VoxelFormatError(ValueError):
    """Bytes that are not what the format of blocks of voxels allows.

    Attributes:
        payload: number of the block that is wrong, where one of several is.
    """

    def __init__(self, text: str, payload: int | None = None) -> None:
        super().__init__(text)
        self.payload = payload
