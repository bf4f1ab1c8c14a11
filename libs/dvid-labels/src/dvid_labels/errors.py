"""The error of this library."""

__all__ = ["LabelFormatError"]


class LabelFormatError(ValueError):
    """Bytes that are not what the label formats allow; the text is one sentence.

    Attributes:
        payload: which of the payloads that were given is refused, or None.
    """

    payload: int | None = None

    def in_payload(self, index: int) -> "LabelFormatError":
        """Name the payload that was refused.

        Args:
            index: its place in the sequence that was given.
        """
        named = LabelFormatError(f"payload {index}: {self}")
        named.payload = index
        return named
