"""Pictures as lines of terminal cells. Painting takes up to half a second: do it on a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style

if TYPE_CHECKING:
    from PIL.Image import Image

    from ominix_tui.terminal_images import Mode

UPPER_HALF = "▀"
# A cell is about twice as high as it is wide.
CELL_RATIO = 2


@dataclass(frozen=True)
class Picture:
    """A painted picture.

    Attributes:
        lines: One list of segments for each row of cells.
        columns: The cells in each line.
        sixels: What draws the picture over the cells, if the terminal shows sixels.
        forget: Lets the terminal drop what it was sent beside the lines.
    """

    lines: list[list[Segment]]
    columns: int
    sixels: str = ""
    forget: Callable[[], None] = lambda: None


def paint(image: Image, columns: int, rows: int, mode: Mode) -> Picture:
    """The picture as large as fits into so many cells; `image` is RGB. Not for the mode "off"."""
    if mode == "half":
        return half_blocks(image, columns, rows)
    from rich.console import Console
    from textual_image.renderable import SixelImage, TGPImage

    console = Console(width=columns, height=rows, force_terminal=True, color_system="truecolor")
    renderable = (TGPImage if mode == "kitty" else SixelImage)(image, width="auto", height="auto")
    options = console.options.update(width=columns, height=rows)
    segments = list(console.render(renderable, options))
    if mode == "kitty":
        lines = list(Segment.split_lines(segments))
        return Picture(lines, _width(lines), forget=renderable.cleanup)
    cells = half_blocks(image, columns, rows)
    sixels = next((segment.text for segment in segments if segment.text.startswith("\x1bP")), "")
    return Picture(cells.lines, cells.columns, sixels)


def half_blocks(image: Image, columns: int, rows: int) -> Picture:
    """Two pixels in each cell, one above the other."""
    width, height = fit(image.width, image.height, columns, rows)
    pixels = image.resize((width, height * 2)).tobytes()
    stride = width * 3
    lines = []
    for top in range(0, height * 2 * stride, 2 * stride):
        upper, lower = pixels[top : top + stride], pixels[top + stride : top + 2 * stride]
        lines.append([_cell(upper[x : x + 3], lower[x : x + 3]) for x in range(0, stride, 3)])
    return Picture(lines, width)


def fit(width: int, height: int, columns: int, rows: int) -> tuple[int, int]:
    """The columns and rows of the largest picture with these proportions, at least one of each."""
    scale = min(columns / width, rows * CELL_RATIO / height)
    return max(1, min(columns, round(width * scale))), max(1, min(rows, round(height * scale / CELL_RATIO)))


def _cell(upper: bytes, lower: bytes) -> Segment:
    return Segment(UPPER_HALF, Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))


def _width(lines: list[list[Segment]]) -> int:
    return max((Segment.get_line_length(line) for line in lines), default=0)
