"""eSpeak NG, which turns text of many languages into phonemes offline, through its C library."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import functools
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from ominix_core.engines.sentences import ends_with_abbreviation
from ominix_core.errors import RequestError

NEEDED = (
    "Reading text aloud with this model needs eSpeak NG. Install it, then load the model again: "
    "pip install espeakng-loader (or: brew install espeak-ng; on Linux: sudo apt install libespeak-ng1)"
)
# Where Homebrew puts libraries, which the loader of macOS does not search.
_HOMEBREW = ("/opt/homebrew/lib/libespeak-ng.dylib", "/usr/local/lib/libespeak-ng.dylib")

_RETRIEVE_ONLY = 2
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_IPA = 0x02
_TIED = 0x80
TIE = "^"
"""Joins the letters of one sound, such as the two of a diphthong."""

_PUNCTUATION = re.compile(r"\s*([;:,.!?…—–।]+)[\"”’)\]]*(?=\s|$)")
_MARKS = {"–": "—", "।": "."}

_lock = threading.Lock()  # the library keeps its voice and its place in the text in global variables


def phonemes(text: str, voice: str) -> str:
    """IPA with stress marks, words apart by spaces, punctuation in its place. Raises RequestError without eSpeak NG."""
    with _lock:
        library = _library()
        if library.espeak_SetVoiceByName(voice.encode()):
            raise RequestError(f"eSpeak NG has no voice '{voice}' here. Install its whole package.", "missing_library")
        parts = [" ".join(_clauses(library, words)) + mark for words, mark in _marked(text)]
    return " ".join(part for part in parts if part)


def _marked(text: str) -> Iterator[tuple[str, str]]:
    """The text between punctuation marks, and the mark that follows; the library tells of no marks."""
    start = 0
    for match in _PUNCTUATION.finditer(text):
        if match[1] == "." and match.end() < len(text) and ends_with_abbreviation(text[start : match.end()]):
            continue
        yield text[start : match.start()], _MARKS.get(match[1][0], match[1][0])
        start = match.end()
    yield text[start:], ""


def _clauses(library: ctypes.CDLL, text: str) -> Iterator[str]:
    buffer = ctypes.create_string_buffer(text.encode())
    place = ctypes.c_void_p(ctypes.addressof(buffer))
    while place.value:
        raw = library.espeak_TextToPhonemes(ctypes.byref(place), _UTF8, ord(TIE) << 8 | _TIED | _IPA)
        if clause := (raw or b"").decode("utf-8", "replace").strip():
            yield re.sub(r"\([a-z-]+\)", "", clause)  # marks of a word that it took for another language's


@functools.cache
def _library() -> ctypes.CDLL:
    data: Path | None = None
    candidates = [*_HOMEBREW, ctypes.util.find_library("espeak-ng")]
    with contextlib.suppress(ImportError):
        import espeakng_loader

        data = Path(espeakng_loader.get_data_path())
        candidates.insert(0, str(espeakng_loader.get_library_path()))
    for name in filter(None, candidates):
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(name)
            library.espeak_TextToPhonemes.restype = ctypes.c_char_p
            if library.espeak_Initialize(_RETRIEVE_ONLY, 0, str(data).encode() if data else None, _DO_NOT_EXIT) > 0:
                return library
    raise RequestError(NEEDED, "missing_library")
