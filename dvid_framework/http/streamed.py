"""Answers whose memory, and whose place among throttled operations, are held until they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import chain, islice
from typing import Any

from dvid_framework.http.answers import Answer, Buffer, Parts, Pieces, binary
from dvid_framework.http.call import Call, InstanceRequest
from dvid_framework.http.json_bodies import decoded_bytes

__all__ = ["at_hand", "holding_json", "holding_memory", "streamed", "whole_or_pieces"]


def holding_memory(request: InstanceRequest[Any] | Call, count: int) -> AbstractContextManager[None]:
    """Hold bytes of the memory that all requests together may use.

    Raises:
        TooLarge: they are more than there ever are.
        Unavailable: other requests hold them.
    """
    return request.server.budget.holding(count)


def holding_json(request: InstanceRequest[Any] | Call, body: bytes) -> AbstractContextManager[None]:
    """Hold the memory that the values of a JSON body take once they are decoded; it may be many times its length.

    Raises:
        TooLarge: they are more than there ever are.
        Unavailable: other requests hold them.
    """
    return holding_memory(request, decoded_bytes(body))


def streamed(
    request: InstanceRequest[Any] | Call,
    pieces: Iterator[Buffer],
    holding: int,
    length: int | None = None,
    media_type: str = "application/octet-stream",
) -> Answer:
    """Return an answer made piece by piece; it holds memory, and its place if it is throttled, until it is sent.

    Args:
        request: the request.
        pieces: what is sent.
        holding: bytes of memory that it takes to make and send them.
        length: bytes of them all, if that is known.
        media_type: the content type.

    Raises:
        TooLarge: there is never so much memory.
        Unavailable: other requests hold it, or all places for throttled operations.
    """
    held = _held(request, holding)
    return Pieces(pieces, request.server.pool, media_type=media_type, length=length, on_end=held.close)


def at_hand(request: InstanceRequest[Any] | Call, parts: Sequence[Buffer], holding: int) -> Answer:
    """Return an answer of parts that are in memory already; it holds them, and its place, until it is sent.

    Args:
        request: the request.
        parts: what is sent, one after the other.
        holding: bytes that they take; less than is sent where a part comes several times.

    Raises:
        TooLarge: there is never so much memory.
        Unavailable: other requests hold it, or all places for throttled operations.
    """
    return Parts(parts, on_end=_held(request, holding).close)


def _held(request: InstanceRequest[Any] | Call, holding: int) -> ExitStack:
    stack = ExitStack()
    try:
        stack.enter_context(request.throttled())
        stack.enter_context(holding_memory(request, holding))
    except BaseException:
        stack.close()
        raise
    return stack


async def whole_or_pieces(
    request: InstanceRequest[Any],
    make: Callable[[], Iterator[Buffer]],
    media_type: str,
    headers: Mapping[str, str] | None = None,
    on_end: Callable[[], None] | None = None,
) -> Answer:
    """Return an answer with its length if it is one piece, else one that is sent piece by piece.

    Args:
        request: the request.
        make: makes the pieces; it is called in a thread, and so is what it returns.
        media_type: what they are.
        headers: further headers.
        on_end: called once nothing more is read, whatever happens; it may close what the pieces are made of.
    """

    def begin() -> tuple[list[Buffer], Iterator[Buffer]]:
        pieces = make()
        return list(islice(pieces, 2)), pieces

    with ExitStack() as ending:
        if on_end is not None:
            ending.callback(on_end)
        begun, pieces = await request.run(begin)
        if len(begun) < 2:
            return binary(begun[0] if begun else b"", media_type, headers)
        left = ending.pop_all()
    rest = chain(begun, pieces)
    return Pieces(rest, request.server.pool, media_type=media_type, headers=headers, on_end=left.close)
