"""Volumes read as they were written, from disk and over HTTP, sharded and not, in every encoding."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvid_store_precomputed.chunk_keys import chunk_id
from dvid_store_precomputed.volume import PrecomputedVolume
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dvid_framework.api import BadGateway, BadRequest, GridScale

KINDS = (
    {"encoding": "raw"},
    {"encoding": "raw", "dtype": "float32"},
    {"encoding": "raw", "dtype": "uint16", "channels": 3},
    {"encoding": "jpeg"},
    {"encoding": "png"},
    {"encoding": "compressed_segmentation", "dtype": "uint64", "kind": "segmentation"},
)
BOXES = (
    ((0, 0, 0), (100, 72, 50)),
    ((10, 20, 30), (33, 17, 9)),
    ((-20, -10, -5), (50, 40, 30)),
    ((90, 60, 40), (40, 40, 40)),
    ((400, 0, 0), (3, 3, 3)),
)


def array(volume: PrecomputedVolume, data: bytes, size: tuple[int, int, int]) -> np.ndarray:
    shape = (*size[::-1], *((volume.channels,) if volume.channels > 1 else ()))
    return np.frombuffer(data, volume.data_type).reshape(shape)


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))
def test_boxes_of_every_kind(tmp_path: Path, served: Any, new_volume: Any, kind: dict[str, Any], sharded: bool) -> None:
    written = new_volume(tmp_path / "vol", sharded=sharded, **kind)
    for ref in (written.ref, f"{served.url}/vol"):
        volume = PrecomputedVolume(tmp_path, {"ref": ref})
        assert (volume.data_type, volume.channels) == (kind.get("dtype", "uint8"), kind.get("channels", 1))
        assert volume.is_segmentation == ("kind" in kind)
        assert volume.scales[0] == GridScale((100, 72, 50), (0, 0, 0), (32, 24, 16), (8.0, 8.0, 40.0))
        assert volume.scales[1].size == (50, 36, 25)
        for scale in (0, 1):
            for offset, size in BOXES:
                got = array(volume, volume.read_box(scale, offset, size), size)
                assert np.array_equal(got, written.box(scale, offset, size)), (ref, scale, offset)
        volume.close()
        volume.close()


@pytest.mark.parametrize("offset", [(0, 0, 0), (64, 24, -32), (5, 7, -9)])
@pytest.mark.parametrize("sharded", [False, True])
def test_blocks(tmp_path: Path, new_volume: Any, sharded: bool, offset: tuple[int, int, int]) -> None:
    written = new_volume(tmp_path / "vol", sharded=sharded, offset=offset, scales=1)
    volume = PrecomputedVolume(tmp_path, {"ref": "file:vol"})
    side = volume.scales[0].chunk_size
    lows = [low // count for low, count in zip(offset, side, strict=True)]
    aligned = offset != (5, 7, -9)
    for x in range(lows[0] - 1, lows[0] + 6):
        for y in range(lows[1] - 1, lows[1] + 5):
            for z in range(lows[2] - 1, lows[2] + 6):
                found = volume.read_block(0, (x, y, z))
                first = x * side[0], y * side[1], z * side[2]
                expected = written.box(0, first, side)
                outside = any(
                    low + count <= start or low >= start + there
                    for low, count, start, there in zip(first, side, offset, (100, 72, 50), strict=True)
                )
                hole = aligned and (x - lows[0], y - lows[1], z - lows[2]) == written.hole
                if outside or hole:
                    assert found is None, (x, y, z)
                    continue
                assert found is not None
                assert not found.jpeg
                assert np.array_equal(array(volume, found.data, side), expected)


@pytest.mark.parametrize("sharding", [None, {}, {"hash": "murmurhash3_x86_128", "data_encoding": "gzip"}])
def test_jpegs_as_they_are_kept(tmp_path: Path, new_volume: Any, sharding: dict[str, Any] | None) -> None:
    written = new_volume(tmp_path / "vol", encoding="jpeg", sharded=sharding is not None, sharding=sharding)
    volume = PrecomputedVolume(tmp_path, {"ref": written.ref})
    for block in ((0, 0, 0), (2, 2, 1), (1, 1, 0)):
        found = volume.read_block(0, block, jpeg=True)
        assert found is not None
        assert found.jpeg
        with Image.open(BytesIO(found.data)) as picture:
            pixels = np.asarray(picture).reshape(16, 24, 32)
        first = block[0] * 32, block[1] * 24, block[2] * 16
        # decoders differ by a step or two
        assert np.abs(pixels.astype(int) - written.box(0, first, (32, 24, 16))).max() <= 3
    cut = volume.read_block(0, (3, 0, 0), jpeg=True)
    assert cut is not None
    assert not cut.jpeg
    assert np.array_equal(array(volume, cut.data, (32, 24, 16)), written.box(0, (96, 0, 0), (32, 24, 16)))
    assert volume.read_block(0, written.hole, jpeg=True) is None
    assert volume.read_block(0, (9, 0, 0), jpeg=True) is None, "no other chunk's data"
    assert volume.read_block(0, (-1, 0, 0), jpeg=True) is None


@given(st.tuples(*[st.integers(1, 70)] * 3))
def test_ids_of_chunks_are_their_own_and_in_one_row(counts: tuple[int, int, int]) -> None:
    scale = GridScale((counts[0] * 4, counts[1] * 4, counts[2] * 4), (0, 0, 0), (4, 4, 4), (1.0, 1.0, 1.0))
    corner = counts[0] - 1, counts[1] - 1, counts[2] - 1
    bits = sum(number.bit_length() for number in corner)
    assert int.from_bytes(chunk_id(scale, corner), "big") < 1 << bits
    if max(counts) <= 8:
        ids = {chunk_id(scale, (x, y, z)) for x in range(counts[0]) for y in range(counts[1]) for z in range(counts[2])}
        assert len(ids) == counts[0] * counts[1] * counts[2]
    assert chunk_id(GridScale((64,) * 3, (0, 0, 0), (16,) * 3, (1.0,) * 3), (1, 2, 3)) == (0b110101).to_bytes(8, "big")


def test_reads_over_http_are_ranges_and_cached(tmp_path: Path, served: Any, new_volume: Any) -> None:
    new_volume(tmp_path / "vol", sharded=True, scales=1)
    volume = PrecomputedVolume(tmp_path, {"ref": f"{served.url}/vol"})
    first = volume.read_box(0, (0, 0, 0), (20, 20, 10))
    shards = [wanted for path, wanted in served.asked if path.endswith(".shard")]
    assert shards
    assert all(wanted.startswith("bytes=") for wanted in shards)
    count = len(served.asked)
    assert volume.read_box(0, (0, 0, 0), (20, 20, 10)) == first
    assert len(served.asked) == count


def test_a_bucket_behind_an_endpoint(
    tmp_path: Path, served: Any, new_volume: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anyone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    written = new_volume(tmp_path / "bucket" / "a" / "vol", sharded=True, scales=1)
    host = served.url.removeprefix("http://")
    ref = f"s3://bucket?endpoint={host}&disableSSL=true&s3ForcePathStyle=true/a/vol"
    volume = PrecomputedVolume(tmp_path, {"ref": ref})
    got = array(volume, volume.read_box(0, (0, 0, 0), (8, 8, 8)), (8, 8, 8))
    assert np.array_equal(got, written.box(0, (0, 0, 0), (8, 8, 8)))
    assert served.asked[0][0] == "/bucket/a/vol/info"


def test_a_server_that_fails_for_a_while_is_asked_again(tmp_path: Path, served: Any, new_volume: Any) -> None:
    written = new_volume(tmp_path / "vol", scales=1)
    volume = PrecomputedVolume(tmp_path, {"ref": f"{served.url}/vol"})
    served.failures = [503, 503]
    got = array(volume, volume.read_box(0, (0, 0, 0), (8, 8, 8)), (8, 8, 8))
    assert np.array_equal(got, written.box(0, (0, 0, 0), (8, 8, 8)))


def test_what_fails_is_a_sentence_without_the_place(tmp_path: Path, served: Any, new_volume: Any) -> None:
    written = new_volume(tmp_path / "vol", scales=1)
    volume = PrecomputedVolume(tmp_path, {"ref": f"{served.url}/vol"})
    served.failures = [403]
    with pytest.raises(BadGateway) as failed:
        volume.read_box(0, (0, 0, 0), (8, 8, 8))
    assert served.url not in failed.value.message
    (chunk,) = tmp_path.glob("vol/8_8_40/0-32_0-24_16-32")
    chunk.write_bytes(chunk.read_bytes()[:100])
    with pytest.raises(BadGateway, match="can't be read"):
        PrecomputedVolume(tmp_path, {"ref": written.ref}).read_block(0, (0, 0, 1))
    with pytest.raises(BadRequest, match="scales 0 to 0"):
        volume.read_box(1, (0, 0, 0), (1, 1, 1))
    with pytest.raises(BadRequest, match="scales 0 to 0"):
        volume.read_block(-1, (0, 0, 0))


def _changed(folder: Path, **changes: Any) -> None:
    info = json.loads((folder / "info").read_text())
    scale = {key: value for key, value in changes.items() if key not in info}
    info |= {key: value for key, value in changes.items() if key in info}
    if info["scales"]:
        info["scales"][0] |= scale
    (folder / "info").write_text(json.dumps(info))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"type": "mesh"}, "type"),
        ({"data_type": "int8"}, "int8"),
        ({"num_channels": 0}, "channels"),
        ({"scales": []}, "scales"),
        ({"chunk_sizes": [[64, 64, 64], [32, 32, 32]]}, "chunk sizes"),
        ({"chunk_sizes": [[0, 64, 64]]}, "sense"),
        ({"chunk_sizes": [[1 << 20, 1 << 20, 64]]}, "chunks"),
        ({"size": [1, 2]}, "precomputed"),
        ({"voxel_offset": [1 << 31, 0, 0]}, "32-bit"),
        ({"encoding": "jxl"}, "jxl"),
        ({"sharding": {"@type": "other"}}, "other"),
    ],
)
def test_volumes_that_are_none(tmp_path: Path, new_volume: Any, changes: dict[str, Any], word: str) -> None:
    written = new_volume(tmp_path / "vol", scales=1)
    _changed(written.folder, **changes)
    with pytest.raises(BadRequest, match=word):
        PrecomputedVolume(tmp_path, {"ref": written.ref})


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "ref"),
        ({"ref": 3}, "ref"),
        ({"ref": "ftp://host/x"}, "scheme"),
        ({"ref": "gs://"}, "bucket"),
        ({"ref": "s3://!"}, "bucket"),
        ({"ref": "http://"}, "address"),
        ({"ref": "http://h/x?y=1"}, "address"),
        ({"ref": "file:nowhere"}, "missing"),
        ({"ref": "file:nowhere", "seconds": "x"}, "seconds"),
        ({"ref": "file:nowhere", "cache_bytes": -1}, "cache_bytes"),
    ],
)
def test_options_that_are_refused(tmp_path: Path, options: dict[str, Any], word: str) -> None:
    with pytest.raises(BadRequest, match=word):
        PrecomputedVolume(tmp_path, options)
