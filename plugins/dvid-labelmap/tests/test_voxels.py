"""Volumes, blocks and points through HTTP: what is answered, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import lz4.block
import numpy as np
import pytest
from dvid_labels import decode_segmentation
from numpy.typing import NDArray

Labels = NDArray[np.uint64]


@pytest.fixture
def written(segmentation: Any, volumes: SimpleNamespace) -> tuple[Any, Labels]:
    """A segmentation with 64^3 voxels from (-32, -16, 0) on."""
    volume = volumes.natural((64, 64, 64), 9)
    reply = segmentation.write_raw(volume, (-32, -16, 0)).ok()
    assert reply.headers["dvid-durable"] == "false"
    assert not reply.body
    return segmentation, volume


def test_compressions_of_a_volume(written: tuple[Any, Labels]) -> None:
    seg, volume = written
    part = volume[8:40, 16:32, 24:64]
    rest = "raw/0_1_2/40_16_32/-8_0_8"
    assert (np.frombuffer(seg.get(rest).body, "<u8") == part.ravel()).all()
    body = seg.get(rest + "?compression=lz4").ok().body
    assert lz4.block.decompress(body, uncompressed_size=part.nbytes) == part.tobytes()
    assert gzip.decompress(seg.get(rest + "?compression=gzip").ok().body) == part.tobytes()
    google = seg.get(rest + "?compression=google").ok().body
    assert (decode_segmentation(google, (40, 16, 32)) == part).all()
    reply = seg.get(rest + "?compression=googlegzip").ok()
    assert reply.headers["content-encoding"] == "gzip"
    assert (decode_segmentation(gzip.decompress(reply.body), (40, 16, 32)) == part).all()
    assert seg.get("raw/0_1_2/41_16_32/-8_0_8?compression=google").status == 400


def test_slabs_of_a_large_volume(segmentation: Any, volumes: SimpleNamespace) -> None:
    volume = volumes.natural((128, 96, 160), 4)
    segmentation.write_raw(volume, (0, 0, 0)).ok()
    read = segmentation.read_raw((131, 90, 150), (-2, 3, 7))
    assert (read[:, :, 2:130] == volume[7:157, 3:93]).all()
    assert not read[:, :, :2].any()
    assert not read[:, :, 130:].any()


@pytest.mark.parametrize("query", ["", "?compression=lz4", "?scale=1", "?scale=200"])
def test_what_was_never_written_is_zero(segmentation: Any, query: str) -> None:
    body = segmentation.get(f"raw/0_1_2/16_16_16/-16_0_16{query}").ok().body
    if "lz4" in query:
        body = lz4.block.decompress(body, uncompressed_size=8 * 16**3)
    assert body == bytes(8 * 16**3)


@pytest.mark.parametrize(
    "rest",
    [
        "raw/0_1_2/4_4_4",
        "raw/0_1_2/0_4_4/0_0_0",
        "raw/0_1_2/4_4/0_0_0",
        "raw/0_1_3/4_4_4/0_0_0",
        "raw/0_1_2/4_4_4/0_0_2147483647",
        "raw/0_1_2/4_4_4/0_0_0?scale=x",
        "raw/0_1_2/4_4_4/0_0_0?scale=-1",
        "raw/0_1_2/4_4_4/0_0_0?scale=256",
        "raw/0_1_2/4_4_4/0_0_0?roi=none",
        "raw/0_1_2/4_4_4/0_0_0?roi=seg",
        "raw/0_1_2/4_4_4/0_0_0?compression=lz4hc",
        "raw/0_1_2/100000_100000_100000/0_0_0",
        "raw/0_1_2/400000000_1_1/0_0_0",
        "raw/xy/20_30/0_0_0/gif",
        "raw/xy/100000_20/0_0_0",
        "pseudocolor/0_1_2/4_4_4/0_0_0",
        "isotropic/xy/0_4/0_0_0",
        "blocks/60_64_64/0_0_0",
        "blocks/64_64_64/0_0_8",
        "blocks/64_64_64/0_0_0?compression=zip",
        "blocks/16_2000000000_2000000000/0_0_0",
        "specificblocks?blocks=1,2",
        "specificblocks?blocks=1,2,x",
        "specificblocks?blocks=1,2,99999999999",
        "label/1_2",
        "label/1_2_3_4",
        "label/1_2_3?scale=x",
        "no-such-keyword",
        "sparsevol/0",
    ],
)
def test_reads_that_are_refused(segmentation: Any, rest: str) -> None:
    reply = segmentation.get(rest)
    assert reply.status == 400
    assert reply.body


def png_labels(body: bytes) -> Labels:
    """Labels of a 16-bit RGBA PNG with the filters None and Up."""
    import zlib  # noqa: PLC0415 - for this alone

    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    at, data, width, height = 8, b"", 0, 0
    while at < len(body):
        size, kind = int.from_bytes(body[at : at + 4]), body[at + 4 : at + 8]
        chunk = body[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, height = int.from_bytes(chunk[:4]), int.from_bytes(chunk[4:8])
            assert chunk[8:10] == b"\x10\x06"
        elif kind == b"IDAT":
            data += chunk
        at += 12 + size
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + 8 * width)
    pixels = np.zeros((height, 8 * width), np.uint8)
    for row in range(height):
        assert lines[row, 0] in {0, 2}
        above = pixels[row - 1] if row and lines[row, 0] == 2 else 0
        pixels[row] = lines[row, 1:] + above
    return pixels.view("<u8")


def test_slices(written: tuple[Any, Labels]) -> None:
    seg, volume = written
    xy = png_labels(seg.get("raw/xy/30_20/-32_-16_5").ok().body)
    assert (xy == volume[5, :20, :30]).all()
    xz = png_labels(seg.get("raw/0,2/30_20/-32_-10_0/png").ok().body)
    assert (xz == volume[:20, 6, :30]).all()
    yz = png_labels(seg.get("raw/YZ/30_20/-30_-16_0").ok().body)
    assert (yz == volume[:20, :30, 2]).all()
    kinds = {"jpg:50": "image/jpeg", "tif": "image/tiff", "bmp": "image/bmp"}
    for image, kind in kinds.items():
        assert seg.get(f"raw/xy/30_20/-32_-16_5/{image}").ok().headers["content-type"] == kind


def test_isotropic_slices(new_segmentation: Callable[..., Any], volumes: SimpleNamespace) -> None:
    seg = new_segmentation(VoxelSize="8,8,16")
    volume = volumes.natural((32, 32, 32), 6)
    seg.write_raw(volume, (0, 0, 0)).ok()
    stretched = png_labels(seg.get("isotropic/xz/32_32/0_4_0").ok().body)
    assert (stretched == np.repeat(volume[:16, 4], 2, axis=0)).all()
    same = png_labels(seg.get("isotropic/xy/32_32/0_0_4").ok().body)
    assert (same == volume[4]).all()
    assert seg.get("isotropic/0_1_2/32_32_32/0_0_0").ok().body == volume.tobytes()
    assert seg.post("isotropic/0_1_2/32_32_32/0_0_0", volume.tobytes()).status == 400


def test_pseudocolor(segmentation: Any) -> None:
    from PIL import Image  # noqa: PLC0415 - for this alone

    volume = np.zeros((16, 16, 16), np.uint64)
    volume[0, 0, 1] = 7
    segmentation.write_raw(volume, (0, 0, 0)).ok()
    body = segmentation.get("pseudocolor/xy/2_1/0_0_0").ok().body
    pixels = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))
    assert pixels[0].tolist() == [[99, 133, 42], [247, 204, 84]]


def test_regions(new_segmentation: Callable[..., Any], volumes: SimpleNamespace) -> None:
    """The region's blocks are of 16^3, the segmentation's twice as long along x."""
    seg = new_segmentation((32, 16, 16), MaxDownresLevel="1")
    seg.client.new_instance(seg.root, "diagonal", "part")
    volume = volumes.natural((64, 64, 32), 8)
    inside = np.zeros(volume.shape, bool)
    for y in range(4):
        inside[:, 16 * y : 16 * y + 16, y // 2 * 32 : y // 2 * 32 + 32] = True
    seg.write_raw(volume, (0, 0, 0), "?roi=part").ok()
    assert (seg.read_raw((64, 64, 32), (0, 0, 0)) == np.where(inside, volume, 0)).all()
    seg.write_raw(volume, (0, 0, 0)).ok()
    assert (seg.read_raw((64, 64, 32), (0, 0, 0), "?roi=part") == np.where(inside, volume, 0)).all()
    assert (seg.read_raw((30, 40, 20), (5, 9, 3), "?roi=part") == np.where(inside, volume, 0)[3:23, 9:49, 5:35]).all()
    seg.write_raw(volume, (0, -64, 0), "?roi=part").ok()
    assert not seg.read_raw((64, 64, 32), (0, -64, 0)).any()
    assert seg.get("raw/0_1_2/8_8_8/0_0_0?roi=part&scale=1").status == 400


def test_points(written: tuple[Any, Labels]) -> None:
    seg, volume = written
    points = [[-32, -16, 0], [31, 47, 63], [-1, -1, 1], [500, 0, 0], [-33, 0, 0]]
    expected = [int(volume[0, 0, 0]), int(volume[63, 63, 63]), int(volume[1, 15, 31]), 0, 0]
    assert seg.get("labels", points).ok().json() == expected
    assert [seg.json("label/" + "_".join(map(str, point)))["Label"] for point in points] == expected
    assert seg.get("labels", []).ok().json() == []
    body = b"[[1, 2, 3]]"
    assert seg.get("labels?hash=" + hashlib.md5(body).hexdigest(), body).ok()
    assert seg.get("labels?hash=00112233445566778899aabbccddeeff", body).status == 400
    for bad in (
        b"",
        b"{}",
        b"[[1, 2]]",
        b"[[1, 2, 3, 4]]",
        b"[[1.5, 2, 3]]",
        b'[["1", 2, 3]]',
        b"[[1, 2, 99999999999999999999]]",
    ):
        assert seg.get("labels", bad).status == 400
    assert seg.post("labels", body).status == 400


def test_streams_of_blocks(written: tuple[Any, Labels], volumes: SimpleNamespace) -> None:
    seg, volume = written
    for compression in ("blocks", "lz4", "gzip", "uncompressed"):
        body = seg.get(f"specificblocks?blocks=-2,-1,0,9,9,9,1,0,3,1,0,3&compression={compression}").ok().body
        found = volumes.decoded(body, seg.block, compression)
        assert sorted(found) == [(-2, -1, 0), (1, 0, 3)]
        assert (found[1, 0, 3] == volume[48:, 16:32, 48:64]).all()
    coordinates, _ = volumes_of(body := seg.get("specificblocks?blocks=1,0,3,1,0,3").body)
    assert len(coordinates) == 2
    assert body[:16] == np.array([1, 0, 3, (len(body) - 32) // 2], "<i4").tobytes()
    assert seg.get("specificblocks").ok().body == b""
    assert seg.get("blocks/64_64_64/640_0_0").ok().body == b""
    reply = seg.get("blocks/64_64_64/-32_-16_0?compression=uncompressed").ok()
    assert len(reply.body) == 64 * (16 + 8 * 16**3) == int(reply.headers["content-length"])


def volumes_of(body: bytes) -> tuple[Any, Any]:
    from dvid_labels import parse_block_stream  # noqa: PLC0415 - for this alone

    return parse_block_stream(body, 1000)


def test_throttled_requests(segmentation: Any) -> None:
    throttle = segmentation.server.server.throttle
    rests = ("raw/0_1_2/16_16_16/0_0_0", "blocks/16_16_16/0_0_0", "specificblocks?blocks=0,0,0")
    for rest in rests:
        query = "&throttle=on" if "?" in rest else "?throttle=on"
        with throttle.operation():
            assert segmentation.get(rest + query).status == 503
        segmentation.get(rest + query).ok()
        deadline = time.monotonic() + 10
        while throttle._active and time.monotonic() < deadline:  # the place is free when the last byte has gone
            time.sleep(0.01)
    assert segmentation.client.head(segmentation.path(rests[0])).headers["content-length"] == str(8 * 16**3)


def test_a_damaged_block_is_named(segmentation: Any) -> None:
    segmentation.write_raw(np.full((16, 16, 16), 3, np.uint64), (16, -16, 0)).ok()
    server = segmentation.server.server
    repo, version = server.repos.find(segmentation.root)
    instance = server.instances.get(repo, "seg")
    from dvid_labelmap.keys import block_key  # noqa: PLC0415 - for this alone

    with instance.begin(version) as txn:
        txn.put(block_key(0, (1, -1, 0)), gzip.compress(b"no block"), 0)
        txn.emit("damage")
    for rest in ("raw/0_1_2/16_16_16/16_-16_0", "label/20_-3_4", "blocks/16_16_16/16_-16_0?compression=lz4"):
        reply = segmentation.get(rest)
        assert reply.status == 500
        assert "(1, -1, 0)" in reply.text
    assert [sentence for sentence in instance.check(version) if "(1, -1, 0) of scale 0" in sentence]


def test_too_many_points_are_counted_before_they_are_made(segmentation: Any) -> None:
    reply = segmentation.get("labels", b"[" + b"[0,0,0]," * 1_000_001 + b"[0,0,0]]")
    assert reply.status == 400
    assert "1000000" in reply.text


def test_labels_at_points_follow_every_write(new_segmentation: Callable[..., Any], volumes: Any) -> None:
    seg, other = (new_segmentation(MaxDownresLevel="1") for _ in range(2))
    rng = np.random.default_rng(5)
    first = volumes.natural((64, 32, 32), 1)
    seg.write_raw(first, (-32, 0, 0)).ok()
    other.write_raw(first[::-1].copy(), (-32, 0, 0)).ok()
    seg.client.commit(seg.root)
    versions = [seg.client.child(seg.root), seg.client.child(seg.root, branch="b")]
    states = {seg.root: first, versions[0]: first.copy(), versions[1]: first.copy()}
    points = rng.integers((-40, -8, -8), (40, 40, 40), (300, 3))

    def check(segmentation: Any, version: str, voxels: Labels) -> None:
        around = np.pad(voxels, 8)
        x, y, z = (points + np.array((40, 8, 8))).T
        expected = around[z, y, x].tolist()
        for _ in range(2):
            assert segmentation.get("labels?supervoxels=true", points.tolist(), version).ok().json() == expected
        for place in rng.integers(0, len(points), 5).tolist():
            path = "label/" + "_".join(map(str, points[place].tolist()))
            assert segmentation.json(path, version) == {"Label": expected[place]}
        low = np.pad(volumes.halved(voxels), 4)
        x, y, z = (points // 2 + np.array((20, 4, 4))).T
        halves = (points // 2).tolist()
        assert segmentation.get("labels?scale=1", halves, version).ok().json() == low[z, y, x].tolist()

    for step in range(6):
        for version, voxels in states.items():
            check(seg, version, voxels)
        check(other, other.root, first[::-1])
        version = versions[step % 2]
        at = rng.integers(0, (4, 2, 2))
        block = np.full((16, 16, 16), 1000 + step, np.uint64)
        seg.write_raw(block, at * 16 - np.array((32, 0, 0)), "?mutate=true", version).ok()
        x, y, z = at * 16
        states[version][z : z + 16, y : y + 16, x : x + 16] = block
    seg.post("merge", [1005, 1003], versions[1]).ok()
    states[versions[1]] = np.where(states[versions[1]] == 1003, np.uint64(1005), states[versions[1]])
    around = np.pad(states[versions[1]], 8)
    x, y, z = (points + np.array((40, 8, 8))).T
    for _ in range(2):
        assert seg.get("labels", points.tolist(), versions[1]).ok().json() == around[z, y, x].tolist()
