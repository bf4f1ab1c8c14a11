"""The error of this library."""

__all__ = ["LabelFormatError"]


class LabelFormatError(ValueError):
    """Bytes that are not what the label formats allow; the text is one sentence."""

    def in_payload(self, index: int) -> "LabelFormatError":
        """Name the payload that was refused.

        Args:
            index: its place in the sequence that was given.
        """
        return LabelFormatError(f"payload {index}: {self}")
