"""What the plugin contributes: the datatypes of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dvid_framework.api import Datatype, ImageVolume, Instances, hookimpl
from dvid_imageblk.instance import ImageInstance
from dvid_imageblk.model import VOXEL_TYPES, ImageSettings, new_settings
from dvid_imageblk.multichan import MultichanInstance
from dvid_imageblk.ops.grid import fitted_settings
from dvid_imageblk.routes import ROUTES
from dvid_imageblk.routes.multichan import ROUTES as MULTICHAN_ROUTES

__all__ = ["dvid_datatypes"]


_HELP = """
One of the six types of the family imageblk: uint8blk, uint16blk, uint32blk, uint64blk, float32blk, rgba8blk.

A volume is kept in blocks (BlockSize voxels along x, y, z), compressed. Any box of voxels can be read, also at negative
coordinates; what was never written is the Background. Every version has its own voxels and extents.

Settings of a new instance, all of them texts: BlockSize (32,32,32), VoxelSize (8,8,8), VoxelUnits
(nanometers,nanometers,nanometers), Background (0; each byte of a voxel that was never written), MinPoint, MaxPoint,
Compression (lz4, or none, snappy, gzip:LEVEL, jpeg), MaxDownresLevel (0: how many lower resolutions are kept in step
with every write; each halves the one before, and reads take scale=N), GridStore and ScaleLevel (a configured store of
voxels elsewhere).

Raw voxels are of axis order Z, Y, X (X varies fastest). A stream of blocks is for each block four int32 (block
coordinate x, y, z and number of bytes) and its bytes.
"""
_OF_IMAGES_ALONE = frozenset({"gridstore", "scalelevel", "maxdownreslevel"})
_URL = "github.com/janelia-flyem/dvid/datatype/imageblk/"


class _ImageType(Datatype):
    settings = ImageSettings
    routes = ROUTES
    provides = (ImageVolume,)

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> ImageSettings:
        """Make the settings of a new instance from texts; unknown ones are ignored."""
        return new_settings(config, VOXEL_TYPES[cls.name])

    @classmethod
    def complete_settings(cls, settings: Any, instances: Instances) -> ImageSettings:
        """Take block size, resolution and extents from the store of voxels that a setting GridStore names."""
        asked: ImageSettings = settings
        if not asked.grid_store:
            return asked
        return fitted_settings(asked, instances.grid(asked.grid_store), VOXEL_TYPES[cls.name])

    @classmethod
    def help_text(cls) -> str:
        """Return the head of the type's help page: what is its own, and what all have."""
        return f"{super().help_text()}\n{_HELP}".rstrip()


class Uint8Blk(_ImageType):
    """Versioned volumes of 8-bit gray."""

    name = "uint8blk"
    url = f"{_URL}uint8.go"
    version = "0.2"
    instance = ImageInstance


class Uint16Blk(_ImageType):
    """Versioned volumes of 16-bit gray, little-endian; images have 16 bits where their format can."""

    name = "uint16blk"
    url = f"{_URL}uint16.go"
    instance = ImageInstance


class Uint32Blk(_ImageType):
    """Versioned volumes of uint32, little-endian; in images the four bytes are red, green, blue and alpha."""

    name = "uint32blk"
    url = f"{_URL}uint32.go"
    instance = ImageInstance


class Uint64Blk(_ImageType):
    """Versioned volumes of uint64, little-endian; in images its four pairs of bytes are red, green, blue and alpha."""

    name = "uint64blk"
    url = f"{_URL}uint64.go"
    instance = ImageInstance


class Float32Blk(_ImageType):
    """Versioned volumes of float32, little-endian; in images the four bytes are red, green, blue and alpha."""

    name = "float32blk"
    url = f"{_URL}float32.go"
    instance = ImageInstance


class Rgba8Blk(_ImageType):
    """Versioned volumes of colours: a voxel is four bytes, red, green, blue and alpha."""

    name = "rgba8blk"
    url = f"{_URL}rgba8.go"
    version = "0.2"
    instance = ImageInstance


class Multichan16(Datatype):
    """Versioned volumes of several channels of 8 or 16 bits, such as of fluorescence, loaded as V3D raw stacks.

    Every channel is read by itself: `xy/512_512/0_0_30/jpg?channel=1` is a slice, `0_1_2/64_64_64/0_0_0?channel=1` a
    box of voxels. Settings are those of the family imageblk: BlockSize, VoxelSize, VoxelUnits, Background, Compression.
    """

    name = "multichan16"
    url = "github.com/janelia-flyem/dvid/datatype/multichan16"
    version = "0.1"
    instance = MultichanInstance
    settings = ImageSettings
    routes = MULTICHAN_ROUTES
    provides = (ImageVolume,)

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> ImageSettings:
        """Make the settings of a new instance from texts; unknown ones are ignored."""
        chosen = {key: value for key, value in config.items() if key not in _OF_IMAGES_ALONE}
        return new_settings(chosen, VOXEL_TYPES["uint16blk"])


@hookimpl
def dvid_datatypes() -> Iterable[type[Datatype]]:
    """Give out the datatypes."""
    return [Uint8Blk, Uint16Blk, Uint32Blk, Uint64Blk, Float32Blk, Rgba8Blk, Multichan16]
