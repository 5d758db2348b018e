"""The box in which an answer appears while it is being made: thoughts, Markdown, figures, failure."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.geometry import Size
from textual.message import Message
from textual.reactive import Reactive
from textual.widgets import Label

from ominix_core.chat_tree import Answer, Ending
from ominix_core.generation import Failed, Finished, GenerationEvent, PrefillProgress, ReasoningDelta, TextDelta, Usage
from ominix_tui.text import counted, percent, printable
from ominix_tui.widgets.fold_line import FoldLine
from ominix_tui.widgets.markdown_lines import warm_up
from ominix_tui.widgets.markdown_view import MarkdownView
from ominix_tui.widgets.telling import telling

if TYPE_CHECKING:
    from ominix_core.stream import Generation

DRAIN_SECONDS = 0.1
ENDINGS = {"length": "cut at max tokens", "cancelled": "stopped"}
KEPT_ENDINGS: dict[str, Ending] = {"length": "length", "cancelled": "cancelled"}


class _Page(Vertical):
    """What scrolls: it grows with every line."""

    virtual_size = Reactive(Size(0, 0))  # see ContentLines


class Response(VerticalScroll):
    """Follows one generation at a time; what it shows stays until the next.

    Tokens are taken from the generation ten times a second: one message or call per token would cost the event loop
    more than the model's work.

    Args:
        context: The longest context of the model in tokens, if it is known.
    """

    DEFAULT_CSS = """
    Response {
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        /* At least as high as what it scrolls in: an anchored container puts less than that at its bottom. */
        #page { height: auto; min-height: 100%; }
        #hint { width: 1fr; color: $text-muted; }
        #thoughts { display: none; }
        #reasoning { margin-bottom: 1; color: $text-muted; }
        #failure { display: none; width: 1fr; color: $text-error; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy", id="response.copy", tooltip="Copy the answer to the clipboard"),
        Binding("x", "save", "Save", id="response.save", tooltip="Write the answer to a file"),
        Binding("t", "thoughts", "Thoughts", id="response.thoughts", tooltip="Show or hide what the model thought"),
    ]

    class Ended(Message):
        """The generation has ended, well or badly."""

        def __init__(self, last: Finished | Failed) -> None:
            super().__init__()
            self.last = last

    virtual_size = Reactive(Size(0, 0))  # see ContentLines

    def __init__(self, *, id: str, classes: str = "", context: int | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._context_tokens = context
        self._generation: Generation | None = None
        self._started = 0.0
        self._activity = ""
        self._thoughts = 0
        self._last: Finished | Failed | None = None
        self._views = {name: MarkdownView(id=name) for name in ("reasoning", "answer")}
        self._fold = FoldLine("", self._views["reasoning"], id="thoughts")

    def compose(self) -> ComposeResult:
        with _Page(id="page"):
            yield Label(id="hint", markup=False)
            yield self._fold
            yield from self._views.values()
            yield Label(id="failure", markup=False)

    def on_mount(self) -> None:
        self._timer = self.set_interval(DRAIN_SECONDS, self._drain, pause=True)
        self._show_status("")
        self.anchor()

    def on_unmount(self) -> None:
        self.stop()

    def on_resize(self) -> None:
        if isinstance(self._last, Finished):
            self.border_subtitle = self._summary(self._last.usage)

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

    def answer_so_far(self, model_id: str) -> Answer:
        """What there is of the model's answer, to be kept; one that has not ended counts as stopped."""
        last = self._last
        usage = last.usage if isinstance(last, Finished) else None
        ending: Ending = "failed" if isinstance(last, Failed) else "cancelled"
        if isinstance(last, Finished):
            ending = KEPT_ENDINGS.get(last.reason, "")
        return Answer(self.answer, model_id, self.reasoning, ending, usage)

    def show_hint(self, text: str) -> None:
        """What to say as long as there is no answer."""
        self.query_one("#hint", Label).update(text)

    def follow(self, generation: Generation) -> None:
        """Show this generation instead of the last, until its end."""
        self._generation = generation
        self._started = time.monotonic()
        self._activity = "waiting for the first token"
        self._thoughts, self._last = 0, None
        self.query_one("#hint").display = False
        self._show_failure("")
        for view in self._views.values():
            view.clear()
        self._fold.folded = True
        self._fold.display = self._views["answer"].display = False
        self.anchor()
        self._get_ready()

    @work(exclusive=True)
    async def _get_ready(self) -> None:
        """What draws the answer is imported while the model reads the prompt."""
        await asyncio.to_thread(warm_up)
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
        self._add_thoughts([event.text for event in events if isinstance(event, ReasoningDelta)])
        self._add_text("".join(event.text for event in events if isinstance(event, TextDelta)))
        last = events[-1] if events else None
        if isinstance(last, Finished | Failed):
            self._end(last)
        else:
            self._show_activity(last)

    def _add_thoughts(self, texts: list[str]) -> None:
        if texts:
            self._thoughts += len(texts)
            self._views["reasoning"].append("".join(texts))
            self._fold.title = "Thinking …"
            self._fold.display = True

    def _add_text(self, text: str) -> None:
        if text:
            if not self.answer:
                self._count_thoughts(self._thoughts)
                self._views["answer"].display = True
            self._views["answer"].append(text)

    def _count_thoughts(self, tokens: int) -> None:
        self._fold.title = f"Thought, {counted(tokens, 'token')}"

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
        self._generation, self._last = None, last
        if isinstance(last, Finished):
            self._count_thoughts(last.usage.reasoning_tokens or self._thoughts)
            self._show_status(self._summary(last.usage), ENDINGS.get(last.reason, ""))
        else:
            self._count_thoughts(self._thoughts)
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

    def _summary(self, usage: Usage) -> str:
        """Speed and tokens, in as many words as the border has room for."""
        used = usage.prompt_tokens + usage.completion_tokens
        share = f" of {self._context_tokens:,} ({used / self._context_tokens:.0%})" if self._context_tokens else ""
        speed = f"{usage.decode_tps:.1f} tokens/s · TTFT {usage.ttft:.2f} s"
        short = f"{speed} · context {used:,}"
        tokens = f"{usage.prompt_tokens:,} in · {usage.completion_tokens:,} out"
        long = f"{speed} · {tokens} · context {used:,}{share}"
        return long if len(long) + 6 <= self.outer_size.width else short

    # -- actions ------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("copy", "save"):
            return bool(self.answer)
        return action != "thoughts" or bool(self.reasoning)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.answer)
        self.notify("The answer was copied.")

    @work
    @telling
    async def action_save(self) -> None:
        from ominix_tui.clipboard import save
        from ominix_tui.widgets.dialogs import TextDialog

        name = await self.app.push_screen_wait(TextDialog("Save the answer to", "~/answer.md"))
        if name and name.strip():
            file = await asyncio.to_thread(save, self.answer, name.strip())
            self.notify(f"Written to {file}", markup=False)

    def action_thoughts(self) -> None:
        self._fold.action_fold()
