"""The application: it wires screens, bindings and the Hub, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import work
from textual.app import SystemCommand, get_system_commands_provider
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.signal import Signal

from ominix_core.errors import OminixError
from ominix_core.event_buffer import EventBuffer
from ominix_core.events import ConnectionChanged, HubEvent, ModelStateChanged
from ominix_core.paths import Home
from ominix_tui.clipboard import hand_over
from ominix_tui.crash import report_crash
from ominix_tui.driver_guard import end_soon, guard
from ominix_tui.endings import Ending, Endings
from ominix_tui.garbage import LOOK_SECONDS, IdleCollector
from ominix_tui.keeper import KEEP_SECONDS, StateKeeper
from ominix_tui.navigation import NavigatingApp
from ominix_tui.paused_downloads import reminder, resume_all
from ominix_tui.places import PLACES
from ominix_tui.screens.hub import HubScreen
from ominix_tui.terminal import PlainText, speaks_unicode
from ominix_tui.text import one_line
from ominix_tui.widgets.registry_tree import RegistryTree

if TYPE_CHECKING:
    from textual.command import Provider
    from textual.filter import LineFilter
    from textual.screen import Screen
    from textual.widgets import TextArea

    from ominix_core.chat_tree import Exchange
    from ominix_core.facade import HubFacade
    from ominix_tui.handover import Handover
    from ominix_tui.screens.chat import ChatScreen
    from ominix_tui.widgets.prompt_area import PromptArea

SETTLED_SECONDS = 1.0
"""When the first screen is drawn, and what it is prepared for may begin."""

logger = logging.getLogger(__name__)


def _action_commands() -> type[Provider]:
    from ominix_tui.palette import ActionCommands

    return ActionCommands


def _model_commands() -> type[Provider]:
    from ominix_tui.palette import ModelCommands

    return ModelCommands


class OminixApp(NavigatingApp):
    """The terminal hub.

    Args:
        make_hub: Makes the Hub; called on a thread after the first paint, so that its imports delay nothing.
        initial_model: The model to select, by any name that the registry knows; None selects the one of the last
            time, else one that is loaded or on this machine.
        load_initial: Whether to load `initial_model` too.
        notice: Told once the hub is there.

    Attributes:
        handover: What is to be given to a server in the background when the program has ended.
        home: Where this program keeps its files, wherever the models are.
        opened_hub: The Hub, once there is one.
        keymap: The user's own keys, by the id of the action.

    Example:
        OminixApp(Hub, "smollm2-135m").run()
    """

    TITLE = "Ominix"
    # The screens' own sheets are read here too: a screen that brings a new one makes Textual parse every sheet again.
    CSS_PATH = ["app.tcss", *(f"screens/{place.name}.tcss" for place in PLACES)]
    COMMANDS: ClassVar = {get_system_commands_provider, _action_commands, _model_commands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+p", "command_palette", "Palette", id="app.palette", tooltip="Find any action or model"),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", tooltip="Leave, or detach from a server", priority=True),
        Binding("q", "quit", "Quit", id="app.quit_outside_fields", tooltip="The same, where q is no text", show=False),
    ]

    place: reactive[str] = reactive("")
    line_is_down: reactive[bool] = reactive(False)

    class HubEventsWaiting(Message):
        """The Hub published events; the buffer holds them."""

    def __init__(
        self,
        make_hub: Callable[[], HubFacade],
        initial_model: str | None = None,
        load_initial: bool = True,
        notice: str = "",
    ) -> None:
        no_color = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if no_color else None)
        self.handover: Handover | None = None
        guard(self.driver_class)
        self.home = Home.from_environment()
        self.opened_hub: HubFacade | None = None
        self.keymap: dict[str, str] = {}
        self.hub_events: Signal[HubEvent] = Signal(self, "hub_events")
        self.kept = StateKeeper(self.home.screen_state)
        self._make_hub = make_hub
        self._initial_model = initial_model
        self._load_initial = load_initial
        self._notice = notice
        self._buffer = EventBuffer(lambda: self.post_message(self.HubEventsWaiting()))
        self._opening: asyncio.Task[HubFacade] | None = None
        self._opened = asyncio.Event()
        self._endings = Endings()
        encoding = sys.__stderr__.encoding if sys.__stderr__ else "utf-8"
        self._plain_text = PlainText(enabled=not speaks_unicode(os.environ, encoding))
        if no_color or self.console.color_system == "standard":
            self.theme = "ansi-dark"  # blends of colours would come out as others, or as none
        else:
            self.kept.restore_theme(self)

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        return [*filters, self._plain_text] if self._plain_text.enabled else filters

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(RuntimeError, ValueError):  # not on the main thread, as in some tests
                loop.add_signal_handler(number, self.exit)
                signal.signal(number, end_soon)  # the loop hears of it too, but perhaps it waits for the terminal
        self._hub_screen = cast(HubScreen, self.screen)
        self.call_after_refresh(self._open_hub)

    # -- the Hub ------------------------------------------------------------------------------------------------

    @work
    async def _open_hub(self) -> None:
        self._opening = asyncio.create_task(asyncio.to_thread(self._make_hub))
        try:
            hub = await asyncio.shield(self._opening)
            hub.subscribe(self._buffer.put)
            self.place = hub.place
            self.opened_hub = hub
            self._opened.set()
            await self._show_first(hub)
            self.set_timer(SETTLED_SECONDS, hub.warm_up)
            if self._notice:
                self.notify(self._notice, severity="warning", timeout=20, markup=False)
            self.set_interval(LOOK_SECONDS, IdleCollector().look)
            self.set_interval(KEEP_SECONDS, self._keep_state)
        except OminixError as error:
            self.exit(return_code=1, message=Text(str(error)))
        except Exception as error:
            logger.exception("the hub could not be opened")
            self.exit(return_code=1, message=Text(f"Ominix could not start: {error}"))

    async def _show_first(self, hub: HubFacade) -> None:
        """Show the model that was asked for, or the one and the screen of the last time."""
        remembered = self.kept.remembered
        model, load = self._initial_model, self._load_initial
        if model is None and hub.registry.get(remembered.model):
            model, load = remembered.model, False
        place = "hub" if self._initial_model else remembered.place
        self._hub_screen.query_one(RegistryTree).folds = remembered.folds
        await self._hub_screen.connect(hub, model, load)
        if place in self.MODES and self.current_mode == "hub":
            self.action_show(place)
            if words := reminder(hub):  # the hub's own screen tells it as long as it lasts
                self.notify(words, markup=False)
        self.use_own_keys()

    @work
    async def action_resume_downloads(self) -> None:
        """Go on with every download that rests."""
        try:
            self.notify(await resume_all(await self.hub()), markup=False)
        except OminixError as error:
            self.notify(str(error), severity="error", markup=False)

    async def hub(self) -> HubFacade:
        """The Hub, as soon as it is there."""
        await self._opened.wait()
        assert self.opened_hub is not None
        return self.opened_hub

    def on_ominix_app_hub_events_waiting(self) -> None:
        for event in self._buffer.take():
            if isinstance(event, ConnectionChanged):
                self._show_connection(event)
            self.hub_events.publish(event)
            if isinstance(event, ModelStateChanged) and (ending := self._endings.of(event)):
                self._tell_ending(event.model_id, ending)

    def _tell_ending(self, model_id: str, ending: Ending) -> None:
        """Say it, unless the screen that is shown does."""
        seen_on = ("hub", "downloads") if ending.of_download else ("hub", "chat")
        if self.current_mode not in seen_on and self.opened_hub and (entry := self.opened_hub.registry.get(model_id)):
            self.notify(f"{one_line(entry.name)} {ending.words}", severity=ending.severity, markup=False)

    async def on_unmount(self) -> None:
        """End downloads and workers before the program ends; the loop stays free meanwhile."""
        await self._keep_state(finally_=True)
        if self._opening is None:
            return
        await asyncio.wait([self._opening])
        if self._opening.exception() is None:  # else it has been told
            try:
                await asyncio.to_thread(self._opening.result().close)
            except Exception:
                logger.exception("the hub could not be closed")

    # -- screens ------------------------------------------------------------------------------------------------

    def action_show(self, place: str) -> None:
        if place == "chat":
            self.open_chat(None)
        else:
            super().action_show(place)

    @work
    async def show_model(self, model_id: str) -> None:
        """Go to the hub, with this model selected."""
        await self.switch_mode("hub")
        await self._hub_screen.go_to(model_id)

    def open_chat(self, model_id: str | None, exchange: Exchange | None = None) -> None:
        """Go to the chat screen; with a model, begin a conversation with it, which goes on with this exchange."""
        if self.opened_hub is not None:  # who must wait for that wants to quit with a key, perhaps
            self.hold_keys()
        self._open_chat(model_id, exchange, self.opened_hub is not None)

    @work
    async def _open_chat(self, model_id: str | None, exchange: Exchange | None, holds_keys: bool) -> None:
        try:
            hub = await self.hub()
            await self.go_to("chat")
            if self.current_mode == "chat" and len(self.screen_stack) == 1:  # a dialog wants its answer first
                await cast("ChatScreen", self.screen).arrive(hub, model_id, exchange)
        except OminixError as error:
            self.notify(str(error), severity="error", markup=False)
        finally:
            if holds_keys:
                self.release_keys()

    def _show_connection(self, event: ConnectionChanged) -> None:
        self.place, self.line_is_down = event.place, event.lost
        self.notify(event.message, severity="warning" if event.lost else "information", markup=False)

    def copy_to_clipboard(self, text: str) -> None:
        """Copy through OSC 52, which reaches the machine that the user sits at, and through what stands between."""
        super().copy_to_clipboard(text)
        self.run_worker(partial(hand_over, text), thread=True)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Of Textual's commands those that no action of ours stands for."""
        return [each for each in super().get_system_commands(screen) if each.title in ("Theme", "Screenshot")]

    # -- what is the user's ---------------------------------------------------------------------------------------

    @work
    async def use_own_keys(self) -> None:
        """Use the keys of `config.toml`; those that cannot be used are told."""
        from ominix_tui.keymap import own_keys

        try:
            checked = await asyncio.to_thread(own_keys, self.home)
        except OminixError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.keymap = checked.keymap
        self.set_keymap(checked.keymap)
        for problem in checked.problems:
            self.notify(problem, severity="warning", timeout=20, markup=False)

    def on_prompt_area_ready(self, event: PromptArea.Ready) -> None:
        self.kept.restore_draft(event.area)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self.kept.note_edit(event.text_area)

    async def _keep_state(self, *, finally_: bool = False) -> None:
        if self.opened_hub is None:  # nothing of the last time has been shown yet
            return
        remembered = self.kept.remembered
        remembered.place = self.current_mode
        remembered.model = self._hub_screen.selected or remembered.model
        if not self.current_theme.ansi or remembered.theme:
            remembered.theme = self.theme
        await self.kept.keep(finally_=finally_)

    # -- the end --------------------------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Leave; what would end with the program, models in memory and downloads, is asked about first."""
        from ominix_tui.handover import ask_before_quitting
        from ominix_tui.widgets.quit_dialog import QuitDialog

        if isinstance(self.screen, QuitDialog):
            self.screen.dismiss("unload")
            return
        hub = self.opened_hub
        if hub is None or hub.place:  # a server goes on with everything
            self.exit()
        else:
            self.run_worker(ask_before_quitting(self, hub))

    def _handle_exception(self, error: Exception) -> None:
        """A widget that is still being made when the program ends misses its parts; that is no crash."""
        if self.is_running:
            super()._handle_exception(error)
        else:
            logger.error("a widget failed while the program ended", exc_info=error)

    def _fatal_error(self) -> None:
        """Textual would print a traceback with every local variable, prompts and keys among them."""
        error = self._exception or RuntimeError("unknown")
        self.panic(Text(report_crash(error, self.home.logs, self.current_mode)))
