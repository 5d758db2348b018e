"""Keeping the mirror of a server up to date, whatever the line does."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from contextlib import aclosing, suppress
from typing import Any

import msgspec

from ominix_core import wire
from ominix_core.errors import HubConnectionError, OminixError
from ominix_core.events import ConnectionChanged
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry_json import read_entry
from ominix_core.remote.connection import Connection
from ominix_core.remote.mirror import Mirror

logger = logging.getLogger(__name__)

FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0


class RegistryItem(msgspec.Struct):
    """An entry of the server's registry."""

    entry: dict[str, Any]


class RegistryReply(msgspec.Struct):
    data: list[RegistryItem]


class Watch:
    """Follows the server's events; when the line drops, it tries again and again, ever more seldom.

    Attributes:
        opened: Ends with the first snapshot, or with why there is none.
    """

    def __init__(self, connection: Connection, mirror: Mirror) -> None:
        self._connection = connection
        self._mirror = mirror
        self._delay = FIRST_DELAY
        self.opened: Future[None] = Future()

    async def run(self) -> None:
        """Watch until this is cancelled, or the first try fails."""
        while True:
            reason = await self._follow_to_the_end()
            if not self.opened.done():
                self.opened.set_exception(reason)
                return
            await self._wait_to_try_again(str(reason))

    async def _follow_to_the_end(self) -> OminixError:
        """Why the events have ended."""
        try:
            await self._follow()
        except OminixError as error:
            return error
        except Exception:  # whatever it was, the next try may go well
            logger.exception("following %s failed", self._connection.address.name)
        return HubConnectionError(f"{self._connection.address.name} broke off.")

    async def _wait_to_try_again(self, reason: str) -> None:
        place = self._connection.address.name
        message = f"Connection to {place} lost, trying again in {self._delay:.0f} s"
        self._mirror.board.publish(ConnectionChanged(True, place, message, reason))
        await asyncio.sleep(self._delay)
        self._delay = min(2 * self._delay, LONGEST_DELAY)
        with suppress(OminixError):  # it says nowhere where it is: try where it was
            self._connection.relocate()

    async def _follow(self) -> None:
        async with aclosing(self._connection.stream("GET", "/v1/events")) as events:
            async for data in events:
                try:
                    await self._take(wire.decode_frame(data))
                except msgspec.DecodeError as error:
                    raise OminixError(f"{self._connection.address.name} runs another version of Ominix.") from error

    async def _take(self, frame: wire.Frame) -> None:
        """Models come into the registry after their states, so that nobody finds one without."""
        self._mirror.take(frame)
        if isinstance(frame, wire.Snapshot | wire.RegistryFrame):
            reply = await self._connection.call("GET", "/v1/registry", RegistryReply)
            self._mirror.use_registry(await asyncio.to_thread(_registry_of, reply))
        if isinstance(frame, wire.Snapshot):
            self._welcome()

    def _welcome(self) -> None:
        self._delay = FIRST_DELAY
        if self.opened.done():
            place = self._connection.address.name
            self._mirror.board.publish(ConnectionChanged(False, place, f"Connected to {place} again"))
        else:
            self.opened.set_result(None)


def _registry_of(reply: RegistryReply) -> Registry:
    return Registry([read_entry(_complete(item.entry)) for item in reply.data])


def _complete(entry: dict[str, Any]) -> dict[str, Any]:
    """The folder of a model that its server's user keeps somewhere is not told to others."""
    if entry["source"] == {"type": "Local"}:
        entry["source"] = {"type": "Unavailable", "kind": "Local"}
    return entry
