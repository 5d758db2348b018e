"""The box in which an image appears while it is being made, and the images of this session."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Label, ProgressBar

from ominix_core.generation import Failed, Finished
from ominix_core.media import ImageMade, ImageRequest, ImageStep
from ominix_tui.widgets.image_view import ImageView

if TYPE_CHECKING:
    from ominix_core.stream import Generation

DRAIN_SECONDS = 0.1
MOST_TAKES = 30


@dataclass(frozen=True)
class Take:
    """An image of this session, and what was asked for."""

    request: ImageRequest
    image: ImageMade

    @property
    def figures(self) -> str:
        """What it was made with, and the seconds that this took."""
        image = self.image
        return f"{image.width}×{image.height} · seed {image.seed} · {image.steps} steps · {image.seconds:.1f} s"


class ImageStage(Vertical):
    """Follows one generation at a time; the images that were made stay and can be shown again."""

    DEFAULT_CSS = """
    ImageStage {
        #hint { width: 1fr; color: $text-muted; }
        #progress { display: none; height: 1; width: 1fr; }
        #progress Bar { width: 1fr; }
        ImageView { display: none; }
    }
    """

    class Changed(Message):
        """Another image is shown, or a generation has begun or ended; `failure` says what went wrong, if anything."""

        def __init__(self, failure: str | None = None) -> None:
            super().__init__()
            self.failure = failure

    def __init__(self, *, id: str, classes: str = "") -> None:  # noqa: A002  the name that every widget uses
        super().__init__(id=id, classes=classes)
        self.takes: list[Take] = []
        self.shown: Take | None = None
        self._generation: Generation | None = None
        self._request: ImageRequest | None = None
        self._started = 0.0
        self._activity = ""

    def compose(self) -> ComposeResult:
        yield Label(id="hint", markup=False)
        yield ImageView()
        yield ProgressBar(show_percentage=False, show_eta=False, id="progress")

    def on_mount(self) -> None:
        self._timer = self.set_interval(DRAIN_SECONDS, self._drain, pause=True)
        self._show_status("")

    def on_unmount(self) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether an image is being made."""
        return self._generation is not None

    def show_hint(self, text: str) -> None:
        """What to say as long as there is no image."""
        self.query_one("#hint", Label).update(text)

    def follow(self, generation: Generation, request: ImageRequest) -> None:
        """Show how this image is made, until its end."""
        self._generation, self._request = generation, request
        self._started = time.monotonic()
        self._activity = "reading the prompt"
        self.query_one("#hint").display = False
        bar = self.query_one(ProgressBar)
        bar.display = True
        bar.update(total=None, progress=0)
        self._timer.resume()

    def stop(self) -> None:
        """Ask the generation to end."""
        if self._generation is not None:
            self._generation.cancel()
            self._activity = "stopping"

    def show(self, take: Take) -> None:
        """Show an image of this session again."""
        self.shown = take
        self._show_picture(take.image.png)
        self._show_status(take.figures)
        self.post_message(self.Changed())

    def _drain(self) -> None:
        if self._generation is None:
            return
        events = self._generation.drain()
        steps = [event for event in events if isinstance(event, ImageStep)]
        if steps:
            self._show_step(steps[-1])
        for event in events:
            if isinstance(event, ImageMade):
                self._keep(event)
        if events and isinstance(events[-1], Finished | Failed):
            self._end(events[-1])
        else:
            self._show_status(f"{self._activity} · {time.monotonic() - self._started:.0f} s")

    def _show_step(self, step: ImageStep) -> None:
        if self._activity != "stopping":
            self._activity = f"step {step.step} of {step.steps}"
        self.query_one(ProgressBar).update(total=step.steps, progress=step.step)
        if step.preview is not None:
            self._show_picture(step.preview)

    def _keep(self, image: ImageMade) -> None:
        assert self._request is not None
        take = Take(self._request, image)
        self.takes = [*self.takes, take][-MOST_TAKES:]
        self.shown = take

    def _end(self, last: Finished | Failed) -> None:
        self._timer.pause()
        self._generation = None
        self.query_one(ProgressBar).display = False
        stopped = isinstance(last, Finished) and last.reason == "cancelled"
        if self.shown is None:
            self._show_picture(None)
            self._show_status("", "stopped" if stopped else "")
        else:
            self._show_picture(self.shown.image.png)
            self._show_status(self.shown.figures, "stopped · the last one" if stopped else "")
        self.post_message(self.Changed(last.message if isinstance(last, Failed) else None))

    def _show_picture(self, png: bytes | None) -> None:
        view = self.query_one(ImageView)
        view.display = png is not None
        self.query_one("#hint").display = png is None
        view.show(png)

    def _show_status(self, figures: str, ending: str = "") -> None:
        self.border_title = f"Image · {ending}" if ending else "Image"
        self.border_subtitle = figures
