"""The error of this library."""

from dvid_voxels.errors import BlockFormatError

__all__ = ["LabelFormatError"]


class LabelFormatError(BlockFormatError):
    """Bytes that are not what the label formats allow; the text is one sentence."""

    def in_payload(self, index: int) -> "LabelFormatError":
        """Name the payload that was refused.

        Args:
            index: its place in the sequence that was given.
        """
        named = LabelFormatError(f"payload {index}: {self}")
        named.payload = index
        return named
