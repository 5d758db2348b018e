"""Markdown as lines: what it looks like, at any width, while it grows and when it is done."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll

from ominix_tui.widgets.markdown_lines import MINIMUM_WIDTH, render_markdown
from ominix_tui.widgets.markdown_view import MarkdownView
from tests.bench.tui_streaming import DOCUMENTS, document
from tests.tui.support import screen_text

BLOCKS = ["# head\n", "\n", "\n\n", "- item\n", "  - inner\n", "3. three\n", "> quote\n", "---\n"]
CODE = ["```python\n", "x = 1\n", "```\n"]
TABLE = ["| a | b |\n", "|---|---:|\n", "| 1 | 二 |\n"]
INLINE = ["text ", "**bold** ", "`code` ", "<b>", "日本語" * 9, "["]
FRAGMENTS = st.sampled_from(BLOCKS + CODE + TABLE + INLINE)


def plain(source: str, width: int = 40) -> list[str]:
    return [line.plain.rstrip() for line in render_markdown(source, width)]


class TestLines:
    def test_blocks_stand_apart(self) -> None:
        assert plain("# Head\nText\n\nMore") == ["Head", "", "Text", "", "More"]

    def test_list_items_hang(self) -> None:
        assert plain("- one two three\n- four\n  1. five", 12) == ["• one two", "  three", "• four", "  1. five"]

    def test_numbers_line_up(self) -> None:
        assert plain("9. a\n10. b") == [" 9. a", "10. b"]

    def test_code_keeps_its_lines_and_folds_long_ones(self) -> None:
        assert plain("```\nab\n  cd\n\nabcdefghijkl\n```", 10) == [" ab", "   cd", "", " abcdefgh", " ijkl"]

    def test_code_without_its_end_is_code(self) -> None:
        assert plain("```python\nx = 1") == [" x = 1"]

    def test_tables_fit_and_align(self) -> None:
        source = "| name | size |\n|---|---:|\n| a long name | 9 |\n"
        assert plain(source) == ["name        │ size", "────────────┼─────", "a long name │    9"]
        assert plain(source, 13) == ["name   │ size", "───────┼─────", "a long │    9", "name   │"]

    def test_a_quote_has_a_bar(self) -> None:
        assert plain("> a\n> b\n>\n> c") == ["▌ a b", "▌", "▌ c"]

    def test_a_link_opens_where_the_terminal_is(self) -> None:
        line = render_markdown("[here](https://example.org/a)", 40)[0]
        assert any(getattr(span.style, "link", None) == "https://example.org/a" for span in line.spans)

    def test_html_and_markup_are_text(self) -> None:
        assert plain("[red]x[/red] <b>y</b>") == ["[red]x[/red] <b>y</b>"]

    @settings(max_examples=60, deadline=None)
    @given(st.lists(FRAGMENTS, max_size=25), st.integers(1, 60))
    def test_no_line_is_wider_than_the_screen(self, fragments: list[str], width: int) -> None:
        room = max(width, 3 * MINIMUM_WIDTH)  # deep nesting in less than that gives way to legibility
        assert all(line.cell_length <= room for line in render_markdown("".join(fragments), room))


class Page(App[None]):
    """A view in the container that it is made for."""

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield MarkdownView()


class TestView:
    @pytest.mark.parametrize("kind", DOCUMENTS)
    @pytest.mark.parametrize("step", [7, 400])
    async def test_what_grew_ends_like_what_came_at_once(self, kind: str, step: int) -> None:
        source = document(kind, 100 if step == 7 else 700)
        app = Page()
        async with app.run_test(size=(80, 200)) as pilot:
            view = app.query_one(MarkdownView)
            for start in range(0, len(source), step):
                view.append(source[start : start + step])
                await pilot.pause()
            await view.finish()
            await pilot.pause()
            grown = screen_text(pilot)
            view.clear()
            view.append(source)
            await view.finish()
            await pilot.pause()
            assert screen_text(pilot) == grown
            assert view.source == source

    async def test_it_follows_the_width(self) -> None:
        app = Page()
        async with app.run_test(size=(80, 24)) as pilot:
            view = app.query_one(MarkdownView)
            view.append("word " * 30)
            await pilot.pause()
            wide = view.size.height
            await pilot.resize_terminal(40, 24)
            await pilot.pause()
            assert view.size.height > wide
