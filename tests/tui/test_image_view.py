"""Pictures in the terminal: half-blocks anywhere, pixels where the terminal has them, and never garbage."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import ModalScreen

from ominix_core.settings import Images
from ominix_tui import terminal_images
from ominix_tui.pictures import fit, half_blocks
from ominix_tui.terminal_images import Mode, from_environment
from ominix_tui.widgets.image_view import ImageView
from tests.tui.support import screen_text, until


def encoded(width: int, height: int, color: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), color).save(file, "PNG")
    return file.getvalue()


class ViewApp(App[None]):
    CSS = "ImageView { width: 20; height: 6; }"

    def compose(self) -> ComposeResult:
        yield ImageView()

    @property
    def view(self) -> ImageView:
        return self.query_one(ImageView)


@pytest.fixture
def use_mode(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mode], None]:
    return lambda mode: monkeypatch.setattr(terminal_images, "_mode", mode)


async def shown(pilot: Pilot[None], view: ImageView) -> str:
    await until(pilot, lambda: view.shows_picture)
    await pilot.pause()
    return screen_text(pilot)


class TestHalfBlocks:
    def test_each_cell_is_two_pixels(self) -> None:
        image = Image.new("RGB", (2, 2))
        image.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9)])
        (line,) = half_blocks(image, 2, 1).lines
        colors = [(str(cell.style.color.name), str(cell.style.bgcolor.name)) for cell in line]  # type: ignore[union-attr]
        assert colors == [("#ff0000", "#0000ff"), ("#00ff00", "#090909")]

    @pytest.mark.parametrize(
        ("size", "box", "cells"),
        [
            ((512, 512), (40, 10), (20, 10)),
            ((512, 512), (10, 40), (10, 5)),
            ((4096, 16), (40, 10), (40, 1)),
            ((16, 4096), (40, 10), (1, 10)),
            ((1, 1), (3, 3), (3, 2)),
        ],
    )
    def test_proportions_are_kept(self, size: tuple[int, int], box: tuple[int, int], cells: tuple[int, int]) -> None:
        assert fit(*size, *box) == cells

    async def test_the_picture_is_in_the_middle_and_follows_the_box(self) -> None:
        app = ViewApp()
        async with app.run_test() as pilot:
            app.view.show(encoded(64, 64))
            rows = (await shown(pilot, app.view)).splitlines()
            assert rows[0].rstrip() == " " * 4 + "▀" * 12
            app.view.styles.width = 6
            await until(pilot, lambda: screen_text(pilot).count("▀") == 6 * 3)

    async def test_another_image_takes_its_place_and_nothing_clears_it(self) -> None:
        app = ViewApp()
        async with app.run_test() as pilot:
            app.view.show(encoded(64, 64))
            await shown(pilot, app.view)
            app.view.show(encoded(200, 10))
            await until(pilot, lambda: screen_text(pilot).count("▀") == 20)
            app.view.show(None)
            await pilot.pause()
            assert screen_text(pilot).strip() == ""

    async def test_what_is_no_image_is_told(self) -> None:
        app = ViewApp()
        async with app.run_test() as pilot:
            app.view.show(b"nothing of the kind")
            await until(pilot, lambda: "This is not an" in screen_text(pilot))


async def test_pictures_can_be_turned_off(use_mode: Callable[[Mode], None]) -> None:
    use_mode("off")
    app = ViewApp()
    async with app.run_test() as pilot:
        app.view.show(encoded(64, 64))
        await until(pilot, lambda: "turned" in screen_text(pilot))
        assert "▀" not in screen_text(pilot)


class TestSixel:
    async def test_pixels_are_drawn_once_over_empty_cells(self, use_mode: Callable[[Mode], None]) -> None:
        use_mode("sixel")
        app = ViewApp()
        async with app.run_test() as pilot:
            app.view.show(encoded(64, 64))
            text = await shown(pilot, app.view)
            assert text.count("\x1bP") == 1
            assert text.count("\x1b\\") == 1
            assert "\x1b[1;5H" in text  # at the fifth column of the first row
            assert "▀" not in text

    async def test_below_a_dialog_there_are_only_cells(self, use_mode: Callable[[Mode], None]) -> None:
        use_mode("sixel")
        app = ViewApp()
        async with app.run_test(notifications=True) as pilot:
            app.view.show(encoded(64, 64))
            await shown(pilot, app.view)
            await app.push_screen(ModalScreen())
            await pilot.pause()
            assert "\x1bP" not in screen_text(pilot)
            await app.pop_screen()
            app.notify("Something is told over the picture.")
            await pilot.pause()
            await until(pilot, lambda: "\x1bP" not in screen_text(pilot))

    async def test_a_picture_that_is_partly_outside_is_cells(self, use_mode: Callable[[Mode], None]) -> None:
        use_mode("sixel")
        app = ViewApp()
        async with app.run_test(size=(20, 4)) as pilot:
            app.view.show(encoded(64, 64))
            text = await shown(pilot, app.view)
            assert "\x1bP" not in text
            assert "▀" in text


async def test_kitty_gets_the_pixels_once_and_forgets_them(
    use_mode: Callable[[Mode], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_mode("half")  # what it is again afterwards
    monkeypatch.setenv("COLORTERM", "")
    terminal_images.prepare("kitty")
    assert os.environ["COLORTERM"] == "truecolor"  # without it the cells could not name the picture
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "__stdout__", terminal)
    app = ViewApp()
    async with app.run_test() as pilot:
        app.view.show(encoded(64, 64))
        text = await shown(pilot, app.view)
        assert text.count("\U0010eeee") == 12 * 6
        sent = terminal.getvalue()
        assert sent.count("\x1b_G") == sent.count("\x1b\\") >= 2
        app.view.show(None)
        assert "a=d" in terminal.getvalue().removeprefix(sent)


class TestMode:
    @pytest.mark.parametrize(
        ("setting", "environ", "is_terminal", "expected"),
        [
            ("half", {"TERM": "xterm-kitty"}, True, "half"),
            ("off", {"TERM": "xterm-kitty"}, True, "off"),
            ("sixel", {}, True, "sixel"),
            ("kitty", {"TMUX": "x"}, True, "kitty"),
            ("auto", {"TERM": "xterm-kitty"}, True, "kitty"),
            ("auto", {"TERM": "xterm-ghostty"}, True, "kitty"),
            ("auto", {"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2", "SSH_CONNECTION": "x"}, True, "sixel"),
            ("auto", {"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, True, "sixel"),
            ("auto", {"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, True, "half"),
            ("auto", {"TERM": "xterm-kitty"}, False, "half"),
        ],
    )
    def test_what_needs_no_question(
        self, setting: Images, environ: dict[str, str], is_terminal: bool, expected: Mode
    ) -> None:
        assert from_environment(setting, environ, is_terminal=is_terminal) == expected

    @pytest.mark.parametrize(("asks_safely", "expected"), [(True, None), (False, "half")])
    @pytest.mark.parametrize(
        "environ", [{"TERM": "xterm-256color"}, {"TERM": "tmux-256color", "LC_TERMINAL": "iTerm2"}]
    )
    def test_others_are_asked_where_that_is_safe(
        self, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], asks_safely: bool, expected: Mode | None
    ) -> None:
        monkeypatch.setattr(terminal_images, "_ASKS_SAFELY", asks_safely)
        assert from_environment("auto", environ, is_terminal=True) is expected

    @pytest.mark.parametrize("setting", ["half", "off", "kitty", "sixel"])
    def test_a_terminal_that_is_not_asked_hears_nothing(self, setting: Images, tmp_path: Path) -> None:
        heard, mode = _prepare_in_terminal(setting, tmp_path / "mode")
        assert heard == b""
        assert mode == setting

    @pytest.mark.parametrize(
        ("answers", "expected"),
        [
            ({b"\x1b[c": b"\x1b[?62;4;22c"}, "sixel"),
            ({b"\x1b[c": b"\x1b[?62;22c", b"\x1b_G": b"\x1b_Gi=1;OK\x1b\\"}, "kitty"),
            ({b"\x1b[c": b"\x1b[?62;22c", b"\x1b_G": b"\x1b_Gi=1;ENOTSUPPORTED\x1b\\"}, "half"),
            ({}, "half"),
        ],
    )
    def test_a_terminal_is_asked_what_it_can(self, answers: dict[bytes, bytes], expected: Mode, tmp_path: Path) -> None:
        """As with Python 3.12 and later; here the terminal answers at once, which every version understands."""
        assert self._ask(answers, tmp_path) == expected

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="the textual-image of Python 3.11 does not wait so long")
    def test_a_terminal_at_the_end_of_a_slow_line(self, tmp_path: Path) -> None:
        answers = {b"\x1b[c": b"\x1b[?62;22c", b"\x1b_G": b"\x1b_Gi=1;OK\x1b\\"}
        assert self._ask(answers, tmp_path, seconds=0.5) == "kitty"

    def _ask(self, answers: dict[bytes, bytes], tmp_path: Path, seconds: float = 0.0) -> str:
        """The mode that the program settles on where a terminal answers like that, so long after it was asked."""
        code = (
            "import pathlib, sys; from ominix_tui import terminal_images as images; images._ASKS_SAFELY = True; "
            "images.prepare('auto'); pathlib.Path(sys.argv[1]).write_text(images.mode())"
        )
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 800, 480))
        environ = {"PATH": os.environ["PATH"], "TERM": "xterm-256color"}
        command = [sys.executable, "-c", code, str(tmp_path / "mode")]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ) as process:
            os.close(theirs)
            told = _answer(ours, answers, seconds)
        os.close(ours)
        assert process.returncode == 0
        assert b"Traceback" not in told
        return (tmp_path / "mode").read_text()


def _answer(terminal: int, answers: dict[bytes, bytes], seconds: float) -> bytes:
    """Play a terminal, which takes so long to answer, until the program on it has ended; what the program wrote."""
    told = b""
    while True:
        try:
            heard = os.read(terminal, 4096)
        except OSError:
            return told
        if not heard:
            return told
        told += heard
        time.sleep(seconds)
        for question in sorted(filter(heard.__contains__, answers), key=heard.index):
            os.write(terminal, answers[question])


def _prepare_in_terminal(setting: str, answer: Path) -> tuple[bytes, str]:
    """What `prepare` writes to a terminal, and the mode that it settles on."""
    code = (
        "import pathlib, sys; from ominix_tui import terminal_images as images; "
        "images.prepare(sys.argv[1]); pathlib.Path(sys.argv[2]).write_text(images.mode())"
    )
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", code, setting, str(answer)], stdin=theirs, stdout=theirs, check=True)
    os.set_blocking(ours, False)
    try:
        heard = os.read(ours, 4096)
    except BlockingIOError:
        heard = b""
    os.close(ours)
    os.close(theirs)
    return heard, answer.read_text()
