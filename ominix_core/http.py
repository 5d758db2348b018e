"""An httpx client that keeps to public addresses. Import it where it is used: httpx takes a while."""

from __future__ import annotations

import urllib.request
from typing import Any

import httpx

from ominix_core.addresses import MAX_REDIRECTS, check_url, literal_address, resolve_public


def guarded_client(**options: Any) -> httpx.Client:
    """A client whose every request, redirects among them, keeps to public addresses.

    `options` are those of `httpx.Client`. Refusals raise AddressError from the request. A proxy that the environment
    names is used; it then resolves names itself, so only the text of an address can be checked.
    """
    return httpx.Client(
        transport=GuardedTransport(), max_redirects=MAX_REDIRECTS, follow_redirects=True, trust_env=False, **options
    )


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
        transport = self._transport_for(host, proxy)
        if proxy is None:
            port = request.url.port or (443 if request.url.scheme == "https" else 80)
            address = resolve_public(host, port)
            request.extensions = {**request.extensions, "sni_hostname": host}
            request.url = request.url.copy_with(host=address)
        return transport.handle_request(request)

    def close(self) -> None:
        for transport in self._by_host.values():
            transport.close()

    def _transport_for(self, host: str, proxy: str | None) -> httpx.HTTPTransport:
        """One pool a host: two hosts at one address must not share a connection that names one of them."""
        key = (host, proxy)
        if key not in self._by_host:
            self._by_host[key] = httpx.HTTPTransport(proxy=proxy)
        return self._by_host[key]


def _proxy_for(scheme: str, host: str) -> str | None:
    if literal_address(host) is not None or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(scheme)
