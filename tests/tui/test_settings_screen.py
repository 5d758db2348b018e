"""The settings screen: every setting with its meaning, changed by keyboard, and the file that keeps them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_tui.app import OminixApp
from ominix_tui.screens.settings import LATER, SettingsScreen
from ominix_tui.widgets.settings_list import SettingsList, grouped
from tests.tui.support import notices, screen_text, until, until_connected

SnapCompare = Callable[..., bool]
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])

CONFIG = """\
# How this Mac serves its models.
port = 9090  # 8080 is taken

[adapters]
tiny = "~/lora"  # trained in June
"""


async def open_settings(pilot: Pilot[None]) -> None:
    await until_connected(pilot)
    await pilot.press("f6")
    await until(pilot, lambda: isinstance(pilot.app.screen, SettingsScreen))
    await until(pilot, lambda: "Default:" in screen_text(pilot))
    await pilot.pause()


async def find(pilot: Pilot[None], words: str) -> None:
    """Put the cursor on the first setting that these words find."""
    await pilot.press("slash", *words, "enter")
    listed = pilot.app.screen.query_one(SettingsList)
    await until(pilot, lambda: listed.has_focus and listed.chosen and listed.chosen.startswith(words))
    await until(pilot, lambda: str(listed.chosen) == str(pilot.app.screen.query_one("#setting").render()))


@pytest.fixture
def config(home: Home) -> Home:
    home.config.write_text(CONFIG)
    return home


class TestPictures:
    @SIZES
    def test_list(
        self, snap_compare: SnapCompare, catalogue_app: OminixApp, config: Home, size: tuple[int, int]
    ) -> None:
        assert snap_compare(catalogue_app, terminal_size=size, run_before=open_settings)

    @SIZES
    def test_refused(self, snap_compare: SnapCompare, catalogue_app: OminixApp, size: tuple[int, int]) -> None:
        async def refuse(pilot: Pilot[None]) -> None:
            await open_settings(pilot)
            await find(pilot, "simultaneous")
            await pilot.press("enter", "9", "9", "enter")
            await until(pilot, lambda: "cannot be 99" in screen_text(pilot))

        assert snap_compare(catalogue_app, terminal_size=size, run_before=refuse)

    def test_light(self, snap_compare: SnapCompare, catalogue_app: OminixApp, config: Home) -> None:
        catalogue_app.theme = "textual-light"
        assert snap_compare(catalogue_app, terminal_size=(120, 40), run_before=open_settings)


class TestChanging:
    async def test_a_number_is_saved_and_the_rest_of_the_file_stays(
        self, catalogue_app: OminixApp, config: Home
    ) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await open_settings(pilot)
            await find(pilot, "port")
            await pilot.press("enter", "end", "backspace", "1", "enter")
            await until(pilot, lambda: LATER in screen_text(pilot))
            await until(pilot, lambda: "9091" in screen_text(pilot))
        assert config.config.read_text() == CONFIG.replace("9090", "9091")

    async def test_a_choice_is_saved_at_once(self, catalogue_app: OminixApp, home: Home) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await open_settings(pilot)
            await find(pilot, "guard")
            await pilot.press("enter", "right")
            await until(pilot, lambda: "Saved" in screen_text(pilot))
        assert Settings.load(home).guard == "aggressive"

    async def test_words_and_tables(self, catalogue_app: OminixApp, home: Home) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await open_settings(pilot)
            await find(pilot, "preload")
            await pilot.press("enter", *"tiny", "comma", "space", *"big", "enter")
            await until(pilot, lambda: "Saved" in screen_text(pilot))
            await pilot.press("escape")
            await find(pilot, "providers")
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(pilot.app.focused, TextArea))
            pilot.app.screen.query_one(TextArea).text = '[lab]\nbase_url = "http://lab/v1"\nmodels = ["a"]'
            await pilot.press("ctrl+s")
            await until(pilot, lambda: "Saved" in screen_text(pilot))
        settings = Settings.load(home)
        assert settings.preload == ("tiny", "big")
        assert settings.providers["lab"].models == ("a",)

    async def test_reset_takes_it_out_of_the_file(self, catalogue_app: OminixApp, config: Home) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await open_settings(pilot)
            await find(pilot, "port")
            await pilot.press("r")
            await until(pilot, lambda: "port" not in config.config.read_text())
        assert Settings.load(config).port == 8080
        assert "# trained in June" in config.config.read_text()

    async def test_nothing_wrong_is_saved(self, catalogue_app: OminixApp, home: Home) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await open_settings(pilot)
            await find(pilot, "context")
            await pilot.press("enter", *"abc", "enter")
            await until(pilot, lambda: "is not a whole number" in screen_text(pilot))
        assert not home.config.exists()

    async def test_what_a_variable_sets_cannot_be_changed_here(
        self, catalogue_app: OminixApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMINIX_PORT", "7070")
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await open_settings(pilot)
            await find(pilot, "port")
            await until(pilot, lambda: "OMINIX_PORT sets it" in screen_text(pilot))
            assert not pilot.app.screen.query("#field Input")

    async def test_a_broken_file_is_told(self, catalogue_app: OminixApp, home: Home) -> None:
        home.config.write_text("port = ")
        async with catalogue_app.run_test(size=(120, 40), notifications=True) as pilot:
            await until_connected(pilot)
            await pilot.press("f6")
            await until(pilot, lambda: "is not valid TOML" in notices(pilot))


class TestMovingAround:
    async def test_escape_leads_from_field_to_list_to_screen(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await open_settings(pilot)
            await find(pilot, "port")
            await pilot.press("enter")
            assert isinstance(pilot.app.focused, Input)
            await pilot.press("escape")
            assert pilot.app.screen.query_one(SettingsList).has_focus
            await pilot.press("escape")
            await until(pilot, lambda: "guard" in screen_text(pilot))
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.current_mode == "hub")


def test_every_setting_has_a_meaning_and_a_group() -> None:
    from ominix_core.setting_fields import setting_fields

    assert all(field.meaning for field in setting_fields())
    assert "More" not in grouped(setting_fields())
    assert sum(map(len, grouped(setting_fields()).values())) == len(setting_fields())
