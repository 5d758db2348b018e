"""Text as the phonemes that Kokoro was trained on, without fetching anything."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from ominix_core.engines import espeak
from ominix_core.errors import RequestError

LANGUAGES = {
    "en-us": "a",
    "en": "a",
    "en-gb": "b",
    "es": "e",
    "fr": "f",
    "hi": "h",
    "it": "i",
    "pt": "p",
    "ja": "j",
    "zh": "z",
}
"""Language codes and Kokoro's letter for each, with which the names of its voices begin."""
_ESPEAK_VOICES = {"a": "en-us", "b": "en-gb-x-rp", "e": "es", "f": "fr", "h": "hi", "i": "it", "p": "pt-br"}

# How Kokoro writes sounds that eSpeak NG writes otherwise; longer ones first.
_DIPHTHONGS = {"a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "ɔ^ɪ": "Y", "d^ʒ": "ʤ", "t^ʃ": "ʧ"}
_ENGLISH = _DIPHTHONGS | {
    "ə^l": "ᵊl",
    "ɚ": "əɹ",
    "r": "ɹ",
    "x": "k",
    "ç": "k",
    "ɐ": "ə",
    "ɬ": "l",
    "ʔ": "t",
    "ɾ": "T",
    "e": "A",
}
_AMERICAN = {"o^ʊ": "O", "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "i^ə": "iə", "ː": ""}
_BRITISH = {"ə^ʊ": "Q", "e^ə": "ɛː", "i^ə": "ɪə", "iə": "ɪə"}
_OTHERS = _DIPHTHONGS | {"o^ʊ": "O", "ə^ʊ": "Q", "d^z": "ʣ", "t^s": "ʦ", "s^s": "S", "-": ""}

_MONEY = re.compile(r"([$€£])\s?(\d[\d,]*(?:\.\d+)?)(\s(?:hundred|thousand|million|billion|trillion))?", re.IGNORECASE)
_CURRENCIES = {"$": ("dollar", "cents"), "€": ("euro", "cents"), "£": ("pound", "pence")}


def phonemes(text: str, letter: str) -> str:
    """The phonemes of `text` in the language of this letter. Raises RequestError that says what to install."""
    if letter in "ab":
        return _english(_MONEY.sub(_spoken_money, text), british=letter == "b")
    if voice := _ESPEAK_VOICES.get(letter):
        return _rewrite(espeak.phonemes(text, voice), _OTHERS)
    return str(_asian(letter)(text)[0])


def _english(text: str, *, british: bool) -> str:
    sounds = espeak.phonemes(text, _ESPEAK_VOICES["b" if british else "a"])
    sounds = _rewrite(sounds, _ENGLISH | (_BRITISH if british else _AMERICAN))
    return re.sub(r"(\S)\u0329", r"ᵊ\1", sounds)  # a consonant that is a syllable


def _rewrite(sounds: str, table: dict[str, str]) -> str:
    for old in sorted(table, key=len, reverse=True):
        sounds = sounds.replace(old, table[old])
    return sounds.replace(espeak.TIE, "")


def _spoken_money(match: re.Match[str]) -> str:
    sign, amount, magnitude = match.groups()
    name, parts = _CURRENCIES[sign]
    whole, _, cents = amount.partition(".")
    unit = name if whole == "1" and not magnitude else f"{name}s"
    if magnitude or len(cents) not in (0, 2):
        return f"{amount}{magnitude or ''} {unit}"
    return f"{whole} {unit} and {int(cents)} {parts}" if int(cents or 0) else f"{whole} {unit}"


@functools.cache
def _asian(letter: str) -> Callable[[str], Any]:
    """Japanese and Chinese, for which misaki has what eSpeak NG has not."""
    name, extra = ("Japanese", "ja") if letter == "j" else ("Chinese", "zh")
    try:
        if letter == "j":
            from misaki.ja import JAG2P

            reader: Callable[[str], Any] = JAG2P()
        else:
            from misaki.zh import ZHG2P

            reader = ZHG2P()
    except Exception as error:  # a package or its dictionary is missing; each raises something of its own
        raise RequestError(
            f'Reading {name} aloud needs misaki: pip install "misaki[{extra}]"'
            + (" and then: python -m unidic download" if letter == "j" else ""),
            "missing_library",
        ) from error
    return reader
