"""Keys that come all at once, as they do over a slow line, act as if they had been typed one by one."""

from __future__ import annotations

import asyncio
import random
from typing import ClassVar, cast

import pytest
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static, TextArea

from ominix_core.hub import Hub
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry import RegistryEntry
from ominix_tui.app import OminixApp
from ominix_tui.palette import Palette
from ominix_tui.screens.hub import HubScreen
from ominix_tui.typed_ahead import TypedAheadApp, TypedKeys
from ominix_tui.widgets.dialogs import ConfirmDialog
from ominix_tui.widgets.model_view import ModelView
from ominix_tui.widgets.prompt_area import PromptArea
from ominix_tui.widgets.registry_tree import RegistryTree
from tests.support.catalogue import many_models
from tests.tui.support import screen_text, until, until_connected

NAMES = {"\r": "enter", "/": "slash"}
CHARACTERS = {name: character for character, name in NAMES.items()} | {"space": " ", "comma": ",", "question_mark": "?"}
KEYS = [
    *("up", "down", "left", "right", "enter", "escape", "tab", "shift+tab", "space", "pageup", "pagedown", "home"),
    *("end", "backspace", "slash", "comma", "question_mark", "f1", "f2", "f3", "f4", "f5", "f6", "f7"),
    *(f"ctrl+{letter}" for letter in "aefgklnoprsty"),
    *"abcdefghijklmnoprstuvwxyz0123456789DSL{}[]+-.",
]
"""Every key that does something, but those that end the program."""


def at_once(pilot: Pilot[None], keys: str) -> None:
    for key in keys:
        pilot.app.post_message(events.Key(NAMES.get(key, key), key))


def in_one_read(pilot: Pilot[None], keys: str) -> None:
    pilot.app.post_message(TypedKeys(keys_of(keys)))


def keys_of(keys: str) -> list[events.Key]:
    return [events.Key(NAMES.get(key, key), key) for key in keys]


class Slow(Static, can_focus=True):
    """Its keys are at work until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()

    async def on_key(self) -> None:
        await self.released.wait()


class ListApp(TypedAheadApp):
    """A list, whose keys open a field for text, load, or choose."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "find"),
        Binding("l", "load"),
        Binding("f9", "load", priority=True),
    ]

    def __init__(self) -> None:
        super().__init__(ansi_color=None)
        self.done: list[str] = []
        self.changes: list[str] = []

    def compose(self) -> ComposeResult:
        yield OptionList("one", "two")
        yield Input()
        yield Input(type="integer", max_length=3, id="number")
        yield TextArea(id="area")
        yield Slow()

    def action_find(self) -> None:
        self.query_one(Input).focus()

    def action_load(self) -> None:
        self.done.append("load")

    def on_input_changed(self, event: Input.Changed) -> None:
        self.changes.append(event.value)

    def on_option_list_option_selected(self) -> None:
        self.query_one(Input).focus()


class TestKeysAtOnce:
    async def test_letters_after_the_key_of_the_search_load_nothing(self) -> None:
        app = ListApp()
        async with app.run_test() as pilot:
            at_once(pilot, "fllama")
            await until(pilot, lambda: app.query_one(Input).value == "llama")
            assert not app.done

    async def test_what_a_choice_leads_to_gets_the_next_letters(self) -> None:
        app = ListApp()
        async with app.run_test() as pilot:
            app.query_one(OptionList).highlighted = 1
            at_once(pilot, "\rlong")
            await until(pilot, lambda: app.query_one(Input).value == "long")
            assert not app.done

    async def test_pasted_text_follows_the_keys_before_it(self) -> None:
        app = ListApp()
        async with app.run_test() as pilot:
            at_once(pilot, "f")
            pilot.app.post_message(events.Paste("a whole line"))
            await until(pilot, lambda: app.query_one(Input).value == "a whole line")

    async def test_a_widget_that_hangs_holds_up_no_key_of_the_program(self) -> None:
        app = ListApp()
        async with app.run_test() as pilot:
            slow = app.query_one(Slow).focus()
            await until(pilot, lambda: slow.has_focus)
            try:
                at_once(pilot, "x")
                pilot.app.post_message(events.Key("f9", None))
                while not app.done:
                    await asyncio.sleep(0.01)
            finally:
                slow.released.set()

    async def test_held_keys_wait_and_keep_their_order(self) -> None:
        app = ListApp()
        async with app.run_test() as pilot:
            app.hold_keys()
            at_once(pilot, "fll")
            await pilot.pause()
            assert not app.query_one(Input).has_focus
            app.release_keys()
            await until(pilot, lambda: app.query_one(Input).value == "ll")


class TestKeysInOneRead:
    async def test_each_key_acts_where_the_one_before_it_leads(self) -> None:
        app = ListApp()
        async with app.run_test() as pilot:
            in_one_read(pilot, "fllama")
            await until(pilot, lambda: app.query_one(Input).value == "llama")
            assert not app.done

    async def test_text_goes_in_at_once(self) -> None:
        app = ListApp()
        async with app.run_test() as pilot:
            app.query_one(Input).focus()
            in_one_read(pilot, "several words, 模型")
            await until(pilot, lambda: app.changes)
            assert app.changes == ["several words, 模型"]

    async def test_keys_within_text_act_in_their_place(self) -> None:
        app = ListApp()
        async with app.run_test() as pilot:
            area = app.query_one(TextArea).focus()
            in_one_read(pilot, "one\rtwo")
            pilot.app.post_message(events.Key("left", None))
            in_one_read(pilot, "--")
            await until(pilot, lambda: area.text == "one\ntw--o")

    async def test_a_key_that_has_priority_does_not_overtake_the_text_before_it(self) -> None:
        app = ListApp()
        async with app.run_test() as pilot:
            area = PromptArea()
            await app.mount(area)
            area.focus()
            told = []
            area.action_submit = lambda: told.append(area.text)  # type: ignore[method-assign]
            new_line = events.Key("ctrl+j", None)
            pilot.app.post_message(TypedKeys([*keys_of("one"), new_line, *keys_of("two\r"), *keys_of("three")]))
            await until(pilot, lambda: area.text == "one\ntwothree")
            assert told == ["one\ntwo"]

    async def test_a_field_that_is_choosy_sees_each_character(self) -> None:
        app = ListApp()
        async with app.run_test() as pilot:
            number = app.query_one("#number", Input).focus()
            in_one_read(pilot, "1x2y34")
            await until(pilot, lambda: number.value == "123")


class TestHub:
    async def test_an_arrow_held_down_makes_few_panels(
        self, catalogue_hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue_hub.registry = Registry(many_models(100))
        shown, select = [], ModelView.select

        async def note(view: ModelView, entry: RegistryEntry) -> None:
            shown.append(entry.id)
            await select(view, entry)

        async with OminixApp(lambda: catalogue_hub).run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            tree = pilot.app.screen.query_one(RegistryTree)
            monkeypatch.setattr(ModelView, "select", note)
            for _ in range(60):
                pilot.app.post_message(events.Key("down", None))
            await until(pilot, lambda: tree.cursor_line >= 60)
            await until(pilot, lambda: shown and shown[-1] == tree.chosen)
            assert len(shown) < 10

    async def test_the_key_after_a_move_is_for_the_model_moved_to(self, catalogue_hub: Hub) -> None:
        app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            pilot.app.post_message(events.Key("down", None))
            at_once(pilot, "i")
            await until(pilot, lambda: "Escape closes this" in screen_text(pilot))
            assert "glm4-9b" in screen_text(pilot)

    async def test_search_and_enter_at_once_lead_to_the_first_hit(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            at_once(pilot, "/paraformer\r")
            await until(pilot, lambda: cast("HubScreen", pilot.app.screen).selected == "paraformer")
            assert pilot.app.screen.query_one("#search", Input).value == "paraformer"
            await until(pilot, lambda: pilot.app.screen.query_one(RegistryTree).has_focus)

    async def test_a_dialog_is_answered_once(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            answers: list[bool | None] = []
            dialog = ConfirmDialog("Delete", "Delete this?", "Delete")
            await catalogue_app.push_screen(dialog, answers.append)
            for answer in (True, False, True):
                dialog.dismiss(answer)
            await until(pilot, lambda: answers and len(pilot.app.screen_stack) == 1)
            await pilot.pause()
            assert answers == [True]

    async def test_a_page_down_before_the_palette_shows_anything(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            for key in ("ctrl+p", "pagedown", "pagedown", "pageup", "enter", "enter"):
                pilot.app.post_message(events.Key(key, None))
            await until(pilot, lambda: len(pilot.app.screen_stack) == 1 or Palette.is_open(pilot.app))

    @pytest.mark.slow
    @pytest.mark.usefixtures("no_server")
    @pytest.mark.parametrize("seed", range(8))
    async def test_no_row_of_keys_ends_the_program(
        self, catalogue_app: OminixApp, monkeypatch: pytest.MonkeyPatch, seed: int
    ) -> None:
        monkeypatch.setattr(OminixApp, "deliver_screenshot", lambda _: None)  # goes to the user's own folder
        chance = random.Random(seed)
        async with catalogue_app.run_test(size=chance.choice([(120, 40), (80, 24), (60, 15)])) as pilot:
            await until_connected(pilot)
            for _ in range(250):
                for _ in range(chance.choice([1, 1, 3, 20])):
                    key = chance.choice(KEYS)
                    for _ in range(chance.choice([1, 1, 1, 8])):
                        pilot.app.post_message(events.Key(key, CHARACTERS.get(key, key if len(key) == 1 else None)))
                await asyncio.sleep(chance.choice([0, 0.005, 0.05, 0.2]))
                if not pilot.app.is_running:  # by the palette, or by a crash, which fails here
                    break
