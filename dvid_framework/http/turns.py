"""A queue that has a turn for each client, however much each of them has put in."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Turns"]

_T = TypeVar("_T")


class Turns(Generic[_T]):
    """What clients wait for; not safe for threads by itself."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[_T]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, client: str, item: _T) -> None:
        """Add something behind all else that the client waits for."""
        self._waiting.setdefault(client, deque()).append(item)

    def take(self, may: Callable[[str], bool] | None = None) -> tuple[str, _T] | None:
        """Return whose turn it is and what it has waited for longest, if there is such a client.

        Args:
            may: tells whether a client may have a turn; each may without it.
        """
        client = next((client for client in self._waiting if may is None or may(client)), None)
        if client is None:
            return None
        queue = self._waiting.pop(client)
        item = queue.popleft()
        if queue:
            self._waiting[client] = queue  # behind all others
        return client, item
