"""Which blocks a request names: a list of block coordinates, or a box of whole blocks."""

from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Box, GeometryError, Triple

__all__ = ["limited_blocks", "parse_block_list", "whole_blocks"]


def parse_block_list(text: str, most: int) -> list[Triple]:
    """Parse `x,y,z,x,y,z,...`, block coordinates.

    Args:
        text: what a client sent; empty for no blocks.
        most: how many blocks there may be.

    Raises:
        GeometryError: not integers of 32 bits, not a multiple of three, or too many.
    """
    parts = text.split(",", 3 * most) if text else []
    if len(parts) % 3 or len(parts) > 3 * most:
        raise GeometryError(f"blocks= must be a multiple of three integers x,y,z, for at most {most} blocks")
    if any(len(part) > 11 or not part.lstrip("+-").isdecimal() for part in parts):
        raise GeometryError("blocks= must be integers x,y,z,x,y,z,...")
    try:
        numbers = [int(part) for part in parts]
    except ValueError as error:
        raise GeometryError("blocks= must be integers x,y,z,x,y,z,...") from error
    if any(not INT32_MIN <= number <= INT32_MAX for number in numbers):
        raise GeometryError("blocks= must be integers of 32 bits")
    return list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))


def limited_blocks(blocks: Box, most: int) -> Box:
    """Return a box of block coordinates that holds at most so many.

    Raises:
        GeometryError: it holds more.
    """
    if blocks.voxels > most:
        raise GeometryError(f"at most {most} blocks can be asked for at once")
    return blocks


def whole_blocks(box: Box, block_size: Triple, most: int) -> Box:
    """Return the box of block coordinates of a box of whole blocks.

    Args:
        box: the voxels.
        block_size: voxels of a block along x, y, z.
        most: how many blocks there may be.

    Raises:
        GeometryError: it is not of whole blocks, or of too many.
    """
    if not box.is_aligned(block_size):
        raise GeometryError(f"size and offset must be multiples of the block size {block_size}")
    return limited_blocks(box.blocks(block_size), most)
