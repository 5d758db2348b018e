"""The box in which an answer appears while it is being made: thoughts, Markdown, figures, failure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Label

from ominix_core.generation import Failed, Finished, GenerationEvent, PrefillProgress, ReasoningDelta, TextDelta, Usage
from ominix_tui.text import percent, printable
from ominix_tui.widgets.markdown_view import MarkdownView

if TYPE_CHECKING:
    from ominix_core.stream import Generation

DRAIN_SECONDS = 0.1
ENDINGS = {"length": "cut at max tokens", "cancelled": "stopped"}


class Response(VerticalScroll):
    """Follows one generation at a time; what it shows stays until the next.

    Tokens are taken from the generation ten times a second: one message or call per token would cost the event loop
    more than the model's work.
    """

    DEFAULT_CSS = """
    Response {
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        /* At least as high as what it scrolls in: an anchored container puts less than that at its bottom. */
        #page { height: auto; min-height: 100%; }
        #hint { width: 1fr; color: $text-muted; }
        #reasoning { display: none; margin-bottom: 1; color: $text-muted; }
        #failure { display: none; width: 1fr; color: $text-error; }
    }
    """

    class Ended(Message):
        """The generation has ended, well or badly."""

        def __init__(self, last: Finished | Failed) -> None:
            super().__init__()
            self.last = last

    def __init__(self, *, id: str, classes: str = "") -> None:  # noqa: A002  the name that every widget uses
        super().__init__(id=id, classes=classes)
        self._generation: Generation | None = None
        self._started = 0.0
        self._activity = ""
        self._views = {name: MarkdownView(id=name) for name in ("reasoning", "answer")}

    def compose(self) -> ComposeResult:
        with Vertical(id="page"):
            yield Label(id="hint", markup=False)
            yield from self._views.values()
            yield Label(id="failure", markup=False)

    def on_mount(self) -> None:
        self._timer = self.set_interval(DRAIN_SECONDS, self._drain, pause=True)
        self._show_status("")
        self.anchor()

    def on_unmount(self) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether a generation is being followed."""
        return self._generation is not None

    @property
    def answer(self) -> str:
        """The text of the answer so far."""
        return self._views["answer"].source

    @property
    def reasoning(self) -> str:
        """What the model has thought before it answered."""
        return self._views["reasoning"].source

    def show_hint(self, text: str) -> None:
        """What to say as long as there is no answer."""
        self.query_one("#hint", Label).update(text)

    def follow(self, generation: Generation) -> None:
        """Show this generation instead of the last, until its end."""
        self._generation = generation
        self._started = time.monotonic()
        self._activity = "waiting for the first token"
        self.query_one("#hint").display = False
        self._show_failure("")
        for view in self._views.values():
            view.clear()
            view.display = False
        self.anchor()
        self._timer.resume()

    def stop(self) -> None:
        """Ask the generation to end; what is there stays."""
        if self._generation is not None:
            self._generation.cancel()
            self._activity = "stopping"

    def _drain(self) -> None:
        if self._generation is None:
            return
        events = self._generation.drain()
        self._append("reasoning", "".join(event.text for event in events if isinstance(event, ReasoningDelta)))
        self._append("answer", "".join(event.text for event in events if isinstance(event, TextDelta)))
        last = events[-1] if events else None
        if isinstance(last, Finished | Failed):
            self._end(last)
        else:
            self._show_activity(last)

    def _append(self, name: str, text: str) -> None:
        if text:
            view = self._views[name]
            view.display = True
            view.append(text)

    def _show_activity(self, last: GenerationEvent | None) -> None:
        if self._activity != "stopping":
            match last:
                case PrefillProgress(done=done, total=total) if total:
                    self._activity = f"reading the prompt, {percent(done / total)}"
                case ReasoningDelta():
                    self._activity = "thinking"
                case TextDelta():
                    self._activity = "writing"
        # Whole seconds: a new subtitle draws the whole box again.
        self._show_status(f"{self._activity} · {time.monotonic() - self._started:.0f} s")

    def _end(self, last: Finished | Failed) -> None:
        self._timer.pause()
        self._generation = None
        if isinstance(last, Finished):
            self._show_status(_summary(last.usage), ENDINGS.get(last.reason, ""))
        else:
            self._show_status("", "broke off")
            self._show_failure(f"! {last.message}")
        self._draw_finally()
        self.post_message(self.Ended(last))

    @work(exclusive=True)
    async def _draw_finally(self) -> None:
        for view in self._views.values():
            await view.finish()

    def _show_status(self, figures: str, ending: str = "") -> None:
        self.border_title = f"Response · {ending}" if ending else "Response"
        self.border_subtitle = figures

    def _show_failure(self, message: str) -> None:
        label = self.query_one("#failure", Label)
        label.update(printable(message))
        label.display = bool(message)


def _summary(usage: Usage) -> str:
    tokens = f"{usage.prompt_tokens} in · {usage.completion_tokens} out"
    return f"{usage.decode_tps:.1f} tokens/s · TTFT {usage.ttft:.2f} s · {tokens}"
