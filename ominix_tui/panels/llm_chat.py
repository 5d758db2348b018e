"""The panel of a language model: one system prompt, one prompt, one streamed answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Input, Label, Static, TextArea

from ominix_core.errors import OminixError
from ominix_core.generation import (
    ChatMessage,
    ChatRequest,
    Failed,
    Finished,
    GenerationEvent,
    PrefillProgress,
    ReasoningDelta,
    Sampling,
    TextDelta,
    Usage,
)
from ominix_core.states import Downloaded, Downloading, Error, Loaded, Loading, ModelState, NotDownloaded
from ominix_tui.panels.base import ModelPanel
from ominix_tui.text import percent, printable
from ominix_tui.widgets.markdown_view import MarkdownView
from ominix_tui.widgets.number_field import NumberField
from ominix_tui.widgets.prompt_area import PromptArea

if TYPE_CHECKING:
    from ominix_core.hub import Hub
    from ominix_core.registry.entry import RegistryEntry
    from ominix_core.stream import Generation

DRAIN_SECONDS = 0.1
MAX_TOKENS = 512
MOST_TOKENS = 1_000_000
TEMPERATURE = 0.7
HOTTEST = 2.0
ENDINGS = {"length": "cut at max tokens", "cancelled": "stopped"}


class LLMChatPanel(ModelPanel):
    """Try the model: Enter in the prompt generates, Escape stops."""

    DEFAULT_CSS = """
    LLMChatPanel {
        #form { height: auto; }
        #form Label.caption { width: 8; color: $text-muted; }
        #system-row, #prompt-row { height: auto; }
        #system, #prompt { width: 1fr; }
        Input, TextArea { background: $foreground 4%; }
        Input:focus, TextArea:focus { background: $foreground 10%; background-tint: transparent; }
        #prompt { height: auto; min-height: 2; max-height: 6; border: none; padding: 0; }
        #system-row:focus-within > .caption, #prompt-row:focus-within > .caption { color: $text-accent; }

        #options-row { height: 1; }
        #options-row NumberField { margin-right: 1; }
        #max-tokens Input { width: 7; }
        #temperature Input { width: 5; }
        .spring { width: 1fr; }
        #generate { min-width: 0; padding: 0 1; }

        #problem { display: none; width: 1fr; color: $text-error; }

        #response { height: 1fr; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
        /* At least as high as what it scrolls in: an anchored container puts less than that at its bottom. */
        #page { height: auto; min-height: 100%; }
        #hint { width: 1fr; color: $text-muted; }
        #reasoning { display: none; margin-bottom: 1; color: $text-muted; }
        #failure { display: none; width: 1fr; color: $text-error; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+g", "generate", "Generate", id="llm.generate", tooltip="Answer the prompt"),
        Binding("escape", "stop", "Stop", id="llm.stop", tooltip="Stop the answer; what is there stays"),
    ]

    def __init__(self, hub: Hub, entry: RegistryEntry) -> None:
        super().__init__(hub, entry)
        self._generation: Generation | None = None
        self._started = 0.0
        self._activity = ""
        self._stopping = False

    def compose(self) -> ComposeResult:
        with Container(id="form", classes="box") as form:
            form.border_title = "Quick test"
            with Horizontal(id="system-row"):
                yield Label("System", classes="caption")
                yield Input(placeholder="How the model should behave, if you like", compact=True, id="system")
            with Horizontal(id="prompt-row"):
                yield Label("Prompt", classes="caption")
                yield PromptArea(
                    placeholder="Ask something",
                    compact=True,
                    highlight_cursor_line=False,
                    id="prompt",
                )
            with Horizontal(id="options-row"):
                most = self.entry.runtime.context or MOST_TOKENS
                yield NumberField("Max tokens", min(MAX_TOKENS, most), 1, most, id="max-tokens")
                yield NumberField("Temperature", TEMPERATURE, 0.0, HOTTEST, id="temperature")
                yield Static(classes="spring")
                yield Button("▶ Generate", variant="primary", compact=True, id="generate")
            yield Label(id="problem", markup=False)
        with VerticalScroll(id="response", classes="box") as response:
            response.border_title = "Response"
            with Vertical(id="page"):
                yield Static(id="hint", markup=False)
                yield MarkdownView(id="reasoning")
                yield MarkdownView(id="answer")
                yield Label(id="failure", markup=False)

    def on_mount(self) -> None:
        self._timer = self.set_interval(DRAIN_SECONDS, self._drain, pause=True)
        self.query_one("#response").anchor()

    def on_unmount(self) -> None:
        if self._generation is not None:
            self._generation.cancel()

    # -- the protocol of panels ---------------------------------------------------------------------------------

    @property
    def holds_work(self) -> bool:
        system, prompt = self.query_one("#system", Input).value, self.query_one(PromptArea).text
        return bool(self._generation or system or prompt or self.query_one("#answer", MarkdownView).source)

    def show_state(self, state: ModelState) -> None:
        self.query_one("#hint", Static).update(_hint(state))
        self.query_one("#generate").disabled = not isinstance(state, Loaded)

    def focus_first(self) -> None:
        self.query_one(PromptArea).focus()

    # -- the form -----------------------------------------------------------------------------------------------

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _on_edit(self) -> None:
        for field in self.query(NumberField):
            if field.has_class("-wrong"):
                field.check()
        self._show_problem(None)

    @on(PromptArea.Submitted)
    @on(Input.Submitted)
    def _on_submit(self) -> None:
        self.action_generate()

    @on(Button.Pressed, "#generate")
    def _on_button(self) -> None:
        if self._generation is None:
            self.action_generate()
        else:
            self.action_stop()

    def _show_problem(self, problem: str | None) -> None:
        label = self.query_one("#problem", Label)
        label.update(printable(problem or ""))
        label.display = problem is not None

    def _read_form(self) -> ChatRequest | None:
        """What the form asks for, or None after saying at the field what is wrong with it."""
        prompt = self.query_one(PromptArea)
        if not prompt.text.strip():
            self._show_problem("Type a prompt first.")
            prompt.focus()
            return None
        fields = [self.query_one(name, NumberField) for name in ("#max-tokens", "#temperature")]
        for field in fields:
            if problem := field.check():
                self._show_problem(problem)
                field.focus_input()
                return None
        max_tokens, temperature = (field.number or 0.0 for field in fields)
        system = self.query_one("#system", Input).value.strip()
        messages = [ChatMessage("system", system)] if system else []
        messages.append(ChatMessage("user", prompt.text))
        return ChatRequest(messages=messages, max_tokens=int(max_tokens), sampling=Sampling(temperature=temperature))

    # -- the answer ---------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return self._generation is not None
        if action == "generate":
            return self._generation is None
        return True

    def action_generate(self) -> None:
        if self._generation is not None:
            return
        request = self._read_form()
        if request is None:
            return
        try:
            self._generation = self.hub.generate(self.entry.id, request)
        except OminixError as error:
            self._show_problem(str(error))
            return
        self._started = time.monotonic()
        self._activity = "waiting for the first token"
        self._stopping = False
        self._show_problem(None)
        self._show_failure("")
        self.query_one("#hint").display = False
        for view in self.query(MarkdownView):
            view.clear()
            view.display = False
        self.query_one("#response").anchor()
        self._show_running(True)
        self._timer.resume()

    def action_stop(self) -> None:
        if self._generation is not None:
            self._generation.cancel()
            self._stopping = True
            self._show_status("stopping …")

    def _drain(self) -> None:
        if self._generation is None:
            return
        events = self._generation.drain()
        for kind, name in ((ReasoningDelta, "#reasoning"), (TextDelta, "#answer")):
            text = "".join(event.text for event in events if isinstance(event, kind))
            if text:
                view = self.query_one(name, MarkdownView)
                view.display = True
                view.append(text)
        last = events[-1] if events else None
        if isinstance(last, Finished | Failed):
            self._end(last)
        elif not self._stopping:
            self._show_activity(last)

    def _show_activity(self, last: GenerationEvent | None) -> None:
        if isinstance(last, PrefillProgress) and last.total:
            self._activity = f"reading the prompt, {percent(last.done / last.total)}"
        elif isinstance(last, ReasoningDelta):
            self._activity = "thinking"
        elif isinstance(last, TextDelta):
            self._activity = "writing"
        # Whole seconds: a new subtitle draws the whole box again.
        self._show_status(f"{self._activity} · {time.monotonic() - self._started:.0f} s")

    def _end(self, last: Finished | Failed) -> None:
        self._timer.pause()
        self._generation = None
        self._show_running(False)
        if isinstance(last, Finished):
            self._show_status(_summary(last.usage), ENDINGS.get(last.reason, ""))
        else:
            self._show_status("", "broke off")
            self._show_failure(f"! {last.message}")
        self._finish_answer()

    @work(exclusive=True)
    async def _finish_answer(self) -> None:
        for view in self.query(MarkdownView):
            await view.finish()

    def _show_running(self, running: bool) -> None:
        button = self.query_one("#generate", Button)
        button.label = "■ Stop" if running else "▶ Generate"
        button.variant = "warning" if running else "primary"
        self.refresh_bindings()

    def _show_status(self, figures: str, ending: str = "") -> None:
        response = self.query_one("#response")
        response.border_title = f"Response · {ending}" if ending else "Response"
        response.border_subtitle = figures

    def _show_failure(self, message: str) -> None:
        label = self.query_one("#failure", Label)
        label.update(printable(message))
        label.display = bool(message)


def _summary(usage: Usage) -> str:
    tokens = f"{usage.prompt_tokens} in · {usage.completion_tokens} out"
    return f"{usage.decode_tps:.1f} tokens/s · TTFT {usage.ttft:.2f} s · {tokens}"


def _hint(state: ModelState) -> str:
    match state:
        case Loaded():
            return "The answer appears here."
        case Loading():
            return "The model is on its way into memory. You can type your prompt already."
        case Downloading():
            return "The model is on its way to this machine. You can type your prompt already."
        case Downloaded():
            return "Load the model to try it: press l in the list of models."
        case NotDownloaded():
            return "This model is not on this machine yet: press g in the list of models to get it."
        case Error():
            return "The model is not in memory; what happened is told above."
        case _:
            return ""
