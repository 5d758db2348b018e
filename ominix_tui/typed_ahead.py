"""Keys take effect in the order in which they were typed, however many come at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from textual import events
from textual.actions import ActionParseResult
from textual.app import App
from textual.dom import DOMNode
from textual.widget import Widget

PATIENCE_SECONDS = 0.5
"""A key that keeps its widget busy for longer does not hold up those after it."""


TEXT = "typed_text"
"""The name of a key that stands for several characters; nothing can be bound to it."""


class TypedKeys(events.InputEvent, bubble=False):
    """Keys that came at once. As events of their own each of them would wait for the others' way to the app."""

    def __init__(self, keys: list[events.Key]) -> None:
        super().__init__()
        self.keys = keys


class TypedAheadApp(App[None]):
    """An app that gives a key to where the focus is after the key before it has done its work.

    Over SSH several keys come in one packet. Textual hands all of them to the widget that has the focus then: of
    `/llama` the letters would not reach the search that `/` opens, but load and delete models.
    """

    def __init__(self, *, ansi_color: bool | None) -> None:
        super().__init__(ansi_color=ansi_color)
        self._typed: deque[events.Key | events.Paste] = deque()
        self._holds = 0
        self._at_work: asyncio.Task[None] | None = None
        self._key_at_work = ""
        self._writes: Widget | None = None  # what got text last, and may not have it yet

    def hold_keys(self) -> None:
        """Keep what is typed from now on, until as many calls of `release_keys`; dialogs get theirs."""
        self._holds += 1

    def release_keys(self) -> None:
        """Pass on what was typed meanwhile, in its order, to where the focus is now."""
        self._holds -= 1
        self.call_later(self._pass_on)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self._typed.append(event)
            await self._pass_on()
        elif isinstance(event, TypedKeys):
            self._typed.extend(event.keys)
            await self._pass_on()
        else:
            await super().on_event(event)

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do what a key stands for. A list that has no height yet has no pages: Textual would fail."""
        if action in ("page_up", "page_down"):
            from textual.widgets import OptionList  # not before the first paint

            if isinstance(default_namespace, OptionList) and not default_namespace.scrollable_content_region:
                return True
        return await super().run_action(action, default_namespace, namespaces)

    async def _pass_on(self) -> None:
        while self._typed and self._may_go_on(event := self._typed[0]):
            target = self.focused or self.screen
            is_text = isinstance(event, events.Key) and target.check_consume_key(event.key, event.character)
            if self._writes is not None and not is_text:  # a key that has priority would overtake the text before it
                self._wait_for("", self._writes)
                self._writes = None
                return
            event = self._take_text(target) or self._typed.popleft()
            if is_text:  # it moves no focus, other keys may
                self._writes = target
            else:
                self._wait_for(event.key if isinstance(event, events.Key) else "", target)
            await super().on_event(event)

    def _take_text(self, target: Widget) -> events.Key | None:
        """The characters that are next, as one key, if the widget takes any text; None if it must see each of them."""
        if not _takes_any_text(target):
            return None
        text = ""
        while self._typed and (character := _character(self._typed[0])):
            text += character
            self._typed.popleft()
        return events.Key(TEXT, text) if text else None

    def _may_go_on(self, event: events.Key | events.Paste) -> bool:
        if self._holds and len(self.screen_stack) == 1:
            return False
        repeats = isinstance(event, events.Key) and event.key == self._key_at_work  # an arrow that is held down
        return self._at_work is None or repeats

    def _wait_for(self, key: str, target: Widget) -> None:
        if self._at_work is not None:
            self._at_work.cancel()
        self._key_at_work = key
        self._at_work = asyncio.create_task(self._until_done(target))

    async def _until_done(self, target: Widget) -> None:
        """Wait until what was given to this widget, and what the widget told about it, came up to the app."""
        way_up = target.ancestors_with_self
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for node in (*way_up, *way_up):
                    done = asyncio.Event()
                    if node.call_later(done.set):
                        await done.wait()
        except TimeoutError:
            pass
        self.call_later(self._go_on, asyncio.current_task())

    async def _go_on(self, done: asyncio.Task[None]) -> None:
        if done is self._at_work:  # else the same key has come again
            self._at_work = None
            await self._pass_on()


def _takes_any_text(widget: Widget) -> bool:
    from textual.widgets import Input, TextArea  # not before the first paint

    if isinstance(widget, TextArea):
        return not widget.read_only
    return isinstance(widget, Input) and widget.type == "text" and not widget.restrict and not widget.max_length


def _character(event: events.Key | events.Paste) -> str:
    """What this key writes into a text; "" for others."""
    return event.character or "" if isinstance(event, events.Key) and event.is_printable else ""
