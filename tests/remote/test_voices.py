"""The user's voices, near or far."""

from __future__ import annotations

from pathlib import Path

import pytest

from ominix_core.errors import OminixError
from ominix_core.facade import HubFacade


def test_the_life_of_a_voice(either: HubFacade, clip: Path) -> None:
    assert either.voices.all() == []
    added = either.voices.add("Ann . ä", clip, "Hello")
    assert (added.name, added.text, added.aliases) == ("Ann . ä", "Hello", ())
    assert either.voices.rename("ann . Ä", "Bob").name == "Bob"
    assert [voice.name for voice in either.voices.all()] == ["Bob"]
    assert either.voices.clip("BOB") == clip.read_bytes()
    either.voices.remove("bob")
    assert either.voices.all() == []


def test_what_is_wrong_is_told_in_the_same_words(either: HubFacade, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(OminixError, match="There is no voice 'nobody'"):
        either.voices.remove("nobody")
    with pytest.raises(OminixError, match="is no name for a voice"):
        either.voices.add("../x", clip)
    with pytest.raises(OminixError, match=r"missing\.wav cannot be read as audio"):
        either.voices.add("Ann", tmp_path / "missing.wav")
