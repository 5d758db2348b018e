"""Markdown as lines of styled text, wrapped to a width: a pure function, cheap enough to call while tokens stream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING

from textual.content import Content
from textual.style import Style

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from markdown_it.tree import SyntaxTreeNode

MINIMUM_WIDTH = 8
BULLETS = "•◦▪"
HEADING_STYLES = {
    "h1": "bold underline $text-primary",
    "h2": "bold $text-primary",
    "h3": "bold $text-secondary",
}
LESSER_HEADING = "bold"
CODE_SPAN = "$text-warning on $warning 10%"
CODE_BLOCK = "on $foreground 6%"
FAINT = "$foreground 60%"
COLUMN_GAP = " │ "
INLINE_STYLES = {"strong": "bold", "em": "italic", "s": "strike"}


def render_markdown(source: str, width: int) -> list[Content]:
    """The document as lines that are at most `width` cells wide (never narrower than MINIMUM_WIDTH)."""
    return render_tokens(parser().parse(source), width)


def render_tokens(tokens: Sequence[Token], width: int) -> list[Content]:
    """The same for a document that has been parsed."""
    from markdown_it.tree import SyntaxTreeNode

    return _blocks(SyntaxTreeNode(tokens).children, max(width, MINIMUM_WIDTH))


@cache
def warm_up() -> None:
    """Import and compile on a thread what Markdown and its code need: on the event loop it would take 120 ms."""
    render_markdown("```python\npass\n```", MINIMUM_WIDTH)


@cache
def parser() -> MarkdownIt:
    """The one parser: CommonMark with tables and strikethrough; links only where they are written as links."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _blocks(nodes: Iterable[SyntaxTreeNode], width: int, tight: bool = False, depth: int = 0) -> list[Content]:
    lines: list[Content] = []
    for node in nodes:
        block = _block(node, width, depth)
        if lines and block and not tight:
            lines.append(Content())
        lines += block
    return lines


def _block(node: SyntaxTreeNode, width: int, depth: int) -> list[Content]:
    match node.type:
        case "paragraph" | "inline":
            return _inline(node).wrap(width)
        case "heading":
            return _inline(node).stylize_before(HEADING_STYLES.get(node.tag, LESSER_HEADING)).wrap(width)
        case "bullet_list" | "ordered_list":
            return _list(node, width, depth)
        case "blockquote":
            inner = _blocks(node.children, max(width - 2, MINIMUM_WIDTH), depth=depth)
            return _prefixed(inner, Content.styled("▌ ", FAINT))
        case "fence" | "code_block":
            return _code(node.content, node.info.split()[0] if node.info.split() else "text", width)
        case "hr":
            return [Content.styled("─" * width, FAINT)]
        case "table":
            return _table(node, width)
        case _:
            return Content(node.content.rstrip()).wrap(width)


def _list(node: SyntaxTreeNode, width: int, depth: int) -> list[Content]:
    start = int(node.attrs.get("start", 1))
    ordered = node.type == "ordered_list"
    last_number = f"{start + len(node.children) - 1}. "
    lines: list[Content] = []
    for number, item in enumerate(node.children, start):
        marker = f"{number}. ".rjust(len(last_number)) if ordered else f"{BULLETS[depth % len(BULLETS)]} "
        paragraphs = sum(child.type == "paragraph" for child in item.children)
        inner = _blocks(item.children, max(width - len(marker), MINIMUM_WIDTH), paragraphs < 2, depth + 1)
        first = Content.styled(marker, "$text-primary")
        lines += _prefixed(inner or [Content()], first, Content(" " * len(marker)))
    return lines


def _prefixed(lines: Sequence[Content], first: Content, rest: Content | None = None) -> list[Content]:
    others = first if rest is None else rest
    return [(others if index else first) + line for index, line in enumerate(lines)]


def _code(code: str, language: str, width: int) -> list[Content]:
    from textual.highlight import highlight

    lines: list[Content] = []
    for line in highlight(code.rstrip("\n"), language=language).split(allow_blank=True):
        for part in line.expand_tabs(4).fold(width - 2) or [line]:
            padding = width - 1 - part.cell_length
            lines.append(part.pad(1, max(padding, 0)).stylize_before(CODE_BLOCK))
    return lines


def _table(node: SyntaxTreeNode, width: int) -> list[Content]:
    rows = [[_inline(cell) for cell in row.children] for section in node.children for row in section.children]
    columns = len(rows[0])
    to_the_right = ["right" in str(cell.attrs.get("style", "")) for cell in node.children[0].children[0].children]
    widths = _fit([max(row[i].cell_length for row in rows if i < len(row)) for i in range(columns)], width)
    lines: list[Content] = []
    for index, row in enumerate(rows):
        cells = [cell.stylize_before("bold") if index == 0 else cell for cell in row]
        wrapped = [cell.wrap(size) for cell, size in zip(cells, widths, strict=False)]
        for parts in zip_longest(*wrapped, fillvalue=Content()):
            padded = [
                part.pad_left(size - part.cell_length) if right else part.pad_right(size - part.cell_length)
                for part, size, right in zip(parts, widths, to_the_right, strict=False)
            ]
            lines.append(Content.styled(COLUMN_GAP, FAINT).join(padded))
        if index == 0:
            lines.append(Content.styled("─┼─".join("─" * size for size in widths), FAINT))
    return lines


def _fit(wanted: list[int], width: int) -> list[int]:
    """Column widths that fill at most `width`: the widest columns give way first."""
    room = max(width - len(COLUMN_GAP) * (len(wanted) - 1), len(wanted))
    widths = [max(size, 1) for size in wanted]
    while sum(widths) > room:
        widest = max(widths)
        widths[widths.index(widest)] = max(widest - (sum(widths) - room), widest * 3 // 4, 1) if widest > 1 else 1
    return widths


def _inline(node: SyntaxTreeNode) -> Content:
    if node.type in INLINE_STYLES:
        return _joined(node).stylize_before(INLINE_STYLES[node.type])
    match node.type:
        case "text" | "html_inline":
            return Content(node.content)
        case "code_inline":
            return Content.styled(node.content, CODE_SPAN)
        case "softbreak":
            return Content(" ")
        case "hardbreak":
            return Content("\n")
        case "link":
            # An OSC 8 link: it opens where the terminal is, not where Ominix runs.
            return _joined(node).stylize_before("underline").stylize(Style(link=str(node.attrs["href"])))
        case "image":
            return Content.styled(f"[image: {node.content or node.attrs.get('src', '')}]", FAINT)
        case _:
            return _joined(node)


def _joined(node: SyntaxTreeNode) -> Content:
    return Content().join([_inline(child) for child in node.children])
