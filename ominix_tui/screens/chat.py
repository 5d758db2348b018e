"""The chat screen: kept conversations on the left, the one that is open on the right."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.screen import Screen
from textual.widgets import Label

from ominix_core.chat_export import export, suggested_file
from ominix_core.chat_models import ChatModels
from ominix_core.chat_tree import Conversation, Exchange
from ominix_core.chats import ChatStore
from ominix_core.chats_file import ChatsError
from ominix_core.events import HubEvent, ModelStateChanged
from ominix_tui.screens.hub import WIDTHS
from ominix_tui.text import one_line
from ominix_tui.widgets.brand import Brand
from ominix_tui.widgets.chat_dialogs import NO_MODEL, describe, model_dialog
from ominix_tui.widgets.chat_list import ChatList
from ominix_tui.widgets.chat_pane import ChatPane
from ominix_tui.widgets.dialogs import TextDialog
from ominix_tui.widgets.key_line import KeyLine
from ominix_tui.widgets.telling import telling

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_tui.app import OminixApp


class ChatScreen(Screen[None]):
    """Talk to a model, and come back to it later."""

    app: OminixApp
    CSS_PATH = ["hub.tcss", "chat.tcss"]
    AUTO_FOCUS = "#prompt"
    HORIZONTAL_BREAKPOINTS = WIDTHS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop", id="chat.stop", tooltip="Stop the answer; what is there is kept"),
        Binding("escape", "leave", "Back", id="chat.leave", tooltip="From prompt to messages, then to the list"),
        Binding("ctrl+n", "new", "New", id="chat.new", tooltip="Begin another conversation"),
        Binding("ctrl+o", "model", "Model", id="chat.model", tooltip="Choose the model that answers"),
        Binding("ctrl+s", "system", "System", id="chat.system", tooltip="Tell the model how it should behave"),
        Binding("u", "undo", "Undo", id="chat.undo", tooltip="Bring back the conversation that was just deleted"),
        Binding("ctrl+t", "app.show_hub", "Hub", id="chat.hub", tooltip="Go to the list of models"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.chats = ChatList(id="chats")
        self.pane = ChatPane(id="pane")
        self._store: ChatStore | None = None
        self._deleted: Conversation | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="top"):
            yield Brand(id="brand")
            yield Label("Chat", id="place")
            yield Label(id="model", markup=False)
        with Horizontal(id="body"):
            with Container(id="sidebar", classes="box") as sidebar:
                sidebar.border_title = "Conversations"
                yield self.chats
            yield self.pane
        yield KeyLine()

    def on_mount(self) -> None:
        self.app.hub_events.subscribe(self, self._on_hub_event)

    async def arrive(self, hub: HubFacade, model_id: str | None, exchange: Exchange | None) -> None:
        """Be ready for the next question; with a model, of a new conversation that begins with this exchange.

        Raises ChatsError.
        """
        self.set_focus(self.pane.prompt.area)
        await self._connect(hub)
        if model_id is not None:
            if exchange is None:
                await self.pane.begin(model_id)
            else:
                await self.pane.take_over(exchange, model_id)
            self.pane.make_ready()

    async def _connect(self, hub: HubFacade) -> None:
        """Open the kept conversations; a second call does nothing."""
        if self._store is not None:
            return
        try:
            store = await asyncio.to_thread(ChatStore, hub.home)
        except ChatsError:
            self.pane.disabled = True
            raise
        self._store, self._models = store, ChatModels(hub)
        if store.notice:
            self.notify(store.notice, severity="warning", timeout=30, markup=False)
        self.pane.connect(store, self._models)
        self.pane.disabled = False
        model = await asyncio.to_thread(self._models.default)
        await self.pane.begin(model.id if model else "")

    async def on_unmount(self) -> None:
        if self._store is not None:
            await self.pane.keep_what_is_there()
            await asyncio.to_thread(self._store.close)

    # -- what is shown ------------------------------------------------------------------------------------------

    def _on_hub_event(self, event: HubEvent) -> None:
        if self._store is not None and isinstance(event, ModelStateChanged) and event.model_id == self.pane.model_id:
            self._show_model()
            self.pane.show_model()

    def _show_model(self) -> None:
        model = self._models.find(self.pane.model_id) if self.pane.model_id else None
        self.query_one("#model", Label).update(describe(model).plain if model else NO_MODEL)

    @on(ChatPane.Changed)
    def _on_changed(self) -> None:
        self._show_model()
        self._list_conversations()
        self.refresh_bindings()

    @on(ChatList.Searched)
    @work(exclusive=True, group="list")
    @telling
    async def _list_conversations(self) -> None:
        if self._store is not None:
            found = await asyncio.to_thread(self._store.conversations, self.chats.query_text)
            self.chats.fill(found, self.pane.chat.conversation.id)

    @on(ChatList.Opened)
    @work
    @telling
    async def _on_opened(self, event: ChatList.Opened) -> None:
        await self.pane.open(event.conversation_id)
        self.set_focus(self.pane.prompt.area)

    # -- actions ------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if self._store is None:
            return action not in ("stop", "new", "model", "system", "undo")
        if action in ("stop", "leave"):
            return self.pane.answering == (action == "stop")
        return action != "undo" or self._deleted is not None

    def action_stop(self) -> None:
        self.pane.stop()

    def action_leave(self) -> None:
        if self.pane.chat.branch and not self.pane.transcript.has_focus and self.pane.has_focus_within:
            self.pane.transcript.focus()
        else:
            self.chats.focus_titles()

    def action_search(self) -> None:
        self.chats.focus_search()

    @work
    async def action_new(self) -> None:
        await self.pane.begin(self.pane.model_id)
        self.set_focus(self.pane.prompt.area)

    @work
    @telling
    async def action_model(self) -> None:
        models = await asyncio.to_thread(self._models.available)
        if chosen := await self.app.push_screen_wait(model_dialog(models, self.pane.model_id)):
            self.pane.use_model(chosen)

    def action_system(self) -> None:
        self.pane.ask_system_prompt()

    # -- actions on the conversation under the cursor of the list -------------------------------------------------

    @work
    @telling
    async def action_rename(self) -> None:
        if (conversation := self.chats.highlighted) and self._store:
            title = await self.app.push_screen_wait(TextDialog("Rename", conversation.title))
            if title and title.strip():
                await asyncio.to_thread(self._store.rename, conversation.id, one_line(title))
                await self._refresh(conversation.id)

    @work
    @telling
    async def action_delete(self) -> None:
        if (conversation := self.chats.highlighted) and self._store:
            await asyncio.to_thread(self._store.delete, conversation.id)
            self._deleted = conversation
            if conversation.id == self.pane.chat.conversation.id:
                await self.pane.begin(self.pane.model_id)
            self._list_conversations()
            self.refresh_bindings()
            self.notify(f"“{one_line(conversation.title)}” was deleted. u brings it back.", markup=False)

    @work
    @telling
    async def action_undo(self) -> None:
        if self._deleted is not None and self._store:
            await asyncio.to_thread(self._store.restore, self._deleted.id)
            await self.pane.open(self._deleted.id)
            self._deleted = None
            self.refresh_bindings()

    @work
    @telling
    async def action_export(self) -> None:
        if (conversation := self.chats.highlighted) and self._store:
            hint = "A name that ends with .json keeps every branch, and images in it; any other is written as Markdown"
            name = await self.app.push_screen_wait(TextDialog("Export to", suggested_file(conversation.title), hint))
            if name and name.strip():
                file = await asyncio.to_thread(export, self._store, conversation.id, Path(name.strip()))
                self.notify(f"Written to {file}", markup=False)

    async def _refresh(self, conversation_id: int) -> None:
        if conversation_id == self.pane.chat.conversation.id:
            await self.pane.open(conversation_id)
        else:
            self._list_conversations()
