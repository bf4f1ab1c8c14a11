"""The command `load`: volumes in the formats of the field into instances of a running server."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from dvid_framework.errors import BadRequest

__all__ = ["load"]

_MOST_THREADS = 64
_ROUNDS = 3
_Token = Annotated[str, Parameter(name="--token", env_var="DVID_TOKEN", show_env_var=True)]

_Offset = Annotated[str, Parameter(name="--offset", allow_leading_hyphen=True)]


def load(  # noqa: PLR0913 - each is an option of the command
    source: str,
    target: str,
    *,
    offset: _Offset = "",
    scale: int = 0,
    axes: str = "zyx",
    create: str = "",
    threads: int = 4,
    progress: Path | None = None,
    verify: bool = True,
    token: _Token = "",
) -> None:
    """Load a volume into an instance of a running server. Interrupted, the same command goes on where it was.

    Args:
        source: images as slices (a folder, a file of pages or a pattern, TIFF, PNG or JPEG), a file .npy, a folder of
            Zarr, OME-Zarr, N5 or a precomputed volume; elsewhere zarr://URL, n5://URL or precomputed://URL.
        target: http://HOST:PORT/api/node/UUID/NAME, an instance of images or a labelmap.
        offset: where the first voxel goes, x,y,z; by default where the source says, or 0,0,0.
        scale: which resolution of the source, where it has several.
        axes: order of the axes of arrays that do not tell, such as zyx or xyz.
        create: type of the instance, such as uint8blk, to make it if it is not there.
        threads: how many parts are read and sent at a time.
        progress: file that says what is done; by default one in this folder, removed at the end.
        verify: read everything back at the end, and send again what is not what was sent.
        token: sent as `Authorization: Bearer`.
    """
    try:
        from dvid_framework.cli.loading.session import run_load  # noqa: PLC0415 - its libraries are an extra
    except ModuleNotFoundError as error:
        raise BadRequest(f"{error.name} is missing: pip install 'dvid-framework[load]'") from error

    if not 1 <= threads <= _MOST_THREADS:
        raise BadRequest(f"--threads must be from 1 to {_MOST_THREADS}")
    if scale < 0:
        raise BadRequest("--scale must be 0 or more")
    identity: dict[str, Any] = {"source": source, "target": target, "offset": offset, "scale": scale, "axes": axes}
    name = hashlib.sha256(repr(sorted(identity.items())).encode()).hexdigest()[:12]
    path = progress or Path(f"dvid-load-{name}.progress")
    summary = run_load(identity, path, threads=threads, create=create, token=token, rounds=_ROUNDS if verify else 0)
    sys.stdout.write(summary + "\n")
