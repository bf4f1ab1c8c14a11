"""The instance that is loaded: what it holds, and reading and writing its voxels over HTTP."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
from numpy.typing import NDArray

from dvid_framework.cli.loading.source import Triple
from dvid_framework.errors import BadRequest, DvidError, Unavailable

__all__ = ["Target"]

_TYPES = {
    "uint8blk": ("uint8", 1),
    "uint16blk": ("uint16", 1),
    "uint32blk": ("uint32", 1),
    "uint64blk": ("uint64", 1),
    "float32blk": ("float32", 1),
    "rgba8blk": ("uint8", 4),
    "labelmap": ("uint64", 1),
}
_TRIES = 8
_TIMES = httpx.Timeout(300.0, connect=10.0)
_AGAIN = frozenset({429, 502, 503, 504})


class Target:
    """An instance at a version.

    Args:
        url: `http://HOST:PORT/api/node/UUID/NAME`.
        token: sent as `Authorization: Bearer`; none if empty.
        threads: how many requests run at a time.

    Raises:
        BadRequest: there is no such instance, or it is of a type that can't be loaded.
    """

    def __init__(self, url: str, token: str, threads: int) -> None:
        address = urlsplit(url)
        parts = [part for part in address.path.split("/") if part]
        if address.scheme not in ("http", "https") or parts[:2] != ["api", "node"] or len(parts) != 4:
            raise BadRequest("the target must be http://HOST:PORT/api/node/UUID/NAME")
        self.url = url.rstrip("/")
        self.uuid, self.name = parts[2], parts[3]
        self._server = f"{address.scheme}://{address.netloc}"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        limits = httpx.Limits(max_connections=threads)
        self._client = httpx.Client(timeout=_TIMES, limits=limits, headers=headers, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def create(self, type_name: str, voxel_size: tuple[float, float, float] | None) -> None:
        """Make the instance, if it is not there.

        Raises:
            BadRequest: the server refuses.
        """
        if self._client.get(f"{self.url}/info").status_code == 200:
            return
        body = {"typename": type_name, "dataname": self.name}
        if voxel_size is not None:
            body["VoxelSize"] = ",".join(f"{side:g}" for side in voxel_size)
        self._asked("POST", f"{self._server}/api/repo/{self.uuid}/instance", json=body)

    def look(self) -> None:
        """Learn what the instance holds.

        Raises:
            BadRequest: there is none, or it can't be loaded.
        """
        info = self._asked("GET", f"{self.url}/info").json()
        self.type_name = str(info["Base"]["TypeName"])
        if self.type_name not in _TYPES:
            raise BadRequest(f"instances of the type {self.type_name} can't be loaded; {', '.join(_TYPES)} can")
        self.dtype, self.channels = _TYPES[self.type_name]
        x, y, z = info["Extended"]["BlockSize"]
        self.block: Triple = (x, y, z)
        self.data_uuid = str(info["Base"]["DataUUID"])
        self.lossy = str(info["Base"]["Compression"]).startswith("jpeg")

    @property
    def bytes_per_voxel(self) -> int:
        """Bytes of a voxel."""
        return np.dtype(self.dtype).itemsize * self.channels

    def _box(self, first: Triple, size: Triple) -> str:
        query = "?supervoxels=true" if self.type_name == "labelmap" else ""
        return f"{self.url}/raw/0_1_2/{'_'.join(map(str, size))}/{'_'.join(map(str, first))}{query}"

    def read(self, first: Triple, size: Triple) -> NDArray[Any]:
        """Return the voxels of a box: (z, y, x), or with channels behind."""
        body = self._asked("GET", self._box(first, size)).content
        behind = (self.channels,) if self.channels > 1 else ()
        return np.frombuffer(body, np.dtype(self.dtype).newbyteorder("<")).reshape(*size[::-1], *behind)

    def write(self, first: Triple, voxels: NDArray[Any]) -> None:
        """Write whole blocks of voxels."""
        depth, height, width = voxels.shape[:3]
        place = self._box(first, (width, height, depth)).partition("?")[0]
        self._asked("POST", f"{place}?mutate=true", content=voxels.tobytes())

    def _asked(self, method: str, url: str, **content: Any) -> httpx.Response:
        """Return an answer with status 200; a server that is busy or away is asked again for a while.

        Raises:
            BadRequest: the server refuses.
            Unavailable: it is busy or away for long.
        """
        pause, reason = 0.25, ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(pause)
                pause = min(pause * 2, 10.0)
            try:
                answer = self._client.request(method, url, **content)
            except httpx.TransportError as error:
                reason = f"{type(error).__name__}: {error}"
                continue
            if answer.status_code == 200:
                return answer
            reason = answer.text.strip()[:300] or f"status {answer.status_code}"
            if answer.status_code in _AGAIN:
                continue
            if answer.status_code < 500:
                raise BadRequest(f"the server refuses: {reason}")
            raise DvidError(f"the server fails: {reason}")
        raise Unavailable(f"the server does not answer: {reason}")
