"""The panel of a speech model: voice, speed, a text, and what it sounds like."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.widgets import Button, Input, Label, Select, Static, TextArea

from ominix_core import devices
from ominix_core.errors import OminixError
from ominix_core.generation import Failed
from ominix_core.media import FASTEST, SLOWEST, Abilities, SpeechRequest
from ominix_core.states import Loaded, ModelState
from ominix_tui.panels.base import ModelPanel
from ominix_tui.speech_take import SpeechTake
from ominix_tui.text import one_line
from ominix_tui.widgets.number_field import NumberField
from ominix_tui.widgets.prompt_area import PromptArea
from ominix_tui.widgets.telling import telling
from ominix_tui.widgets.waveform import Waveform

TICK_SECONDS = 0.1


class TTSSynthesisPanel(ModelPanel):
    """Speak a text: Enter generates and plays, Escape stops."""

    DEFAULT_CSS = """
    TTSSynthesisPanel {
        #voice-row, #style-row, #speed-row, #buttons { height: 1; }
        #text-row { height: auto; }
        #voice { width: 1fr; max-width: 32; }
        #style { width: 1fr; }
        #text { min-height: 3; }
        #speed-row NumberField { margin-right: 1; }
        #speed Label { width: 8; padding: 0; }
        #speed Input { width: 5; }
        #speed-range { color: $text-muted; }
        Button { min-width: 0; padding: 0 1; margin-left: 1; }
        #hint { width: 1fr; color: $text-muted; }
        .waveform--played { color: $text-accent; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+g", "generate", "Speak", id="tts.generate", tooltip="Generate the speech and play it"),
        Binding("escape", "stop", "Stop", id="tts.stop", tooltip="Stop generating and playing"),
        Binding("ctrl+s", "save", "Save .wav", id="tts.save", tooltip="Keep the speech as a file"),
        Binding("ctrl+o", "manage", "Voices", id="tts.voices", tooltip="Add, rename or remove voices of your own"),
    ]

    PROMPT_LINES = 8
    _take: SpeechTake | None = None

    def compose(self) -> ComposeResult:
        with Container(id="form", classes="box") as form:
            form.border_title = "Speech"
            with Horizontal(id="voice-row"):
                yield Label("Voice", classes="caption")
                yield Select[str]([], prompt="the model's own", compact=True, id="voice")
                yield Button("Manage Voices ▸", compact=True, id="manage")
            with Horizontal(id="style-row"):
                yield Label("Style", classes="caption")
                yield Input(placeholder="How to speak, in words, if you like", compact=True, id="style")
            with Horizontal(id="speed-row"):
                yield NumberField("Speed", 1.0, SLOWEST, FASTEST, id="speed")
                yield Label(f"{SLOWEST:g} is slow, {FASTEST:g} is fast", id="speed-range")
            with Horizontal(id="text-row"):
                yield Label("Text", classes="caption")
                yield PromptArea(
                    placeholder="Enter text to speak", compact=True, highlight_cursor_line=False, id="text"
                )
            with Horizontal(id="buttons"):
                yield Static(classes="spring")
                yield Button("Save .wav", compact=True, id="save")
                yield Button("▶ Generate & Play", variant="primary", compact=True, id="generate")
        yield Label(id="problem", markup=False)
        with Vertical(id="sound", classes="box result"):
            yield Label(id="hint", markup=False)
            yield Waveform(id="waveform")

    def on_mount(self) -> None:
        self._timer = self.set_interval(TICK_SECONDS, self._tick, pause=True)
        self._show_abilities(None)
        self._show_status("Ready")
        self._show_buttons()

    def on_unmount(self) -> None:
        self.action_stop()

    # -- the protocol of panels ---------------------------------------------------------------------------------

    @property
    def holds_work(self) -> bool:
        return bool(self.query_one(PromptArea).text or self._take)

    def show_hint(self) -> None:
        loaded = f"The speech is drawn here, and played{devices.where()}."
        self.query_one("#hint", Label).update(self.hint(loaded, "type your text"))

    def show_state(self, state: ModelState) -> None:
        super().show_state(state)
        self.query_one("#generate").disabled = not isinstance(state, Loaded)
        if isinstance(state, Loaded):
            self._ask_abilities()

    def focus_first(self) -> None:
        self.query_one(PromptArea).focus()

    # -- the form -----------------------------------------------------------------------------------------------

    @work(exclusive=True, group="abilities")
    @telling
    async def _ask_abilities(self) -> None:
        abilities = await asyncio.to_thread(self.hub.abilities, self.entry.id)
        voices = await asyncio.to_thread(self.hub.voices.all) if _imitates(abilities) else []
        self._show_abilities(abilities, [voice.name for voice in voices])

    def _show_abilities(self, abilities: Abilities | None, own: list[str] | None = None) -> None:
        """Offer what the model can do; before it is loaded, what the registry says."""
        defaults = self.entry.defaults
        of_model = abilities.voices if abilities else defaults.voices
        voices = [*(own or []), *of_model]
        select = self.query_one("#voice", Select)
        wanted = [str(name).casefold() for name in (select.value, defaults.voice)]
        select.set_options((one_line(name), name) for name in voices)
        known = {name.casefold(): name for name in voices}
        if chosen := next((known[name] for name in wanted if name in known), None):
            select.value = chosen
        options = abilities.options if abilities else ()
        self.query_one("#style-row").display = "instructions" in options
        self.query_one("#speed-row").display = abilities is None or "speed" in options
        self.query_one("#manage").display = abilities is None or "reference" in options

    @on(TextArea.Changed)
    @on(Input.Changed)
    def _on_edit(self) -> None:
        self.query_one(NumberField).check()
        self.show_problem(None)

    @on(PromptArea.Submitted)
    @on(Input.Submitted)
    def _on_submit(self) -> None:
        self.action_generate()

    @on(Button.Pressed)
    def _on_button(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "generate":
                if self._busy:
                    self.action_stop()
                else:
                    self.action_generate()
            case "save":
                self.action_save()
            case "manage":
                self.action_manage()

    def _read_form(self) -> SpeechRequest | None:
        """What the form asks for, or None after saying at the field what is wrong with it."""
        area, speed, style = self.query_one(PromptArea), self.query_one(NumberField), self.query_one("#style", Input)
        if not area.text.strip():
            self.show_problem("Type what is to be said first.")
            area.focus()
            return None
        if speed.display and (problem := speed.check()):
            self.show_problem(problem)
            speed.focus_input()
            return None
        voice = self.query_one("#voice", Select).value
        return SpeechRequest(
            text=area.text,
            voice=voice if isinstance(voice, str) else None,
            speed=(self.query_one("#speed-row").display and speed.number) or 1.0,
            instructions=(self.query_one("#style-row").display and style.value.strip()) or None,
        )

    # -- the speech ---------------------------------------------------------------------------------------------

    @property
    def _busy(self) -> bool:
        return self._take is not None and self._take.busy

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "generate" | "stop":
                return self._busy == (action == "stop")
            case "save":
                return self._take is not None and bool(self._take.seconds)
            case "manage":
                return self.query_one("#manage").display
        return super().check_action(action, parameters)

    def action_generate(self) -> None:
        request = None if self._busy else self._read_form()
        if request is None:
            return
        try:
            generation = self.hub.generate(self.entry.id, request)
        except OminixError as error:
            self.show_refusal(error)
            return
        self.show_problem(None)
        self.query_one("#hint").display = False
        self.query_one(Waveform).clear()
        self._take = SpeechTake(generation)
        self._timer.resume()
        self._show_buttons()

    def action_stop(self) -> None:
        if self._take is not None:
            self._take.stop()

    @work(exclusive=True, group="save")
    @telling
    async def action_save(self) -> None:
        if self._take is not None and self._take.seconds:
            path = await asyncio.to_thread(self._take.save, self.hub.home.outputs)
            self.notify(f"Saved {path}", title="Speech", markup=False)

    @work(group="manage")
    async def action_manage(self) -> None:
        from ominix_tui.widgets.voice_dialogs import VoicesDialog

        chosen = await self.app.push_screen_wait(VoicesDialog(self.hub))
        await self._ask_abilities().wait()
        if chosen is not None:
            self.query_one("#voice", Select).value = chosen

    def _tick(self) -> None:
        take = self._take
        if take is None:
            return
        waveform = self.query_one(Waveform)
        silent_so_far = not take.seconds
        for chunk in take.receive():
            waveform.add(chunk.samples, chunk.sample_rate)
        if silent_so_far and take.seconds:
            take.opening = True
            self._open_playback(take)
        waveform.show_played(take.played_share)
        self._show_status(take.describe(), take.figures())
        if isinstance(take.last, Failed):
            self.show_problem(take.last.message)
        if not take.busy:
            self._timer.pause()
            self._show_buttons()

    @work(group="playback")
    async def _open_playback(self, take: SpeechTake) -> None:
        try:
            await asyncio.to_thread(take.open_playback)
        except OminixError as error:
            self.show_problem(f"{error} (Ctrl+S)")

    def _show_status(self, status: str, figures: str = "") -> None:
        box = self.query_one("#sound")
        box.border_title = status + (devices.where() if status.startswith("Playing") else "")
        box.border_subtitle = figures

    def _show_buttons(self) -> None:
        button = self.query_one("#generate", Button)
        button.label = "■ Stop" if self._busy else "▶ Generate & Play"
        button.variant = "warning" if self._busy else "primary"
        self.query_one("#save").disabled = self._take is None or not self._take.seconds
        self.refresh_bindings()


def _imitates(abilities: Abilities | None) -> bool:
    return abilities is not None and "reference" in abilities.options
