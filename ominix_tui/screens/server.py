"""The server screen: start, stop and watch `ominix serve`, and the keys that let other programs in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Label

from ominix_core.errors import OminixError
from ominix_core.paths import Home
from ominix_core.server.discovery import ServerNotRunningError
from ominix_core.server.keys import KeyStore, Scope
from ominix_core.settings import Settings
from ominix_tui import local_server
from ominix_tui.screens.place import PlaceScreen
from ominix_tui.text import one_line
from ominix_tui.widgets.dialogs import ConfirmDialog
from ominix_tui.widgets.key_dialogs import NewKeyDialog, SecretDialog
from ominix_tui.widgets.key_list import KeyList
from ominix_tui.widgets.server_status import ServerState, ServerWork
from ominix_tui.widgets.telling import telling

if TYPE_CHECKING:
    from ominix_tui.local_server import ServerStatus

LOOK_SECONDS = 1.0


class ServerScreen(PlaceScreen):
    """The server is a program of its own: it goes on when this one ends."""

    PLACE = "server"
    CSS_PATH = ["hub.tcss", "server.tcss"]
    AUTO_FOCUS = "#toggle"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "toggle_server", "Start/Stop", id="server.toggle", tooltip="Start the server, or stop it"),
        Binding("c", "copy_address", "Copy address", id="server.copy", tooltip="Copy the API's address"),
        Binding("a", "add_key", "Add key", id="server.add", tooltip="Make an API key; it is shown once"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.state = ServerState()
        self.at_work = ServerWork()
        self.keys = KeyList(id="keys")
        self._status: ServerStatus | None = None
        self._would_listen = ""
        self._doing = ""

    def body(self) -> ComposeResult:
        with Vertical(id="state-box", classes="box") as box:
            box.border_title = "API server"
            yield self.state
        with Vertical(id="work-box", classes="box") as box:
            box.border_title = "In work"
            yield self.at_work
        with Vertical(id="keys-box", classes="box") as box:
            box.border_title = "API keys"
            yield Label("There is no key: only programs on this machine are let in.", id="no-keys", markup=False)
            yield self.keys

    @property
    def _key_store(self) -> KeyStore:
        return KeyStore(self.app.home.api_keys)

    def on_mount(self) -> None:
        self._look()
        self._list_keys()
        self.set_interval(LOOK_SECONDS, self._look)

    def on_screen_resume(self) -> None:
        self._look()

    # -- watching -------------------------------------------------------------------------------------------------

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        """Ask the server what it does, off the loop, while anybody watches."""
        if not self.is_current:
            return
        try:
            if not self._would_listen:
                settings = await asyncio.to_thread(Settings.load, self.app.home)
                self._would_listen = f"http{'s' if settings.certfile else ''}://{settings.host}:{settings.port}"
            self._status = await asyncio.to_thread(local_server.status, self.app.home)
        except ServerNotRunningError:
            self._status = None
        except OminixError as error:
            self.note(one_line(str(error)))
            return
        self._show()

    def _show(self) -> None:
        status = self._status
        self.refresh_bindings()
        self.state.show(status, self._would_listen, self._doing)
        self.at_work.show(status)
        if status is None:
            self.note("not running")
        else:
            speed = sum(model.tokens_per_second or 0 for model in status.models)
            self.note(f"{len(status.requests)} running" + (f" · {speed:.1f} tokens/s" if speed else ""))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "copy_address" or self._status is not None

    # -- starting and stopping --------------------------------------------------------------------------------------

    def action_toggle_server(self) -> None:
        if not self._doing:
            (self._stop if self._status else self._start)()

    @work(group="toggle")
    async def _start(self) -> None:
        await self._do("Starting …", local_server.start)

    @work(group="toggle")
    async def _stop(self) -> None:
        if running := self._status and self._status.requests:
            question = f"{len(running)} answers are being written. They have a few seconds to end."
            if not await self.app.push_screen_wait(ConfirmDialog("Stop the server", question, "Stop")):
                return
        await self._do("Stopping …", local_server.stop)

    @telling
    async def _do(self, doing: str, command: Callable[[Home], object]) -> None:
        self._doing = doing
        self._show()
        try:
            await asyncio.to_thread(command, self.app.home)
        finally:
            self._doing = ""
            self._look()

    def action_copy_address(self) -> None:
        if self._status:
            self.app.copy_to_clipboard(f"{self._status.url}/v1")
            self.notify(f"{self._status.url}/v1 was copied.", markup=False)

    # -- keys -------------------------------------------------------------------------------------------------------

    @work(exclusive=True, group="keys")
    @telling
    async def _list_keys(self) -> None:
        keys = await asyncio.to_thread(self._key_store.all)
        self.keys.show(keys)
        self.keys.display = bool(keys)
        self.query_one("#no-keys").display = not keys

    @work
    @telling
    async def action_add_key(self) -> None:
        new = await self.app.push_screen_wait(NewKeyDialog())
        if new is None:
            return
        scopes: tuple[Scope, ...] = ("use", "manage") if new.manages else ("use",)
        key, secret = await asyncio.to_thread(self._key_store.create, new.name, scopes)
        self._list_keys()
        await self.app.push_screen_wait(SecretDialog(one_line(key.name), secret))

    @work
    @telling
    async def action_revoke(self) -> None:
        if (key_id := self.keys.chosen) is None:
            return
        question = f"Programs that use the key {key_id} are refused from then on."
        if await self.app.push_screen_wait(ConfirmDialog("Revoke", question, "Revoke")):
            await asyncio.to_thread(self._key_store.revoke, key_id)
            self._list_keys()
