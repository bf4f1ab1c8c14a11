"""The demo: a synthetic but natural-looking repo, made through the public API, and served."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from dvid_framework.cli.demo_volume import DemoVolume, grayscale_of, grow
from dvid_framework.cli.running import run_server
from dvid_framework.errors import BadRequest
from dvid_framework.server import Server

__all__ = ["run_demo"]

_NEEDED = {"keyvalue": "dvid-keyvalue", "labelmap": "dvid-labelmap", "roi": "dvid-roi", "uint8blk": "dvid-imageblk"}
_SLAB = 64
_ROI_BLOCK = 32
_LEVELS = 2


class _Client:
    """One connection to the server in this process."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=300)
        self._token = f"admintoken={server.admin_token}" if server.admin_token else ""

    def post(self, path: str, body: bytes | dict[str, Any] | list[Any]) -> Any:
        """POST bytes or JSON; returns the answer's JSON, if any."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if self._token:
            path += ("&" if "?" in path else "?") + self._token
        self._connection.request("POST", path, data)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise BadRequest(f"the demo could not be made: {content.decode(errors='replace').strip()}")
        return json.loads(content) if content else None


def _roi_runs(volume: DemoVolume) -> list[list[int]]:
    """Return the runs [z, y, x0, x1] of the blocks that hold the three largest bodies."""
    size = volume.supervoxels.shape[0] // _ROI_BLOCK
    largest = np.isin(volume.supervoxels, volume.supervoxels_of_largest(3))
    tiled = largest.reshape(size, _ROI_BLOCK, size, _ROI_BLOCK, size, _ROI_BLOCK)
    blocks = np.asarray(tiled.any((1, 3, 5)))
    runs = []
    for z, y in np.argwhere(blocks.any(axis=2)).tolist():
        edges = np.diff(blocks[z, y].astype(np.int8), prepend=0, append=0)
        starts, ends = np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist()
        runs += [[z, y, x0, x1 - 1] for x0, x1 in zip(starts, ends, strict=True)]
    return runs


def _make(server: Server, progress: Progress) -> str:
    """Make the repo; returns the root UUID."""
    task = progress.add_task("growing neurons", total=100)
    volume = grow(lambda share: progress.update(task, completed=40 * share))
    client = _Client(server)
    root: str = client.post("/api/repos", {"alias": "demo", "description": "A synthetic piece of brain."})["root"]
    for settings in (
        {"typename": "uint8blk", "dataname": "grayscale", "BlockSize": "64,64,64", "MaxDownresLevel": str(_LEVELS)}
        | {"Compression": "jpeg"},  # as microscopy is mostly kept, and small
        {"typename": "labelmap", "dataname": "segmentation", "MaxDownresLevel": str(_LEVELS)},
        {"typename": "keyvalue", "dataname": "bodies"},
        {"typename": "roi", "dataname": "largest", "BlockSize": ",".join([str(_ROI_BLOCK)] * 3)},
    ):
        client.post(f"/api/repo/{root}/instance", settings)
    progress.update(task, description="storing the segmentation")
    depth, height, width = volume.supervoxels.shape
    for z in range(0, depth, _SLAB):
        slab = np.ascontiguousarray(volume.supervoxels[z : z + _SLAB]).tobytes()
        client.post(f"/api/node/{root}/segmentation/raw/0_1_2/{width}_{height}_{_SLAB}/0_0_{z}", slab)
        progress.update(task, completed=40 + 45 * (z + _SLAB) / depth)
    progress.update(task, description="storing the grayscale")
    gray = grayscale_of(volume.supervoxels)
    client.post(f"/api/node/{root}/grayscale/raw/0_1_2/{width}_{height}_{depth}/0_0_0", gray.tobytes())
    progress.update(task, description="storing bodies and an ROI")
    for body, supervoxels in volume.bodies.items():
        if len(supervoxels) > 1:
            client.post(f"/api/node/{root}/segmentation/merge", supervoxels)
        client.post(f"/api/node/{root}/bodies/key/{body}", {"body": body, "supervoxels": supervoxels})
    client.post(f"/api/node/{root}/largest/roi", _roi_runs(volume))
    client.post(f"/api/node/{root}/commit", {"note": "as segmented"})
    _make_branches(client, root, next(iter(volume.bodies)))
    progress.update(task, completed=100, description="done")
    return root


def _make_branches(client: _Client, root: str, body: int) -> None:
    """Go on along master, and beside it on a branch where a body is annotated."""
    master = client.post(f"/api/node/{root}/newversion", {"note": "work goes on"})["child"]
    client.post(f"/api/node/{master}/bodies/key/{body}", {"body": body, "status": "traced"})
    side = client.post(f"/api/node/{root}/branch", {"branch": "review", "note": "a second opinion"})["child"]
    client.post(f"/api/node/{side}/bodies/key/{body}", {"body": body, "status": "needs another look"})


def _hints(server: Server, root: str) -> str:
    base = f"http://{server.host}:{server.port}/api"
    short = root[:8]
    return (
        f"\nThe demo repo {short} is served at http://{server.host}:{server.port}/  (Ctrl-C ends it). Try:\n\n"
        f"  curl -o gray.jpg {base}/node/{short}/grayscale/raw/xy/256_256/0_0_128/jpg\n"
        f"  curl -o slice.png {base}/node/{short}/segmentation/pseudocolor/xy/256_256/0_0_128\n"
        f"  curl {base}/node/{short}:review/bodies/key/1\n"
        f"  curl {base}/node/{short}/segmentation/sparsevol-size/1\n\n"
        f"Help: {base}/help\n"
    )


def run_demo(data: Path, port: int, admin_token: str) -> None:
    """Make the demo if the folder has none, and serve it.

    Raises:
        BadRequest: a datatype that the demo shows is not installed.
    """
    server = Server(data, admin_token=admin_token, port=port)
    missing = [name for name in _NEEDED if name not in server.datatypes]
    if missing:
        server.close()
        raise BadRequest(
            f"the demo needs the datatypes {', '.join(missing)}: pip install {' '.join(_NEEDED[m] for m in missing)}"
        )
    made = next((repo.root for repo in server.repos if repo.record.alias == "demo" and len(repo.dag) == 3), None)

    def make_and_tell() -> None:
        root = made
        if root is None:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            with Progress(*columns) as progress:
                root = _make(server, progress)
        sys.stdout.write(_hints(server, root))
        sys.stdout.flush()

    run_server(server, lambda: threading.Thread(target=make_and_tell, name="demo", daemon=True).start())
