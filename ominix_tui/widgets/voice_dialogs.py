"""The user's voices: choose, add, rename, remove, listen."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from ominix_core.devices import play_file
from ominix_core.errors import OminixError
from ominix_core.paths import typed_path
from ominix_tui.text import one_line, printable
from ominix_tui.widgets.dialogs import CANCEL, DIALOG_CSS, ConfirmDialog, Dialog, TextDialog
from ominix_tui.widgets.telling import telling

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.voices import Voice

HINT = "Enter uses a voice · a adds · r renames · d removes · p plays it"
ADD_HINT = "Enter adds the voice · Tab goes on · Escape cancels"
NONE_YET = "You have no voices yet. Press a to add one from a clip of 3 to 10 seconds."


class VoicesDialog(Dialog[str | None]):
    """The list of the user's voices; the name of the one to use, or None."""

    DEFAULT_CSS = f"""
    VoicesDialog {{
        {DIALOG_CSS}
        OptionList {{ height: auto; max-height: 14; border: none; padding: 0; background: transparent; }}
        OptionList:focus {{ border: none; background-tint: transparent; }}
        Label {{ width: 1fr; color: $text-muted; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        CANCEL,
        Binding("a", "add", "Add", id="voices.add", tooltip="Add a voice from a clip"),
        Binding("r", "rename", "Rename", id="voices.rename", tooltip="Give the voice another name"),
        Binding("d", "remove", "Remove", id="voices.remove", tooltip="Forget the voice and delete its clip"),
        Binding("p", "preview", "Play", id="voices.preview", tooltip="Play the clip of the voice"),
    ]

    def __init__(self, hub: HubFacade) -> None:
        super().__init__()
        self._hub = hub

    def compose(self) -> ComposeResult:
        with Container() as box:
            box.border_title = "Your voices"
            yield OptionList()
            yield Label(id="hint", markup=False)

    async def on_mount(self) -> None:
        self._list()

    @work(exclusive=True)
    @telling
    async def _list(self) -> None:
        voices = await asyncio.to_thread(self._hub.voices.all)
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(Option(_describe(voice), voice.name) for voice in voices)
        options.display = bool(voices)
        self.query_one("#hint", Label).update(HINT if voices else NONE_YET)
        if voices:
            options.highlighted = 0
            options.focus()

    @property
    def _chosen(self) -> str | None:
        option = self.query_one(OptionList).highlighted_option
        return option.id if option is not None else None

    @on(OptionList.OptionSelected)
    def _on_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    @work
    async def action_add(self) -> None:
        await self.app.push_screen_wait(NewVoiceDialog(self._hub))
        self._list()

    @work
    @telling
    async def action_rename(self) -> None:
        if (name := self._chosen) is None:
            return
        new_name = await self.app.push_screen_wait(TextDialog("New name", name))
        if new_name:
            await asyncio.to_thread(self._hub.voices.rename, name, new_name)
            self._list()

    @work
    @telling
    async def action_remove(self) -> None:
        if (name := self._chosen) is None:
            return
        question = f"Remove {one_line(name)}? Its clip is deleted."
        if await self.app.push_screen_wait(ConfirmDialog("Remove", question, "Remove")):
            await asyncio.to_thread(self._hub.voices.remove, name)
            self._list()

    @work(exclusive=True, group="preview")
    @telling
    async def action_preview(self) -> None:
        if (name := self._chosen) is not None:
            clip = await asyncio.to_thread(self._hub.voices.clip, name)
            await asyncio.to_thread(play_file, io.BytesIO(clip))


class NewVoiceDialog(Dialog[None]):
    """A form for a new voice. What is wrong with it is told in it."""

    DEFAULT_CSS = f"""
    NewVoiceDialog {{
        {DIALOG_CSS}
        Input {{ background: $foreground 8%; margin-bottom: 1; }}
        Label {{ width: 1fr; color: $text-muted; }}
        #problem {{ color: $text-error; display: none; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [CANCEL]

    def __init__(self, hub: HubFacade) -> None:
        super().__init__()
        self._hub = hub
        self._adding = False

    def compose(self) -> ComposeResult:
        with Container() as box:
            box.border_title = "New voice"
            yield Label("Clip: 3 to 10 seconds of somebody who agreed to it")
            yield Input(placeholder="~/clip.wav", compact=True, id="clip")
            yield Label("Name")
            yield Input(compact=True, id="name")
            yield Label("What is said in the clip; empty asks the loaded transcription model")
            yield Input(compact=True, id="words")
            yield Label(id="problem", markup=False)
            yield Label(ADD_HINT, id="hint")

    @on(Input.Submitted)
    def _on_submitted(self) -> None:
        if not self._adding:  # a second one would find the name taken by the first
            self._adding = True
            self._add()

    @work
    async def _add(self) -> None:
        clip, name, words = (self.query_one(field, Input).value.strip() for field in ("#clip", "#name", "#words"))
        problem, hint = self.query_one("#problem", Label), self.query_one("#hint", Label)
        problem.display = False
        hint.update("Adding …")
        try:
            await asyncio.to_thread(self._hub.voices.add, name, typed_path(clip), words)
        except OminixError as error:
            problem.update(printable(str(error)))
            problem.display = True
        else:
            self.dismiss(None)
        finally:
            self._adding = False
            hint.update(ADD_HINT)


def _describe(voice: Voice) -> Text:
    names = ", ".join((voice.name, *voice.aliases))
    text = Text(one_line(names), no_wrap=True, overflow="ellipsis")
    text.append(f"  {one_line(voice.text)}" if voice.text else "  (text unknown)", "dim")
    return text
