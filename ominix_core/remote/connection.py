"""HTTP to one server from any thread: an event loop on a thread of its own sends, receives and waits."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ominix_core import wire
from ominix_core.errors import AccessError, HubConnectionError, OminixError, error_of
from ominix_core.event_data import EventData
from ominix_core.remote.address import ServerAddress

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 30.0
"""A server that is at work says something at least every ten seconds."""


class NobodyListensError(HubConnectionError):
    """No program listens at the server's address."""


class Connection:
    """Thread-safe but for its coroutines, which run on its own loop: hand them to `start` or `wait`.

    Args:
        locate: Tells where the server is; asked again by `relocate`, because one that was restarted may be elsewhere.
    """

    def __init__(self, locate: Callable[[], ServerAddress]) -> None:
        self._locate = locate
        self.address = locate()
        self._client: httpx.AsyncClient | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="remote hub", daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Let `work` run; what it returns or raises comes through the future."""
        with self._lock:
            if self._closed:
                work.close()
                raise HubConnectionError(f"The connection to {self.address.name} has been closed.")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns; not for the connection's own thread."""
        return self.start(work).result()

    def relocate(self) -> None:
        """Look again where the server is. Raises OminixError if it is nowhere."""
        self.address = self._locate()

    def close(self) -> None:
        """End what still runs, and the thread; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_default_executor()
        if self._client is not None:
            await self._client.aclose()

    # -- coroutines ---------------------------------------------------------------------------------------------

    async def call(
        self, method: str, path: str, kind: type[T], params: Mapping[str, Any] | None = None, **body: Any
    ) -> T:
        """The whole answer to a request. Raises OminixError of the class and in the words of the server's own.

        Args:
            body: `json`, or `data` and `files`, as httpx takes them.
        """
        return decoded(await self.fetch(method, path, params=params, **body), kind, self.address.name)

    async def fetch(self, method: str, path: str, **options: Any) -> bytes:
        """The same as it is."""
        async with self._response(method, path, **options) as response:
            return await response.aread()

    async def stream(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        on_head: Callable[[Mapping[str, str]], None] = lambda _: None,
        **body: Any,
    ) -> AsyncGenerator[bytes, None]:
        """The data of each server-sent event of an answer. Raises like `call`, also for an event that tells a failure.

        Args:
            on_head: Called with the answer's headers before the first event.
            body: `content` and `headers`, as httpx takes them.
        """
        async with self._response(method, path, params=params, **body) as response:
            on_head(response.headers)
            lines = EventData()
            async for part in response.aiter_bytes():
                for data in lines.feed(part):
                    if data.startswith(b'{"error"'):
                        raise _error_in(data, self.address.name)
                    yield data

    @asynccontextmanager
    async def _response(self, method: str, path: str, **options: Any) -> AsyncIterator[httpx.Response]:
        import httpx

        address = self.address
        headers = dict(options.pop("headers", None) or {})
        if address.key:
            headers["authorization"] = f"Bearer {address.key}"
        try:
            async with self._http(address).stream(method, address.url + path, headers=headers, **options) as response:
                if response.is_error:
                    raise self._refusal(response.status_code, await response.aread())
                yield response
        except httpx.ConnectError as error:
            raise _not_connected(error, address) from error
        except httpx.TimeoutException as error:
            raise HubConnectionError(f"{address.name} does not answer.") from error
        except httpx.TransportError as error:
            raise HubConnectionError(f"The connection to {address.name} broke off.") from error

    def _http(self, address: ServerAddress) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=10),
                verify=httpx.create_ssl_context() if address.verified and address.url.startswith("https") else False,
                trust_env=False,
            )
        return self._client

    def _refusal(self, status: int, body: bytes) -> OminixError:
        address = self.address
        error = _error_in(body, address.name)
        if status == 401:
            what = "refuses this API key" if address.key else "wants an API key"
            return AccessError(
                f"{address.name} {what}. Give it with --key KEY or in the variable OMINIX_KEY. "
                "To make one, run there: ominix keys create NAME --manage"
            )
        if error.code == "not_found":
            return OminixError(f"{address.name} runs another version of Ominix, which cannot do this. Update it.")
        return error


def decoded(body: bytes, kind: type[T], name: str) -> T:
    """Raises OminixError if the body is not of this kind."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise OminixError(f"What {name} answers cannot be understood. Is it an Ominix of this version?") from error


def _error_in(body: bytes, name: str) -> OminixError:
    try:
        trouble = decoded(body, wire.ErrorBody, name).error
    except OminixError as error:
        return error
    return error_of(trouble.code, trouble.message)


def _not_connected(error: httpx.ConnectError, address: ServerAddress) -> HubConnectionError:
    reason: BaseException | None = error
    while reason is not None and not isinstance(reason, ssl.SSLError):
        reason = reason.__cause__ or reason.__context__
    if isinstance(reason, ssl.SSLCertVerificationError):
        return HubConnectionError(
            f"The certificate of {address.name} cannot be trusted: {reason.verify_message}. "
            "If it is your own, give its file in the variable SSL_CERT_FILE."
        )
    if reason is not None:
        return HubConnectionError(f"{address.name} does not speak HTTPS at {address.url}. Try http:// instead.")
    return NobodyListensError(f"No Ominix server answers at {address.url}. Is `ominix serve` running there?")
