"""The requests that are being answered, on the event loop: their events, their end, and how they are cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import FastAPI, Request

import ominix_core
from ominix_core.errors import RequestError
from ominix_core.generation import Failed, Finished, GenerationEvent
from ominix_core.generation import Request as HubRequest
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError, public_error
from ominix_core.stream import Generation

if TYPE_CHECKING:
    from ominix_core.server.live_requests import LiveRequests

T = TypeVar("T")

FIRST_EVENT_SECONDS = 2.0
"""A request that fails within this time is answered with the failure's HTTP status, even if it asked for a stream."""


class Work:
    """One generation of a live request: it waits for its turn, runs in the model's worker, and ends.

    Attributes:
        index: Which of its request's answers this is.
        last: The event that ended it, once its client has been given it.
        refusal: Why the hub did not take it, if it did not.
    """

    def __init__(self, live: LiveRequest, index: int, asked: HubRequest) -> None:
        self.live = live
        self.index = index
        self.asked = asked
        self.last: Finished | Failed | None = None
        self.refusal: ApiError | None = None
        self._generation: Generation | None = None
        self._unsent: list[GenerationEvent] = []
        self._cancelled = False

    def begin(self, generation: Generation, on_end: Callable[[], None]) -> None:
        """Its worker has it now; `on_end` is called on the event loop when the worker is done with it."""
        self._generation = generation
        loop = asyncio.get_running_loop()
        ended = False

        def arrived() -> None:
            nonlocal ended
            self.live.wake()
            if generation.ended and not ended:
                ended = True
                on_end()

        def notify() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed before the worker's last event
                loop.call_soon_threadsafe(arrived)

        generation.on_arrival(notify)
        if self._cancelled:
            generation.cancel()

    def end(self, event: Finished | Failed) -> None:
        """It ends without having been in a worker."""
        self._unsent.append(event)
        self.live.wake()

    def cancel(self) -> None:
        self._cancelled = True
        if self.last is None and self._generation is not None:
            self._generation.cancel()

    def drain(self) -> list[tuple[int, GenerationEvent]]:
        """Its index, with each event that has arrived."""
        events, self._unsent = self._unsent, []
        if self._generation is not None:
            events += self._generation.drain()
        if events and isinstance(events[-1], Finished | Failed):
            self.last = events[-1]
        return [(self.index, event) for event in events]


class LiveRequest:
    """What one client waits for: an answer, or several at once. Closing it cancels what still runs.

    Take the answer with `whole` or `every_whole`, or with `started` and then `events` or `indexed_events`; only after
    these must it be closed by hand.

    Attributes:
        owner: The id of the API key that it came with, if any.
        client: Whose turn it takes: that key, or the address that it came from.
    """

    def __init__(
        self,
        request_id: str,
        entry: RegistryEntry,
        owner: str | None,
        client: str,
        asked: Sequence[HubRequest],
        all_live: LiveRequests,
    ) -> None:
        self.id = request_id
        self.entry = entry
        self.owner = owner
        self.client = client
        self.created = int(time.time())
        self.works = [Work(self, index, request) for index, request in enumerate(asked)]
        self._all = all_live
        self._held: list[tuple[int, GenerationEvent]] = []
        self._cancelled_because = ApiError(ErrorCode.CANCELLED, "This request was cancelled.")
        self._arrived = asyncio.Event()

    @property
    def app(self) -> FastAPI:
        return self._all.app

    @property
    def last(self) -> Finished | Failed | None:
        """The event that ended the first answer, once its client has been given it."""
        return self.works[0].last

    @functools.cached_property
    def fingerprint(self) -> str:
        """Changes when an equal request with an equal seed may get another answer."""
        identity = f"{ominix_core.__version__} {self.entry.id} {self.entry.source}"
        return "fp_" + hashlib.sha256(identity.encode()).hexdigest()[:12]

    async def started(self, request: Request, patience: float | None = FIRST_EVENT_SECONDS) -> GenerationEvent | None:
        """Wait so many seconds for the first event, which is returned too. Raises ApiError if it is a failure."""
        try:
            self._held = await while_connected(request, self._next(patience))
            for _, event in self._held:
                if isinstance(event, Failed):
                    raise self._failure(event)
        except BaseException:
            self.close()
            raise
        return self._held[0][1] if self._held else None

    async def events(self, silence: float | None = None) -> AsyncIterator[GenerationEvent | None]:
        """The events of the only answer, to Finished; None after each `silence` seconds without any.

        Raises ApiError if the request fails or is cancelled.
        """
        async for item in self.indexed_events(silence):
            yield None if item is None else item[1]

    async def indexed_events(self, silence: float | None = None) -> AsyncIterator[tuple[int, GenerationEvent] | None]:
        """Like `events` for every answer: each event with its answer's index, to the last one's Finished."""
        unfinished = len(self.works)
        while unfinished:
            events = await self._next(silence)
            if not events:
                yield None
            for index, event in events:
                if isinstance(event, Failed):
                    raise self._failure(event)
                if isinstance(event, Finished):
                    if event.reason == "cancelled":
                        raise self._cancelled_because
                    unfinished -= 1
                yield index, event

    async def whole(self, request: Request) -> list[GenerationEvent]:
        """Every event of the only answer. Raises ApiError if it fails, is cancelled, or its client goes away."""
        (events,) = await self.every_whole(request)
        return events

    async def every_whole(self, request: Request) -> list[list[GenerationEvent]]:
        """Every event of each answer. Raises like `whole`."""
        try:
            return await while_connected(request, self._collect())
        finally:
            self.close()

    def wake(self) -> None:
        """Events have arrived."""
        self._arrived.set()

    def cancel(self, because: ApiError | None = None) -> None:
        """Stop every answer; the client is told why."""
        if because is not None:
            self._cancelled_because = because
        for work in self.works:
            if self._all.withdraw(work):
                work.end(Finished("cancelled"))
            else:
                work.cancel()

    def close(self) -> None:
        self.cancel()
        self._all.forget(self)

    async def _collect(self) -> list[list[GenerationEvent]]:
        answers: list[list[GenerationEvent]] = [[] for _ in self.works]
        async for item in self.indexed_events():
            if item is not None:
                answers[item[0]].append(item[1])
        return answers

    async def _next(self, timeout: float | None) -> list[tuple[int, GenerationEvent]]:
        """What has arrived; waits for it, at most `timeout` seconds."""
        events, self._held = self._held, []
        try:
            async with asyncio.timeout(timeout):
                while not events:
                    self._arrived.clear()
                    events = [item for work in self.works for item in work.drain()]
                    if not events:
                        await self._arrived.wait()
        except TimeoutError:
            return []
        return events

    def _failure(self, failed: Failed) -> ApiError:
        return public_error(RequestError(failed.message, failed.code), self._all.app)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client goes away. Raises ApiError then."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ApiError(ErrorCode.CLIENT_GONE, "The client went away.")
        return working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.wait({working, watching})
