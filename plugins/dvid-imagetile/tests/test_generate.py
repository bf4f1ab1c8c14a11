"""Tiles that are made from a volume are what a plain numpy model says, whatever the type, and whoever was killed."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvid_imagetile.ops.pyramid import Extent, LevelPlan, Pyramid
from hypothesis import given, settings
from hypothesis import strategies as st

from dvid_framework.testing.client import Client
from dvid_framework.testing.jobs import run_job_among_kills, wait_for_job
from dvid_framework.testing.pytest_plugin import ProcessFactory

PLANES = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2)}
LEVELS = {
    "0": {"Resolution": [8, 8, 8], "TileSize": [32, 32, 32]},
    "1": {"Resolution": [16, 16, 16], "TileSize": [32, 16, 24]},
}


def volume(shape: tuple[int, ...], dtype: str = "uint8") -> np.ndarray:
    numbers = np.random.default_rng(3).integers(0, 250, shape)
    return numbers.astype(dtype)


def mean(plane: np.ndarray, down: int, across: int) -> np.ndarray:
    """The plain model: floor of the mean of each block of pixels."""
    exact = plane.astype(object if plane.dtype.kind == "u" else float)
    parts = exact.reshape(plane.shape[0] // down, down, plane.shape[1] // across, across, *plane.shape[2:])
    total = parts.sum(axis=(1, 3))
    return (total // (down * across) if plane.dtype.kind == "u" else total / (down * across)).astype(plane.dtype)


def on_grid(plane: np.ndarray, first: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """A plane whose first pixel is (row, column) `first`, as what a grid from 0 on has: zeros before and behind."""
    whole = np.zeros((*size, *plane.shape[2:]), plane.dtype)
    whole[first[0] : first[0] + plane.shape[0], first[1] : first[1] + plane.shape[1]] = plane
    return whole


def test_the_example(tiles: Any) -> None:
    source = volume((32, 64, 96))
    tiles.volume(source)
    levels = {name: {**level, "TileSize": [32, 32, 32]} for name, level in LEVELS.items()}
    ended = tiles.generate(planes="xy", zrange="0,1", levels=levels)
    assert (ended["state"], ended["done"], ended["total"]) == ("done", 2, 2)
    assert np.array_equal(tiles.image("tile/xy/0/2_1_1"), source[1, 32:64, 64:96])
    halved = on_grid(mean(source[1], 2, 2), (0, 0), (32, 64))
    assert np.array_equal(tiles.image("tile/xy/1/1_0_1"), halved[:, 32:])
    assert np.array_equal(tiles.image("tile/xy/1/0_0_1"), halved[:, :32])
    assert tiles.get("tile/xy/0/0_0_2?noblanks=true").status == 404
    assert tiles.get("tile/xz/0/0_0_0?noblanks=true").status == 404
    shown = tiles.get("metadata").ok().json()
    assert shown["Levels"] == levels
    log = tiles.client.get(f"/api/node/{tiles.uuid}/log").ok().json()["log"]
    assert any("generate tiles" in line for line in log)


@pytest.mark.parametrize("offset", [(0, 0, 0), (40, 50, 60), (-40, -7, -33)])
def test_all_planes_and_levels_wherever_the_volume_lies(tiles: Any, offset: tuple[int, int, int]) -> None:
    source = volume((21, 37, 53))
    tiles.volume(source, offset)
    assert tiles.generate(levels=LEVELS)["state"] == "done"
    for name, (across, down) in PLANES.items():
        third = 3 - across - down
        for index in (0, source.shape[2 - third] - 1):
            plane = np.moveaxis(source, 2 - third, 0)[index]
            number = offset[third] + index
            for level, factor in (("0", 1), ("1", 2)):
                side = LEVELS[level]["TileSize"]
                width, height = side[across], side[down]
                base = [math.floor(offset[axis] / 192) * 192 for axis in (down, across)]
                first = offset[down] - base[0], offset[across] - base[1]
                whole = mean(on_grid(plane, first, (384, 384)), factor, factor)
                for row, column in itertools.product(range(offset[down] // factor // height, 4), range(-2, 4)):
                    top, left = row * height - base[0] // factor, column * width - base[1] // factor
                    if top < 0 or left < 0 or left + width > whole.shape[1]:
                        continue
                    coordinate = [number] * 3
                    coordinate[across], coordinate[down] = column, row
                    reply = tiles.image(f"tile/{name}/{level}/{'_'.join(map(str, coordinate))}")
                    assert np.array_equal(reply, whole[top : top + height, left : left + width]), (name, coordinate)


@pytest.mark.parametrize("form", ["png", "lz4"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "float32", "uint64", "rgba"])
def test_every_type_comes_back_stitched(tiles: Any, kind: str, form: str) -> None:
    shape = (6, 40, 50, 4) if kind == "rgba" else (6, 40, 50)
    source = volume(shape, "uint8" if kind == "rgba" else kind)
    if kind == "uint64":
        source = source << np.uint64(33) | np.uint64(5)
    name = f"source-{kind}"
    tiles.volume(source, name=name, **({"channels": "4"} if kind == "rgba" else {}))
    made = tiles.make(f"made-{kind}", Source=name, Format=form)
    assert made.generate(planes="xy", levels=LEVELS)["state"] == "done"
    reply = made.get("raw/xy/50_40/0_0_3/tif")
    if kind == "uint64" and form == "png":
        assert reply.status == 400
        assert "lz4" in reply.text
        return
    assert reply.ok().headers["content-type"] == "image/tiff"
    expected = made.get("raw/xy/50_40/0_0_3").ok().body
    shown = {"uint32": "<u4", "float32": "<f4"}.get(kind)
    pixels = made.image("raw/xy/50_40/0_0_3")
    if kind in ("uint8", "uint16"):
        assert np.array_equal(pixels, source[3])
    elif shown:
        assert np.array_equal(np.ascontiguousarray(pixels).view(shown)[..., 0], source[3])
    elif kind == "rgba":
        assert np.array_equal(pixels, source[3])
    else:
        assert expected[24:26] == bytes([16, 6])
    halved = mean(source[3], 2, 2)
    if kind == "uint8":
        assert np.array_equal(made.image("tile/xy/1/0_0_3")[:16, :25], halved[:16])


def test_jpeg_tiles(tiles: Any) -> None:
    source = np.full((2, 40, 50), 77, np.uint8)
    tiles.volume(source)
    made = tiles.make("j", Source="gray", Format="jpg")
    assert made.generate(planes="0,1", levels=LEVELS)["state"] == "done"
    reply = made.get("tile/xy/0/0_0_1").ok()
    assert reply.headers["content-type"] == "image/jpeg"
    assert reply.body[:2] == b"\xff\xd8"
    assert abs(made.image("raw/xy/20_20/0_0_1").astype(int) - 77).max() <= 2


def test_levels_by_default(tiles: Any) -> None:
    tiles.volume(np.ones((1, 1, 1100), np.uint8), voxel_size="4,4,40")
    tiles.generate(planes="xy")
    shown = tiles.get("metadata").ok().json()
    assert shown["MinTileCoord"] == [0, 0, 0]
    assert shown["MaxTileCoord"] == [0, 0, 0]
    assert [level["Resolution"] for level in shown["Levels"].values()] == [[4, 4, 40], [8, 8, 80], [16, 16, 160]]
    assert [level["TileSize"] for level in shown["Levels"].values()] == [[512] * 3] * 3
    assert tiles.image("tile/xy/0/2_0_0").sum() == 1100 - 1024
    assert tiles.image("tile/xy/2/0_0_0").shape == (512, 512)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"nonsense", "JSON"),
        (b"[]", "JSON"),
        ({"planes": ""}, "planes"),
        ({"planes": "zz"}, "planes"),
        ({"planes": "vol"}, "planes"),
        ({"planes": 3}, "planes"),
        ({"zrange": "1"}, "zrange"),
        ({"zrange": "2,1"}, "zrange"),
        ({"yrange": "a,b"}, "yrange"),
        ({"xrange": "1,2,3"}, "xrange"),
        ({"levels": []}, "levels"),
        ({"levels": {}}, "Levels"),
        ({"levels": {"0": {"Resolution": [0, 1, 1], "TileSize": [1, 1, 1]}}}, "Resolution"),
        ({"levels": {"0": {"Resolution": [1, 1, 1], "TileSize": [0, 1, 1]}}}, "TileSize"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_malformed_starts_nothing(tiles: Any, body: Any, word: str) -> None:
    tiles.volume(np.ones((1, 1, 1), np.uint8))
    refused = tiles.post("generate", body)
    assert refused.status == 400
    assert word in refused.text
    assert tiles.client.get("/api/jobs").ok().json() == []


def test_sources_that_are_none(tiles: Any) -> None:
    assert "'gray'" in tiles.post("generate").text
    tiles.client.new_instance(tiles.uuid, "volume", "gray")
    assert "no voxels" in tiles.post("generate").text
    alone = tiles.make("alone")
    assert "Source" in alone.post("generate").text
    wrong = tiles.make("wrong", Source="alone")
    assert wrong.post("generate").status == 400
    tiles.client.commit(tiles.uuid)
    assert "locked" in tiles.post("generate").text


def test_a_cancelled_job_goes_on_where_it_was(tiles: Any) -> None:
    source = volume((200, 64, 64))
    tiles.volume(source)
    job = tiles.post("generate", {"levels": LEVELS}).ok().json()["job"]
    tiles.client.post(f"/api/jobs/{job}/cancel")
    ended = wait_for_job(tiles.client, job)
    if ended["state"] == "cancelled":
        assert tiles.get("metadata").status == 400, "the levels are set at the end"
        tiles.client.post(f"/api/jobs/{job}/resume").ok()
        ended = wait_for_job(tiles.client, job)
    assert (ended["state"], ended["done"]) == ("done", 200 + 64 + 64)
    assert np.array_equal(tiles.image("tile/xy/0/0_0_199"), source[199, :32, :32])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_pyramid_of_strips_is_the_pyramid_of_the_whole(data: st.DataObject) -> None:
    number = st.integers(1, 5)
    plans = [LevelPlan(data.draw(number), data.draw(number), 1, 1)]
    plans += [
        LevelPlan(data.draw(number), data.draw(number), data.draw(st.integers(1, 3)), data.draw(number))
        for _ in range(data.draw(st.integers(0, 2)))
    ]
    whole_across = math.prod(plan.factor_across for plan in plans)
    whole_down = math.prod(plan.factor_down for plan in plans)
    origin = data.draw(st.integers(-3, 3)) * whole_down, data.draw(st.integers(-3, 3)) * whole_across
    rows, columns = data.draw(st.integers(1, 3)) * whole_down, data.draw(st.integers(1, 3)) * whole_across
    image = np.random.default_rng(rows * columns).integers(0, 256, (rows, columns, 2)).astype(np.uint8)
    pyramid = Pyramid(plans, Extent(origin[1], origin[1] + columns), Extent(origin[0], origin[0] + rows))
    made: dict[tuple[int, int], Any] = {}
    at = 0
    while at < rows:
        count = data.draw(st.integers(1, rows - at))
        for row in pyramid.add(image[at : at + count]):
            assert (row.level, row.row) not in made
            made[row.level, row.row] = row
        at += count
    first = origin
    for level, plan in enumerate(plans):
        image = mean(image, plan.factor_down, plan.factor_across)
        first = first[0] // plan.factor_down, first[1] // plan.factor_across
        numbers = range(first[0] // plan.down, (first[0] + len(image) - 1) // plan.down + 1)
        assert sorted(row for found, row in made if found == level) == list(numbers)
        joined = np.concatenate([made[level, row].pixels for row in numbers])
        top, left = first[0] - numbers[0] * plan.down, first[1] - made[level, numbers[0]].first * plan.across
        assert joined.shape[1] % plan.across == 0
        assert np.array_equal(joined[top : top + len(image), left : left + image.shape[1]], image)
        joined[top : top + len(image), left : left + image.shape[1]] = 0
        assert not joined.any()


# -- kills


def _prepare(client: Client) -> str:
    uuid = client.new_repo()
    client.new_instance(uuid, "volume", "gray")
    client.post(f"/api/node/{uuid}/gray/voxels/128_128_300/0_0_0", volume((300, 128, 128)).tobytes()).ok()
    client.new_instance(uuid, "imagetile", "t", Source="gray")
    return f"/api/node/{uuid}/t"


def _begin(client: Client, address: str) -> str:
    return str(client.post(f"{address}/generate", {"levels": LEVELS}).ok().json()["job"])


def _state(client: Client, address: str) -> str:
    digest = hashlib.sha256(client.get(f"{address}/metadata").ok().body)
    for plane, third in (("xy", 300), ("xz", 128), ("yz", 128)):
        for number in range(third):
            for level, column, row in ((0, 0, 0), (0, 3, 3), (1, 1, 1)):
                text = {"xy": f"{column}_{row}_{number}", "xz": f"{column}_{number}_{row}"}
                coordinate = text.get(plane, f"{number}_{column}_{row}")
                digest.update(client.get(f"{address}/tile/{plane}/{level}/{coordinate}").ok().body)
    return digest.hexdigest()


@pytest.fixture
def start(dvid_process: ProcessFactory, tmp_path: Path) -> Callable[[str], Any]:
    environment = {"DVID_LOAD_PLUGINS": "imagetile", "PYTHONPATH": os.fspath(Path(__file__).parent)}
    return lambda name: dvid_process(tmp_path / name, ("plain_volume",), environment=environment)


@pytest.mark.crash
def test_killed_at_random_moments_it_ends_with_the_same_bytes(start: Callable[[str], Any]) -> None:
    kills = int(os.environ.get("DVID_CRASH_CYCLES", "4"))
    report = run_job_among_kills(start, _prepare, _begin, _state, kills=kills, longest=0.5)
    assert report.problems == []
    assert report.kills > 0
