"""A dialog in which a file is chosen from the folders of the machine that this program runs on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import ModalScreen
from textual.widgets import DirectoryTree, Label

from ominix_tui.text import one_line
from ominix_tui.widgets.chat_dialogs import CANCEL, DIALOG_CSS


class FileTree(DirectoryTree):
    """Folders, and the files whose names end in one of `suffixes`."""

    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    ICON_FILE = "  "

    def __init__(self, folder: Path, suffixes: frozenset[str]) -> None:
        super().__init__(folder)
        self._suffixes = suffixes

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [
            path for path in paths if not path.name.startswith(".") and path.name.isprintable() and self._fits(path)
        ]

    def _fits(self, path: Path) -> bool:
        return path.suffix.lower() in self._suffixes or path.is_dir()


class FilePicker(ModalScreen[Path | None]):
    """Asks for a file below `folder` or, with Backspace, above it; None if the user thinks better of it."""

    DEFAULT_CSS = f"""
    FilePicker {{
        {DIALOG_CSS}
        FileTree {{ height: 16; padding: 0; background: transparent; scrollbar-size-vertical: 1; }}
        Label {{ width: 1fr; color: $text-muted; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        CANCEL,
        Binding("backspace", "up", "Folder above", id="picker.up", tooltip="Go to the folder above"),
    ]

    def __init__(self, title: str, folder: Path, suffixes: frozenset[str]) -> None:
        super().__init__()
        self._title = title
        self._folder = folder
        self._suffixes = suffixes

    def compose(self) -> ComposeResult:
        with Container() as box:
            box.border_title = self._title
            yield FileTree(self._folder, self._suffixes)
            yield Label("Enter chooses · Backspace goes to the folder above · Escape cancels", markup=False)

    def on_mount(self) -> None:
        self._show_folder()

    def action_up(self) -> None:
        self._folder = self._folder.parent
        self.query_one(FileTree).path = self._folder
        self._show_folder()

    def _show_folder(self) -> None:
        self.query_one(Container).border_subtitle = one_line(str(self._folder))

    @on(DirectoryTree.FileSelected)
    def _on_file(self, event: DirectoryTree.FileSelected) -> None:
        self.dismiss(event.path)
