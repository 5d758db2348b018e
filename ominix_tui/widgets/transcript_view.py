"""The box in which a transcript appears while it is being made: times, text, how far it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widgets import Label

from ominix_core.generation import Failed, Finished, GenerationEvent
from ominix_core.media import AudioProgress, Transcribed, TranscriptPartial, TranscriptSegment
from ominix_core.transcript import Transcript, clock
from ominix_tui.text import one_line, percent, printable
from ominix_tui.widgets.content_lines import ContentLines

if TYPE_CHECKING:
    from ominix_core.stream import Generation

DRAIN_SECONDS = 0.1
TIME_WIDTH = 10
TIME_STYLE = "$foreground 60%"


class TranscriptLines(ContentLines):
    """Segments, each with the time when it begins, and what is being heard at the moment."""

    def __init__(self) -> None:
        super().__init__()
        self._segments: list[TranscriptSegment] = []
        self._partial = ""
        self._settled: list[Content] = []
        self._width = 0

    def clear(self) -> None:
        self._segments, self._settled, self._partial = [], [], ""
        self._draw()

    def add(self, segments: list[TranscriptSegment]) -> None:
        """Show further segments; the partial text is part of them."""
        self._segments += segments
        self._partial = ""
        for segment in segments:
            self._settled += self._wrapped(clock(segment.start)[:8], segment.text)
        self._draw()

    def show_partial(self, text: str) -> None:
        self._partial = text
        self._draw()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        if width != self._width:
            self._width = width
            self._strips.clear()
            self._settled = []
            for segment in self._segments:
                self._settled += self._wrapped(clock(segment.start)[:8], segment.text)
            self._arrange()
        return len(self._lines)

    def _draw(self) -> None:
        self._arrange()
        self.refresh(layout=True)

    def _arrange(self) -> None:
        self._lines = self._settled + (self._wrapped("…", self._partial) if self._partial else [])

    def _wrapped(self, when: str, text: str) -> list[Content]:
        if self._width <= TIME_WIDTH:
            return []
        rows = Content(one_line(text)).wrap(self._width - TIME_WIDTH)
        first = Content.styled(when.ljust(TIME_WIDTH), TIME_STYLE)
        blank = Content(" " * TIME_WIDTH)
        return [(first if index == 0 else blank) + row for index, row in enumerate(rows)]


class TranscriptView(VerticalScroll):
    """Follows one transcription at a time; what it shows stays until the next."""

    DEFAULT_CSS = """
    TranscriptView {
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        #page { height: auto; min-height: 100%; }
        #hint { width: 1fr; color: $text-muted; }
        #failure { display: none; width: 1fr; color: $text-error; }
    }
    """

    class Ended(Message):
        """The transcription has ended, well or badly."""

    def __init__(self, *, id: str, classes: str = "") -> None:  # noqa: A002  the name that every widget uses
        super().__init__(id=id, classes=classes)
        self._generation: Generation | None = None
        self._started = 0.0
        self._progress = AudioProgress(0.0, 0.0)
        self._events: list[TranscriptSegment | Transcribed] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="page"):
            yield Label(id="hint", markup=False)
            yield TranscriptLines()
            yield Label(id="failure", markup=False)

    def on_mount(self) -> None:
        self._timer = self.set_interval(DRAIN_SECONDS, self._drain, pause=True)
        self._show_title("")
        self.anchor()

    def on_unmount(self) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether a transcription is being followed."""
        return self._generation is not None

    @property
    def transcript(self) -> Transcript:
        """What there is so far."""
        return Transcript.of(self._events)

    def show_hint(self, text: str) -> None:
        """What to say as long as there is no transcript."""
        self.query_one("#hint", Label).update(text)

    def follow(self, generation: Generation) -> None:
        """Show this transcription instead of the last, until its end."""
        self._generation = generation
        self._started = time.monotonic()
        self._progress = AudioProgress(0.0, 0.0)
        self._events.clear()
        self.query_one("#hint").display = False
        self.query_one(TranscriptLines).clear()
        self._show_failure("")
        self._show_title("listening")
        self.anchor()
        self._timer.resume()

    def stop(self) -> None:
        """Ask the transcription to end; what is there stays."""
        if self._generation is not None:
            self._generation.cancel()

    def _drain(self) -> None:
        if self._generation is None:
            return
        lines = self.query_one(TranscriptLines)
        events = self._generation.drain()
        segments = [event for event in events if isinstance(event, TranscriptSegment)]
        self._events += [event for event in events if isinstance(event, TranscriptSegment | Transcribed)]
        if segments:
            lines.add(segments)
        for event in reversed(events):
            if isinstance(event, TranscriptPartial | TranscriptSegment):
                lines.show_partial(event.text if isinstance(event, TranscriptPartial) else "")
                break
        for event in events:
            if isinstance(event, AudioProgress):
                self._progress = event
        if events:
            self._show_progress()
            self._end_with(events[-1])

    def _end_with(self, last: GenerationEvent) -> None:
        if not isinstance(last, Finished | Failed):
            return
        self._timer.pause()
        self._generation = None
        self.query_one(TranscriptLines).show_partial("")
        if isinstance(last, Failed):
            self._show_title("broke off")
            self._show_failure(f"! {last.message}")
        elif last.reason == "cancelled":
            self._show_title("stopped")
        else:
            self._show_title((self.transcript.language or "").capitalize())
            if not self.transcript.segments:
                self._show_failure("Nobody speaks in this audio.")
        self.post_message(self.Ended())

    def _show_progress(self) -> None:
        done, total = self._progress.done, self._progress.total
        pace = done / max(0.001, time.monotonic() - self._started)
        share = f"{percent(done / total)} of {clock(total)[:8]} · " if total else ""
        self.border_subtitle = f"{share}{pace:.1f} × real time" if done else ""

    def _show_title(self, ending: str) -> None:
        self.border_title = f"Transcript · {one_line(ending)}" if ending else "Transcript"
        if ending == "listening":
            self.border_subtitle = ""

    def _show_failure(self, message: str) -> None:
        label = self.query_one("#failure", Label)
        label.update(printable(message))
        label.display = bool(message)
