"""An answer that a server's model gives."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from contextlib import aclosing, suppress
from pathlib import Path

import msgspec

from ominix_core import wire
from ominix_core.errors import HubConnectionError, OminixError
from ominix_core.generation import Failed, Request
from ominix_core.media import SpeechRequest, TranscriptionRequest
from ominix_core.remote.connection import Connection
from ominix_core.stream import Generation

logger = logging.getLogger(__name__)


class RemoteAnswer:
    """Asks for an answer and passes its events on to `generation`, which ends with Failed if the line drops."""

    def __init__(self, connection: Connection, model_path: str, request: Request) -> None:
        self._connection = connection
        self._path = f"{model_path}/generate"
        self._request = request
        self._id: str | None = None
        self._cancelled = False
        self.generation = Generation(uuid.uuid4().hex, lambda _: self._ask_to_cancel())
        connection.start(self._run())

    async def _run(self) -> None:
        try:
            await self._follow()
            raise HubConnectionError(f"{self._connection.address.name} broke off before the answer was complete.")
        except OminixError as error:
            self.generation.put(Failed(str(error), error.code))  # dropped if the answer has ended
        except Exception:  # an answer that never ends would be worse than any reason
            logger.exception("an answer of %s cannot be understood", self._connection.address.name)
            message = f"What {self._connection.address.name} answers cannot be understood. Is it of this version?"
            self.generation.put(Failed(message, "internal_error"))
        except asyncio.CancelledError:
            self.generation.put(Failed("Ominix has left the server.", HubConnectionError.code))
            raise

    async def _follow(self) -> None:
        body = await asyncio.to_thread(_body, self._request)
        headers = {"content-type": wire.MESSAGEPACK}
        answer = self._connection.stream("POST", self._path, on_head=self._begin, content=body, headers=headers)
        async with aclosing(answer) as events:
            async for data in events:
                self.generation.put(wire.decode_generation_event(data))

    def _begin(self, headers: Mapping[str, str]) -> None:
        self._id = headers[wire.REQUEST_ID]
        if self._cancelled:
            self._ask_to_cancel()

    def _ask_to_cancel(self) -> None:
        with suppress(HubConnectionError):  # a closed connection has ended the answer
            self._connection.start(self._cancel())

    async def _cancel(self) -> None:
        self._cancelled = True
        if self._id is not None:
            with suppress(OminixError):  # it has ended meanwhile
                await self._connection.call("DELETE", f"/v1/requests/{self._id}", msgspec.Raw)


def _body(request: Request) -> bytes:
    """The request with the files that it names. Raises OminixError if one cannot be read."""
    files: dict[str, bytes] = {}

    def packed(path: str) -> str:
        name = f"file{Path(path).suffix}"
        try:
            files[name] = Path(path).read_bytes()
        except OSError as error:
            raise OminixError(f"{path} cannot be read: {error.strerror}") from error
        return name

    match request:
        case TranscriptionRequest():
            request = msgspec.structs.replace(request, path=packed(request.path))
        case SpeechRequest(reference=reference) if reference is not None:
            reference = msgspec.structs.replace(reference, path=packed(reference.path))
            request = msgspec.structs.replace(request, reference=reference)
    return msgspec.msgpack.encode(wire.Asked(request, files))
