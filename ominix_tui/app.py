"""The application: it wires screens, bindings and the Hub, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.signal import Signal

from ominix_core.errors import OminixError
from ominix_core.events import HubEvent
from ominix_tui.bridge import EventBridge
from ominix_tui.clipboard import hand_over
from ominix_tui.input_guard import tolerate_stray_bytes
from ominix_tui.screens.hub import HubScreen

if TYPE_CHECKING:
    from ominix_core.hub import Hub
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

    Example:
        OminixApp(Hub, "smollm2-135m").run()
    """

    TITLE = "Ominix"
    MODES: ClassVar = {"hub": HubScreen, "chat": _chat_screen}
    DEFAULT_MODE = "hub"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", id="app.quit", tooltip="Unload every model and leave", priority=True),
        Binding("q", "quit", "Quit", id="app.quit_outside_fields", tooltip="The same, where q is no text", show=False),
    ]

    class HubEventsWaiting(Message):
        """The Hub published events; the bridge holds them."""

    def __init__(
        self, make_hub: Callable[[], Hub], initial_model: str | None = None, load_initial: bool = True
    ) -> None:
        super().__init__()
        tolerate_stray_bytes(self.driver_class)
        self.hub_events: Signal[HubEvent] = Signal(self, "hub_events")
        self._make_hub = make_hub
        self._initial_model = initial_model
        self._load_initial = load_initial
        self._bridge = EventBridge(lambda: self.post_message(self.HubEventsWaiting()))
        self._opening: asyncio.Task[Hub] | None = None

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
            hub.subscribe(self._bridge.put)
            await self._hub_screen.connect(hub, self._initial_model, self._load_initial)
            hub.warm_up()
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

    def copy_to_clipboard(self, text: str) -> None:
        """Copy through OSC 52, which reaches the machine that the user sits at, and through what stands between."""
        super().copy_to_clipboard(text)
        self.run_worker(partial(hand_over, text), thread=True)

    def on_ominix_app_hub_events_waiting(self) -> None:
        for event in self._bridge.take():
            self.hub_events.publish(event)

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
