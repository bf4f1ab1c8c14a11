"""What engines of the local disk share: their folders have one owner, and a torn log is judged before it is opened."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from dvid_framework.errors import CorruptValue, StorageError, StoreInUse
from dvid_framework.storage import keys
from dvid_framework.storage.base import StoreEngine
from dvid_framework.storage.embedded_store import EmbeddedStore
from dvid_framework.storage.log import last_mutation
from dvid_framework.storage.write_ahead_log import check_current, check_landmark, cut_torn_tail, need_intact

__all__ = ["EmbeddedEngine", "own_folder"]


def own_folder(path: Path) -> int:
    """Make the folder if it is not there, and take its lock.

    Returns:
        The open lock file; closing it gives the lock back.

    Raises:
        StoreInUse: another process, or another store of this one, has it.
        StorageError: the folder can't be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock_file = os.open(path / "OWNER", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(f"the folder {path} can't be opened for writing: {error.strerror}") from error
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_file)
        raise StoreInUse(f"another server has {path} open") from error
    return lock_file


class EmbeddedEngine(StoreEngine):
    """An engine whose stores are folders of the local disk, with logs of LevelDB's form.

    Attributes:
        title: what people call it.
    """

    title: ClassVar[str]

    @abstractmethod
    def open_owned(self, path: Path, options: Mapping[str, Any], lock_file: int) -> EmbeddedStore:
        """Open the store in a folder that we own."""

    @staticmethod
    @abstractmethod
    def rebuild(path: str) -> None:
        """Rebuild the store at a path from what can be read of it; it may end the process."""

    def open(self, path: Path, options: Mapping[str, Any]) -> EmbeddedStore:
        lock_file = own_folder(path)
        try:
            check_current(path)
            need_intact(path)
            return self.open_owned(path, options, lock_file)
        except BaseException:
            os.close(lock_file)
            raise

    def last_number(self, options: Mapping[str, Any]) -> Callable[[Path], int]:
        """Return what opens a store of this kind and returns the number of its last mutation."""

        def last_number(path: Path) -> int:
            store = self.open(path, options)
            try:
                last = last_mutation(store)
                if sum(1 for _ in store.scan_keys(keys.LOG, keys.LOG_BY_VERSION)) != last:
                    raise CorruptValue("mutations in the midst are missing")
                return last
            finally:
                store.close()

        return last_number

    def check_landmark(self, path: Path, landmark: str) -> None:
        """See `write_ahead_log`."""
        check_landmark(path, landmark)

    def cut_torn_tail(self, path: Path, durable: int, options: Mapping[str, Any]) -> bool:
        """Cut a damaged end off the store's own log; see `write_ahead_log`."""
        lock_file = own_folder(path)
        try:
            return cut_torn_tail(path, durable, self.last_number(options))
        finally:
            os.close(lock_file)

    def repair(self, path: Path, options: Mapping[str, Any]) -> list[str]:
        """Let the engine rebuild its index from what it can read, in a child process, for it may abort."""
        del options
        lock_file = own_folder(path)
        try:
            child = multiprocessing.get_context("spawn").Process(target=self.rebuild, args=(str(path),))
            child.start()
            child.join()
        finally:
            os.close(lock_file)
        if child.exitcode:
            raise StorageError(f"{self.title}'s repair of {path} ended with {child.exitcode}")
        return [f"{self.title} rebuilt {path} from all that it could read; run `dvid fsck` to see what is missing"]
