"""Changing `config.toml` without losing what somebody wrote into it."""

from __future__ import annotations

import os

import pytest

from ominix_core.config_file import ConfigFile
from ominix_core.errors import SettingsError
from ominix_core.paths import Home
from ominix_core.settings import Settings

TEXT = """\
# first words
port = 9090   # why
a_key_of_tomorrow = true

[providers.lab]  # ours
base_url = "http://lab/v1"
models = ["a"]
"""


def test_comments_and_unknown_keys_stay(home: Home) -> None:
    home.config.write_text(TEXT)
    ConfigFile(home).set("port", 9191)
    ConfigFile(home).set("guard", "safe")
    ConfigFile(home).set("providers", {"lab": {"base_url": "http://lab/v1", "models": ["a", "b"]}})
    text = home.config.read_text()
    assert "# first words\nport = 9191   # why\na_key_of_tomorrow = true\n" in text
    assert "[providers.lab]  # ours" in text
    assert ConfigFile(home).values() == {
        "port": 9191,
        "a_key_of_tomorrow": True,
        "guard": "safe",
        "providers": {"lab": {"base_url": "http://lab/v1", "models": ["a", "b"]}},
    }


def test_a_new_setting_goes_above_the_tables(home: Home) -> None:
    home.config.write_text("[adapters]\ntiny = 'x'\n")
    ConfigFile(home).set("port", 1)
    assert Settings.load(home).port == 1
    assert Settings.load(home).adapters == {"tiny": "x"}


def test_unset_gives_the_default_back(home: Home) -> None:
    ConfigFile(home).set("preload", ("a", "b"))
    assert Settings.load(home).preload == ("a", "b")
    ConfigFile(home).unset("preload")
    ConfigFile(home).unset("preload")
    assert Settings.load(home) == Settings(registry_url="off")


@pytest.mark.parametrize(("name", "value"), [("port", 70_000), ("port", "x"), ("guard", "brave"), ("preload", 3)])
def test_what_the_settings_refuse_is_not_written(home: Home, name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=name):
        ConfigFile(home).set(name, value)
    assert not home.config.exists()


def test_a_broken_file_is_left_alone(home: Home) -> None:
    home.config.write_text("port =")
    with pytest.raises(SettingsError, match="not valid TOML"):
        ConfigFile(home).set("port", 1)
    assert home.config.read_text() == "port ="


def test_a_link_stays_one_and_the_mode_stays(home: Home) -> None:
    real = home.root / "dotfiles.toml"
    real.write_text("port = 1\n")
    real.chmod(0o600)
    home.config.symlink_to(real)
    ConfigFile(home).set("port", 2)
    assert home.config.is_symlink()
    assert real.read_text() == "port = 2\n"
    assert real.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(home.root)) == ["config.toml", "dotfiles.toml"]
