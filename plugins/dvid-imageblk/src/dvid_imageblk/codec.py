"""How blocks are stored by an instance's Compression setting, and sent."""

from __future__ import annotations

from dataclasses import dataclass

from dvid_voxels.block_codec import Buffer, Codec, encode_block, snappy_block

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

    @property
    def is_sent_as_stored(self) -> bool:
        """Whether the stored bytes are those that are sent: Snappy is kept as LZ4, which is smaller."""
        return self.word != "snappy"

    def sent(self, raw: Buffer, width: int = 1) -> Buffer:
        """Return voxels of a block (z, y, x) as they are sent to those who ask for the kept form.

        Args:
            raw: the voxels.
            width: voxels of the block along x.
        """
        return encode_block(raw, self.codec, width, self.level) if self.is_sent_as_stored else snappy_block(raw)


def stored_form(compression: str) -> StoredForm:
    """Return the form of a Compression setting, such as `lz4` or `gzip:9`."""
    word, _, level = compression.partition(":")
    codecs: dict[str, Codec] = {"none": "none", "snappy": "lz4", "lz4": "lz4", "gzip": "gzip", "jpeg": "jpeg"}
    return StoredForm(codecs[word], int(level) if level else 1, word)
