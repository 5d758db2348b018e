"""The selected model: its header, and below it the panel of its kind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message
from textual.widgets import Static

from ominix_core.states import Downloading, Error, ModelState
from ominix_tui.memory_words import memory_words
from ominix_tui.model_commands import commands_for
from ominix_tui.panels import panel_class
from ominix_tui.widgets.model_header import ModelHeader
from ominix_tui.widgets.registry_tree import GONE

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry
    from ominix_tui.first_run import Offer
    from ominix_tui.panels.base import ModelPanel
    from ominix_tui.widgets.welcome import Welcome


class ModelView(Vertical):
    """Keeps the panels of the models that hold something of the user's.

    Attributes:
        entry: The selected model, once there is one.
        commands: The names of what can be done with it now.
    """

    DEFAULT_CSS = """
    ModelView {
        width: 1fr;
        #panel { height: 1fr; }
        #empty { width: 100%; height: 100%; content-align: center middle; color: $text-muted; }
    }
    """

    class CommandsChanged(Message):
        """Other commands than before fit the selected model."""

    def __init__(self, *, id: str) -> None:  # noqa: A002  the name that every Textual widget uses
        super().__init__(id=id)
        self.entry: RegistryEntry | None = None
        self.commands: tuple[str, ...] = ()
        self._hub: HubFacade | None = None
        self._states: Mapping[str, ModelState] = {}
        self._panels: dict[str, ModelPanel] = {}
        self._checks: dict[str, Downloading] = {}
        self._welcome: Welcome | None = None
        self._being_changed = asyncio.Lock()

    def compose(self) -> ComposeResult:
        with Container(id="panel"):
            yield Static("Reading the registry …", id="empty", markup=False)

    async def connect(self, hub: HubFacade, states: Mapping[str, ModelState]) -> None:
        """Make place for the models of this hub; `states` by id is read whenever it is needed."""
        async with self._being_changed:
            self._hub, self._states = hub, states
            header = ModelHeader()
            header.display = False
            await self.mount(header, before=0)
            if not hub.registry.entries:
                self.query_one("#empty", Static).update("The registry holds no models.")

    @property
    def panel(self) -> ModelPanel | None:
        """The panel of the selected model."""
        return self._panels.get(self.entry.id) if self.entry else None

    async def ready(self) -> None:
        """Wait until the panel of the selected model can take keys."""
        async with self._being_changed:
            pass

    def _state_of(self, entry: RegistryEntry) -> ModelState:
        return self._states.get(entry.id, GONE)

    async def select(self, entry: RegistryEntry | None) -> None:
        """Show this model; None shows that there is none to show. Comes to its end when the panel can take keys."""
        if self._hub is None or (entry is not None and self.entry is not None and self.entry.id == entry.id):
            return
        self.entry, self.commands = entry, ()
        async with self._being_changed:  # the header and the panel of the model before may still be in the making
            if entry is not self.entry:  # the cursor has gone on
                return
            header = self.query_one(ModelHeader)
            header.display = entry is not None
            if entry is not None:
                header.show_entry(entry)
            self._show_header()
            self._find_commands()
            with self.app.batch_update():
                await self._show_panel(self._hub, entry)

    async def welcome(self, offer: Offer) -> None:
        """Greet the user of a machine without models, in place of the panel of the model that is recommended."""
        from ominix_tui.widgets.welcome import Welcome

        if self._welcome is None:
            self._welcome = Welcome(offer)
            await self.query_one("#panel").mount(self._welcome)
        self._welcome.show(offer)
        await self.select(offer.recommended)
        self._set_welcome(True)

    def _set_welcome(self, shown: bool) -> None:
        if self._welcome is not None:
            self._welcome.display = shown
        if self.panel is not None:
            self.panel.display = not shown

    def show_state(self, model_id: str, new_kind: bool) -> None:
        """A model's state has changed; `new_kind` if it is another one, not only its progress."""
        if new_kind:
            self._set_welcome(False)
        if panel := self._panels.get(model_id):
            panel.show_state(self._states[model_id])
        if self.entry is not None and model_id == self.entry.id:
            self._show_header()
            if new_kind:
                self._find_commands()
        if new_kind:
            self.look_again()

    def show_check(self, model_id: str, progress: Downloading | None) -> None:
        """The check of a model's files has come this far, or has ended."""
        self._checks.pop(model_id, None)
        if progress is not None:
            self._checks[model_id] = progress
        if self.entry is not None and model_id == self.entry.id:
            self._show_header()

    def _show_header(self) -> None:
        for header in self.query(ModelHeader):
            if self.entry is not None and header.is_mounted:
                header.show_state(self._state_of(self.entry), self._checks.get(self.entry.id))

    def _find_commands(self) -> None:
        """What can be done is known at once, but for a model in Error: that is a question to the disk."""
        known = self.entry is not None and not isinstance(self._state_of(self.entry), Error)
        self._show_commands(self._commands_for(self.entry, on_disk=False) if self.entry and known else ())
        self.look_again()

    def _commands_for(self, entry: RegistryEntry, on_disk: bool) -> tuple[str, ...]:
        own_files = entry.source.type != "Local"
        return commands_for(self._state_of(entry), on_disk=on_disk, own_files=own_files)

    def _show_commands(self, commands: tuple[str, ...]) -> None:
        self.commands = commands
        for header in self.query(ModelHeader):
            if header.is_mounted:
                header.show_commands(commands)
        self.post_message(self.CommandsChanged())

    @work(exclusive=True)
    async def look_again(self) -> None:
        """Ask off the event loop what only the disk and the memory can tell of the selected model."""
        hub, entry = self._hub, self.entry
        if hub is None or entry is None:
            return
        state = self._state_of(entry)
        words = await asyncio.to_thread(memory_words, hub, entry.id, state)
        on_disk = isinstance(state, Error) and await asyncio.to_thread(hub.downloaded, entry.id)
        if entry is not self.entry or state is not self._state_of(entry):
            return
        for header in self.query(ModelHeader):  # the program may be ending
            header.show_memory(words)
        if isinstance(state, Error) and (commands := self._commands_for(entry, on_disk)) != self.commands:
            self._show_commands(commands)

    async def _show_panel(self, hub: HubFacade, entry: RegistryEntry | None) -> None:
        container = self.query_one("#panel")
        empty = self.query_one("#empty", Static)
        empty.update("No model is listed.")
        empty.display = entry is None
        for model_id, panel in list(self._panels.items()):
            panel.display = False
            if (entry is None or model_id != entry.id) and not panel.holds_work:
                await self._panels.pop(model_id).remove()
        if entry is None:
            self._set_welcome(False)
            return
        if entry.id not in self._panels:
            panel = panel_class(entry.ui.panel_type)(hub, entry)
            await container.mount(panel)
            if not panel.children:  # the program ends just now
                return
            self._panels[entry.id] = panel  # not before: what is told of states reaches the panel's fields
            panel.show_state(self._state_of(entry))
        self._panels[entry.id].display = True
        self._set_welcome(False)
