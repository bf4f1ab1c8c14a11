"""`dvid load`: volumes of every format end in instances as they are, also when the load is killed again and again."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
from PIL import Image

from dvid_framework.cli.load import load
from dvid_framework.cli.loading.run import Load
from dvid_framework.errors import BadRequest, DvidError
from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ServerFactory

SHAPE = (50, 70, 90)  # z, y, x


def voxels(dtype: str = "uint8", shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(11).integers(1, 250, shape).astype(dtype)


class Loading:
    """A server with a repo, and the command."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client, self.folder = client, folder
        self.root = client.new_repo()

    def url(self, name: str) -> str:
        return f"{self.client.url}/api/node/{self.root}/{name}"

    def load(self, source: Any, name: str, **options: Any) -> str:
        """Load as the command does; returns what it prints."""
        progress = options.pop("progress", self.folder / "p")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            load(str(source), self.url(name), progress=progress, **options)
        assert not progress.exists(), "what is done is forgotten at the end"
        return printed.getvalue()

    def command(self, source: Any, name: str, *options: str) -> list[str]:
        command = [sys.executable, "-m", "dvid_framework.cli", "load", str(source), self.url(name)]
        return [*command, "--progress", str(self.folder / "p"), *options]

    def read(self, name: str, shape: tuple[int, ...], dtype: str, offset: str = "0_0_0") -> np.ndarray:
        size = "_".join(map(str, shape[2::-1]))
        body = self.client.get(f"/api/node/{self.root}/{name}/raw/0_1_2/{size}/{offset}").ok().body
        return np.frombuffer(body, dtype).reshape(shape)


@pytest.fixture
def loading(dvid_server: ServerFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loading:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "imageblk,keyvalue,labelmap")
    return Loading(dvid_server().client, tmp_path)


@pytest.mark.parametrize("kind", ["tiff", "png", "jpg", "pages", "rgb", "deep"])
def test_stacks_of_images(loading: Loading, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "stack"
    folder.mkdir()
    shape = (12, *SHAPE[1:], 3) if kind == "rgb" else (12, *SHAPE[1:])
    source = voxels("uint16" if kind == "deep" else "uint8", shape)
    if kind == "deep":
        source *= np.uint16(257)
    suffix = {"tiff": "tif", "jpg": "jpg"}.get(kind, "png")
    images = [Image.fromarray(plane) for plane in source]
    place: Path = folder
    if kind == "pages":
        place = folder / "all.tif"
        images[0].save(place, save_all=True, append_images=images[1:])
    else:
        for number, image in enumerate(images):
            image.save(folder / f"slice{number + 5}.{suffix}")  # 9 comes before 10
    if kind == "jpg":
        decoded = []
        for number in range(12):
            with Image.open(folder / f"slice{number + 5}.jpg") as image:
                decoded.append(np.asarray(image))
        source = np.stack(decoded)
    type_name = {"rgb": "rgba8blk", "deep": "uint16blk"}.get(kind, "uint8blk")
    said = loading.load(place, "v", create=type_name, offset="5,-7,3")
    assert "all were read back and are right" in said
    if kind == "rgb":
        got = loading.read("v", (*shape[:3], 4), "uint8", "5_-7_3")
        assert np.array_equal(got[..., :3], source)
        assert (got[..., 3] == 255).all()
    else:
        assert np.array_equal(loading.read("v", shape, source.dtype.name, "5_-7_3"), source)


def test_arrays_of_numpy_and_voxels_around_them(loading: Loading, tmp_path: Path) -> None:
    source = voxels()
    np.save(tmp_path / "a.npy", source)
    np.save(tmp_path / "b.npy", source.T)
    loading.client.new_instance(loading.root, "uint8blk", "v", BlockSize="32,32,32")
    around = np.full((64, 96, 128), 7, np.uint8)
    loading.client.post(f"/api/node/{loading.root}/v/raw/0_1_2/128_96_64/0_0_0", around.tobytes()).ok()
    loading.load(tmp_path / "a.npy", "v", offset="10,20,5")
    around[5:55, 20:90, 10:100] = source
    assert np.array_equal(loading.read("v", around.shape, "uint8"), around)
    loading.load(tmp_path / "b.npy", "w", axes="xyz", create="uint16blk", verify=False)
    assert np.array_equal(loading.read("w", SHAPE, "uint16"), source)


def _write(spec: dict[str, Any], array: np.ndarray) -> None:
    tensorstore.open({**spec, "create": True}, dtype=array.dtype.name, shape=array.shape).result().write(array).result()


def _zarr(folder: Path, labels: np.ndarray) -> str:
    _write({"driver": "zarr", "kvstore": folder.as_uri() + "/", "metadata": {"chunks": [32, 32, 32]}}, labels)
    return str(folder)


def _ome(folder: Path, labels: np.ndarray) -> str:
    _write({"driver": "zarr3", "kvstore": (folder / "0").as_uri() + "/"}, labels[None, None])
    axes = [{"name": name, "type": kind} for name, kind in (("t", "time"), ("c", "channel"))]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    scaling = [{"type": "scale", "scale": [1, 1, 0.04, 0.004, 0.004]}]
    described = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scaling}]}],
    }
    attributes = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": described}}
    (folder / "zarr.json").write_text(json.dumps(attributes))
    return str(folder)


def _n5(folder: Path, labels: np.ndarray) -> str:
    metadata = {"blockSize": [32, 32, 32], "compression": {"type": "raw"}}
    _write({"driver": "n5", "kvstore": (folder / "s0").as_uri() + "/", "metadata": metadata}, labels.T)
    (folder / "attributes.json").write_text('{"n5": "2.0.0"}')
    return str(folder)


def _precomputed(folder: Path, labels: np.ndarray) -> str:
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": folder.as_uri() + "/",
        "multiscale_metadata": {"type": "segmentation", "data_type": "uint64", "num_channels": 1},
        "scale_metadata": {
            "size": labels.shape[::-1],
            "encoding": "compressed_segmentation",
            "compressed_segmentation_block_size": [8, 8, 8],
            "chunk_size": [32, 32, 32],
            "resolution": [4, 4, 40],
            "voxel_offset": [64, 0, 128],
        },
    }
    tensorstore.open(spec, create=True).result().write(labels.T[..., None]).result()
    return f"precomputed://{folder.as_uri()}"


@pytest.mark.parametrize("write", [_zarr, _ome, _n5, _precomputed], ids=["zarr", "ome-zarr", "n5", "precomputed"])
def test_segmentations_in_chunks(loading: Loading, tmp_path: Path, write: Any) -> None:
    labels = voxels("uint64") // np.uint64(50) << np.uint64(35)
    place = write(tmp_path / "volume", labels)
    loading.load(place, "seg", create="labelmap")
    offset = "64_0_128" if write is _precomputed else "0_0_0"
    assert np.array_equal(loading.read("seg", SHAPE, "uint64", offset), labels)
    size = loading.client.get(f"/api/node/{loading.root}/seg/info").ok().json()["Extended"]["VoxelSize"]
    if write in (_ome, _precomputed):
        assert size == [4, 4, 40]


REFUSED = (
    ("nowhere", "v", {}, "names no images"),
    ("a.npy", "missing", {}, "refuses"),
    ("a.npy", "kv", {}, "keyvalue"),
    ("wide.npy", "v", {}, "float64"),
    ("deep.npy", "v", {}, "uint16"),
    ("flat.npy", "v", {"axes": "abc"}, "axes"),
    ("a.npy", "v", {"offset": "1,2"}, "offset"),
    ("a.npy", "v", {"offset": "2147483647,0,0"}, "32-bit"),
    ("a.npy", "v", {"threads": 0}, "threads"),
    ("a.npy", "v", {"scale": -1}, "scale"),
    ("text.npy", "v", {}, "no array"),
    ("ftp://x/y", "v", {}, "scheme"),
    ("zarr://file:///nowhere", "v", {}, "can't be read"),
)


def test_what_can_not_be_loaded_is_a_sentence(
    loading: Loading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.ones((2, 2, 2), np.uint8))
    np.save("wide.npy", np.ones((2, 2, 2), np.float64))
    np.save("deep.npy", np.ones((2, 2, 2), np.uint16))
    np.save("flat.npy", np.ones((2, 2), np.uint8))
    Path("text.npy").write_text("no array")
    loading.client.new_instance(loading.root, "uint8blk", "v")
    loading.client.new_instance(loading.root, "keyvalue", "kv")
    for source, name, options, word in REFUSED:
        with pytest.raises(BadRequest, match=word):
            loading.load(source, name, **options)
    with pytest.raises(BadRequest, match="must be http"):
        load("a.npy", "localhost:8000/seg")


def test_a_file_of_progress_of_another_load_is_refused(loading: Loading, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 2, 2), np.uint8))
    progress = tmp_path / "p"
    loading.client.new_instance(loading.root, "uint8blk", "v")
    for text, word in (('{"source": "other"}\n', "another load"), ("nonsense\n", "no file of progress")):
        progress.write_text(text)
        with pytest.raises(BadRequest, match=word):
            loading.load(tmp_path / "a.npy", "v")
        assert progress.read_text() == text
    progress.write_text('{"source": "oth')  # torn before its first line was whole
    loading.load(tmp_path / "a.npy", "v")


def test_what_somebody_else_changed_meanwhile_is_sent_again(
    loading: Loading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = voxels("uint8", (64, 64, 600))
    np.save(tmp_path / "a.npy", source)
    loading.client.new_instance(loading.root, "uint8blk", "v", BlockSize="64,64,64")
    verify, rounds = Load.verify, 0

    def disturbed(self: Load, *arguments: Any) -> Any:
        nonlocal rounds
        rounds += 1
        if rounds <= disturbances:
            loading.client.post(f"/api/node/{loading.root}/v/raw/0_1_2/64_64_64/0_0_0", bytes(64**3)).ok()
        return verify(self, *arguments)

    monkeypatch.setattr(Load, "verify", disturbed)
    disturbances = 1
    assert "1 after they were sent again" in loading.load(tmp_path / "a.npy", "v")
    assert np.array_equal(loading.read("v", source.shape, "uint8"), source)
    rounds, disturbances = 0, 9
    with pytest.raises(DvidError, match="anybody else"):
        loading.load(tmp_path / "a.npy", "v")


@pytest.mark.crash
def test_killed_at_random_moments_it_goes_on_and_ends_with_the_same_bytes(loading: Loading, tmp_path: Path) -> None:
    source = voxels("uint8", (400, 300, 500))
    np.save(tmp_path / "a.npy", source)
    seed = random.randrange(1 << 32)
    print(f"kills with seed {seed}")  # noqa: T201 - for whoever repeats a failure
    chance, kills = random.Random(seed), int(os.environ.get("DVID_CRASH_CYCLES", "5"))
    loading.client.new_instance(loading.root, "uint8blk", "v", BlockSize="32,32,32")
    command = loading.command(tmp_path / "a.npy", "v", "--offset", "-3,5,7", "--threads", "2")
    progress, before, killed = tmp_path / "p", 0, 0
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and not progress.exists():
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.25))
        if process.poll() is not None:
            assert process.returncode == 0
            break
        process.kill()
        process.wait()
        killed += 1
        done = progress.read_bytes().count(b"\n")
        assert done >= before, "nothing that was done is forgotten"
        before = done
    assert killed > 0
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "are right" in done.stdout
    assert np.array_equal(loading.read("v", source.shape, "uint8", "-3_5_7"), source)
