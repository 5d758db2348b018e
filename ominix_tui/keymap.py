"""The user's own keys, from `[keys]` in `config.toml`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.keys import Keys

from ominix_tui.actions import action_ids

if TYPE_CHECKING:
    from ominix_core.paths import Home

_MODIFIERS = {"ctrl", "shift", "alt", "super", "hyper", "meta"}
_NAMED = {key.value for key in Keys} | {
    "slash", "comma", "full_stop", "question_mark", "space", "minus", "plus", "equals_sign", "semicolon", "colon",
    "apostrophe", "quotation_mark", "backslash", "left_square_bracket", "right_square_bracket", "exclamation_mark",
    "number_sign", "dollar_sign", "percent_sign", "ampersand", "asterisk", "underscore", "at", "tilde", "grave_accent",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CheckedKeys:
    """What of the user's keys can be used, and what is wrong with the rest, in sentences."""

    keymap: dict[str, str]
    problems: tuple[str, ...]


def own_keys(home: Home) -> CheckedKeys:
    """The keys of `config.toml`; as slow as `check_keys`. Raises SettingsError."""
    from ominix_core.settings import Settings

    keys = Settings.load(home).keys
    return check_keys(keys) if keys else CheckedKeys({}, ())


def check_keys(keys: Mapping[str, str]) -> CheckedKeys:
    """Sort out unknown actions and keys. Imports every screen if there is anything to check: call it on a thread."""
    keymap: dict[str, str] = {}
    problems = []
    for action, key in keys.items():
        problem = _unknown_action(action) or _unknown_key(action, key)
        if problem:
            problems.append(problem)
        else:
            keymap[action] = key.replace(" ", "")
    return CheckedKeys(keymap, tuple(problems))


def _unknown_action(action: str) -> str:
    ids = action_ids()
    if action in ids:
        return ""
    near = difflib.get_close_matches(action, ids, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else "The help (F1) lists them."
    return f"[keys] in config.toml: there is no action '{action}'. {hint}"


def _unknown_key(action: str, keys: str) -> str:
    for key in keys.split(","):
        *modifiers, name = key.strip().split("+")
        known = len(name) == 1 or name in _NAMED
        if not name or not known or not set(modifiers) <= _MODIFIERS:
            near = difflib.get_close_matches(name, _NAMED, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else "Examples: d, ctrl+d, f9, comma."
            return f"[keys] in config.toml: '{key.strip()}' for '{action}' is no key. {hint}"
    return ""
