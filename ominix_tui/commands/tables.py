"""Tables on standard output."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence

WIDTH_OF_A_PIPE = 1000


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = ()) -> None:
    """Cells are cut to the width of a screen, but never in a file or a pipe.

    Args:
        right: The columns whose cells end below each other.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True, justify="right" if column in right else "left")
    for row in rows:
        # Text, because a name from a registry or server may hold what rich would read as markup.
        table.add_row(*map(Text, row))
    Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_PIPE).print(table)
