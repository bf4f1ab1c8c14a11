"""read_volumes.py FOLDER: read what FOLDER/wanted.json lists with CloudVolume and zarr-python, and keep it in FOLDER.

Runs in the environment of the readers. Each entry has `name`, `tool`, `url` and `scale`; what was read is kept as
FOLDER/name.npy, of axis order z, y, x (or with channels: channel, z, y, x).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import zarr
from cloudvolume import CloudVolume


def by_cloudvolume(url: str, scale: int) -> np.ndarray:
    volume = np.asarray(CloudVolume(f"precomputed://{url}", mip=scale, progress=False, parallel=1)[:])
    return volume[..., 0].T if volume.shape[-1] == 1 else volume.T


def by_cloudvolume_from_zarr(url: str, scale: int) -> np.ndarray:
    volume = CloudVolume(f"zarr3://{url}", mip=scale, progress=False, parallel=1, fill_missing=True)
    return np.asarray(volume[:])[..., 0].T


def by_zarr(url: str, scale: int) -> np.ndarray:
    group = zarr.open_group(url, mode="r")
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    (multiscale,) = ome["multiscales"]
    assert sorted(group) == [one["path"] for one in multiscale["datasets"]]
    return group[multiscale["datasets"][scale]["path"]][:]


def main(folder: Path) -> None:
    tools = {"cloudvolume": by_cloudvolume, "cloudvolume3": by_cloudvolume_from_zarr, "zarr": by_zarr}
    for entry in json.loads((folder / "wanted.json").read_text()):
        np.save(folder / f"{entry['name']}.npy", tools[entry["tool"]](entry["url"], entry["scale"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
