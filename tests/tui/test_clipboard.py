"""Copied text reaches the user through every way that there is: OSC 52, tmux, this Mac's clipboard, a file."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ominix_core.errors import OminixError
from ominix_tui.app import OminixApp
from ominix_tui.clipboard import hand_over, save
from tests.tui.support import until, until_connected

TEXT = "Zwölf Boxkämpfer\n\tjagen “Viktor” über den Sylter Deich\n" * 2_000


class TestTmux:
    @pytest.fixture
    def tmux(self, tmp_path: Path) -> Iterator[list[str]]:
        """A tmux server of its own; the command that reaches it."""
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed")
        command = ["tmux", "-S", str(tmp_path / "socket")]
        subprocess.run([*command, "new-session", "-d", "cat"], check=True)
        yield command
        subprocess.run([*command, "kill-server"], check=True)

    def test_its_buffer_holds_the_text(self, tmux: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TMUX", f"{tmux[-1]},0,0")
        hand_over(TEXT)
        shown = subprocess.run([*tmux, "show-buffer"], capture_output=True, check=True)
        assert shown.stdout.decode() == TEXT

    def test_a_server_that_is_gone_is_no_failure(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TMUX", f"{tmp_path / 'nowhere'},0,0")
        hand_over(TEXT)


class TestThisMac:
    @pytest.fixture
    def clipboard(self, tmp_path: Path) -> Path:
        """What `pbcopy` writes to."""
        program = tmp_path / "pbcopy"
        program.write_text(f"#!/bin/sh\n/bin/cat > {tmp_path}/clipboard\n")
        program.chmod(0o755)
        return tmp_path / "clipboard"

    def test_it_gets_the_text(self, clipboard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(clipboard.parent))
        hand_over(TEXT, {"PATH": str(clipboard.parent)})
        assert clipboard.read_text("utf-8") == TEXT

    def test_over_ssh_it_is_left_alone(self, clipboard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(clipboard.parent))
        hand_over(TEXT, {"PATH": str(clipboard.parent), "SSH_CONNECTION": "10.0.0.2 50000 10.0.0.1 22"})
        assert not clipboard.exists()


async def test_the_terminal_is_always_told(
    catalogue_app: OminixApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = tmp_path / "clipboard"
    (tmp_path / "pbcopy").write_text(f"#!/bin/sh\n/bin/cat > {handed}\n")
    (tmp_path / "pbcopy").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    written: list[str] = []
    async with catalogue_app.run_test() as pilot:
        await until_connected(pilot)
        monkeypatch.setattr(catalogue_app._driver, "write", written.append)
        catalogue_app.copy_to_clipboard("a word")
        await until(pilot, lambda: handed.exists() and handed.read_text() == "a word")
    assert f"\x1b]52;c;{base64.b64encode(b'a word').decode()}\a" in written


class TestFile:
    def test_it_holds_the_text(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        assert save(TEXT, "~/answer.md") == tmp_path / "answer.md"
        assert (tmp_path / "answer.md").read_text("utf-8") == TEXT

    def test_no_file_is_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "answer.md").write_text("mine")
        with pytest.raises(OminixError, match="exists already"):
            save(TEXT, str(tmp_path / "answer.md"))
        with pytest.raises(OminixError, match="cannot be written"):
            save(TEXT, str(tmp_path / "no/such/folder/answer.md"))
