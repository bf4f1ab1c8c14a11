"""An event loop stays awake for a moment after quick answers, and no longer."""

from __future__ import annotations

import asyncio

from dvid_framework.http.watchful import Watchful


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts what is called soon by name."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def call_soon(self, callback, *args, context=None):  # type: ignore[no-untyped-def]
        self.looks += getattr(callback, "__name__", "") == "_look"
        return super().call_soon(callback, *args, context=context)


def test_it_looks_for_a_moment_and_goes_to_sleep() -> None:
    loop = CountingLoop()
    watchful = Watchful(loop)

    async def run() -> tuple[int, int, int]:
        watchful.stay()
        watchful.stay()
        first = loop.looks
        await asyncio.sleep(0.05)
        asleep = loop.looks
        await asyncio.sleep(0.05)
        return first, asleep, loop.looks

    try:
        first, asleep, later = loop.run_until_complete(run())
        assert first == 1, "it looks once in each turn, however many answers there were"
        assert asleep == later, "it sleeps"
        loop.run_until_complete(_again(watchful))
        assert loop.looks > later, "the next answer wakes it"
    finally:
        loop.close()


async def _again(watchful: Watchful) -> None:
    watchful.stay()
    await asyncio.sleep(0.01)
