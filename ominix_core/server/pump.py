"""From work on other threads to the server-sent events that tell of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from pydantic import BaseModel

from ominix_core.server.sse import KEEP_ALIVE_SECONDS, comment, event

P = TypeVar("P")
R = TypeVar("R")


class Pump(Generic[P, R]):
    """Takes progress from any thread, and at last the future with the result, to the event loop that it was made on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[P | Future[R]] = asyncio.Queue()

    def put(self, item: P | Future[R]) -> None:
        """A step of progress, or the future once it is done."""
        with contextlib.suppress(RuntimeError):  # the loop may be closed before the work ends
            self._loop.call_soon_threadsafe(self._inbox.put_nowait, item)

    async def events(self, step: Callable[[P], BaseModel], result: Callable[[R], BaseModel]) -> AsyncIterator[bytes]:
        """An event for each step of progress, then one for the result. Raises what the work failed with."""
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    item = await self._inbox.get()
            except TimeoutError:
                yield comment("keep-alive")
                continue
            if isinstance(item, Future):
                yield event(result(item.result()).model_dump())
                return
            yield event(step(item).model_dump())
