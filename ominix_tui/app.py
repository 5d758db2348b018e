"""The application: it wires screens, bindings and the Hub, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.signal import Signal

from ominix_core.errors import OminixError
from ominix_core.event_buffer import EventBuffer
from ominix_core.events import ConnectionChanged, HubEvent
from ominix_tui.input_guard import tolerate_stray_bytes
from ominix_tui.screens.hub import HubScreen

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_tui.handover import Handover
    from ominix_tui.screens.chat import ChatScreen

logger = logging.getLogger(__name__)


def _chat_screen() -> ChatScreen:
    """Made when it is first shown: what it imports would delay the first paint."""
    from ominix_tui.screens.chat import ChatScreen

    return ChatScreen()


class OminixApp(App[None]):
    """The terminal hub.

    Args:
        make_hub: Makes the Hub; called on a thread after the first paint, so that its imports delay nothing.
        initial_model: The model to select, by any name that the registry knows; None selects one that is loaded
            or on this machine.
        load_initial: Whether to load `initial_model` too.
        notice: Told once the hub is there.

    Attributes:
        handover: What is to be given to a server in the background when the program has ended.

    Example:
        OminixApp(Hub, "smollm2-135m").run()
    """

    TITLE = "Ominix"
    MODES: ClassVar = {"hub": HubScreen, "chat": _chat_screen}
    DEFAULT_MODE = "hub"
    BINDINGS: ClassVar[list[BindingType]] = [
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
        super().__init__()
        self.handover: Handover | None = None
        tolerate_stray_bytes(self.driver_class)
        self.hub_events: Signal[HubEvent] = Signal(self, "hub_events")
        self._make_hub = make_hub
        self._initial_model = initial_model
        self._load_initial = load_initial
        self._notice = notice
        self._buffer = EventBuffer(lambda: self.post_message(self.HubEventsWaiting()))
        self._opening: asyncio.Task[HubFacade] | None = None

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(RuntimeError, ValueError):  # not on the main thread, as in some tests
                loop.add_signal_handler(number, self.exit)
        self.call_after_refresh(self._open_hub)

    @work
    async def _open_hub(self) -> None:
        self._opening = asyncio.create_task(asyncio.to_thread(self._make_hub))
        try:
            hub = await asyncio.shield(self._opening)
            hub.subscribe(self._buffer.put)
            self.place = hub.place
            await self._hub_screen.connect(hub, self._initial_model, self._load_initial)
            hub.warm_up()
            if self._notice:
                self.notify(self._notice, severity="warning", timeout=20, markup=False)
            _spare_the_loop()
        except OminixError as error:
            self.exit(return_code=1, message=Text(str(error)))
        except Exception as error:
            logger.exception("the hub could not be opened")
            self.exit(return_code=1, message=Text(f"Ominix could not start: {error}"))

    @property
    def _hub_screen(self) -> HubScreen:
        screen = self.screen_stack[0]
        assert isinstance(screen, HubScreen)
        return screen

    def action_show_hub(self) -> None:
        self.switch_mode("hub")

    @work
    async def open_chat(self, model_id: str | None) -> None:
        """Go to the chat screen; with a model, begin a conversation with it."""
        if self._opening is None:
            return
        hub = await self._opening
        await asyncio.to_thread(import_module, "ominix_tui.screens.chat")
        await self.switch_mode("chat")
        screen = cast("ChatScreen", self.screen)
        try:
            await screen.connect(hub)
        except OminixError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        if model_id is not None:
            await screen.begin_with(model_id)

    def on_ominix_app_hub_events_waiting(self) -> None:
        for event in self._buffer.take():
            if isinstance(event, ConnectionChanged):
                self._show_connection(event)
            self.hub_events.publish(event)

    def _show_connection(self, event: ConnectionChanged) -> None:
        self.place, self.line_is_down = event.place, event.lost
        self.notify(event.message, severity="warning" if event.lost else "information", markup=False)

    # -- the end ------------------------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Leave; models that would leave the memory with the program are asked about first."""
        from ominix_tui.handover import models_in_memory
        from ominix_tui.widgets.quit_dialog import QuitDialog

        if isinstance(self.screen, QuitDialog):
            self.screen.dismiss("unload")
            return
        hub = await self._opening if self._opening is not None and self._opening.done() else None
        models = [] if hub is None or hub.place else models_in_memory(hub)
        if hub is None or not models:
            self.exit()
        else:
            self._ask_before_quitting(hub, [entry.name for entry in models])

    @work
    async def _ask_before_quitting(self, hub: HubFacade, names: list[str]) -> None:
        from ominix_tui.handover import prepare
        from ominix_tui.widgets.quit_dialog import QuitDialog

        ending = await self.push_screen_wait(QuitDialog(names))
        if ending == "serve":
            self.notify("Starting a server in the background …", markup=False)
            try:
                self.handover = await asyncio.to_thread(prepare, hub)
            except OminixError as error:
                self.notify(str(error), severity="error", timeout=20, markup=False)
                return
        if ending != "stay":
            self.exit()

    async def on_unmount(self) -> None:
        """End downloads and workers before the program ends; the loop stays free meanwhile."""
        if self._opening is None:
            return
        with contextlib.suppress(Exception):  # a hub that could not be made has been reported
            hub = await self._opening
            await asyncio.to_thread(hub.close)


def _spare_the_loop() -> None:
    """Collect garbage seldom, and never look again at what start-up made: full collections took 70 to 230 ms."""
    gc.freeze()
    gc.set_threshold(2_000, 10, 100)
