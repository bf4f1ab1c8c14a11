"""Settings of an instance."""

from __future__ import annotations

import msgspec

__all__ = ["TarSettings"]


class TarSettings(msgspec.Struct):
    """Settings.

    Attributes:
        extension: what the names of files end in, without a dot.
    """

    extension: str = ""
