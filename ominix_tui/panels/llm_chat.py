"""The panel of a language model: one system prompt, one prompt, one streamed answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.widgets import Button, Input, Label, Static, TextArea

from ominix_core.chat_tree import Exchange
from ominix_core.errors import OminixError
from ominix_core.generation import ChatMessage, ChatRequest
from ominix_core.states import Loaded, ModelState
from ominix_tui.panels.base import ModelPanel
from ominix_tui.widgets.number_field import NumberField
from ominix_tui.widgets.prompt_area import PromptArea
from ominix_tui.widgets.response import Response
from ominix_tui.widgets.sampling_options import SamplingOptions, within

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.images import NamedImage
    from ominix_core.registry.entry import RegistryEntry
    from ominix_tui.app import OminixApp

MAX_TOKENS = 512
MOST_TOKENS = 1_000_000
TEMPERATURE = 0.7
HOTTEST = 2.0


class LLMChatPanel(ModelPanel):
    """Try the model: Enter in the prompt generates, Escape stops."""

    app: OminixApp

    DEFAULT_CSS = """
    LLMChatPanel {
        #system-row, #prompt-row { height: auto; }
        #system { width: 1fr; }

        #options-row { height: 1; }
        #options-row NumberField { margin-right: 1; }
        #max-tokens Input { width: 6; }
        #temperature Input { width: 5; }
        #generate { min-width: 0; padding: 0 1; }
        #answer-row { display: none; height: 1; padding: 0 1; }
        #answer-row Button { min-width: 0; padding: 0 1; margin-right: 1; background: $surface-lighten-1; }
        #answer-row Button:focus { background: $primary; color: $text; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+g", "generate", "Generate", id="llm.generate", tooltip="Answer the prompt"),
        Binding("ctrl+r", "regenerate", "Again", id="llm.again", tooltip="Ask the same once more"),
        Binding("ctrl+o", "go_on_in_chat", "In Chat", id="llm.chat", tooltip="Go on with this in a conversation"),
        Binding("escape", "stop", "Stop", id="llm.stop", tooltip="Stop the answer; what is there stays"),
    ]

    def __init__(self, hub: HubFacade, entry: RegistryEntry) -> None:
        super().__init__(hub, entry)
        self._asked: ChatRequest | None = None
        self._system_preset = entry.defaults.system_prompt or ""

    def compose(self) -> ComposeResult:
        with Container(id="form", classes="box") as form:
            form.border_title = "Quick test"
            yield from self.compose_question()
            with Horizontal(id="options-row"):
                most, defaults = self.entry.runtime.context or MOST_TOKENS, self.entry.defaults
                max_tokens = within(defaults.max_tokens, 1, most) or min(MAX_TOKENS, most)
                temperature = within(defaults.temperature, 0.0, HOTTEST)
                yield NumberField("Max tokens", max_tokens, 1, most, id="max-tokens")
                yield NumberField(
                    "Temperature", TEMPERATURE if temperature is None else temperature, 0.0, HOTTEST, id="temperature"
                )
                yield Static(classes="spring")
                yield Button("▶ Generate", variant="primary", compact=True, id="generate")
            yield SamplingOptions(self.entry.defaults)
        yield Label(id="problem", markup=False)
        yield Response(id="response", classes="box result", context=self.entry.runtime.context)
        with Horizontal(id="answer-row"):
            yield Button("Again", compact=True, id="again")
            yield Button("Copy", compact=True, id="copy")
            yield Button("Save", compact=True, id="save")
            yield Button("Open in Chat ▸", compact=True, id="chat")

    def compose_question(self) -> ComposeResult:
        """What the model is asked."""
        yield self.system_row()
        yield self.prompt_row("Try “What is the capital of France?”")

    def system_row(self) -> Horizontal:
        field = Input(
            self._system_preset, placeholder="How the model should behave, if you like", compact=True, id="system"
        )
        return Horizontal(Label("System", classes="caption"), field, id="system-row")

    def prompt_row(self, placeholder: str) -> Horizontal:
        area = PromptArea(placeholder=placeholder, compact=True, highlight_cursor_line=False, id="prompt")
        return Horizontal(Label("Prompt", classes="caption"), area, id="prompt-row")

    # -- the protocol of panels ---------------------------------------------------------------------------------

    @property
    def holds_work(self) -> bool:
        response = self.query_one(Response)
        typed = self.query_one("#system", Input).value != self._system_preset or self.query_one(PromptArea).text
        return bool(typed or response.running or response.answer)

    @property
    def exchange(self) -> Exchange | None:
        response = self.query_one(Response)
        answer = response.answer_so_far(self.entry.id)
        if self._asked is None or response.running or not (answer.text or answer.reasoning):
            return None
        *before, asked = self._asked.messages
        system = before[0].content if before else ""
        return Exchange(asked.content, answer, system, self.images_of(asked), self._asked.sampling)

    def images_of(self, asked: ChatMessage) -> tuple[NamedImage, ...]:
        """The images of a question that was asked here."""
        return ()

    def show_hint(self) -> None:
        self.query_one(Response).show_hint(self.hint("The answer appears here.", "type your prompt"))

    def show_state(self, state: ModelState) -> None:
        super().show_state(state)
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
        self.show_problem(None)

    @on(PromptArea.Submitted)
    @on(Input.Submitted)
    def _on_submit(self) -> None:
        self.action_generate()

    @on(Button.Pressed, "#generate")
    def _on_button(self) -> None:
        if self.query_one(Response).running:
            self.action_stop()
        else:
            self.action_generate()

    @on(Button.Pressed, "#again")
    def _on_again(self) -> None:
        self.action_regenerate()

    @on(Button.Pressed, "#copy")
    def _on_copy(self) -> None:
        self.query_one(Response).action_copy()

    @on(Button.Pressed, "#chat")
    def _on_chat(self) -> None:
        self.action_go_on_in_chat()

    @on(Button.Pressed, "#save")
    def _on_save(self) -> None:
        self.query_one(Response).action_save()

    def _read_form(self) -> ChatRequest | None:
        """What the form asks for, or None after saying at the field what is wrong with it."""
        prompt = self.query_one(PromptArea)
        if not prompt.text.strip():
            self.show_problem("Type a prompt first.")
            prompt.focus()
            return None
        options = self.query_one(SamplingOptions)
        fields = [self.query_one(name, NumberField) for name in ("#max-tokens", "#temperature")]
        for field in (*fields, *options.fields):
            if problem := field.check():
                options.line.folded = options.line.folded and field not in options.fields
                self.show_problem(problem)
                field.focus_input()
                return None
        max_tokens, temperature = (field.number or 0.0 for field in fields)
        system = self.query_one("#system", Input).value.strip()
        messages = [ChatMessage("system", system)] if system else []
        messages.append(ChatMessage("user", prompt.text))
        sampling = options.sampling(temperature)
        return ChatRequest(messages=messages, max_tokens=int(max_tokens), sampling=sampling, stop=options.stop)

    # -- the answer ---------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("generate", "stop"):
            return self.query_one(Response).running == (action == "stop")
        if action == "go_on_in_chat":
            return self.exchange is not None
        if action == "regenerate":
            return self._asked is not None and not self.query_one(Response).running
        return super().check_action(action, parameters)

    def action_generate(self) -> None:
        if not self.query_one(Response).running and (request := self._read_form()):
            self._ask(request)

    def action_regenerate(self) -> None:
        """Ask again what was asked last, whatever the form says now."""
        if self._asked is not None:
            self._ask(self._asked)

    def action_go_on_in_chat(self) -> None:
        """Go on in a conversation."""
        self.app.open_chat(self.entry.id, self.exchange)

    def _ask(self, request: ChatRequest) -> None:
        try:
            generation = self.hub.generate(self.entry.id, request)
        except OminixError as error:
            self.show_refusal(error)
            return
        self._asked = request
        self.show_problem(None)
        self.query_one(Response).follow(generation)
        self._show_running(True)

    def action_stop(self) -> None:
        self.query_one(Response).stop()

    @on(Response.Ended)
    def _on_ended(self) -> None:
        self._show_running(False)

    def _show_running(self, running: bool) -> None:
        button = self.query_one("#generate", Button)
        button.label = "■ Stop" if running else "▶ Generate"
        button.variant = "warning" if running else "primary"
        self.query_one("#answer-row").display = not running
        self.refresh_bindings()
