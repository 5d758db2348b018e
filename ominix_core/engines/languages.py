"""Names and codes of spoken languages, as Whisper lists them and the other speech models use them too."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from ominix_core.errors import RequestError


def code_of(language: str) -> str | None:
    """The code of a language that is given by name or code in any case: "en" for "English", "EN" and "en-US"."""
    from mlx_audio.stt.models.whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

    plain = language.strip().lower()
    if plain in TO_LANGUAGE_CODE:
        code: str = TO_LANGUAGE_CODE[plain]
        return code
    base = plain.replace("_", "-").partition("-")[0]
    return base if base in LANGUAGES else None


def name_of(language: str) -> str:
    """Its English name in lower case: "english" for "en", "EN" and "English"; unknown ones stay as they are."""
    from mlx_audio.stt.models.whisper.tokenizer import LANGUAGES

    code = code_of(language)
    return LANGUAGES[code] if code else language.lower()


def all_names() -> tuple[str, ...]:
    """The English names of all languages, in lower case."""
    from mlx_audio.stt.models.whisper.tokenizer import LANGUAGES

    return tuple(LANGUAGES.values())


def check_language(language: str, known: Sequence[str]) -> None:
    """Raises RequestError unless `language`, a name or code, is one of the names in `known`."""
    name = name_of(language)
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=2)
    if near:
        hint = f" Did you mean {' or '.join(near)}?"
    else:
        hint = f" It knows {', '.join(known[:6])}{' and others' if len(known) > 6 else ''}."
    raise RequestError(f"This model does not know the language '{language}'.{hint}", "unsupported_language")
