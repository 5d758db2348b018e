"""The panel of a transcription model: an audio file, its language, the transcript with its times."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.widgets import Button, Input, Label, Select, Static

from ominix_core.errors import OminixError
from ominix_core.media import Abilities, TranscriptionRequest
from ominix_core.states import Loaded, ModelState
from ominix_core.transcript import SUFFIXES, Form, Transcript, render
from ominix_tui.panels.base import ModelPanel
from ominix_tui.text import one_line
from ominix_tui.widgets.file_picker import FilePicker
from ominix_tui.widgets.path_field import AUDIO_SUFFIXES, PathField
from ominix_tui.widgets.record_button import RecordButton
from ominix_tui.widgets.telling import telling
from ominix_tui.widgets.transcript_view import TranscriptView

AUTO = "auto"


class ASRTranscriptionPanel(ModelPanel):
    """Transcribe a file or a recording: Enter in the path begins, Escape stops."""

    DEFAULT_CSS = """
    ASRTranscriptionPanel {
        #form .caption { width: 10; }
        #file-row, #language-row, #keep { height: 1; }
        #path { width: 1fr; }
        #language { width: 1fr; max-width: 28; }
        Button { min-width: 0; padding: 0 1; margin-left: 1; }
        #keep { padding: 0 1; }
        #keep Label { color: $text-muted; padding-left: 2; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+g", "transcribe", "Transcribe", id="asr.transcribe", tooltip="Write down what is said"),
        Binding("escape", "stop", "Stop", id="asr.stop", tooltip="Stop listening; what is there stays"),
        Binding("ctrl+o", "browse", "Browse", id="asr.browse", tooltip="Choose an audio file"),
        Binding("ctrl+y", "copy", "Copy", id="asr.copy", tooltip="Copy the text to the clipboard"),
        Binding("ctrl+s", "save('text')", "Save .txt", id="asr.save", tooltip="Save the text beside the audio"),
    ]

    def compose(self) -> ComposeResult:
        with Container(id="form", classes="box") as form:
            form.border_title = "Audio"
            with Horizontal(id="file-row"):
                yield Label("File", classes="caption")
                yield PathField("Path of an audio or video file; → completes it", AUDIO_SUFFIXES, id="path")
                yield Button("Browse", compact=True, id="browse")
                yield RecordButton(self.hub.home.outputs, id="record")
            with Horizontal(id="language-row"):
                yield Label("Language", classes="caption")
                yield Select[str]([("Auto", AUTO)], value=AUTO, allow_blank=False, compact=True, id="language")
                yield Static(classes="spring")
                yield Button("▶ Transcribe", variant="primary", compact=True, id="transcribe")
        yield Label(id="problem", markup=False)
        yield TranscriptView(id="transcript", classes="box result")
        with Horizontal(id="keep"):
            yield Button("Copy", compact=True, id="copy")
            yield Label("Save")
            for form_name, suffix in SUFFIXES.items():
                yield Button(suffix, compact=True, id=f"save-{form_name}")

    def on_mount(self) -> None:
        self._source: Path | None = None
        self._show_abilities(self.hub.abilities(self.entry.id) or Abilities())
        self._show_buttons()

    # -- the protocol of panels ---------------------------------------------------------------------------------

    @property
    def holds_work(self) -> bool:
        working = self._view.running or self.query_one(RecordButton).recording
        return working or bool(self._view.transcript.segments or self.query_one(PathField).value)

    def show_hint(self) -> None:
        self._view.show_hint(self.hint("The transcript appears here.", "choose a file"))

    def show_state(self, state: ModelState) -> None:
        super().show_state(state)
        self.query_one("#transcribe").disabled = not isinstance(state, Loaded)
        if isinstance(state, Loaded) and (abilities := self.hub.abilities(self.entry.id)):
            self._show_abilities(abilities)

    def focus_first(self) -> None:
        self.query_one(PathField).focus()

    # -- the form -----------------------------------------------------------------------------------------------

    def _show_abilities(self, abilities: Abilities) -> None:
        """Offer the languages that the loaded model can be told; without any, none is asked for."""
        select = self.query_one("#language", Select)
        chosen = select.value
        select.set_options([("Auto", AUTO), *((one_line(name).title(), name) for name in abilities.languages)])
        if chosen in abilities.languages:
            select.value = chosen
        self.query_one("#language-row > .caption").visible = select.visible = bool(abilities.languages)

    @on(Input.Changed)
    def _on_edit(self) -> None:
        self.show_problem(None)

    @on(Input.Submitted)
    def _on_submit(self) -> None:
        self.action_transcribe()

    @on(Button.Pressed)
    def _on_button(self, event: Button.Pressed) -> None:
        name, _, form = (event.button.id or "").partition("-")
        match name:
            case "browse":
                self.action_browse()
            case "transcribe" if self._view.running:
                self.action_stop()
            case "transcribe":
                self.action_transcribe()
            case "copy":
                self.action_copy()
            case "save":
                self.action_save(form)

    @work(group="browse")
    async def action_browse(self) -> None:
        field = self.query_one(PathField)
        typed = field.path
        near = (typed, typed.parent) if typed else ()
        start = next((path for path in near if os.path.isdir(path)), Path.cwd())
        chosen = await self.app.push_screen_wait(FilePicker("Audio file", AUDIO_SUFFIXES, start))
        if chosen is not None:
            field.value = str(chosen)
            field.focus()

    @on(RecordButton.Recorded)
    def _on_recorded(self, event: RecordButton.Recorded) -> None:
        field = self.query_one(PathField)
        field.value = str(event.path)
        field.focus()
        self.refresh_bindings()

    @on(RecordButton.Failed)
    def _on_record_failed(self, event: RecordButton.Failed) -> None:
        self.show_problem(event.reason)
        self.refresh_bindings()

    # -- the transcript -----------------------------------------------------------------------------------------

    @property
    def _view(self) -> TranscriptView:
        return self.query_one(TranscriptView)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "transcribe":
                return not self._view.running
            case "stop":
                return self._view.running or self.query_one(RecordButton).recording
            case "copy" | "save":
                return bool(self._view.transcript.segments)
        return super().check_action(action, parameters)

    def action_transcribe(self) -> None:
        if self._view.running:
            return
        path = self.query_one(PathField).path
        if path is None:
            self.show_problem("Choose an audio file first.")
            self.query_one(PathField).focus()
            return
        chosen = cast("str", self.query_one("#language", Select).value)
        request = TranscriptionRequest(path=str(path), language=None if chosen == AUTO else chosen)
        try:
            generation = self.hub.generate(self.entry.id, request)
        except OminixError as error:
            self.show_refusal(error)
            return
        self.show_problem(None)
        self._source = path
        self._view.follow(generation)
        self._show_buttons()

    def action_stop(self) -> None:
        self.query_one(RecordButton).stop()
        self._view.stop()

    @on(TranscriptView.Ended)
    def _on_ended(self) -> None:
        self._show_buttons()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._view.transcript.text)
        self.notify("The text is copied.", title="Transcript", markup=False)

    @work(group="save")
    @telling
    async def action_save(self, form: str) -> None:
        if self._source is not None:
            path = await asyncio.to_thread(_save, self._view.transcript, cast("Form", form), self._source)
            self.notify(f"Saved {one_line(str(path))}", title="Transcript", markup=False)

    def _show_buttons(self) -> None:
        running, there = self._view.running, bool(self._view.transcript.segments)
        button = self.query_one("#transcribe", Button)
        button.label = "■ Stop" if running else "▶ Transcribe"
        button.variant = "warning" if running else "primary"
        for kept in self.query("#keep Button"):
            kept.disabled = running or not there
        self.refresh_bindings()


def _save(transcript: Transcript, form: Form, source: Path) -> Path:
    """Write the transcript beside its audio under a name that is free, and return where. Raises OminixError."""
    content = render(transcript, form)
    number = 1
    while True:
        path = source.with_name(f"{source.stem}{f' {number}' if number > 1 else ''}{SUFFIXES[form]}")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(content)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise OminixError(f"{path} cannot be written: {error.strerror}.") from error
        else:
            return path
