"""httpx clients that keep to public addresses. Import them where they are used: httpx takes a while."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from typing import Any

import httpx

from ominix_core.addresses import MAX_REDIRECTS, check_url, literal_address, resolve_public

_FIXED: dict[str, Any] = {"max_redirects": MAX_REDIRECTS, "follow_redirects": True, "trust_env": False}


def guarded_client(**options: Any) -> httpx.Client:
    """A client whose every request, redirects among them, keeps to public addresses.

    `options` are those of `httpx.Client`. Refusals raise AddressError from the request. A proxy that the environment
    names is used; it then resolves names itself, so only the text of an address can be checked.
    """
    return httpx.Client(transport=GuardedTransport(), **_FIXED, **options)


def guarded_async_client(tls: ssl.SSLContext, **options: Any) -> httpx.AsyncClient:
    """The same for an event loop. `tls` is `httpx.create_ssl_context()`, which takes too long to be made there."""
    return httpx.AsyncClient(transport=AsyncGuardedTransport(tls), **_FIXED, **options)


class GuardedTransport(httpx.BaseTransport):
    """Checks each request's address and connects to the very address that was checked, under the host's own name.

    A name that resolves differently a moment later can therefore not lead the connection elsewhere.
    """

    def __init__(self) -> None:
        self._by_host: dict[tuple[str, str | None], httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        check_url(str(request.url))
        host = request.url.host
        proxy = _proxy_for(request.url.scheme, host)
        if proxy is None:
            request = _led_to(request, resolve_public(host, _port(request)))
        return self._transport_for(host, proxy).handle_request(request)

    def close(self) -> None:
        for transport in self._by_host.values():
            transport.close()

    def _transport_for(self, host: str, proxy: str | None) -> httpx.HTTPTransport:
        """One pool a host: two hosts at one address must not share a connection that names one of them."""
        key = (host, proxy)
        if key not in self._by_host:
            self._by_host[key] = httpx.HTTPTransport(proxy=proxy)
        return self._by_host[key]


class AsyncGuardedTransport(httpx.AsyncBaseTransport):
    """GuardedTransport for an event loop; names are resolved on a thread."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._by_host: dict[tuple[str, str | None], httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        check_url(str(request.url))
        host = request.url.host
        proxy = _proxy_for(request.url.scheme, host)
        if proxy is None:
            request = _led_to(request, await asyncio.to_thread(resolve_public, host, _port(request)))
        return await self._transport_for(host, proxy).handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._by_host.values():
            await transport.aclose()

    def _transport_for(self, host: str, proxy: str | None) -> httpx.AsyncHTTPTransport:
        key = (host, proxy)
        if key not in self._by_host:
            self._by_host[key] = httpx.AsyncHTTPTransport(verify=self._tls, proxy=proxy)
        return self._by_host[key]


def _led_to(request: httpx.Request, address: str) -> httpx.Request:
    """A copy that goes to this address under the host's name; relative redirects start from the original."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


def _port(request: httpx.Request) -> int:
    return request.url.port or (443 if request.url.scheme == "https" else 80)


def _proxy_for(scheme: str, host: str) -> str | None:
    if literal_address(host) is not None or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(scheme)
