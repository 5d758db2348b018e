"""What is fetched from an address that a stranger gave comes from the public internet, at every hop."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest

from ominix_core.addresses import LOOPBACK_SWITCH, AddressError, check_url, next_page, resolve_public
from ominix_core.http import guarded_client
from tests.registry.web import Answer, Site, serve


def answer_with(*addresses: str) -> Any:
    """A name server that gives these addresses for every name."""
    families = {True: socket.AF_INET6, False: socket.AF_INET}

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(families[":" in a], socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    return getaddrinfo


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["10.0.0.1"], ["93.184.216.34", "192.168.0.1"], ["fe80::1%en0"]])
def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answer_with(*addresses))
    with pytest.raises(AddressError, match=r"models\.example\.com"), guarded_client() as client:
        client.get("https://models.example.com/x")


def test_a_public_name_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answer_with("93.184.216.34", "2606:2800:220:1::1"))
    assert resolve_public("example.com", 443) == "93.184.216.34"


def test_a_name_without_an_address_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any, **__: Any) -> None:
        raise socket.gaierror(8, "nodename nor servname provided")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(AddressError, match="cannot be found"):
        resolve_public("nowhere.example.com", 443)


def test_a_redirect_inside_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.routes["/start"] = Answer(status=302, headers={"Location": "http://10.0.0.1/admin"})
    with guarded_client() as client, pytest.raises(AddressError, match=r"10\.0\.0\.1"):
        client.get(f"{site.url}/start")


def test_a_redirect_to_loopback_is_refused_once_the_switch_is_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: object) -> Answer:
        monkeypatch.delenv(LOOPBACK_SWITCH)
        return Answer(status=302, headers={"Location": f"{site.url}/secret"})

    site.routes |= {"/start": start, "/secret": Answer(b"secret")}
    with guarded_client() as client, pytest.raises(AddressError):
        client.get(f"{site.url}/start")
    assert [request.path for request in site.requests] == ["/start"]


def test_the_host_keeps_its_name_though_the_address_is_pinned(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answer_with("127.0.0.1"))
    site.routes["/x"] = Answer(b"hello")
    port = site.url.rpartition(":")[2]
    with guarded_client() as client:
        assert client.get(f"http://localhost:{port}/x").content == b"hello"
    assert site.requests[0].headers["host"] == f"localhost:{port}"


def test_a_relative_redirect_keeps_the_name_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """By which the certificate of the next hop is checked."""
    monkeypatch.setattr(socket, "getaddrinfo", answer_with("127.0.0.1"))
    site.routes |= {"/start": Answer(status=302, headers={"Location": "/end"}), "/end": Answer(b"hello")}
    start = site.url.replace("127.0.0.1", "localhost") + "/start"
    with guarded_client() as client:
        response = client.get(start)
    assert (response.content, response.url.host) == (b"hello", "localhost")


def test_too_many_redirects_end(site: Site) -> None:
    site.routes["/loop"] = Answer(status=302, headers={"Location": "/loop"})
    with guarded_client() as client, pytest.raises(httpx.TooManyRedirects):
        client.get(f"{site.url}/loop")
    assert len(site.requests) == 6


def test_loopback_needs_the_test_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LOOPBACK_SWITCH, raising=False)
    with serve() as site, pytest.raises(AddressError), guarded_client() as client:
        client.get(f"{site.url}/x")
    monkeypatch.setenv(LOOPBACK_SWITCH, "1")
    assert check_url("http://127.0.0.1:8000/x")
    with pytest.raises(AddressError):
        check_url("http://10.0.0.1/x")


def test_errors_hide_passwords() -> None:
    with pytest.raises(AddressError) as caught:
        check_url("https://me:hunter2@example.com/x")
    assert "hunter2" not in str(caught.value)


TREE = "https://mirror.example/hf/api/models/o/n/tree/abc"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("", None),
        (f'<{TREE}?cursor=2>; rel="prev"', None),
        (f'<{TREE}?cursor=2>; rel="next"', f"{TREE}?cursor=2"),
        (f"<{TREE}?cursor=2>; rel=next", f"{TREE}?cursor=2"),
        (f'<{TREE}?cursor=1,2>; rel="prev", <{TREE}?cursor=3,4>; title="x"; rel="next"', f"{TREE}?cursor=3,4"),
        ('<?cursor=2>; rel="next"', f"{TREE}?cursor=2"),
        ('</api/models/o/n/tree/abc?cursor=2>; rel="next"', f"{TREE}?cursor=2"),
        ('<https://huggingface.co/api/models/o/n/tree/abc?cursor=2>; rel="next"', f"{TREE}?cursor=2"),
        ('<https://huggingface.co/api/models/o/renamed/tree/abc?cursor=2>; rel="next"', f"{TREE}?cursor=2"),
        ('<http://mirror.example/hf/api/models/o/n/tree/abc?cursor=2>; rel="next"', f"{TREE}?cursor=2"),
        (f"<{TREE}?cursor=2>; rel='next'", f"{TREE}?cursor=2"),
        (f'<{TREE}?cursor=2>; rel="last next"', f"{TREE}?cursor=2"),
    ],
)
def test_the_next_page_is_asked_for_where_this_one_was(link: str, expected: str | None) -> None:
    assert next_page(f"{TREE}?recursive=true", link) == expected


@pytest.mark.parametrize(
    "address", ["https://evil.example/other/tree/abd?cursor=2", "//evil.example/x", "http://mirror.example/x"]
)
def test_a_listing_that_goes_on_as_something_else_on_another_host_is_refused(address: str) -> None:
    with pytest.raises(AddressError, match="another host"):
        next_page(TREE, f'<{address}>; rel="next"')


def test_a_next_page_that_is_no_address_is_refused_in_words() -> None:
    with pytest.raises(AddressError, match="no web address"):
        next_page(TREE, '<https://[bad/tree>; rel="next"')
