"""Names and documents of precomputed and OME-Zarr: every chunk has one name, and no other name is a chunk."""

import itertools
import json
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Box, Triple
from dvid_voxels.multiscale import Multiscale, NoSuchKey, chunk_of_blocks, nanometers, planar_bytes
from dvid_voxels.ome_zarr import OmeZarr, fill_value
from dvid_voxels.precomputed import Precomputed, jpeg_chunk

CHUNK = (64, 64, 96)


def volume(offset: Triple = (-70, 5, 100)) -> Multiscale:
    return Multiscale(Box(offset, (200, 60, 100)), 3, CHUNK, (8.0, 8.0, 40.0), "uint64")


def precomputed(one: Multiscale | None = None) -> Precomputed:
    return Precomputed(one or volume(), "segmentation", "compressed_segmentation")


def test_scales_halve_below_zero_too() -> None:
    one = volume()
    assert one.box_at(0) == Box((-70, 5, 100), (200, 60, 100))
    assert one.box_at(1) == Box((-35, 2, 50), (100, 31, 50))
    assert one.first_chunk_at(0) == (-128, 0, 96)
    assert one.first_chunk_at(2) == (-64, 0, 0)
    assert one.voxel_size_at(2) == (32.0, 32.0, 160.0)


def test_chunks_are_whole_blocks_of_at_least_64_voxels() -> None:
    assert chunk_of_blocks((64, 32, 16)) == (64, 64, 64)
    assert chunk_of_blocks((48, 80, 128)) == (96, 80, 128)


def test_units() -> None:
    assert nanometers((1, 2, 3), ("microns", "Millimeters ", "parsecs")) == (1000, 2e6, 3)


def test_the_info_of_precomputed() -> None:
    info = json.loads(json.dumps(precomputed().document(["info"])))
    assert info["@type"] == "neuroglancer_multiscale_volume"
    assert (info["type"], info["data_type"], info["num_channels"]) == ("segmentation", "uint64", 1)
    assert info["scales"][1] == {
        "key": "1",
        "size": [64 + 65, 33, 100],
        "voxel_offset": [-64, 0, 0],
        "resolution": [16, 16, 80],
        "chunk_sizes": [[64, 64, 96]],
        "encoding": "compressed_segmentation",
        "compressed_segmentation_block_size": [8, 8, 8],
    }
    assert precomputed().document(["provenance"]) is None


def names(scale: int) -> dict[str, tuple[tuple[int, int], ...]]:
    """The names of all chunks of a scale by the format's rule, from the info alone."""
    scales = precomputed().document(["info"])["scales"]
    first, size = scales[scale]["voxel_offset"], scales[scale]["size"]
    axes = [
        [(low, min(low + side, start + length)) for low in range(start, start + length, side)]
        for start, length, side in zip(first, size, CHUNK, strict=True)
    ]
    return {"_".join(f"{low}-{high}" for low, high in one): one for one in itertools.product(*axes)}


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_every_chunk_of_precomputed_has_its_box(scale: int) -> None:
    for name, ranges in names(scale).items():
        chunk = precomputed().chunk([str(scale), name])
        assert chunk.scale == scale
        assert [*zip(chunk.box.offset, (n + 1 for n in chunk.box.last), strict=True)] == list(ranges)
        padded = precomputed().padded(chunk)
        assert padded.offset == chunk.box.offset
        assert all(side % 8 == 0 and 0 <= side - n < 8 for side, n in zip(padded.size, chunk.box.size, strict=True))


# Beside 0/-128--64_0-64_96-192, which is one.
NOT_CHUNKS = [
    "",
    "0",
    "info/info",
    "0/",
    "3/-128--64_0-64_96-192",
    "00/-128--64_0-64_96-192",
    "/-128--64_0-64_96-192",
    "0/-128--64_0-64",
    "0/-128--64_0-64_96-192_0-1",
    "0/-127--63_0-64_96-192",
    "0/-192--128_0-64_96-192",
    "0/-128--64_00-64_96-192",
    "0/-128--64_0-64_96-193",
    "0/-128--64_0-64_192-192",
    "0/-128--64_0-64_192-288",
    "0/-128--64_0-64_" + "9" * 60,
    "0/-128--64_0-6\u0664_96-192",
    "0/9999999999-99999999999_0-64_96-192",
    "1000000000000000000/0-1_0-1_0-1",
]


@pytest.mark.parametrize("name", NOT_CHUNKS)
def test_other_names_are_no_chunks_of_precomputed(name: str) -> None:
    with pytest.raises(NoSuchKey):
        precomputed().chunk(name.split("/"))


@given(st.text(alphabet="0123456789-_sxc/z.", max_size=40))
def test_only_names_that_the_info_gives_are_chunks(name: str) -> None:
    keys = name.split("/")
    for files in (precomputed(), OmeZarr(volume(), "seg")):
        try:
            chunk = files.chunk(keys)
        except NoSuchKey:
            continue
        assert chunk.box.intersection(volume().box_at(chunk.scale)) is not None


def test_volumes_up_to_the_last_voxel() -> None:
    low = Box((INT32_MIN, 0, 0), (10, 10, 10))
    high = Box((INT32_MAX - 9, 0, 0), (10, 10, 10))
    chunk = precomputed(Multiscale(low, 1, (64, 64, 64), (8.0,) * 3, "uint64")).chunk(
        ["0", "-2147483648--2147483638_0-10_0-10"]
    )
    assert chunk.box == low
    files = precomputed(Multiscale(high, 1, (96, 64, 64), (8.0,) * 3, "uint64"))
    first = files.document(["info"])["scales"][0]["voxel_offset"][0]
    assert files.chunk(["0", f"{first}-2147483648_0-10_0-10"]).box.last[0] == INT32_MAX
    with pytest.raises(NoSuchKey):  # its chunk would reach past 32 bits
        OmeZarr(files.volume, "seg").chunk(["0", "c", "0", "0", str(first // 96)])


def test_arrays_of_zarr_have_the_coordinates_as_indices() -> None:
    files = OmeZarr(volume(offset=(70, 5, 100)), "seg", gzip=True)
    array = files.document(["0", "zarr.json"])
    assert array["shape"] == [200, 65, 270]
    assert array["chunk_grid"]["configuration"]["chunk_shape"] == [96, 64, 64]
    assert [codec["name"] for codec in array["codecs"]] == ["bytes", "gzip"]
    assert array["attributes"] == {"origin": [0, 0, 0]}
    assert array["dimension_names"] == ["z", "y", "x"]
    assert files.chunk(["0", "c", "1", "1", "4"]).box == Box((256, 64, 96), CHUNK)
    for outside in ("0/0/1", "1/2/4", "1/1/5", "3/1/4", "1/1/0"):
        with pytest.raises(NoSuchKey):
            files.chunk(["0", "c", *outside.split("/")])


def test_arrays_of_zarr_begin_at_one_place_below_zero() -> None:
    files = OmeZarr(volume(), "seg")
    array = files.document(["0", "zarr.json"])
    assert array["attributes"] == {"origin": [0, 0, -256]}
    assert [files.origin(scale) for scale in range(3)] == [(-256, 0, 0), (-128, 0, 0), (-64, 0, 0)]
    assert array["shape"] == [200, 65, 130 + 256]
    with pytest.raises(NoSuchKey):
        files.chunk(["0", "c", "1", "0", "1"])
    assert files.chunk(["0", "c", "1", "0", "2"]).box == Box((-128, 0, 96), CHUNK)
    group = files.document(["zarr.json"])
    (multiscale,) = group["attributes"]["ome"]["multiscales"]
    # The centre of voxel -128 of scale 1 lies between those of the voxels -256 and -255 of scale 0.
    assert multiscale["datasets"][1] == {
        "path": "1",
        "coordinateTransformations": [
            {"type": "scale", "scale": [80, 16, 16]},
            {"type": "translation", "translation": [20, 4, -2044]},
        ],
    }
    assert group["consolidated_metadata"]["metadata"]["0"] == array
    assert files.document(["3", "c", "0"]) is None
    with pytest.raises(NoSuchKey):
        files.document(["3", "zarr.json"])


@pytest.mark.parametrize(
    "name",
    ["0/c/0/0", "0/c/0/0/0/0", "0/d/1/0/0", "0/c/-1/0/0", "0/c/01/0/0", "0/c/1/0/99999999999", "0/c/1//0"],
)
def test_other_names_are_no_chunks_of_zarr(name: str) -> None:
    with pytest.raises(NoSuchKey):
        OmeZarr(volume(), "seg").chunk(name.split("/"))


def test_channels() -> None:
    one = Multiscale(Box((0, 0, 0), (64, 64, 64)), 1, (64, 64, 64), (8.0,) * 3, "uint8", channels=4)
    files = OmeZarr(one, "rgba")
    array = files.document(["0", "zarr.json"])
    assert array["shape"] == [4, 64, 64, 64]
    assert array["codecs"] == [{"name": "bytes"}]
    assert files.chunk(["0", "c", "0", "0", "0", "0"]).box == one.box
    with pytest.raises(NoSuchKey):
        files.chunk(["0", "c", "1", "0", "0", "0"])
    axes = files.document(["zarr.json"])["attributes"]["ome"]["multiscales"][0]["axes"]
    assert [axis["name"] for axis in axes] == ["c", "z", "y", "x"]


def test_bytes_of_chunks() -> None:
    values = np.arange(2 * 3 * 4, dtype=">u2").reshape(2, 3, 4)
    assert planar_bytes(values) == np.arange(24, dtype="<u2").tobytes()
    pixels = np.arange(2 * 3 * 4 * 2, dtype=np.uint8).reshape(2, 3, 4, 2)
    assert planar_bytes(pixels) == pixels[..., 0].tobytes() + pixels[..., 1].tobytes()
    jpeg = jpeg_chunk(np.full((8, 16, 32), 100, np.uint8), 90)
    assert Image.open(BytesIO(jpeg)).size == (32, 128)


def test_fill_values() -> None:
    assert fill_value(7, "uint8") == 7
    assert fill_value(7, "uint16") == 0x0707
    assert fill_value(255, "uint64") == 2**64 - 1
    assert fill_value(0, "float32") == 0.0
    assert fill_value(65, "float32") == np.frombuffer(b"AAAA", "<f4")[0]
    assert fill_value(255, "float32") == "0xffffffff"
