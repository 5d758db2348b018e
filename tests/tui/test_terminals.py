"""Terminals that show less than others: no Unicode, sixteen colours, none; and colours that stay readable."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.color import Color

from ominix_core.hub import Hub
from ominix_tui.app import OminixApp
from ominix_tui.colors import LEAST_CONTRAST, contrast, readable
from ominix_tui.terminal import plain, speaks_unicode
from tests.tui.support import until_connected

SnapCompare = Callable[..., bool]
COLORS = st.builds(Color, *[st.integers(0, 255)] * 3)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}, True),
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "linux", "LANG": "en_US.UTF-8"}, False),
        ({"TERM": "xterm", "LANG": "C"}, False),
        ({"TERM": "xterm", "LANG": "C.utf8"}, True),
        ({"TERM": "xterm", "LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, False),
        ({"TERM": "xterm", "LANG": "de_DE.ISO-8859-1", "LC_CTYPE": "UTF-8"}, True),
        ({"TERM": "vt100"}, False),
    ],
)
def test_who_speaks_unicode(environment: dict[str, str], expected: bool) -> None:
    assert speaks_unicode(environment) is expected


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", True), ("UTF-8", True), ("utf8", True), ("ascii", False), ("iso8859-1", False), ("cp1252", False)],
)
def test_what_python_writes_counts_too(encoding: str, expected: bool) -> None:
    assert speaks_unicode({"TERM": "xterm", "LANG": "en_US.UTF-8"}, encoding) is expected


@given(st.text())
def test_plain_text_is_ascii_in_as_many_cells(text: str) -> None:
    drawn = plain(text)
    assert drawn.isascii()
    if all(character.isprintable() for character in text):
        assert cell_len(drawn) == cell_len(text)


@given(COLORS, COLORS)
def test_a_readable_color_stands_out(color: Color, background: Color) -> None:
    found = readable(color, background)
    assert contrast(found, background) >= LEAST_CONTRAST
    if contrast(color, background) >= LEAST_CONTRAST:
        assert found == color


class TestPictures:
    def test_without_unicode(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LC_ALL", "C")
        app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
        assert snap_compare(app, terminal_size=(80, 24), run_before=until_connected)

    @pytest.mark.parametrize("variable", ["TERM", "NO_COLOR"])
    def test_few_colors(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        monkeypatch.setenv(variable, "xterm")
        monkeypatch.delenv("COLORTERM", raising=False)
        app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
        assert app.theme == "ansi-dark"
        assert snap_compare(app, terminal_size=(80, 24), run_before=until_connected)


async def test_the_color_of_an_entry_follows_the_theme(catalogue_hub: Hub) -> None:
    app = OminixApp(lambda: catalogue_hub, "gpt-sovits", load_initial=False)
    async with app.run_test() as pilot:
        await until_connected(pilot)
        header = app.screen.query_one("ModelHeader")
        for theme in ("textual-light", "textual-dark", "solarized-light"):
            app.theme = theme
            await pilot.pause()
            await pilot.pause()
            _, background = header.background_colors
            assert contrast(header.styles.border_left[1], background) >= LEAST_CONTRAST
