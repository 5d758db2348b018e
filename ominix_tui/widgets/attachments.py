"""The files that go with a prompt: choose, drop, see what they are, take them out again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, ItemGrid
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Label

from ominix_core.errors import OminixError
from ominix_core.images import ImageError, NamedImage, read_image
from ominix_core.text_files import NamedText, read_text
from ominix_tui.text import fitted, one_line
from ominix_tui.widgets.file_picker import FilePicker

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})
MOST_IMAGES = 64
LONGEST_NAME = 24


class Chip(Button):
    """One attachment; pressing it takes it out."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("delete,backspace", "press", "Take out", id="chip.remove", tooltip="Do not send this file"),
    ]

    def __init__(self, attachment: NamedImage | NamedText) -> None:
        name = one_line(attachment.name)
        self._short_name = f"{name[: LONGEST_NAME - 6]}…{name[-5:]}" if len(name) > LONGEST_NAME else name
        super().__init__(Content(f"{self._short_name} {_measure(attachment)} ✕"), compact=True)
        self.tooltip = "Take this file out"
        self.attachment = attachment

    def render(self) -> Content:
        """The whole label, or where there is no room for it the name alone."""
        label, width = str(self.label), self.content_size.width
        if cell_len(label) > width:
            label = f"{fitted(self._short_name, max(width - 2, 1)).rstrip()} ✕"
        return Content(label)


class Attachments(Horizontal):
    """A row of images, and of text files if they are wanted. Files are read where the screen is.

    Args:
        caption: What the files are for, in a word.
        takes_texts: Whether text files are taken too.

    Attributes:
        limit: How many images the model takes; a further one takes the place of the last if it is one.
    """

    DEFAULT_CSS = """
    Attachments {
        height: auto;
        Button { min-width: 0; width: auto; padding: 0 1; margin-right: 1; background: $surface-lighten-1; }
        Button:focus { background: $primary; color: $text; text-style: bold; }
        Chip { height: 1; max-width: 100%; text-wrap: nowrap; text-align: left; }
        #chips { width: 1fr; height: auto; }
        #none { width: 1fr; color: $text-muted; }
    }
    """

    @dataclass
    class Refused(Message):
        """A file cannot be taken; `problem` says why, in a sentence."""

        problem: str

    class Changed(Message):
        """A file was added or taken out."""

    limit = MOST_IMAGES
    folder: Path | None = None

    def __init__(self, caption: str = "Images", *, takes_texts: bool = False) -> None:
        super().__init__()
        self._caption = caption
        self._takes_texts = takes_texts

    def compose(self) -> ComposeResult:
        yield Label(self._caption, classes="caption")
        yield Button("Choose…", compact=True, id="choose")
        yield Label("or drop a file on the prompt", id="none", markup=False)
        yield ItemGrid(min_column_width=LONGEST_NAME + 14, id="chips")

    @property
    def images(self) -> tuple[NamedImage, ...]:
        """The images, in their order."""
        attached = (chip.attachment for chip in self.query(Chip))
        return tuple(each for each in attached if isinstance(each, NamedImage))

    @property
    def texts(self) -> tuple[NamedText, ...]:
        """The text files, in their order."""
        attached = (chip.attachment for chip in self.query(Chip))
        return tuple(each for each in attached if isinstance(each, NamedText))

    @property
    def shown(self) -> NamedImage | None:
        """The image whose chip has the focus, else the last one."""
        for chip in self.query(Chip):
            if chip.has_focus and isinstance(chip.attachment, NamedImage):
                return chip.attachment
        return self.images[-1] if self.images else None

    def choose(self) -> None:
        """Ask for a file."""
        folder = Attachments.folder or Path.home()
        picker = FilePicker("Attach a file", None, folder, self._describe)
        if not self._takes_texts:
            picker = FilePicker("Choose an image", IMAGE_SUFFIXES, folder, self._describe)
        self.app.push_screen(picker, self._on_chosen)

    def _on_chosen(self, path: Path | None) -> None:
        if path is not None:
            self.attach([path])

    @work
    async def attach(self, paths: Sequence[Path]) -> None:
        """Read these files and add what can be taken."""
        for path in paths:
            try:
                attachment = await asyncio.to_thread(self._read, path)
            except OminixError as error:
                self.post_message(self.Refused(f"{one_line(path.name)}: {error}"))
                return
            Attachments.folder = path.parent
            await self._add(attachment)

    def _read(self, path: Path) -> NamedImage | NamedText:
        try:
            return read_image(path)
        except ImageError:
            may_be_text = self._takes_texts and os.path.isfile(path) and path.suffix.lower() not in IMAGE_SUFFIXES
            if may_be_text and (text := read_text(path)) is not None:
                return text
            raise

    async def _add(self, attachment: NamedImage | NamedText) -> None:
        images = [chip for chip in self.query(Chip) if isinstance(chip.attachment, NamedImage)]
        if isinstance(attachment, NamedImage) and len(images) >= self.limit:
            if self.limit != 1:
                self.post_message(self.Refused(f"The model takes {self.limit} images. Take one out first."))
                return
            await images[0].remove()
        await self.query_one("#chips").mount(Chip(attachment))
        self._changed()

    async def clear(self) -> None:
        """Take everything out."""
        await self.query(Chip).remove()
        self._changed()

    def _changed(self) -> None:
        self.query_one("#none").display = not self.query(Chip)
        self.query_one("#chips").display = bool(self.query(Chip))
        self.post_message(self.Changed())

    def on_mount(self) -> None:
        self.query_one("#chips").display = False

    @on(Button.Pressed, "#choose")
    def _on_choose(self, event: Button.Pressed) -> None:
        event.stop()
        self.choose()

    @on(Button.Pressed, "Chip")
    async def _on_chip(self, event: Button.Pressed) -> None:
        event.stop()
        chips: list[Button] = list(self.query(Chip))
        place = chips.index(event.button)
        others = [*chips[place + 1 :], *reversed(chips[:place]), self.query_one("#choose")]
        self.screen.set_focus(others[0])
        await event.button.remove()
        self._changed()

    def _describe(self, path: Path) -> tuple[str, bytes | None]:
        """What a file is, and the image if it is one."""
        try:
            attachment = self._read(path)
        except OminixError as error:
            return str(error), None
        if isinstance(attachment, NamedText):
            return f"{path.name} · text · {len(attachment.text):,} characters", None
        facts, size = attachment.facts, len(attachment.data) / 1000
        words = f"{path.name} · {facts.format} · {facts.width} × {facts.height} pixels · {size:,.0f} kB"
        return words, attachment.data


def _measure(attachment: NamedImage | NamedText) -> str:
    if isinstance(attachment, NamedImage):
        return f"{attachment.facts.width}×{attachment.facts.height}"
    size = len(attachment.text.encode())
    return f"{size / 1000:,.1f} kB" if size >= 1000 else f"{size} B"
