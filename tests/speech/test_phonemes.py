"""Text as the sounds that Kokoro knows, without the network."""

from __future__ import annotations

import sys

import pytest

from ominix_core.engines import espeak
from ominix_core.engines.phonemes import phonemes
from ominix_core.errors import RequestError


@pytest.mark.parametrize(
    ("letter", "text", "expected"),
    [
        ("a", "The quick brown fox jumps.", "ðə kwˈɪk bɹˈWn fˈɑks ʤˈʌmps."),
        ("b", "The water in the bath, now!", "ðə wˈɔːtəɹ ɪnðə bˈɑːθ, nˈW!"),
        ("e", "Hola, ¿qué tal?", "ˈola, kˈe tˈal?"),
        ("f", "Bonjour, comment ça va ?", "bɔ̃ʒˈuʁ, kɔmˌɑ̃ sa vˈa?"),
        ("a", "", ""),
        ("a", "…", "…"),
    ],
)
def test_languages_and_punctuation(letter: str, text: str, expected: str) -> None:
    assert phonemes(text, letter) == expected


def test_an_abbreviation_makes_no_pause() -> None:
    sounds = phonemes("Mr. Smith met Dr. Jones. They left.", "a")
    assert sounds.count(".") == 2
    assert sounds.startswith("mˈɪstəɹ smˈɪθ")


@pytest.mark.parametrize(
    ("money", "words"),
    [
        ("$3.50", "3 dollars and 50 cents"),
        ("$1", "1 dollar"),
        ("$1,000", "1,000 dollars"),
        ("€2.5 million", "2.5 million euros"),
        ("£5.20", "5 pounds and 20 pence"),
        ("$7.00", "7 dollars"),
    ],
)
def test_money_is_read_as_it_is_said(money: str, words: str) -> None:
    assert phonemes(f"It costs {money} now.", "a") == phonemes(f"It costs {words} now.", "a")


@pytest.mark.parametrize(("letter", "package"), [("j", "misaki[ja]"), ("z", "misaki[zh]")])
def test_what_needs_another_package_says_so(letter: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("misaki.ja", "misaki.zh"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RequestError, match="needs misaki") as refused:
        phonemes("你好", letter)
    assert package in str(refused.value)


def test_without_espeak_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise RequestError(espeak.NEEDED, "missing_library")

    monkeypatch.setattr(espeak, "_library", missing)
    with pytest.raises(RequestError, match="brew install espeak-ng"):
        phonemes("Hello", "a")
