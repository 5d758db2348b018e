"""The hub screen: every model on the left, the panel of the selected one on the right."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Button, Footer, Label, Static

from ominix_core.errors import Cancelled, OminixError
from ominix_core.events import HubEvent, ModelStateChanged, RegistryChanged
from ominix_core.states import Downloaded, Downloading, Error, Loaded, Loading, ModelState
from ominix_tui.model_filter import VIEWS
from ominix_tui.panels import panel_class
from ominix_tui.text import change_words
from ominix_tui.widgets.brand import Brand
from ominix_tui.widgets.model_header import ModelHeader, actions_for
from ominix_tui.widgets.registry_tree import RegistryTree
from ominix_tui.widgets.sidebar import Sidebar
from ominix_tui.widgets.system_line import SystemLine

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry
    from ominix_tui.app import OminixApp
    from ominix_tui.panels.base import ModelPanel

VIEW_TIPS = {
    "all": "List every model",
    "here": "List the models on this machine",
    "loaded": "List the models in memory",
    "fits": "List the models that fit into this machine's memory",
}
CHATTING = ("LLM", "VLM")
WIDTHS = [(0, "-narrow"), (100, "-wide")]


class HubScreen(Screen[None]):
    """Find a model, get it, load it, try it."""

    app: OminixApp
    CSS_PATH = "hub.tcss"
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = WIDTHS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "get_model", "Get", id="hub.get", tooltip="Download the selected model"),
        Binding("l", "load_model", "Load", id="hub.load", tooltip="Bring the selected model into memory"),
        Binding("u", "unload_model", "Unload", id="hub.unload", tooltip="Free the selected model's memory"),
        Binding("c", "cancel_model", "Cancel", id="hub.cancel", tooltip="Stop the download or the load"),
        Binding("slash", "find", "Find", id="hub.find", tooltip="Search the models", key_display="/"),
        *(
            Binding(str(number), f"view('{view}')", word, id=f"hub.view_{view}", tooltip=VIEW_TIPS[view], show=False)
            for number, (view, word) in enumerate(VIEWS.items(), 1)
        ),
        Binding("f", "next_kind", "Kind", id="hub.kind", tooltip="List the next kind of model", show=False),
        Binding("r", "update_registry", "Update", id="hub.update", tooltip="Fetch a newer list of models", show=False),
        Binding("ctrl+t", "open_chat", "Open in Chat ▸", id="hub.chat", tooltip="Talk to the selected model"),
        Binding("escape", "focus_models", "Models", id="hub.models", tooltip="Go back to the list of models"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._hub: HubFacade | None = None
        self._awaited: str | None = None
        self._entry: RegistryEntry | None = None
        self._states: dict[str, ModelState] = {}
        self._actions: frozenset[str] = frozenset()
        self._panels: dict[str, ModelPanel] = {}

    def compose(self) -> ComposeResult:
        with Horizontal(id="top"):
            yield Brand(id="brand")
            yield Label("Model Hub", id="place")
            yield Label(id="tally", markup=False)
            yield Button("Update", id="update", compact=True, action="screen.update_registry", disabled=True)
        with Horizontal(id="body"):
            yield Sidebar(id="sidebar", classes="box")
            with Vertical(id="main"), Container(id="panel"):
                yield Static("Reading the registry …", id="empty", markup=False)
        yield SystemLine()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.app.hub_events.subscribe(self, self._on_hub_event)

    # -- the hub arrives ----------------------------------------------------------------------------------------

    async def connect(self, hub: HubFacade, initial_model: str | None, load_initial: bool) -> None:
        """Show the hub's models, and select one. Raises UnknownModelError if there is no `initial_model`."""
        initial = hub.resolve(initial_model) if initial_model else _first_choice(hub)
        self._hub = hub
        self.query_one("#update").disabled = False
        self.query_one(SystemLine).watch_hub(hub)
        sidebar = await self._show_models(hub)
        if initial is None:
            self.query_one("#empty", Static).update("The registry holds no models.")
            return
        await self.query_one("#main").mount(ModelHeader(), before=0)
        await self._select(initial)
        sidebar.choose(initial.id)
        if self.focused is None:
            self.query_one(RegistryTree).focus()
        if initial_model and load_initial:
            self._awaited = initial.id
            if isinstance(hub.state(initial.id), Downloaded):
                self.action_load_model()
            self._enter_awaited()

    @property
    def selected(self) -> str | None:
        """The id of the model whose panel is shown."""
        return self._entry.id if self._entry else None

    async def go_to(self, model_id: str) -> None:
        """Select a model. Raises UnknownModelError if there is none of this name."""
        if self._hub is not None:
            entry = self._hub.resolve(model_id)
            await self._select(entry)
            self.query_one(Sidebar).choose(entry.id)

    def _enter_awaited(self) -> None:
        """Go to the panel of the model that the program was started for, once it is loaded."""
        if self._awaited is None or not isinstance(self._states.get(self._awaited), Loaded):
            return
        if self._entry is not None and self._entry.id == self._awaited and self.query_one(RegistryTree).has_focus:
            self._panels[self._awaited].focus_first()
        self._awaited = None

    async def _show_models(self, hub: HubFacade) -> Sidebar:
        self._states = {entry.id: hub.state(entry.id) for entry in hub.registry.entries}
        sidebar = self.query_one(Sidebar)
        await sidebar.show_models(hub, self._states)
        self._show_tally()
        return sidebar

    def _on_hub_event(self, event: HubEvent) -> None:
        if self._hub is None:
            return
        if isinstance(event, RegistryChanged):
            self._on_registry_changed(event)
        if not isinstance(event, ModelStateChanged):
            return
        model_id, state = event.model_id, event.state
        new_kind = type(state) is not type(self._states.get(model_id))
        self._states[model_id] = state
        self.query_one(Sidebar).show_state(model_id, new_kind)
        if panel := self._panels.get(model_id):
            panel.show_state(state)
        if new_kind:
            self._show_tally()
        if self._entry is not None and model_id == self._entry.id:
            self._show_header(new_kind)
        self._enter_awaited()

    @work
    async def _on_registry_changed(self, change: RegistryChanged) -> None:
        if self._hub is not None:
            await self._show_models(self._hub)
            self.app.notify(change_words(change, self._hub.registry), title="Models", markup=False)

    def _show_tally(self) -> None:
        kinds = Counter(type(state) for state in self._states.values())
        here = kinds[Loaded] + kinds[Loading] + kinds[Downloaded]
        self.query_one("#tally", Label).update(f"{kinds[Loaded]} loaded · {here} on disk · {kinds.total()} models")

    # -- the selected model -------------------------------------------------------------------------------------

    @on(RegistryTree.Chosen)
    async def _on_chosen(self, event: RegistryTree.Chosen) -> None:
        if self._hub is not None:
            await self._select(self._hub.resolve(event.model_id))

    @on(RegistryTree.Entered)
    async def _on_entered(self, event: RegistryTree.Entered) -> None:
        if panel := self._panels.get(event.model_id):
            panel.focus_first()

    async def _select(self, entry: RegistryEntry) -> None:
        if self._hub is None or (self._entry is not None and self._entry.id == entry.id):
            return
        former, self._entry = self._entry, entry
        self.query_one(ModelHeader).show_entry(entry)
        self._show_header(new_kind=True)
        with self.app.batch_update():
            await self._show_panel(self._hub, entry, former)

    def _show_header(self, new_kind: bool) -> None:
        """Show the selected model's state; what can be done is asked anew only when the kind of state is new."""
        if self._hub is None or self._entry is None:
            return
        state = self._states[self._entry.id]
        if new_kind:
            self._actions = actions_for(state, self._hub.downloaded(self._entry.id))
            self.refresh_bindings()
        self.query_one(ModelHeader).show_state(state, self._actions)

    async def _show_panel(self, hub: HubFacade, entry: RegistryEntry, former: RegistryEntry | None) -> None:
        container = self.query_one("#panel")
        self.query_one("#empty").display = False
        if former is not None and not self._panels[former.id].holds_work:
            await self._panels.pop(former.id).remove()
        for panel in self._panels.values():
            panel.display = False
        if entry.id not in self._panels:
            self._panels[entry.id] = panel_class(entry.ui.panel_type)(hub, entry)
            await container.mount(self._panels[entry.id])
            self._panels[entry.id].show_state(self._states[entry.id])
        self._panels[entry.id].display = True

    # -- finding and updating -----------------------------------------------------------------------------------

    def action_find(self) -> None:
        self.query_one(Sidebar).focus_search()

    def action_view(self, view: str) -> None:
        self.query_one(Sidebar).choose_view(view)

    def action_next_kind(self) -> None:
        self.query_one(Sidebar).next_kind()

    @work(exclusive=True, group="update")
    async def action_update_registry(self) -> None:
        if self._hub is None:
            return
        button = self.query_one("#update", Button)
        button.disabled, button.label = True, "Updating"
        try:
            update = await asyncio.wrap_future(self._hub.update_registry())
        except OminixError as error:
            self.app.notify(str(error), severity="error", markup=False)
        else:
            for warning in update.warnings:
                self.app.notify(warning, severity="warning", markup=False)
            if not update.changed:
                self.app.notify("The list of models is up to date.", markup=False)
        finally:
            button.disabled, button.label = False, "Update"

    # -- actions ------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "focus_models":
            return not self.query_one(RegistryTree).has_focus
        name, _, kind = action.partition("_")
        return kind != "model" or name in self._actions

    def action_focus_models(self) -> None:
        self.query_one(RegistryTree).focus()

    def action_open_chat(self) -> None:
        """Go to the chat screen, with the selected model if it can talk and is on this machine."""
        if self._entry is not None:
            here = isinstance(self._states[self._entry.id], Loaded | Loading | Downloaded)
            self.app.open_chat(self._entry.id if here and self._entry.category in CHATTING else None)

    def action_get_model(self) -> None:
        if self._hub is not None and self._entry is not None:
            self._run(self._hub.download, self._entry.id)

    def action_load_model(self) -> None:
        if self._hub is not None and self._entry is not None:
            self._run(self._hub.load, self._entry.id)

    def action_unload_model(self) -> None:
        if self._hub is not None and self._entry is not None:
            self._run(self._hub.unload, self._entry.id)

    def action_cancel_model(self) -> None:
        if self._hub is not None and self._entry is not None:
            downloading = isinstance(self._states[self._entry.id], Downloading)
            self._run(self._hub.cancel_download if downloading else self._hub.unload, self._entry.id)

    @work(thread=True)
    def _run(self, command: Callable[[str], Future[None] | None], model_id: str) -> None:
        """Run a command off the loop; what goes wrong and does not show as the model's state is told."""
        try:
            future = command(model_id)
            if future is not None:
                future.add_done_callback(lambda done: self._report(model_id, done.exception()))
        except OminixError as error:
            self._report(model_id, error)

    def _report(self, model_id: str, error: BaseException | None) -> None:
        shown_as_state = self._hub is not None and isinstance(self._hub.state(model_id), Error)
        if error is None or isinstance(error, Cancelled) or shown_as_state:
            return
        self.app.notify(str(error), severity="error", markup=False)


def _first_choice(hub: HubFacade) -> RegistryEntry | None:
    """A loaded model, else one on this machine, else the first."""
    entries = hub.registry.entries
    for kind in (Loaded, Downloaded):
        for entry in entries:
            if isinstance(hub.state(entry.id), kind):
                return entry
    return entries[0] if entries else None
