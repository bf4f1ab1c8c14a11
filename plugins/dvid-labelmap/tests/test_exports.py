"""Versions as precomputed and as OME-Zarr: what the files say, what is refused, and what may be kept."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dvid_labels import decode_segmentation
from numpy.typing import NDArray

from dvid_framework.testing.client import Reply

Labels = NDArray[np.uint64]
OFFSET = (-64, 64, 0)


@pytest.fixture
def written(new_segmentation: Callable[..., Any], volumes: SimpleNamespace) -> tuple[Any, Labels]:
    """Blocks of 32^3 and chunks of 64^3: 128^3 voxels from (-64, 64, 0) on, two scales."""
    seg = new_segmentation((32, 32, 32), MaxDownresLevel="1", VoxelSize="8,8,40")
    volume = volumes.natural((128, 128, 128), 5)
    seg.write_raw(volume, OFFSET).ok()
    return seg, volume


def ask(seg: Any, rest: str, version: str | None = None, **headers: str) -> Reply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return seg.client.request("GET", seg.path(rest, version), None, names)


def test_chunks_of_precomputed(written: tuple[Any, Labels], volumes: SimpleNamespace) -> None:
    seg, volume = written
    info = seg.json("precomputed/info")
    assert info["type"] == "segmentation"
    assert [scale["key"] for scale in info["scales"]] == ["0", "1"]
    assert info["scales"][0]["voxel_offset"] == list(OFFSET)
    assert info["scales"][0]["size"] == [128, 128, 128]
    reply = seg.get("precomputed/0/0-64_64-128_64-128").ok()
    assert reply.headers["content-type"] == "application/octet-stream"
    assert "content-encoding" not in reply.headers
    assert (decode_segmentation(reply.body, (64, 64, 64)) == volume[64:, :64, 64:]).all()
    low = volumes.halved(volume)
    body = seg.get("precomputed/1/-64-0_0-64_0-64").ok().body
    labels = decode_segmentation(body, (64, 64, 64))
    assert (labels[:, 32:, 32:] == low[:, :32, :32]).all()
    assert not labels[:, :32].any()


def test_the_last_chunks_end_with_the_extents(written: tuple[Any, Labels]) -> None:
    seg, volume = written
    seg.post("extents", {"MinPoint": [-60, 70, 3], "MaxPoint": [60, 190, 100]}).ok()
    (scale, *_) = seg.json("precomputed/info")["scales"]
    assert (scale["voxel_offset"], scale["size"]) == ([-64, 64, 0], [125, 127, 101])
    body = seg.get("precomputed/0/0-61_128-191_64-101").ok().body
    # The format counts cells of 8 voxels, whole ones, though the chunk ends before.
    assert (decode_segmentation(body, (64, 64, 40))[:37, :63, :61] == volume[64:101, 64:127, 64:125]).all()
    assert seg.get("precomputed/0/0-64_128-192_64-128").status == 404


def test_chunks_of_zarr(written: tuple[Any, Labels], volumes: SimpleNamespace) -> None:
    seg, volume = written
    array = seg.json("zarr/0/zarr.json")
    assert array["attributes"]["origin"] == [0, 0, -128]
    assert array["shape"] == [128, 192, 192]
    reply = seg.get("zarr/0/c/1/1/2").ok()
    assert "content-encoding" not in reply.headers
    labels = np.frombuffer(gzip.decompress(reply.body), "<u8").reshape(64, 64, 64)
    assert (labels == volume[64:, :64, 64:]).all()
    low = np.frombuffer(gzip.decompress(seg.get("zarr/1/c/0/0/0").ok().body), "<u8").reshape(64, 64, 64)
    assert (low[:, 32:, 32:] == volumes.halved(volume)[:, :32, :32]).all()
    group = seg.json("zarr/zarr.json")
    assert group["consolidated_metadata"]["metadata"]["0"] == array
    assert seg.get("zarr/0/c/0/0/0").status == 404
    seg.post("extents", {"MinPoint": [-64, 0, 0], "MaxPoint": [63, 191, 127]}).ok()
    missing = seg.get("zarr/0/c/0/0/1")
    assert (missing.status, missing.body) == (404, b""), "nothing was written there: Zarr reads the fill value"


def test_bodies_and_supervoxels(segmentation: Any, volumes: SimpleNamespace) -> None:
    seg = segmentation
    volume = np.full((64, 64, 64), 7, np.uint64)
    volume[:32] = 5
    seg.write_raw(volume, (0, 0, 0)).ok()
    seg.post("merge", [5, 7]).ok()
    name = "0/0-64_0-64_0-64"
    bodies = seg.get(f"precomputed/{name}").ok().body
    assert set(np.unique(decode_segmentation(bodies, (64, 64, 64))).tolist()) == {5}
    supervoxels = seg.get(f"precomputed/supervoxels/{name}").ok().body
    assert (decode_segmentation(supervoxels, (64, 64, 64)) == volume).all()
    assert seg.get(f"precomputed/{name}?supervoxels=true").body == supervoxels
    assert seg.json("precomputed/supervoxels/info") == seg.json("precomputed/info")
    stored = gzip.decompress(seg.get("zarr/supervoxels/0/c/0/0/0").ok().body)
    assert stored == volume.tobytes()
    assert set(np.frombuffer(gzip.decompress(seg.get("zarr/0/c/0/0/0").ok().body), "<u8").tolist()) == {5}
    assert seg.json("zarr/supervoxels/zarr.json") == seg.json("zarr/zarr.json")


def test_what_was_never_written_is_a_chunk_of_zeros_in_precomputed(segmentation: Any) -> None:
    segmentation.post("extents", {"MinPoint": [0, 0, 0], "MaxPoint": [127, 63, 63]}).ok()
    body = segmentation.get("precomputed/0/64-128_0-64_0-64").ok().body
    assert not decode_segmentation(body, (64, 64, 64)).any()


def test_gzip_for_those_who_take_it(written: tuple[Any, Labels]) -> None:
    seg, _ = written
    name = "precomputed/0/0-64_64-128_64-128"
    plain = seg.get(name).ok()
    for accepted in ("gzip", "deflate, GZIP;q=0.5", "*", "br, x-gzip ; q=1.0"):
        packed = ask(seg, name, accept_encoding=accepted).ok()
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == "Accept-Encoding"
        assert gzip.decompress(packed.body) == plain.body
        assert packed.headers["etag"] != plain.headers["etag"]
    for accepted in ("identity", "gzip;q=0", "gzip; q=0.0", "br", ""):
        assert ask(seg, name, accept_encoding=accepted).ok().body == plain.body
    assert plain.headers["vary"] == "Accept-Encoding"


def test_open_versions_are_asked_again_and_committed_ones_kept(written: tuple[Any, Labels]) -> None:
    seg, _ = written
    names = ["precomputed/info", "precomputed/0/0-64_64-128_64-128", "zarr/0/zarr.json", "zarr/0/c/1/1/2"]
    tags = {}
    for name in names:
        reply = seg.get(name).ok()
        tags[name] = reply.headers["etag"]
        assert reply.headers["cache-control"] == "public, no-cache"
        again = ask(seg, name, if_none_match=f'"other", W/{tags[name]}')
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == tags[name]
        assert ask(seg, name, if_none_match='"other"').ok().body == reply.body
    seg.post("merge", sorted(seg.json("existing-labels"))[:2]).ok()
    seg.client.commit(seg.root)
    for name in names:
        assert seg.get(name).ok().headers["cache-control"] == "public, max-age=86400, immutable"
    child = seg.client.child(seg.root)
    seg.write_raw(np.full((64, 64, 64), 3, np.uint64), (0, 64, 64), version=child).ok()
    for name in (names[1], names[3]):
        assert ask(seg, name, child, if_none_match=tags[name]).ok().headers["cache-control"] == "public, no-cache"


def test_head(written: tuple[Any, Labels]) -> None:
    seg, _ = written
    for name in ("precomputed/info", "precomputed/0/0-64_64-128_64-128", "zarr/0/c/1/1/2"):
        reply = seg.client.head(seg.path(name))
        assert (reply.status, reply.body) == (200, b"")
        assert int(reply.headers["content-length"]) == len(seg.get(name).body)
    assert seg.client.head(seg.path("zarr/0/c/0/0/0")).status == 404
    assert seg.client.request("OPTIONS", seg.path("zarr/zarr.json")).headers["allow"] == "GET, HEAD, OPTIONS"


OTHER_NAMES = [
    "precomputed/provenance",
    "precomputed/info/more",
    "precomputed/supervoxels",
    "precomputed/supervoxels/supervoxels/info",
    "precomputed/2/0-64_64-128_64-128",
    "precomputed/0/0-64_64-128_64-128/more",
    "precomputed/0/0-64_64-128_64-129",
    "precomputed/0/%FF-64_64-128_64-128",
    "zarr/.zgroup",
    "zarr/0",
    "zarr/2/zarr.json",
    "zarr/0/c/1/1/3",
    "zarr/0/c/1/1/2/more",
    "zarr/0/c/1/1/99999999999999999999",
]


def test_other_names_are_404(written: tuple[Any, Labels]) -> None:
    for rest in OTHER_NAMES:
        reply = written[0].get(rest)
        assert reply.status == 404, rest
        assert len(reply.text) > 30
        assert "Traceback" not in reply.text


def test_an_instance_without_voxels_has_no_files(segmentation: Any) -> None:
    for rest in ("precomputed/info", "zarr/zarr.json", "zarr/0/c/0/0/0"):
        assert segmentation.get(rest).status == 404
    assert segmentation.get("precomputed").status == 400
    assert segmentation.post("precomputed/info", {}).status == 400
