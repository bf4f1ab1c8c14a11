"""What is loaded already: a file that lies beside, with a line for each unit that the server has taken."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from dvid_framework.errors import BadRequest

__all__ = ["ProgressFile"]


class ProgressFile:
    """The units that are done, with the checksum of what was sent. It survives the death of the process at any moment.

    Args:
        path: the file; it is made if it is not there.
        identity: what is loaded into what; a file of another load is refused.

    Raises:
        BadRequest: the file is of another load.
    """

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path = path
        self.done: dict[int, int] = {}
        self._lock = threading.Lock()
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith(b"\n")]  # the last one may be torn
        if whole:
            try:
                head = json.loads(whole[0])
                self.done = {int(number): int(crc) for number, crc in map(bytes.split, whole[1:])}
            except ValueError as error:
                raise BadRequest(f"{path} is no file of progress") from error
            if head != identity:
                raise BadRequest(f"{path} belongs to another load; name another file by --progress, or remove it")
        self._file = path.open("r+b" if lines else "w+b")
        if not whole:
            self._file.truncate()
            self._file.write(json.dumps(identity).encode() + b"\n")
        else:
            self._file.seek(sum(map(len, whole)))
            self._file.truncate()
        self._file.flush()

    def add(self, number: int, checksum: int) -> None:
        """Note that a unit is done."""
        with self._lock:
            self.done[number] = checksum
            self._file.write(b"%d %d\n" % (number, checksum))
            self._file.flush()

    def close(self, remove: bool) -> None:
        """Close it, and remove it when all is done."""
        os.fsync(self._file.fileno())
        self._file.close()
        if remove:
            self.path.unlink()
