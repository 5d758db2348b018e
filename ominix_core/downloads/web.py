"""The web as one download sees it: checked redirects, a token for one origin only, and an end that comes at once."""

from __future__ import annotations

import contextlib
import functools
import json
import socket
import ssl
import threading
import urllib.request
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ominix_core import __version__
from ominix_core.addresses import MAX_REDIRECTS, check_url, resolve_public
from ominix_core.downloads.endpoints import named_origins, origin
from ominix_core.downloads.retry import Attempts, RetryPolicy, TransientError, Waits, requested_wait
from ominix_core.errors import DownloadError

if TYPE_CHECKING:
    import httpx

MAX_LISTING_BYTES = 64 << 20
CONNECT_SECONDS = 10.0
LOOK_SECONDS = 0.1
READ_BYTES = 512 << 10
DIRECT_BYTES = 4 << 20
"""Shorter bodies are read by httpx, which can then use the connection again."""

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524})
T = TypeVar("T")


class RefusedError(DownloadError):
    """The server answered, and will not answer differently if asked again.

    Attributes:
        status: HTTP status; 0 when the answer itself was unusable.
        hub_code: The Hugging Face hub's own name of the refusal ("GatedRepo"), or empty.
        url: What was asked for, or empty.
    """

    def __init__(self, message: str, status: int = 0, hub_code: str = "", url: str = "") -> None:
        super().__init__(message)
        self.url = url
        self.status = status
        self.hub_code = hub_code


class Web:
    """Thread-safe. One is made for each download, so that ending it touches no other.

    Args:
        tokens: Bearer tokens by origin; each is sent there and nowhere else.
        connections: How many requests may run at once.
        timeout: Seconds without a byte until a connection counts as stalled.
        on_wait: Told every second why a listing waits: "rate limited, 12 s".
    """

    def __init__(
        self,
        tokens: Mapping[str, str] | None = None,
        *,
        connections: int = 4,
        timeout: float = 15.0,
        retry: RetryPolicy | None = None,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.waits = Waits()
        self.retry = retry or RetryPolicy()
        self._on_wait = on_wait
        self._tokens = dict(tokens or {})
        self._named = named_origins()
        self._has_proxy = not {"http", "https", "all"}.isdisjoint(urllib.request.getproxies())
        self._timeout = timeout
        self._client = _client(connections, timeout)
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._sockets_lock = threading.Lock()

    @property
    def stopped(self) -> bool:
        return self.waits.stopped.is_set()

    def stop(self) -> None:
        """End every request and wait of this download at once; from any thread."""
        self.waits.stopped.set()
        with self._sockets_lock:
            open_sockets = list(self._sockets)
        for each in open_sockets:
            with contextlib.suppress(OSError):
                # the plain call, for a TLS socket too: its own would not wake a thread that waits in a read
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def close(self) -> None:
        self._client.close()

    # -- one request --------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """One try to GET `url`, its body not yet read.

        Raises:
            TransientError: Also while the body is read within the `with` block.
            RefusedError: On any other status than 200 and 206.
            AddressError: If the URL, a redirect of it, or the machine behind one may not be asked.
            Cancelled: If the download was stopped.
        """
        import httpx

        try:
            request = self._client.build_request("GET", url, headers=headers)
            for hop in range(MAX_REDIRECTS + 1):
                self._prepare(request)
                response = self._client.send(request, stream=True)
                with contextlib.closing(response):
                    if response.next_request is None:
                        self._check_status(response, redirected=hop > 0)
                        yield response
                        return
                    request = response.next_request
            raise RefusedError(f"{urlsplit(url).hostname} redirects more than {MAX_REDIRECTS} times.")
        except httpx.InvalidURL as error:
            raise RefusedError(f"{url[:100]!r} is not a web address: {error}.") from error
        except httpx.TransportError as error:
            self.waits.check()
            raise TransientError(_reason(error, urlsplit(url).hostname or url)) from error

    def body(self, response: httpx.Response) -> Iterator[memoryview]:
        """The bytes of a response, in pieces that are valid until the next one.

        A long body is read past httpx, straight from its socket: the parser copies each byte three times, which takes
        as long as everything else. Its connection is not used again. Raises httpx.TransportError.
        """
        import httpx

        chunks = response.iter_raw()
        left = int(response.headers.get("content-length", 0))
        for chunk in chunks:
            left -= len(chunk)
            yield memoryview(chunk)
            connected = _plain_socket(response)
            if left >= DIRECT_BYTES and connected is not None:
                break
        else:
            return
        buffer = memoryview(bytearray(READ_BYTES))
        connected.settimeout(self._timeout)
        while left:
            try:
                count = connected.recv_into(buffer[:left])
            except TimeoutError as error:
                raise httpx.ReadTimeout("") from error
            except OSError as error:
                raise httpx.ReadError("") from error
            if count == 0:
                raise httpx.RemoteProtocolError("closed before the end")
            left -= count
            yield buffer[:count]

    def _prepare(self, request: httpx.Request) -> None:
        """Check where a request goes, and let it carry the token of that origin, if there is one, and no other."""
        self.waits.check()
        url = str(request.url)
        is_named = origin(url) in self._named
        if not is_named:
            check_url(url)
        request.headers.pop("Authorization", None)
        if token := self._tokens.get(origin(url)):
            request.headers["Authorization"] = f"Bearer {token}"
        request.extensions["trace"] = functools.partial(self._trace, not is_named and not self._has_proxy)

    def _trace(self, check_peer: bool, event: str, info: dict[str, Any]) -> None:
        """Remember every socket as soon as it is connected, so that `stop` can end a read on it."""
        if not event.endswith(("connect_tcp.complete", "start_tls.complete")):
            return
        connected = info["return_value"].get_extra_info("socket")
        with self._sockets_lock:
            self._sockets.add(connected)
        try:
            self.waits.check()
            if check_peer:  # what the name resolved to counts, whatever it resolved to before
                resolve_public(*connected.getpeername()[:2])
        except BaseException:
            connected.close()  # nobody else knows it yet
            raise

    def _check_status(self, response: httpx.Response, *, redirected: bool) -> None:
        status = response.status_code
        host = response.url.host
        if status in (200, 206):
            if response.headers.get("content-encoding", "identity") not in ("", "identity"):
                raise TransientError(f"{host} sent compressed bytes where plain ones were asked for", tries=3)
            return
        if status in TRANSIENT:
            wait = requested_wait(response.headers)
            if status == 429:
                wait = 1.0 if wait is None else wait
                self.waits.hold_all(wait)
                raise TransientError("rate limited", wait)
            raise TransientError(f"{host} answers {status}", wait)
        if status in (401, 403) and redirected:
            raise TransientError(f"{host} refuses a signed address ({status})", tries=4)  # it may have expired
        hub_code = response.headers.get("x-error-code", "")
        raise RefusedError(f"{host} answers {status}.", status, hub_code, str(response.url))

    # -- small answers, with retries ----------------------------------------------------------------------------

    def get_bytes(self, url: str, limit: int = MAX_LISTING_BYTES) -> tuple[bytes, httpx.Headers]:
        """The whole body of at most `limit` bytes. Raises DownloadError, AddressError or Cancelled."""

        def once() -> tuple[bytes, httpx.Headers]:
            with self.open(url) as response:
                body = bytearray()
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > limit:
                        raise RefusedError(
                            f"{response.url.host} sends more than {limit >> 20} MiB for a list of files."
                        )
                return bytes(body), response.headers

        return self.patiently(once, self.retry.listing_patience)

    def get_json(self, url: str) -> tuple[Any, httpx.Headers]:
        """A JSON answer and its headers. Raises what `get_bytes` does."""
        body, headers = self.get_bytes(url)
        try:
            return json.loads(body), headers
        except (ValueError, RecursionError) as error:
            raise RefusedError(f"{urlsplit(url).hostname} sent a list of files that is not valid JSON.") from error

    def patiently(self, once: Callable[[], T], patience: float) -> T:
        """The result of `once`, tried again while it raises TransientError, for at most `patience` seconds."""
        attempts = Attempts(self.retry, patience)
        while True:
            self.waits.turn()
            try:
                return self._leavable(once)
            except TransientError as error:
                left = attempts.failed(error, 0)
                while left > 0:
                    self._on_wait(f"{error.reason}, {max(1, round(left))} s")
                    self.waits.nap(min(left, 1.0), error.reason)
                    left -= 1.0

    def _leavable(self, once: Callable[[], T]) -> T:
        """The result of `once`, run on a thread that is left behind if it hangs in a connect when `stop` comes."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(once())
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, name="download-listing", daemon=True).start()
        while not wait([future], LOOK_SECONDS).done:
            self.waits.check()
        return future.result()


def _client(connections: int, timeout: float) -> httpx.Client:
    import httpx

    return httpx.Client(
        headers={"User-Agent": f"ominix/{__version__}", "Accept-Encoding": "identity"},
        timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS, pool=None),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        follow_redirects=False,
    )


def _plain_socket(response: httpx.Response) -> socket.socket | None:
    """The socket that carries a response's body as it is; None where it is wrapped, as by a proxy that speaks TLS."""
    stream = response.extensions.get("network_stream")
    if stream is None or response.http_version != "HTTP/1.1" or "transfer-encoding" in response.headers:
        return None
    connected: socket.socket | None = stream.get_extra_info("socket")
    is_wrapped = stream.get_extra_info("ssl_object") is not None and not isinstance(connected, ssl.SSLSocket)
    return None if is_wrapped else connected


def _reason(error: Exception, host: str) -> str:
    import httpx

    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return f"{host} does not answer"
    if isinstance(error, httpx.TimeoutException):
        return f"{host} stopped sending"
    if isinstance(error, httpx.ConnectError):
        return f"no connection to {host}"
    return f"connection to {host} lost"
