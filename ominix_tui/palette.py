"""What the command palette offers beside Textual's own commands: every action that is possible now, and every model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual import on
from textual.actions import parse
from textual.binding import Binding
from textual.command import CommandInput, CommandList, CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.widgets import Input
from textual.worker import Worker, WorkerState

from ominix_tui.actions import own_bindings
from ominix_tui.text import facts_line, one_line, words_for
from ominix_tui.widgets.dialogs import OneAnswer

if TYPE_CHECKING:
    from textual.screen import Screen

    from ominix_tui.app import OminixApp

MOST_MODELS = 50
MOVING = ("list", "tree", "choice", "dialog", "confirm", "search", "prompt", "panel")
"""Of ids with these beginnings nobody looks in the palette: they move about, or are for one field alone."""


class Palette(CommandPalette, OneAnswer[None]):
    """The command palette for people who type fast: Enter runs what all of the words find, never what some found."""

    _is_chosen = False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "command_list":  # Textual moves by pages through a list without a height, and fails
            return bool(self.query_one(CommandList).scrollable_content_region)
        return super().check_action(action, parameters)

    @on(Input.Changed)
    def _go_on_typing(self) -> None:
        self._is_chosen = False

    @on(Input.Submitted)
    def _choose(self, event: Input.Submitted) -> None:
        moved_to = self.query_one(CommandList).highlighted  # what somebody went to with the arrow keys runs at once
        self._is_chosen = not moved_to and any(not each.is_finished for each in self.workers if each.node is self)
        if self._is_chosen:
            event.prevent_default().stop()

    async def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if self._is_chosen and event.state is WorkerState.SUCCESS:
            await self.query_one(CommandInput).action_submit()


class ActionCommands(Provider):
    """Everything that a key would do on this screen, whatever has the focus."""

    async def discover(self) -> Hits:
        for node, binding in possible_actions(self.screen):
            yield DiscoveryHit(binding.description, partial(self._run, node, binding), help=binding.tooltip)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for node, binding in possible_actions(self.screen):
            words = binding.description
            if score := max(matcher.match(words), 0.9 * matcher.match(binding.tooltip)):
                yield Hit(score, matcher.highlight(words), partial(self._run, node, binding), help=binding.tooltip)

    async def _run(self, node: DOMNode, binding: Binding) -> None:
        await self.app.run_action(binding.action, node)


class ModelCommands(Provider):
    """Every model, by any of its words; choosing one shows it in the hub."""

    async def search(self, query: str) -> Hits:
        app = cast("OminixApp", self.app)
        if (hub := app.opened_hub) is None:
            return
        entries = await asyncio.to_thread(hub.registry.search, query, MOST_MODELS)
        matcher = self.matcher(query)
        for place, entry in enumerate(entries):
            name, words = one_line(entry.name), words_for(hub.state(entry.id))
            score = 1 - place / (2 * MOST_MODELS)  # the registry's own order is the better one
            help_text = f"{words.glyph} {words.long} · {facts_line(entry)}"
            yield Hit(score, matcher.highlight(name), partial(app.show_model, entry.id), text=name, help=help_text)


def possible_actions(screen: Screen[object]) -> Iterator[tuple[DOMNode, Binding]]:
    """What can be done now, and where: first what the focus can do. Moving about is left out."""
    app = screen.app
    focus = [] if screen.focused is None else list(screen.focused.ancestors_with_self)
    shown = [widget for widget in screen.walk_children() if widget.display]
    seen: set[str] = set()
    for node in (*focus, screen, app, *shown):
        for binding in (each for cls in type(node).__mro__ for each in own_bindings(cls)):
            if binding.id not in seen and not _moves(binding) and _is_possible(node, binding, screen):
                seen.add(cast("str", binding.id))
                yield node, binding


def _moves(binding: Binding) -> bool:
    return str(binding.id).partition(".")[0] in MOVING or binding.action.startswith("cursor_")


def _is_possible(node: DOMNode, binding: Binding, screen: Screen[object]) -> bool:
    place, name, parameters = parse(binding.action)
    target = {"app": screen.app, "screen": screen}.get(place, node)
    return bool(target.check_action(name, parameters)) and hasattr(target, f"action_{name}")
