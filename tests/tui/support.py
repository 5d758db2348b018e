"""Helpers of the screen's tests."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from textual.pilot import Pilot

from ominix_core.generation import GenerationEvent, TextRequest
from ominix_core.hub import Hub
from ominix_core.states import ModelState
from ominix_core.stream import Generation
from ominix_tui.panels.llm_chat import LLMChatPanel
from ominix_tui.widgets.dialogs import UnhurriedDialog
from ominix_tui.widgets.markdown_view import MarkdownView
from ominix_tui.widgets.prompt_area import PromptArea

PATIENCE = 30.0


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Let the app run until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never came to it:\n{screen_text(pilot)}"
        await pilot.pause(0.01)


async def settled(pilot: Pilot[None]) -> None:
    """Let the app finish what it does in the background, also what it calls off for something newer."""
    await until(pilot, lambda: all(worker.is_finished for worker in pilot.app.workers))
    await pilot.pause()


async def until_connected(pilot: Pilot[None]) -> None:
    """Wait for the first panel."""
    await until(pilot, lambda: pilot.app.screen.query("ModelPanel"))
    await pilot.pause()


async def answer(pilot: Pilot[None], *keys: str) -> None:
    """Press these keys at the dialog that asks before something is lost, once it listens."""
    await until(pilot, lambda: isinstance(pilot.app.screen, UnhurriedDialog) and pilot.app.screen.listens)
    await pilot.press(*keys)


def set_state(hub: Hub, model_id: str, state: ModelState) -> None:
    """Put a model into a state, as its download or its worker would."""
    hub._board.set(model_id, state)


def answer_with(hub: Hub, *events: GenerationEvent) -> Generation:
    """Make the hub answer every request with these events, and those that are put into the returned stream."""
    generation = Generation("scripted", lambda _: None)
    for event in events:
        generation.put(event)

    def generate(model_id: str, request: TextRequest) -> Generation:
        return generation

    hub.generate = generate  # type: ignore[method-assign]
    return generation


def answer_of(pilot: Pilot[None]) -> str:
    """The text that the visible language panel has shown so far."""
    return visible_panel(pilot).query_one("#answer", MarkdownView).source


def visible_panel(pilot: Pilot[None]) -> LLMChatPanel:
    return next(panel for panel in pilot.app.screen.query(LLMChatPanel) if panel.display)


def type_prompt(text: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    """Put a prompt into the visible panel, as pasting it does."""

    async def act(pilot: Pilot[None]) -> None:
        area = visible_panel(pilot).query_one(PromptArea)
        area.focus()
        area.text = text
        await pilot.pause()

    return act


def screen_text(pilot: Pilot[None]) -> str:
    """What the terminal shows, as plain text."""
    width, height = pilot.app.size
    strips = pilot.app.screen._compositor.render_strips(pilot.app.size)
    return "\n".join(strip.text.ljust(width) for strip in strips[:height])


def notices(pilot: Pilot[None]) -> str:
    """What the notifications say that are on the screen."""
    return "\n".join(notification.message for notification in pilot.app._notifications)
