"""The hub screen: every model on the left, the panel of the selected one on the right."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Button, Label

from ominix_core.errors import OminixError
from ominix_core.events import HubEvent, ModelStateChanged, RegistryChanged
from ominix_core.states import Downloaded, Downloading, Loaded, Loading, ModelState, NotDownloaded, Paused, Unsupported
from ominix_tui.first_run import Offer, first_choice, is_empty, offer, offer_offline
from ominix_tui.model_commands import ModelCommands
from ominix_tui.model_filter import VIEWS
from ominix_tui.text import change_words, counted, one_line
from ominix_tui.widgets.brand import Brand
from ominix_tui.widgets.key_line import KeyLine
from ominix_tui.widgets.model_view import ModelView
from ominix_tui.widgets.registry_tree import RegistryTree
from ominix_tui.widgets.sidebar import SearchField, Sidebar
from ominix_tui.widgets.system_line import SystemLine

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry
    from ominix_tui.app import OminixApp

VIEW_TIPS = {
    "all": "List every model",
    "here": "List the models on this machine",
    "loaded": "List the models in memory",
    "fits": "List the models that fit into this machine's memory",
}
CHATTING = ("LLM", "VLM")
REST_SECONDS = 0.15
"""Who types a search that long has come to its end, perhaps."""
WIDTHS = [(0, "-tiny"), (72, "-narrow"), (100, "-wide")]


class HubScreen(Screen[None]):
    """Find a model, get it, load it, try it."""

    app: OminixApp
    CSS_PATH = "hub.tcss"
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = WIDTHS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "find", "Find", id="hub.find", tooltip="Search the models", key_display="/"),
        *(
            Binding(str(number), f"view('{view}')", word, id=f"hub.view_{view}", tooltip=VIEW_TIPS[view], show=False)
            for number, (view, word) in enumerate(VIEWS.items(), 1)
        ),
        Binding("f", "next_kind", "Kind", id="hub.kind", tooltip="List the next kind of model", show=False),
        Binding("r", "update_registry", "Update", id="hub.update", tooltip="Fetch a newer list of models", show=False),
        Binding("ctrl+t", "open_chat", "Chat ▸", id="hub.chat", tooltip="Talk to the selected model"),
        Binding("escape", "focus_models", "Models", id="hub.models", tooltip="Go back to the list of models"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._hub: HubFacade | None = None
        self._states: dict[str, ModelState] = {}
        self.view = ModelView(id="main")

    def compose(self) -> ComposeResult:
        with Horizontal(id="top"):
            yield Brand(id="brand")
            yield Label("Model Hub", id="place")
            yield Label(id="tally", markup=False)
            yield Button("Update", id="update", compact=True, action="screen.update_registry", disabled=True)
        with Horizontal(id="body"):
            yield Sidebar(id="sidebar", classes="box")
            yield self.view
        yield SystemLine()
        yield KeyLine()

    def on_mount(self) -> None:
        self.app.hub_events.subscribe(self, self._on_hub_event)

    # -- the hub arrives ----------------------------------------------------------------------------------------

    async def connect(self, hub: HubFacade, initial_model: str | None, load_initial: bool) -> None:
        """Show the hub's models, and select one. Raises UnknownModelError if there is no `initial_model`."""
        initial = hub.resolve(initial_model) if initial_model else first_choice(hub)
        self._hub = hub
        self._commands = ModelCommands(self.app, hub, self._show_check)
        self.query_one("#update").disabled = False
        self.query_one(SystemLine).watch_hub(hub)
        sidebar = await self._show_models(hub)
        if self.focused is None:
            self.query_one(RegistryTree).focus()
        await self._drawn()
        found = None if initial_model or not is_empty(hub) else await asyncio.to_thread(offer, hub)
        with self.app.batch_update():
            await self.view.connect(hub, self._states)
            if initial is None:
                return
            if found is not None and await self._offer(found):
                self._look_for_network(hub, found)
            else:
                await self.view.select(initial)
                sidebar.choose(initial.id)
        if initial_model and load_initial:
            state = hub.state(initial.id)
            if isinstance(state, Downloaded):
                self._run("load", initial)
            at_the_start = self.query_one(RegistryTree).has_focus
            if isinstance(state, Downloaded | Loading | Loaded) and at_the_start:
                await self._go_to_panel()

    async def _drawn(self) -> None:
        """Wait until what has changed is on the terminal."""
        drawn = asyncio.Event()
        self.call_after_refresh(drawn.set)
        await drawn.wait()

    @property
    def selected(self) -> str | None:
        """The id of the model whose panel is shown."""
        return self.view.entry.id if self.view.entry else None

    async def go_to(self, model_id: str) -> None:
        """Select a model, if it is still in the registry."""
        if self._hub is not None and (entry := self._hub.registry.get(model_id)):
            await self.query_one(Sidebar).reveal(entry.id)
            await self.view.select(entry)

    @work
    async def _look_for_network(self, hub: HubFacade, found: Offer) -> None:
        """Offer the demo model instead once the network has turned out to be away."""
        if await asyncio.to_thread(hub.online) or self.view.entry is not found.recommended:
            return
        if demo := offer_offline(hub, found):
            await self._offer(demo)

    async def _offer(self, found: Offer) -> bool:
        """Greet the user with this; False if a model has come meanwhile."""
        if not all(isinstance(state, NotDownloaded | Unsupported) for state in self._states.values()):
            return False
        await self.view.welcome(found)
        for sidebar in self.query(Sidebar):  # the program may be ending
            sidebar.choose(found.recommended.id)
        return True

    async def _show_models(self, hub: HubFacade) -> Sidebar:
        self._states.update((entry.id, hub.state(entry.id)) for entry in hub.registry.entries)
        sidebar = self.query_one(Sidebar)
        await sidebar.show_models(hub, self._states)
        for gone in [model_id for model_id in self._states if hub.registry.get(model_id) is None]:
            del self._states[gone]  # not before: until then the old list may still be drawn
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
        self.view.show_state(model_id, new_kind)
        if new_kind:
            self._show_tally()

    @work
    async def _on_registry_changed(self, change: RegistryChanged) -> None:
        if self._hub is None:
            return
        if change.added or change.changed or change.removed:
            await self._show_models(self._hub)
            self.app.notify(change_words(change, self._hub.registry), title="Models", markup=False)
        for problem in change.problems:
            self.app.notify(one_line(problem), title="Models", severity="warning", timeout=20, markup=False)

    def _show_tally(self) -> None:
        kinds = Counter(type(state) for state in self._states.values())
        here = kinds[Loaded] + kinds[Loading] + kinds[Downloaded]
        rest = f"{kinds[Paused]} paused: P resumes" if kinds[Paused] else counted(kinds.total(), "model")
        self.query_one("#tally", Label).update(f"{kinds[Loaded]} loaded · {here} on disk · {rest}")

    def _show_check(self, model_id: str, progress: Downloading | None) -> None:
        """How far the check of a model's files is; called on any thread."""
        self.app.call_later(self.view.show_check, model_id, progress)

    # -- the selected model -------------------------------------------------------------------------------------

    @on(RegistryTree.Chosen)
    @on(Sidebar.Emptied)
    async def _on_chosen(self, event: RegistryTree.Chosen | Sidebar.Emptied) -> None:
        chosen = self.query_one(RegistryTree).chosen
        asked_for = event.model_id if isinstance(event, RegistryTree.Chosen) else None
        if self._hub is None or asked_for != chosen:  # the cursor has gone on: spare the panel
            return
        if isinstance(self.focused, SearchField):
            self._select_at_rest(chosen)
        else:
            await self._select(chosen)

    @work(exclusive=True, group="select")
    async def _select_at_rest(self, model_id: str | None) -> None:
        """A panel for each letter of a search would hold up the next letter."""
        await asyncio.sleep(REST_SECONDS)
        await self._select(model_id)

    async def _select(self, model_id: str | None) -> None:
        if self._hub is not None and model_id == self.query_one(RegistryTree).chosen:
            await self.view.select(self._hub.registry.get(model_id) if model_id else None)
            if self.focused is None:  # it was in the panel that is gone
                self.query_one(RegistryTree).focus()

    @on(RegistryTree.NodeHighlighted)
    def _on_moved(self) -> None:
        self.refresh_bindings()

    @on(RegistryTree.Entered)
    def _on_entered(self) -> None:
        if self.view.panel is not None:
            self.view.panel.focus_first()

    @on(ModelView.CommandsChanged)
    def _on_commands_changed(self) -> None:
        self.refresh_bindings()

    @on(SystemLine.Measured)
    def _on_measured(self) -> None:
        self.view.look_again()

    async def _go_to_panel(self) -> None:
        """Go to the field where using the model begins: what is typed from now on is text, and no command."""
        self.app.hold_keys()
        try:
            await self.view.ready()
            if self.view.panel is not None:
                self.view.panel.focus_first()
        finally:
            self.app.release_keys()

    # -- finding and updating -----------------------------------------------------------------------------------

    def action_find(self) -> None:
        self.query_one(Sidebar).focus_search()

    def action_view(self, view: str) -> None:
        self.query_one(Sidebar).choose_view(view)

    def action_next_kind(self) -> None:
        self.query_one(Sidebar).next_kind()

    async def action_focus_models(self) -> None:
        if isinstance(self.focused, SearchField):
            await self.query_one(Sidebar).go_to_hits()
            await self._select(self.query_one(RegistryTree).chosen)
        else:
            self.query_one(RegistryTree).focus()

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

    # -- commands on the selected model ---------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        tree = self.query_one(RegistryTree)
        if action == "focus_models":
            return not tree.has_focus
        if action == "model":
            elsewhere = tree.has_focus and tree.at_cursor != self.selected  # on the line of a category
            return parameters[0] in self.view.commands and not elsewhere
        return action != "details" or self.selected is not None

    async def action_model(self, name: str) -> None:
        """Run a command of `model_commands` on the selected model."""
        entry = self.view.entry
        if entry is None:
            return
        if name in ("load", "use", "get"):
            await self._go_to_panel()
        if name in ("load", "use"):
            if isinstance(self._states.get(entry.id), Loaded):
                return
            name = "load"
        if name == "remove":
            self.app.hold_keys()
        self._run(name, entry)

    @work
    async def _run(self, name: str, entry: RegistryEntry) -> None:
        await self._commands.run(name, entry)

    def action_details(self) -> None:
        if self.view.entry is not None:
            from ominix_tui.widgets.details_dialog import details_dialog

            self.app.push_screen(details_dialog(self.view.entry))

    def action_open_chat(self) -> None:
        """Go to the chat screen, with the selected model if it can talk and is on this machine."""
        if entry := self.view.entry:
            here = isinstance(self._states.get(entry.id), Loaded | Loading | Downloaded)
            self.app.open_chat(entry.id if here and entry.category in CHATTING else None)
