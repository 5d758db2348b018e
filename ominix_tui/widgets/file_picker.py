"""Asks for a file of this machine: a tree to walk, and a line to type or paste a path."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

from rich.text import Text, TextType
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.widgets import DirectoryTree, Input, Label
from textual.widgets.directory_tree import DirEntry

from ominix_core.paths import typed_path
from ominix_tui.dropped_files import dropped_files
from ominix_tui.text import one_line, printable
from ominix_tui.widgets.dialogs import CANCEL, DIALOG_CSS, Dialog
from ominix_tui.widgets.image_view import ImageView
from ominix_tui.widgets.list_keys import TREE_KEYS

HINT = "Enter takes it · / types a path · Backspace goes up · Escape cancels"


Description = tuple[str, bytes | None]


def _no_words(_: Path) -> Description:
    return "", None


class _Files(DirectoryTree):
    """Folders, and the files of some kinds in them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("backspace", "go_up", "Up", id="files.up", tooltip="Go to the folder above"),
        *TREE_KEYS,
    ]

    # Emoji are as wide as each terminal thinks.
    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    ICON_FILE = ""

    def __init__(self, folder: Path, suffixes: frozenset[str] | None) -> None:
        super().__init__(folder)
        self._suffixes = suffixes

    def process_label(self, label: TextType) -> Text:
        return Text(one_line(str(label)))

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [
            path
            for path in paths
            if not path.name.startswith(".") and (_fits(path, self._suffixes) or self._safe_is_dir(path))
        ]

    def action_go_up(self) -> None:
        self.path = Path(self.path).parent


class FilePicker(Dialog[Path | None]):
    """The path of the file, or None if the user thinks better of it.

    Args:
        title: What is asked for.
        suffixes: The files that are shown, such as {".png"}, or None for all; a typed path may have any.
        folder: Where to begin.
        describe: Tells of a file what it is, in a line, and how it looks, if it is a picture; called on a thread.
    """

    DEFAULT_CSS = f"""
    FilePicker {{
        {DIALOG_CSS}
        & > Container {{ height: 80%; max-width: 100; }}
        Input {{ background: $foreground 4%; }}
        Input:focus {{ background: $foreground 10%; background-tint: transparent; }}
        Horizontal {{ height: 1fr; }}
        DirectoryTree {{ width: 1fr; background: transparent; }}
        ImageView {{ display: none; margin-left: 1; }}
        DirectoryTree:focus {{ background-tint: transparent; }}
        DirectoryTree > .directory-tree--extension {{ text-style: none; }}
        Label {{ width: 1fr; color: $text-muted; }}
        #facts {{ height: 1; color: $text; }}
        #facts.-wrong {{ color: $text-error; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [CANCEL]

    def __init__(
        self,
        title: str,
        suffixes: frozenset[str] | None,
        folder: Path,
        describe: Callable[[Path], Description] = _no_words,
    ) -> None:
        super().__init__()
        self._title = title
        self._suffixes = suffixes
        self._folder = folder
        self._describe = describe

    def compose(self) -> ComposeResult:
        with Container() as box:
            box.border_title = self._title
            placeholder = "Type or paste a path, or choose below"
            yield Input(placeholder=placeholder, compact=True, select_on_focus=False)
            with Horizontal():
                yield _Files(self._folder, self._suffixes)
                yield ImageView()
            yield Label(id="facts", markup=False)
            yield Label(HINT, markup=False)

    def on_mount(self) -> None:
        self.query_one(_Files).focus()

    def on_key(self, event: events.Key) -> None:
        """A path that is begun in the tree is meant for the line above it."""
        if event.character in ("/", "~") and self.query_one(_Files).has_focus:
            line = self.query_one(Input)
            line.value, line.cursor_position = event.character, 1
            line.focus()

    @on(DirectoryTree.NodeHighlighted)
    def _on_highlighted(self, event: DirectoryTree.NodeHighlighted[DirEntry]) -> None:
        # The tree also highlights by itself, once its folder is read; who types is not to lose what was said of that.
        if event.node.data is not None and event.control.has_focus:
            self._show_facts(event.node.data.path)

    @work(exclusive=True)
    async def _show_facts(self, path: Path) -> None:
        facts, picture = await asyncio.to_thread(self._facts_of, path)
        self._say(facts)
        view = self.query_one(ImageView)
        view.display = picture is not None
        view.show(picture)

    def _facts_of(self, path: Path) -> Description:
        return self._describe(path) if _fits(path, self._suffixes) and os.path.isfile(path) else _no_words(path)

    def _say(self, text: str, *, wrong: bool = False) -> None:
        label = self.query_one("#facts", Label)
        label.set_class(wrong, "-wrong")
        label.update(one_line(printable(text)))

    @on(DirectoryTree.FileSelected)
    def _on_file(self, event: DirectoryTree.FileSelected) -> None:
        self.dismiss(event.path)

    @on(Input.Submitted)
    def _on_typed(self, event: Input.Submitted) -> None:
        typed = event.value.strip()
        path = typed_path(typed)
        if typed and os.path.isdir(path):  # unlike Path's own, it bears folders that may not be looked into
            self.query_one(_Files).path = path
        elif os.path.isfile(path):
            self.dismiss(path)
        elif files := dropped_files(typed):
            self.dismiss(files[0])
        else:
            self._say(f"There is no file {typed or 'without a name'}.", wrong=True)


def _fits(path: Path, suffixes: frozenset[str] | None) -> bool:
    return suffixes is None or path.suffix.lower() in suffixes
