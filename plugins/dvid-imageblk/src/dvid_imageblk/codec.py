"""How blocks are stored by an instance's Compression setting, and sent."""

from __future__ import annotations

from dataclasses import dataclass

from dvid_voxels.block_codec import Buffer, Codec, snappy_block

__all__ = ["StoredForm", "stored_form"]


@dataclass(frozen=True, slots=True)
class StoredForm:
    """The stored form of blocks.

    Attributes:
        codec: how the bytes are compressed.
        level: of gzip.
        word: the setting: what a client that asks for blocks as they are kept expects.
    """

    codec: Codec
    level: int
    word: str

    def sent(self, payload: Buffer, raw: Buffer | None) -> Buffer:
        """Return a block as it is sent to those who ask for none other than the kept form.

        Args:
            payload: what is stored.
            raw: its voxels, where the stored form is not what is sent.
        """
        return payload if raw is None else snappy_block(raw)

    @property
    def is_sent_as_stored(self) -> bool:
        """Whether the stored bytes are those that are sent: Snappy is kept as LZ4, which is smaller."""
        return self.word != "snappy"


def stored_form(compression: str) -> StoredForm:
    """Return the form of a Compression setting, such as `lz4` or `gzip:9`."""
    word, _, level = compression.partition(":")
    number = int(level) if level else 1
    if word == "gzip" and number <= 0:
        number = 1 if number < 0 else 0
    codecs: dict[str, Codec] = {"none": "none", "snappy": "lz4", "lz4": "lz4", "gzip": "gzip", "jpeg": "jpeg"}
    return StoredForm(codecs[word], number, word)
