"""A real neuroglancer in a headless Chromium shows a grayscale and a segmentation, read in three ways.

`DVID_PICTURE=docs/neuroglancer.png pytest tests/readers/test_neuroglancer.py` makes the picture in the documents anew.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dvid_framework.config import Config, ServerSettings
from dvid_framework.testing.client import Client
from dvid_framework.testing.running import ServerThread

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(900)]  # the first time tools are installed
SHOW = Path(__file__).with_name("show_in_browser.py")
SIDE, DEPTH, PLANE = 256, 64, 32


def _segmentation(seeds: int = 18) -> np.ndarray:
    """Cells around seeds, some of them background: uint64 (z, y, x)."""
    rng = np.random.default_rng(11)
    places, drift = rng.integers(0, SIDE, (seeds, 2)), rng.normal(0, 0.4, (seeds, 2))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    labels = np.empty((DEPTH, SIDE, SIDE), np.uint64)
    for z in range(DEPTH):
        at = places + drift * (z - PLANE)
        far = (rows[None] - at[:, 0, None, None]) ** 2 + (columns[None] - at[:, 1, None, None]) ** 2
        labels[z] = far.argmin(axis=0).astype(np.uint64)
    names = np.append(np.zeros(3, np.uint64), np.arange(1, seeds - 2, dtype=np.uint64) * np.uint64(10_000_000_019))
    return names[labels]


def _grayscale(labels: np.ndarray) -> np.ndarray:
    """Membranes between cells, and a soft texture: uint8 (z, y, x)."""
    z, y, x = np.mgrid[:DEPTH, :SIDE, :SIDE]
    gray = 170 + 30 * np.sin(x / 9) * np.sin(y / 13 + z / 20)
    for axis in (1, 2):
        for step in (1, 2):
            gray[labels != np.roll(labels, step, axis)] = 40
    return gray.astype(np.uint8)


def _write(client: Client, root: str, labels: np.ndarray) -> None:
    client.new_instance(root, "uint8blk", "gray", BlockSize="64,64,64")
    client.new_instance(root, "labelmap", "seg", MaxDownresLevel="1")
    box = f"raw/0_1_2/{SIDE}_{SIDE}_{DEPTH}/0_0_0"
    client.post(f"/api/node/{root}/gray/{box}", _grayscale(labels).tobytes()).ok()
    client.post(f"/api/node/{root}/seg/{box}", labels.tobytes()).ok()


def _colors(labels: np.ndarray) -> dict[int, tuple[int, int, int]]:
    rng = np.random.default_rng(5)
    return {int(label): tuple(rng.integers(40, 256, 3).tolist()) for label in np.unique(labels) if label}


def _shown(picture: np.ndarray, panel: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of a panel, and the voxel (y, x) that each of them shows: one voxel is one pixel.

    Without the upper part, where neuroglancer has its controls, and the rim.
    """
    left, top, width, height = panel
    rows = np.arange(int(top) + 80, int(top + height) - 4)
    columns = np.arange(int(left) + 4, int(left + width) - 4)
    y = np.floor(SIDE / 2 + rows + 0.5 - (top + height / 2)).astype(int)
    x = np.floor(SIDE / 2 + columns + 0.5 - (left + width / 2)).astype(int)
    inside = [(y >= 0) & (y < SIDE), (x >= 0) & (x < SIDE)]
    return picture[np.ix_(rows[inside[0]], columns[inside[1]])], y[inside[0]], x[inside[1]]


@pytest.fixture
def server(dvid_server: Callable[..., ServerThread]) -> ServerThread:
    """A server that web pages from everywhere may read."""
    return dvid_server(config=Config(server=ServerSettings(cors_domains=["*"])))


def test_grayscale_and_segmentation(server: ServerThread, readers: ModuleType, tmp_path: Path) -> None:
    client, labels = server.client, _segmentation()
    root = client.new_repo()
    _write(client, root, labels)
    client.commit(root)
    colors = _colors(labels)
    ways = {
        "dvid": "dvid://{url}/{root}/{name}",
        "precomputed": "precomputed://{url}/api/node/{root}/{name}/precomputed",
    }
    ways["zarr"] = "zarr3://{url}/api/node/{root}/{name}/zarr"
    rows: list[list[dict[str, Any]]] = [
        [
            {
                "name": f"{name}-{way}",
                "kind": kind,
                "source": source.format(url=client.url, root=root, name=name),
                "colors": {label: "#{:02x}{:02x}{:02x}".format(*color) for label, color in colors.items()},
            }
            for way, source in ways.items()
        ]
        for name, kind in (("gray", "image"), ("seg", "segmentation"))
    ]
    wanted = {
        "server": client.url,
        "chromium": readers.chromium(),
        "picture": str(tmp_path / "shown.png"),
        "rows": rows,
    }
    wanted |= {"size": [786, 524], "position": [SIDE / 2, SIDE / 2, PLANE]}
    (tmp_path / "wanted.json").write_text(json.dumps(wanted))
    told = json.loads(readers.run_reader(SHOW, str(tmp_path / "wanted.json"), seconds=240))
    picture = np.asarray(Image.open(tmp_path / "shown.png").convert("RGB"))
    _check(picture, told["panels"], labels, colors)
    if keep := os.environ.get("DVID_PICTURE"):
        shutil.copy(tmp_path / "shown.png", keep)


def _check(picture: np.ndarray, panels: list[list[float]], labels: np.ndarray, colors: dict[int, Any]) -> None:
    assert len(panels) == 6
    names, palette = np.array(list(colors)), np.array([(0, 0, 0), *colors.values()])
    painted = palette[np.where(labels[PLANE] > 0, np.searchsorted(names, labels[PLANE]) + 1, 0)]
    gray = _grayscale(labels)[PLANE].astype(int)
    for panel in panels[:3]:
        pixels, y, x = _shown(picture, panel)
        assert pixels.shape[0] > 150
        assert pixels.shape[1] > 200
        assert (np.abs(pixels.astype(int).mean(axis=2) - gray[np.ix_(y, x)]) < 16).mean() > 0.9
    for panel in panels[3:]:
        pixels, y, x = _shown(picture, panel)
        assert (np.abs(pixels.astype(int) - painted[np.ix_(y, x)]).max(axis=2) <= 2).mean() > 0.97


def test_the_check_sees_other_volumes() -> None:
    labels = _segmentation()
    colors = _colors(labels)
    panels = [[262 * (i % 3), 262 * (i // 3), 256, 256] for i in range(6)]
    picture = np.zeros((520, 784, 3), np.uint8)
    with pytest.raises(AssertionError):
        _check(picture, panels, labels, colors)
