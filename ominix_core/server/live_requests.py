"""Every live request of the server, and the queue in which they wait for their model."""

from __future__ import annotations

import asyncio
import functools
import uuid

from fastapi import FastAPI, Request

from ominix_core.errors import RequestError
from ominix_core.generation import Failed, Finished
from ominix_core.generation import Request as HubRequest
from ominix_core.hub import Hub
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.auth import key_of
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError, public_error
from ominix_core.server.live import LiveRequest, Work
from ominix_core.server.metrics import Metrics
from ominix_core.server.turns import Turns, share_of


class LiveRequests:
    """The live requests by id; `limit` is how many answers a model may have in work or waiting."""

    def __init__(self, app: FastAPI, hub: Hub, metrics: Metrics, limit: int) -> None:
        self.app = app
        self._hub = hub
        self._metrics = metrics
        self._limit = limit
        self._by_id: dict[str, LiveRequest] = {}
        self._turns: dict[str, Turns[Work]] = {}
        self._beginnings: dict[Work, asyncio.Task[None]] = {}
        self._open = True

    async def start(self, request: Request, prefix: str, entry: RegistryEntry, *asked: HubRequest) -> LiveRequest:
        """Hand `asked` to the model when it is this client's turn, each for an answer of its own.

        Raises ApiError if the model or this client has too many in work, or the server stops; also if the
        hub refuses it at once.
        """
        self.check_open()
        owner = key_of(request)
        client = owner or (request.client.host if request.client else "")
        self._check_room(entry, client, len(asked))
        live = LiveRequest(f"{prefix}{uuid.uuid4().hex}", entry, owner, client, asked, self)
        self._by_id[live.id] = live
        turns = self._turns_of(entry)
        for work in live.works:
            turns.join(client, work)
        begun = [self._beginnings[work] for work in live.works if work in self._beginnings]
        try:
            if begun:
                await asyncio.wait(begun)  # which, unlike `gather`, lets them end if this is cancelled
            if refusal := next((work.refusal for work in live.works if work.refusal), None):
                raise refusal
        except BaseException:
            live.close()
            raise
        return live

    def withdraw(self, work: Work) -> bool:
        """Take `work` out of its queue; False if it is not waiting there."""
        return self._turns[work.live.entry.id].give_up(work.live.client, work)

    def forget(self, live: LiveRequest) -> None:
        """`live` is over, or its client has left."""
        if self._by_id.pop(live.id, None) is None:
            return
        for work in live.works:
            match work.last:
                case Finished() as last:
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

    def _check_room(self, entry: RegistryEntry, client: str, wanted: int) -> None:
        share = share_of(self._limit)
        if wanted > share:
            raise ApiError(ErrorCode.TOO_MANY_ANSWERS, f"These are {wanted} answers at once; {share} is the most.")
        lives = [live for live in self._by_id.values() if live.entry.id == entry.id]
        if sum(len(live.works) for live in lives) + wanted > self._limit:
            message = f"{entry.name} has {self._limit} requests in work, which is all it may. Try again in a moment."
            raise ApiError(ErrorCode.BUSY, message)
        mine = sum(len(live.works) for live in lives if live.client == client)
        if mine + wanted > share:
            message = f"You have {mine} requests in work at {entry.name}, and {share} is the most for one client."
            raise ApiError(ErrorCode.TOO_MANY_REQUESTS, message)

    def _turns_of(self, entry: RegistryEntry) -> Turns[Work]:
        turns = self._turns.get(entry.id)
        if turns is None:
            turns = self._turns[entry.id] = Turns(self._begin)
            self._metrics.queue(entry.id, lambda: self.count(entry.id), lambda: turns.waiting)
        if abilities := self._hub.abilities(entry.id):
            turns.places = abilities.at_once
        return turns

    def _begin(self, work: Work) -> None:
        self._beginnings[work] = asyncio.get_running_loop().create_task(self._hand_over(work))

    async def _hand_over(self, work: Work) -> None:
        """Give `work` to its model's worker; on a thread, because the way there may be full."""
        live = work.live
        leave = functools.partial(self._turns[live.entry.id].leave, live.client)
        try:
            generation = await asyncio.to_thread(self._hub.generate, live.entry.id, work.asked)
        except Exception as error:
            if isinstance(error, OverflowError | UnicodeEncodeError):  # it cannot even be written down for the worker
                error = RequestError(
                    "The request holds a number of more than 64 bits, or half a character.", "invalid_value"
                )
            refusal = public_error(error, self.app)
            work.refusal = refusal
            work.end(Failed(refusal.detail, refusal.code))
            leave()
        else:
            work.begin(generation, leave)
        finally:
            del self._beginnings[work]


def _stopping() -> ApiError:
    return ApiError(ErrorCode.SERVER_STOPPING, "The server is stopping.")
