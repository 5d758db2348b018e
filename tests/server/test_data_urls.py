"""Data URLs in every form that programs write them."""

from __future__ import annotations

import base64
from urllib.parse import quote, quote_from_bytes

import pytest

from ominix_core.server import data_urls
from ominix_core.server.data_urls import TooLongError, as_data_url, decode

DATA = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 3 + b"\xfb\xef\xff"
BASE64 = base64.b64encode(DATA).decode()
assert {"+", "/"} < set(BASE64)


def lines(separator: str, width: int = 76) -> str:
    return separator.join(BASE64[begin : begin + width] for begin in range(0, len(BASE64), width)) + separator


@pytest.fixture(params=[5, 76, 1 << 18])
def _piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands across two pieces is read as if it stood in one."""
    monkeypatch.setattr(data_urls, "PIECE", request.param)


FORMS = {
    "plain": f"data:image/png;base64,{BASE64}",
    "scheme and word in capitals": f"DATA:IMAGE/PNG;BASE64,{BASE64}",
    "lines": f"data:image/png;base64,{lines(chr(10))}",
    "lines of Windows": f"data:image/png;base64,{lines(chr(13) + chr(10), 64)}",
    "spaces and tabs": f"data:image/png;base64, {lines(chr(32) + chr(9), 7)}",
    "white space around it": f"  data:image/png;base64,{BASE64}\n",
    "charset": f"data:image/png;charset=utf-8;base64,{BASE64}",
    "name": f"data:image/png;name=shot%201.png;base64,{BASE64}",
    "several parameters": f'data:image/png; name="a b.png"; charset=utf-8; base64,{BASE64}',
    "no type": f"data:;base64,{BASE64}",
    "another type": f"data:application/octet-stream;base64,{BASE64}",
    "a type that is none": f"data:png;base64,{BASE64}",
    "percent-encoded": f"data:image/png;base64,{quote(BASE64, safe='')}",
    "percent-encoded lines": f"data:image/png;base64,{quote(lines(chr(13) + chr(10)), safe='')}",
    "the alphabet for URLs": f"data:image/png;base64,{base64.urlsafe_b64encode(DATA).decode()}",
    "no padding": f"data:image/png;base64,{BASE64.rstrip('=')}",
    "more padding": f"data:image/png;base64,{BASE64}==",
    "not base64": f"data:image/png,{quote_from_bytes(DATA)}",
    "every byte percent-encoded": "data:," + "".join(f"%{byte:02x}" for byte in DATA),
    "base64 that does not say so": f"data:image/png,{BASE64}",
    "base64 alone": BASE64,
    "lines of base64 alone": lines("\n"),
}


@pytest.mark.usefixtures("_piece")
@pytest.mark.parametrize("url", FORMS.values(), ids=FORMS)
def test_forms(url: str) -> None:
    assert decode(as_data_url(url) or "", len(DATA)) == DATA


@pytest.mark.usefixtures("_piece")
@pytest.mark.parametrize("length", range(12))
def test_every_length(length: int) -> None:
    data = DATA[:length]
    for encoded in (base64.b64encode(data), base64.b64encode(data).rstrip(b"="), base64.urlsafe_b64encode(data)):
        url = f"data:image/png;base64,{encoded.decode()}"
        if data:
            assert decode(url, len(DATA)) == data
        else:
            with pytest.raises(ValueError, match="is empty"):
                decode(url, len(DATA))


@pytest.mark.usefixtures("_piece")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        (" \r\n", "is empty"),
        ("====", "is empty"),
        ("AAAAA", "cut off"),
        ("AAA*", "other characters"),
        ("AAAÄ", "other characters"),
        ("AAA%", "other characters"),
        ("AA==AAAA", "goes on after its padding"),
        ("AA=A" + "AAAA" * 9, "goes on after its padding"),
    ],
)
def test_what_is_not_valid(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode(f"data:image/png;base64,{text}", 1000)


def test_what_is_too_long() -> None:
    for url in (FORMS["plain"], FORMS["not base64"]):
        with pytest.raises(TooLongError):
            decode(url, len(DATA) - 1)


@pytest.mark.parametrize("text", ["https://example.com/a.png", "/Users/ann/a.png", "iVBO", ""])
def test_what_is_no_data_url(text: str) -> None:
    assert as_data_url(text) is None
