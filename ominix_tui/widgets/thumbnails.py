"""Small pictures as lines of text, side by side: they scroll with the text that they stand in, on every terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from rich.text import Text
from textual.content import Content

from ominix_core.chat_images import KeptImage
from ominix_core.images import open_image
from ominix_tui.pictures import half_blocks
from ominix_tui.text import one_line

ROWS, COLUMNS = 8, 28
GAP = "  "


def caption(images: Sequence[KeptImage]) -> Content:
    """The names and sizes of the images, on one line."""
    words = (f"{one_line(image.name)} {image.width}×{image.height}" for image in images)
    return Content.styled(" · ".join(words), "$foreground 60%")


def picture(image: KeptImage) -> list[Content]:
    """The image in at most ROWS lines of at most COLUMNS cells, all of one length. Decodes: call it on a thread."""
    painted = half_blocks(open_image(image.thumbnail), COLUMNS, ROWS)
    return [
        Content.from_rich_text(Text.assemble(*((segment.text, segment.style or "") for segment in line)))
        for line in painted.lines
    ]


def side_by_side(pictures: Sequence[list[Content]], width: int) -> list[Content]:
    """The pictures in as many rows as `width` cells demand; one that is wider by itself is cut."""
    rows: list[list[list[Content]]] = []
    room = 0
    for lines in pictures:
        cells = lines[0].cell_length
        if not rows or room < cells:
            rows.append([])
            room = width
        rows[-1].append(lines)
        room -= cells + len(GAP)
    return [line for row in rows for line in _beside(row, width)]


def _beside(row: Sequence[list[Content]], width: int) -> list[Content]:
    blanks = [Content(" " * lines[0].cell_length) for lines in row]
    return [
        Content(GAP).join([cell or blank for cell, blank in zip(cells, blanks, strict=True)])[:width]
        for cells in zip_longest(*row)
    ]
