"""The downloads screen: the queue above, what is on the disk below."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Label, ListView, OptionList

from ominix_core.events import HubEvent, ModelStateChanged
from ominix_core.states import Downloaded, Downloading, Error, NotDownloaded, Paused
from ominix_core.system import file_size
from ominix_tui.model_commands import all_well, removal
from ominix_tui.screens.place import PlaceScreen
from ominix_tui.text import counted, one_line, percent
from ominix_tui.widgets.dialogs import ConfirmDialog
from ominix_tui.widgets.download_queue import DownloadQueue, Unfinished, unfinished
from ominix_tui.widgets.stored_models import Stored, StoredModels
from ominix_tui.widgets.telling import telling

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade

NOTHING = "Nothing is on its way. Press g on a model in the Hub (F2) to get it."
OF_DOWNLOADS = (NotDownloaded, Downloading, Paused, Downloaded, Error)


class DownloadsScreen(PlaceScreen):
    """Pause, resume, order and discard downloads; see what takes the disk's space, and give it back."""

    PLACE = "downloads"
    CSS_PATH = ["hub.tcss", "downloads.tcss"]
    AUTO_FOCUS = "DownloadQueue"

    def __init__(self) -> None:
        super().__init__()
        self.queue = DownloadQueue(id="queue")
        self.stored = StoredModels(id="stored")
        self._hub: HubFacade | None = None
        self._outdated = self._listing = False

    def body(self) -> ComposeResult:
        with Vertical(id="queue-box", classes="box") as box:
            box.border_title = "Queue"
            yield Label("Reading …", id="nothing", markup=False)
            yield self.queue
        with Vertical(id="stored-box", classes="box") as box:
            box.border_title = "On this machine"
            yield Label("No model is on this machine.", id="none-stored", markup=False)
            yield self.stored

    def on_mount(self) -> None:
        self.app.hub_events.subscribe(self, self._on_hub_event)
        self._connect()

    def on_screen_resume(self) -> None:
        self._list()

    @work
    async def _connect(self) -> None:
        self._hub = await self.app.hub()
        self._list()

    # -- what is shown ------------------------------------------------------------------------------------------

    def _on_hub_event(self, event: HubEvent) -> None:
        if not isinstance(event, ModelStateChanged) or not isinstance(event.state, OF_DOWNLOADS):
            return
        if self.is_current and not self.queue.show_state(event.model_id, event.state):
            self._list()

    def _list(self) -> None:
        """Show what there is now. Asked while it is being shown, it is shown once more, from its beginning."""
        self._outdated = True
        if not self._listing:
            self._listing = True
            self._list_anew()

    @work
    @telling
    async def _list_anew(self) -> None:
        try:
            while self._outdated and self._hub is not None:
                self._outdated = False
                await self._show_all(self._hub)
        finally:
            self._listing = False

    async def _show_all(self, hub: HubFacade) -> None:
        downloads = await asyncio.to_thread(unfinished, hub)
        await self.queue.fill(downloads)
        self.queue.display = bool(downloads)
        rests = any(isinstance(each.state, Paused) for each in downloads)
        self.query_one("#queue-box").border_subtitle = "P goes on with all that is paused" if rests else ""
        nothing = self.query_one("#nothing", Label)
        nothing.display = not downloads
        nothing.update(NOTHING)
        await self._list_stored(hub)
        self.note(_counts(downloads))
        if not downloads and self.focused in (None, self.queue):
            self.stored.focus()
        self.refresh_bindings()

    async def _list_stored(self, hub: HubFacade) -> None:
        stored = await asyncio.to_thread(_stored, hub)
        self.stored.show(stored)
        self.stored.display = bool(stored)
        self.query_one("#none-stored").display = not stored
        disk_free = (await asyncio.to_thread(hub.system)).disk_free
        taken = file_size(sum(each.bytes for each in stored))
        box = self.query_one("#stored-box")
        held = f"{taken} in {counted(len(stored), 'model')} · " if stored else ""
        box.border_subtitle = f"{held}{file_size(disk_free)} free"

    # -- the queue ----------------------------------------------------------------------------------------------

    @on(ListView.Highlighted)
    @on(OptionList.OptionHighlighted)
    def _on_moved(self) -> None:
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        chosen = self.queue.chosen
        state = chosen.state if chosen else None
        queued = chosen is not None and chosen.queued
        possible = {
            "pause": isinstance(state, Paused) or (queued and isinstance(state, Downloading)),
            "retry": isinstance(state, Error),
            "cancel": queued,
            "discard": queued or isinstance(state, Paused),
            "move": queued,
            "remove": self.stored.chosen is not None,
            "verify": self.stored.chosen is not None,
        }
        return possible.get(action, True)

    def action_pause(self) -> None:
        """Pause, or go on with what is paused."""
        if self._hub and (chosen := self.queue.chosen):
            rests = isinstance(chosen.state, Paused)
            self._command(self._hub.download if rests else self._hub.pause_download, chosen.model_id)

    def action_retry(self) -> None:
        if self._hub and (chosen := self.queue.chosen):
            self._command(self._hub.download, chosen.model_id)

    def action_cancel(self) -> None:
        if self._hub and (chosen := self.queue.chosen):
            self._command(self._hub.cancel_download, chosen.model_id)

    def action_move(self, step: int) -> None:
        if self._hub and (chosen := self.queue.chosen):
            self._command(self._hub.move_download, chosen.model_id, step)

    @work
    @telling
    async def action_discard(self) -> None:
        if self._hub is None or (chosen := self.queue.chosen) is None:
            return
        arrived = chosen.state.done_bytes if isinstance(chosen.state, Downloading | Paused) else 0
        question = f"{one_line(chosen.name)}: delete the {file_size(arrived)} that have arrived?"
        if await self.app.push_screen_wait(ConfirmDialog("Discard", question, "Discard")):
            if chosen.queued:
                await asyncio.to_thread(self._hub.cancel_download, chosen.model_id, True)
            else:
                await asyncio.to_thread(self._hub.remove, chosen.model_id)
            self._list()

    @work
    @telling
    async def _command(self, command: Callable[..., object], *arguments: object) -> None:
        """Run a command off the loop. How a download ends shows as its state."""
        await asyncio.to_thread(command, *arguments)
        self._list()

    # -- what is on the disk --------------------------------------------------------------------------------------

    @work
    @telling
    async def action_remove(self) -> None:
        if self._hub is None or (chosen := self.stored.chosen) is None:
            return
        if await self.app.push_screen_wait(removal(chosen.name, chosen.bytes)):
            freed = await asyncio.to_thread(self._hub.remove, chosen.model_id)
            self.notify(f"{one_line(chosen.name)} was removed: {file_size(freed)} are free again.", markup=False)
            self._list()

    @work(group="verify")
    @telling
    async def action_verify(self) -> None:
        if self._hub is None or (chosen := self.stored.chosen) is None:
            return
        name, box = one_line(chosen.name), self.query_one("#stored-box")

        def report(state: Downloading) -> None:
            title = f"On this machine · verifying {name}, {percent(state.progress)}"
            self.app.call_later(setattr, box, "border_title", Content(title))

        try:
            verification = await asyncio.to_thread(self._hub.verify, chosen.model_id, report)
        finally:
            box.border_title = "On this machine"
        if verification.faults:
            faults = "; ".join(f"{fault.path} {fault.reason}" for fault in verification.faults)
            words = f"{name} is damaged: {one_line(faults)}. Enter shows it in the hub, where v repairs it."
            self.notify(words, severity="error", timeout=30, markup=False)
        else:
            self.notify(all_well(verification), title=name, markup=False)

    @on(ListView.Selected)
    @on(OptionList.OptionSelected)
    def _on_selected(self, event: ListView.Selected | OptionList.OptionSelected) -> None:
        chosen = self.queue.chosen if isinstance(event, ListView.Selected) else self.stored.chosen
        if self._hub is None or chosen is None:
            return
        if self._hub.registry.get(chosen.model_id):
            self.app.show_model(chosen.model_id)
        else:
            self.notify(f"{one_line(chosen.name)} is not in the registry, so the hub does not list it.", markup=False)


def _stored(hub: HubFacade) -> list[Stored]:
    """What every model takes on the disk, the largest first."""
    names = {entry.id: entry.name for entry in hub.registry.entries}
    found = []
    for usage in hub.disk_usage():
        note = "not in the registry" if usage.model_id not in names else "" if usage.is_complete else "not complete"
        found.append(Stored(usage.model_id, names.get(usage.model_id, usage.model_id), usage.bytes, note))
    return found


def _counts(downloads: list[Unfinished]) -> str:
    running = [each.state for each in downloads if isinstance(each.state, Downloading)]
    speed = sum(state.speed for state in running)
    words = f"{len(running)} running" if running else ""
    return f"{words} · {file_size(speed)}/s" if speed else words
