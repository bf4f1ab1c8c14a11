"""The errors of the native kernels as this library's."""

from collections.abc import Iterator
from contextlib import contextmanager

import dvid_kernels

from dvid_labels.errors import LabelFormatError

__all__ = ["our_errors"]


@contextmanager
def our_errors(first: int = 0) -> Iterator[None]:
    """Raise the library's error for the native one, which counts payloads from `first`."""
    try:
        yield
    except dvid_kernels.LabelFormatError as error:
        text, payload = error.args
        ours = LabelFormatError(text)
        raise (ours if payload is None else ours.in_payload(first + payload)) from None
