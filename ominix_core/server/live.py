"""The requests that are being answered, on the event loop: their events, their end, and how they are cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import FastAPI, Request

import ominix_core
from ominix_core.errors import RequestError
from ominix_core.generation import (
    Failed,
    Finished,
    GenerationEvent,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCall,
    ToolCalled,
)
from ominix_core.generation import Request as HubRequest
from ominix_core.hub import Hub
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.auth import key_of
from ominix_core.server.errors import NO_RETRY, RETRY_SOON, ApiError, public_error
from ominix_core.server.metrics import Metrics
from ominix_core.stream import Generation

T = TypeVar("T")

FIRST_EVENT_SECONDS = 2.0
"""A request that fails within this time is answered with the failure's HTTP status, even if it asked for a stream."""


@dataclass(frozen=True)
class Answer:
    """The sum of an answer's events."""

    text: str
    reasoning: str
    tool_calls: list[ToolCall]
    logprobs: list[TokenLogprob]
    finished: Finished

    @classmethod
    def of(cls, events: list[GenerationEvent]) -> Answer:
        texts = [event for event in events if isinstance(event, TextDelta)]
        (finished,) = (event for event in events if isinstance(event, Finished))
        return cls(
            text="".join(event.text for event in texts),
            reasoning="".join(event.text for event in events if isinstance(event, ReasoningDelta)),
            tool_calls=[event.call for event in events if isinstance(event, ToolCalled)],
            logprobs=[entry for event in texts for entry in event.logprobs],
            finished=finished,
        )


class LiveRequest:
    """One generation and the client that waits for it. Closing it cancels what still runs.

    Take the answer with `whole`, or with `started` and then `events`; only after `events` must it be closed by hand.
    """

    def __init__(
        self, request_id: str, entry: RegistryEntry, owner: str | None, generation: Generation, all_live: LiveRequests
    ) -> None:
        self.id = request_id
        self.entry = entry
        self.owner = owner
        self.created = int(time.time())
        self._generation = generation
        self._all = all_live
        self._held: list[GenerationEvent] = []
        self._last: Finished | Failed | None = None
        self._cancelled_because = ApiError(409, "This request was cancelled.", code="cancelled", headers=NO_RETRY)
        self._arrived = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed before the worker's last event
                loop.call_soon_threadsafe(self._arrived.set)

        generation.on_arrival(wake)

    @property
    def last(self) -> Finished | Failed | None:
        """The event that ended the answer, once its client has been given it."""
        return self._last

    @functools.cached_property
    def fingerprint(self) -> str:
        """Changes when an equal request with an equal seed may get another answer."""
        identity = f"{ominix_core.__version__} {self.entry.id} {self.entry.source.model_dump_json()}"
        return "fp_" + hashlib.sha256(identity.encode()).hexdigest()[:12]

    async def started(self, request: Request, patience: float | None = FIRST_EVENT_SECONDS) -> GenerationEvent | None:
        """Wait so many seconds for the first event, which is returned too. Raises ApiError if it is a failure."""
        try:
            self._held = await _while_connected(request, self._next(patience))
            first = self._held[0] if self._held else None
            if isinstance(first, Failed):
                raise self._failure(first)
        except BaseException:
            self.close()
            raise
        return first

    async def events(self, silence: float | None = None) -> AsyncIterator[GenerationEvent | None]:
        """The answer's events, to Finished; None after each `silence` seconds without any.

        Raises ApiError if the request fails or is cancelled.
        """
        while True:
            events = await self._next(silence)
            if not events:
                yield None
            for event in events:
                if isinstance(event, Failed):
                    raise self._failure(event)
                if isinstance(event, Finished) and event.reason == "cancelled":
                    raise self._cancelled_because
                yield event
                if isinstance(event, Finished):
                    return

    async def whole(self, request: Request) -> list[GenerationEvent]:
        """Every event of the answer. Raises ApiError if the request fails, is cancelled, or its client goes away."""
        try:
            return await _while_connected(request, self._collect())
        finally:
            self.close()

    def cancel(self, because: ApiError | None = None) -> None:
        """Stop the generation; its client is told why."""
        if because is not None:
            self._cancelled_because = because
        if self._last is None:
            self._generation.cancel()

    def close(self) -> None:
        self.cancel()
        self._all.forget(self, self._last)

    async def _collect(self) -> list[GenerationEvent]:
        return [event async for event in self.events() if event is not None]

    async def _next(self, timeout: float | None) -> list[GenerationEvent]:
        """What has arrived; waits for it, at most `timeout` seconds."""
        events, self._held = self._held, []
        try:
            async with asyncio.timeout(timeout):
                while not events:
                    self._arrived.clear()
                    events = self._generation.drain()
                    if not events:
                        await self._arrived.wait()
        except TimeoutError:
            return []
        if isinstance(events[-1], Finished | Failed):
            self._last = events[-1]
        return events

    def _failure(self, failed: Failed) -> ApiError:
        return public_error(RequestError(failed.message, failed.code), self._all.app)


class LiveRequests:
    """Every live request of the server, by id; `limit` is how many of them a model may have."""

    def __init__(self, app: FastAPI, hub: Hub, metrics: Metrics, limit: int) -> None:
        self.app = app
        self._hub = hub
        self._metrics = metrics
        self._limit = limit
        self._by_id: dict[str, LiveRequest] = {}
        self._open = True

    async def start(self, request: Request, prefix: str, entry: RegistryEntry, asked: HubRequest) -> LiveRequest:
        """Hand `asked` to the model. Raises OminixError, or ApiError if the model has too many or the server stops."""
        self.check_open()
        if self.count(entry.id) >= self._limit:
            message = f"{entry.name} has {self._limit} requests in work, which is all it may. Try again in a moment."
            raise ApiError(503, message, code="busy", headers=RETRY_SOON)
        generation = await asyncio.to_thread(self._hub.generate, entry.id, asked)
        live = LiveRequest(f"{prefix}{uuid.uuid4().hex}", entry, key_of(request), generation, self)
        self._by_id[live.id] = live
        self._metrics.running(entry.id, lambda: self.count(entry.id))
        return live

    def forget(self, live: LiveRequest, last: Finished | Failed | None) -> None:
        """`live` is over, with this event, or with none if its client left."""
        if self._by_id.pop(live.id, None) is None:
            return
        match last:
            case Finished():
                self._metrics.ended(live.entry.id, last.reason, last.usage)
            case Failed():
                self._metrics.ended(live.entry.id, "failed", None)
            case None:
                self._metrics.ended(live.entry.id, "left", None)

    def all(self) -> list[LiveRequest]:
        """The oldest first."""
        return list(self._by_id.values())

    def get(self, request_id: str) -> LiveRequest | None:
        return self._by_id.get(request_id)

    def count(self, model_id: str) -> int:
        """How many requests a model has."""
        return sum(live.entry.id == model_id for live in self._by_id.values())

    def refuse(self) -> None:
        """Take no new requests: the server is going down."""
        self._open = False

    def cancel(self) -> None:
        """Cancel the running requests, whose clients are told that the server is going down."""
        for live in self.all():
            live.cancel(_stopping())

    def check_open(self) -> None:
        """Raises ApiError if the server is going down."""
        if not self._open:
            raise _stopping()


def _stopping() -> ApiError:
    return ApiError(503, "The server is stopping.", code="server_stopping", headers=RETRY_SOON)


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client goes away. Raises ApiError then."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ApiError(499, "The client went away.", code="client_gone")
        return working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.wait({working, watching})
