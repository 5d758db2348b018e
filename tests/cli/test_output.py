"""What reaches the terminal, whatever models and registries say and whatever the terminal can show."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ominix_core.generation import ChatMessage, ChatRequest, Finished, TextDelta, Usage
from ominix_tui.commands.models import _stream, text_or_stdin
from tests.conftest import local_entry
from tests.support.command import ominix

ORDER = "\x1b]52;c;cm0gLXJm\x07"
"""By this a terminal would put a text of the model's on the clipboard."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("output", "shown"), [(Terminal(), "]52;c;cm0gLXJmYes\n"), (io.StringIO(), f"{ORDER}Yes\n")])
def test_a_terminal_takes_no_orders_from_a_model(
    output: io.StringIO, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [TextDelta(ORDER), TextDelta("Yes"), Finished("stop", Usage(1, 2, 0.1, 1.0))]
    hub: Any = SimpleNamespace(generate=lambda *_: events)
    monkeypatch.setattr(sys, "stdout", output)
    _stream(hub, "tiny", ChatRequest(messages=[ChatMessage("user", "Hello")]))
    assert output.getvalue() == shown


def test_bytes_that_are_no_characters_may_be_asked() -> None:
    argument = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert text_or_stdin(argument, "ominix run MODEL") == "caf\N{REPLACEMENT CHARACTER}"


def test_a_character_that_the_locale_lacks_is_replaced(
    add_models: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_models(local_entry("cafe", tmp_path, name="Café"))
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert "Caf? " in ominix("list").stdout
