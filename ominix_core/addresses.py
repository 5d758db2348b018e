"""Which addresses a model or an image may be fetched from.

An address can come from a stranger's registry or request, so it must lead to the public internet: https only, no
user name in it, and a host that resolves to public addresses alone. `ominix_core.http` has a client that keeps to it.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from ominix_core.errors import OminixError

LOOPBACK_SWITCH = "OMINIX_TEST_ALLOW_LOOPBACK"
"""Set to 1, this variable lets tests fetch from a server of their own, by plain http, on a loopback address."""

MAX_REDIRECTS = 5
_MAX_LENGTH = 2048
_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r""";\s*rel\s*=\s*["']?(?:[\w-]+\s+)*next\b""", re.IGNORECASE)


class AddressError(OminixError):
    """An address that Ominix does not fetch from; the text says why."""

    code = "address_refused"


def check_url(url: str) -> str:
    """Check what the text of `url` shows, without resolving its host.

    Raises:
        AddressError: not https, a user name or password in it, no host, or a host that is a private address.
    """
    parts = _split(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("https", "http") or not host:
        raise AddressError(f"{_shown(url)} is not a web address; it must start with https://")
    if parts.username is not None or parts.password is not None:
        raise AddressError(f"{_shown(url)} holds a user name or password")
    address = literal_address(host)
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        address = ipaddress.ip_address("127.0.0.1")
    if address is not None:
        _check_address(host, address)
    if parts.scheme == "http" and not (address is not None and address.is_loopback):
        raise AddressError(f"{_shown(url)} is not encrypted; only https addresses are used")
    return url


def resolve_public(host: str, port: int) -> str:
    """The address to connect to for `host`, once every address that it resolves to has been checked.

    Raises:
        AddressError: one of them is not public, or there is none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressError(f"The address of {host} cannot be found: {error}") from error
    addresses = [str(item[4][0]).partition("%")[0] for item in found]
    for address in addresses:
        _check_address(host, ipaddress.ip_address(address))
    if not addresses:
        raise AddressError(f"{host} has no address")
    return addresses[0]


def next_page(url: str, link: str) -> str | None:
    """The address of the next page of a listing; None behind the last one.

    A mirror may pass on the address that the hub itself gave: its query is then asked for where `url` was, which is
    the only host that a token may go to.

    Args:
        url: What this page was asked for with.
        link: The `Link` header of the answer.

    Raises:
        AddressError: The listing goes on as something else on another host, or at what is no address.
    """
    given = next((match[1] for match in _LINK.finditer(link) if _NEXT.search(match[2])), None)
    if given is None:
        return None
    try:
        here, there = urlsplit(url), urlsplit(urljoin(url, given))
    except ValueError as error:
        raise AddressError(f"A list of files goes on at what is no web address: {_shown(given)}") from error
    if _listed(here.path) == _listed(there.path):
        there = here._replace(query=there.query)
    elif (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise AddressError(f"{here.hostname} continues its list of files on another host, {there.hostname}.")
    following: str = urlunsplit(there)
    return following


def _listed(path: str) -> str:
    """What of a path tells the tree that is listed: before it, mirrors have folders, and renamed models other names."""
    return unquote(path).rpartition("/tree/")[2]


def _split(url: str) -> SplitResult:
    if len(url) > _MAX_LENGTH or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise AddressError(f"{_shown(url)} is not a plain web address")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise AddressError(f"{_shown(url)} is not a web address: {error}") from error
    return parts


def literal_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that `host` itself is, in any notation that a connection would understand; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        # inet_aton reads 2130706433, 0x7f.1 and 0177.0.0.1 as the C library would when it connects.
        return ipaddress.ip_address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can connect to `host`."""
    address = literal_address(host)
    return host == "localhost" if address is None else address.is_loopback


def _check_address(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or _nat64(address)
        if inner is not None:
            address = inner
    if address.is_loopback and os.environ.get(LOOPBACK_SWITCH) == "1":
        return
    if not address.is_global or address.is_multicast:
        raise AddressError(f"{host} is an address inside this machine or its network; only public hosts are used")


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _shown(url: str) -> str:
    """`url` for an error text: without the secrets it may hold, and of bounded length."""
    plain = "".join(character for character in url if character.isprintable())
    head, at, tail = plain.partition("@")
    if at and "://" in head:
        plain = f"{head.partition('://')[0]}://…@{tail}"
    return plain if len(plain) <= 120 else plain[:119] + "…"
