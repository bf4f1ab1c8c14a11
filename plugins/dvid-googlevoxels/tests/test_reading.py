"""Slices and subvolumes through the proxy are what the service has, cut and filled at the border."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import lz4.block
import numpy as np
import pytest
from PIL import Image

from dvid_framework.testing.client import Reply


def picture(reply: Reply, kind: str = "png") -> np.ndarray:
    assert reply.ok().headers["content-type"] == f"image/{kind}"
    with Image.open(BytesIO(reply.body)) as image:
        assert image.format == kind.upper()
        return np.asarray(image)


def filled(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    whole = np.zeros((rows, columns), plane.dtype)
    whole[: plane.shape[0], : plane.shape[1]] = plane[:rows, :columns]
    return whole


def test_tiles_of_three_planes(proxy: Any, fake: Any) -> None:
    proxy.make(tilesize="16").ok()
    volume = fake.voxels()
    assert np.array_equal(picture(proxy.get("tile/xy/0/2_1_7")), volume[7, 16:32, 32:48])
    assert np.array_equal(picture(proxy.get("tile/xz/0/2_9_1")), volume[16:32, 9, 32:48])
    assert np.array_equal(picture(proxy.get("tile/1_2/0/50_2_1")), volume[16:32, 32:48, 50])
    assert fake.bodies()[0] == (
        b'{"imageSpec":{"geometry": {"corner":"32,16,7","size":"16,16,1","scale": 0},'
        b'"imageOptions":{"imageFormat":"PNG"}}}'
    )
    assert json.loads(fake.bodies()[1])["imageSpec"]["geometry"]["size"] == "16,1,16"
    assert picture(proxy.get("tile/xy/0/2_1_7?tilesize=8")).shape == (8, 8)


def test_scales_by_plane_and_where_there_is_no_plane_by_volume(proxy: Any, fake: Any) -> None:
    proxy.make(tilesize="10").ok()
    # a geometry that halves x and y alone serves XY; the isotropic ones serve what else there is
    assert np.array_equal(picture(proxy.get("tile/xy/1/0_0_40")), fake.voxels(1)[40, :10, :10])
    assert np.array_equal(picture(proxy.get("tile/xz/1/0_5_0")), fake.voxels(2)[:10, 5, :10])
    assert np.array_equal(picture(proxy.get("tile/xy/2/1_0_3")), fake.voxels(3)[3, :10, 10:20])
    refused = proxy.get("tile/xy/3/0_0_0")
    assert refused.status == 400
    assert "Could not find scaled volume XY:3" in refused.text


@pytest.mark.parametrize(
    ("path", "cut", "shape"),
    [
        ("tile/xy/0/1_1_7", np.s_[7, 64:, 64:], (64, 64)),
        ("tile/xz/0/1_7_0", np.s_[:, 7, 64:], (64, 64)),
        ("tile/yz/0/7_1_0", np.s_[:, 64:, 7], (64, 64)),
        ("raw/xy/30_20/90_70_3", np.s_[3, 70:, 90:], (20, 30)),
    ],
)
def test_what_the_border_cuts_is_filled(proxy: Any, fake: Any, path: str, cut: Any, shape: tuple[int, int]) -> None:
    proxy.make(tilesize="64").ok()
    assert np.array_equal(picture(proxy.get(path)), filled(fake.voxels()[cut], *shape))
    assert picture(proxy.get(f"{path}/jpeg:90"), "jpeg").shape == shape


def test_outside_is_blank_or_missing(proxy: Any, fake: Any) -> None:
    proxy.make(tilesize="32").ok()
    for path in ("tile/xy/0/0_0_60", "tile/xz/0/9_9_0", "tile/yz/0/7_9_0"):
        assert np.array_equal(picture(proxy.get(path)), np.zeros((32, 32), np.uint8))
        assert picture(proxy.get(f"{path}/jpg"), "jpeg").max() == 0
        assert proxy.get(f"{path}?noblanks=true").status == 404
    assert np.array_equal(picture(proxy.get("raw/xz/30_20/0_80_0")), np.zeros((20, 30), np.uint8))
    assert fake.bodies() == []


def test_formats(proxy: Any, fake: Any) -> None:
    proxy.make(tilesize="16").ok()
    options = {
        "": {"imageFormat": "PNG"},
        "/png": {"imageFormat": "PNG"},
        "/png:7": {"imageFormat": "PNG", "pngCompressionLevel": 7},
        "/jpg": {"imageFormat": "JPEG"},
        "/jpeg:80": {"imageFormat": "JPEG", "jpegQuality": 80},
        "/jpg:80": {"imageFormat": "JPEG", "jpegQuality": 80},
    }
    for text, expected in options.items():
        proxy.get(f"tile/xy/0/0_0_0{text}").ok()
        assert json.loads(fake.bodies()[-1])["imageSpec"]["imageOptions"] == expected


def test_subvolumes(proxy: Any, fake: Any) -> None:
    proxy.make().ok()
    box = fake.voxels()[5:25, 10:40, 20:60]
    plain = proxy.get("raw/0_1_2/40_30_20/20_10_5").ok()
    assert plain.headers["content-type"] == "application/octet-stream"
    assert plain.body == box.tobytes()
    assert fake.bodies()[-1] == (
        b'{"geometry": {"corner":"20,10,5","size":"40,30,20","scale": 0},"subvolumeFormat": "RAW"}'
    )
    for text in ("raw", "none"):
        assert proxy.get(f"raw/vol/40_30_20/20_10_5?compression={text}").ok().body == box.tobytes()
    packed = proxy.get("raw/0_1_2/40_30_20/20_10_5?compression=lz4").ok().body
    assert lz4.block.decompress(packed, uncompressed_size=box.nbytes) == box.tobytes()
    half = proxy.get("raw/0_1_2/8_8_8/3_2_1?scale=1&throttle=on").ok().body
    assert half == fake.voxels(2)[1:9, 2:10, 3:11].tobytes()
    whole = proxy.get("raw/0_1_2/8_8_8/0_0_0/jpeg:70").ok()
    assert whole.headers["content-type"] == "application/octet-stream"
    assert json.loads(fake.bodies()[-1])["imageOptions"] == {"imageFormat": "JPEG", "jpegQuality": 70}
    with Image.open(BytesIO(whole.body)) as image:
        assert image.size == (8, 64)


def test_subvolumes_are_not_padded(proxy: Any, fake: Any) -> None:
    proxy.make().ok()
    assert proxy.get("raw/0_1_2/4_4_4/100_0_0").ok().body == b""
    cut = proxy.get("raw/0_1_2/4_4_4/98_0_0")
    assert cut.status == 400
    assert "do not pad" in cut.text
    assert fake.bodies() == []
    assert proxy.get("raw/0_1_2/4_4_4/-2_0_0").status == 400  # the service is asked, and refuses


def test_labels_and_other_kinds(proxy: Any, fake: Any) -> None:
    fake.describe(fake.geometry((20, 20, 20), (8, 8, 8), "UINT64"))
    proxy.make("labels", tilesize="16").ok()
    box = fake.voxels()
    assert proxy.get("raw/0_1_2/20_20_20/0_0_0", "labels").ok().body == box.tobytes()
    cut = proxy.get("tile/xy/0/1_1_3", "labels").ok().body
    assert cut[24:26] == bytes([16, 6]), "a PNG of 16-bit RGBA"
    assert proxy.get("tile/xy/0/9_9_3", "labels").ok().body[24:26] == bytes([16, 6])
    fake.describe(fake.geometry((20, 20, 20), (8, 8, 8), "FLOAT"))
    proxy.make("floats", tilesize="16").ok()
    assert len(proxy.get("raw/0_1_2/4_4_4/0_0_0", "floats").ok().body) == 256
    for path in ("tile/xy/0/9_9_3", "tile/xy/0/1_1_3"):
        assert proxy.get(path, "floats").status == 400
    assert proxy.get("tile/xy/0/9_9_3?noblanks=true", "floats").status == 404
    fake.describe(fake.geometry((20, 20, 20), (8, 8, 8), "UINT16"))
    proxy.make("other").ok()
    assert "UINT16" in proxy.get("raw/0_1_2/4_4_4/0_0_0", "other").text


MALFORMED = (
    "tile/0_1_2/0/0_0_0",
    "tile/zy/0/0_0_0",
    "tile/xy/256/0_0_0",
    "tile/xy/-1/0_0_0",
    "tile/xy/x/0_0_0",
    "tile/xy/0/0_0",
    "tile/xy/0/a_0_0",
    "tile/xy/0/2147483647_0_0",
    "tile/xy/0/0_0_0?tilesize=0",
    "tile/xy/0/0_0_0?tilesize=x",
    "tile/xy/0/0_0_0?tilesize=100000",
    "tile/xy/0/0_0_0/bmp",
    "tile/xy/0/0_0_0/JPG",
    "tile/xy/0/0_0_0/png:10",
    "tile/xy/0/0_0_0/jpeg:0",
    "tile/xy/0/0_0_0/jpeg:x",
    "tile/xy/0",
    "raw/xy/5/0_0_0",
    "raw/xy/0_5/0_0_0",
    "raw/xy/100000_100000/0_0_0",
    "raw/0_1_2/5_5/0_0_0",
    "raw/0_1_2/5_5_5/0_0",
    "raw/0_1_2/5_5_5/0_0_0?scale=9",
    "raw/0_1_2/5_5_5/0_0_0?scale=x",
    "raw/0_1_2/5_5_5/0_0_0?compression=zip",
    "raw/0_1_2/5_5_5/0_0_0/bmp",
    "metadata",
    "nonsense",
)


def test_what_is_malformed_is_refused_with_a_sentence(proxy: Any, fake: Any) -> None:
    proxy.make().ok()
    for path in MALFORMED:
        reply = proxy.get(path)
        assert (reply.status, bool(reply.text.strip())) == (400, True), path
    assert fake.bodies() == []


def test_only_get(proxy: Any) -> None:
    proxy.make(tilesize="16").ok()
    for method in ("POST", "PUT", "DELETE", "HEAD"):
        path = f"/api/node/{proxy.uuid}/em/tile/xy/0/0_0_0"
        assert proxy.client.request(method, path).status == 400
