"""The images that go with a prompt: choose, drop, see what they are, take them out again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, ItemGrid
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Label

from ominix_core.errors import OminixError
from ominix_core.images import CheckedImage, ImageError, check_image
from ominix_tui.text import one_line
from ominix_tui.widgets.file_picker import FilePicker

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})
MOST_BYTES = 100_000_000
MOST_IMAGES = 64
LONGEST_NAME = 28


@dataclass(frozen=True)
class Attachment:
    """An image that is ready to be sent."""

    name: str
    data: bytes
    image: CheckedImage


class ImageChip(Button):
    """One attachment; pressing it takes it out."""

    def __init__(self, attachment: Attachment) -> None:
        name = one_line(attachment.name)
        short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 6]}…{name[-5:]}"
        size = f"{attachment.image.width}×{attachment.image.height}"
        super().__init__(Content(f"{short} {size} ✕"), compact=True)
        self.tooltip = "Take this image out"
        self.attachment = attachment


class ImageAttachments(Horizontal):
    """A row of images. Files are read where the screen is; what goes to the model is their bytes.

    Args:
        caption: What the images are for, in a word.

    Attributes:
        limit: How many images the model takes; a further one takes the place of the last if it is one.
    """

    DEFAULT_CSS = """
    ImageAttachments {
        height: auto;
        Button { min-width: 0; width: auto; padding: 0 1; margin-right: 1; background: $surface-lighten-1; }
        Button:focus { background: $primary; color: $text; text-style: bold; }
        #chips { width: 1fr; height: auto; }
        #none { width: 1fr; color: $text-muted; }
    }
    """

    @dataclass
    class Refused(Message):
        """A file cannot be taken; `problem` says why, in a sentence."""

        problem: str

    class Changed(Message):
        """An image was added or taken out."""

    limit = MOST_IMAGES
    folder: Path | None = None

    def __init__(self, caption: str = "Images") -> None:
        super().__init__()
        self._caption = caption

    def compose(self) -> ComposeResult:
        yield Label(self._caption, classes="caption")
        yield Button("Choose…", compact=True, id="choose")
        yield Label("or drop a file on the prompt", id="none", markup=False)
        yield ItemGrid(min_column_width=LONGEST_NAME + 14, id="chips")

    @property
    def images(self) -> tuple[bytes, ...]:
        """The encoded images, in their order."""
        return tuple(chip.attachment.data for chip in self.query(ImageChip))

    def choose(self) -> None:
        """Ask for a file."""
        folder = ImageAttachments.folder or Path.home()
        self.app.push_screen(FilePicker("Choose an image", SUFFIXES, folder, _describe), self._on_chosen)

    def _on_chosen(self, path: Path | None) -> None:
        if path is not None:
            self.attach([path])

    @work
    async def attach(self, paths: Sequence[Path]) -> None:
        """Read these files and add what is an image."""
        for path in paths:
            try:
                attachment = await asyncio.to_thread(read_image, path)
            except OminixError as error:
                self.post_message(self.Refused(f"{one_line(path.name)}: {error}"))
                return
            ImageAttachments.folder = path.parent
            await self._add(attachment)

    async def _add(self, attachment: Attachment) -> None:
        chips = list(self.query(ImageChip))
        if len(chips) >= self.limit:
            if self.limit != 1:
                self.post_message(self.Refused(f"The model takes {self.limit} images. Take one out first."))
                return
            await chips[0].remove()
        await self.query_one("#chips").mount(ImageChip(attachment))
        self._changed()

    def _changed(self) -> None:
        self.query_one("#none").display = not self.query(ImageChip)
        self.query_one("#chips").display = bool(self.query(ImageChip))
        self.post_message(self.Changed())

    def on_mount(self) -> None:
        self.query_one("#chips").display = False

    @on(Button.Pressed, "#choose")
    def _on_choose(self, event: Button.Pressed) -> None:
        event.stop()
        self.choose()

    @on(Button.Pressed, "ImageChip")
    async def _on_chip(self, event: Button.Pressed) -> None:
        event.stop()
        self.query_one("#choose").focus()
        await event.button.remove()
        self._changed()


def read_image(path: Path) -> Attachment:
    """Read and check an image file. Raises ImageError."""
    try:
        if not path.is_file():
            raise ImageError("This is not a file.")
        if path.stat().st_size > MOST_BYTES:
            raise ImageError(f"This file is too large: an image may have {MOST_BYTES // 10**6} MB.")
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"This file cannot be read: {error.strerror}.") from error
    return Attachment(path.name, data, check_image(data))


def _describe(path: Path) -> tuple[str, bytes | None]:
    """What an image is, and the image."""
    try:
        attachment = read_image(path)
    except ImageError as error:
        return str(error), None
    image, size = attachment.image, len(attachment.data) / 1000
    facts = f"{path.name} · {image.format} · {image.width} × {image.height} pixels · {size:,.0f} kB"
    return facts, attachment.data
