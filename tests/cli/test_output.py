"""What reaches the terminal, whatever models and registries say and whatever the terminal can show."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ominix_core.generation import ChatMessage, ChatRequest, Finished, TextDelta, Usage
from ominix_tui.commands.models import _stream, text_or_stdin
from tests.conftest import local_entry
from tests.support.command import COMMAND, ominix

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


def test_a_character_that_the_locale_lacks_is_drawn_plain(
    add_models: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_models(local_entry("cafe", tmp_path, name="Café"))
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert "Cafe " in ominix("list").stdout


@pytest.mark.parametrize("unbuffered", ["", pytest.param("1", marks=pytest.mark.slow)])
class TestBrokenStreams:
    """Shells, cron jobs and disks do this to a command."""

    @pytest.fixture(autouse=True)
    def buffering(self, monkeypatch: pytest.MonkeyPatch, unbuffered: str) -> None:
        monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")
    @pytest.mark.parametrize("command", ["list", pytest.param("--help", marks=pytest.mark.slow)])
    def test_a_full_disk(self, command: str) -> None:
        process = shell(f"{command} >/dev/full")
        assert process.stderr == "ominix: The output cannot be written: No space left on device.\n"
        assert process.returncode == 1

    def test_a_closed_output(self) -> None:
        process = shell("list >&-")
        assert process.stderr == "ominix: The output cannot be written: Bad file descriptor.\n"
        assert process.returncode == 1

    def test_a_reader_that_has_gone(self) -> None:
        process = shell("list | true; exit ${PIPESTATUS[0]}")
        assert process.stderr == ""
        assert process.returncode in (0, 1)  # it may have been quicker

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")
    @pytest.mark.parametrize("nowhere", ["/dev/full", pytest.param("&-", marks=pytest.mark.slow)])
    def test_what_is_only_told_may_go_nowhere(self, nowhere: str) -> None:
        process = shell(f"rm nothing 2>{nowhere}")
        assert process.returncode == 1
        process = shell(f"list 2>{nowhere}")
        assert process.returncode == 0
        assert process.stdout.startswith("ID ")


def shell(arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with these arguments, which the shell reads."""
    line = f"{shlex.join(COMMAND)} {arguments}"
    return subprocess.run(["bash", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
