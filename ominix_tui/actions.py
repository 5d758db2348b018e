"""The one list of everything that can be done by a key: palette, help, keymap and footer are fed from it.

An action is declared where it lives, as a binding with an id, a name and a tooltip; this module knows where those are.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

from textual.binding import Binding

SCOPES: dict[str, tuple[str, ...]] = {
    "Everywhere": ("navigation:NavigatingApp", "app:OminixApp", "screens.place:PlaceScreen"),
    "Lists": ("widgets.list_keys:Lines",),
    "Hub": (
        "screens.hub:HubScreen",
        "widgets.registry_tree:RegistryTree",
        "widgets.sidebar:SearchField",
        "widgets.choice_row:ChoiceRow",
    ),
    "Language model": (
        "panels.llm_chat:LLMChatPanel",
        "panels.base:ModelPanel",
        "widgets.prompt_area:PromptArea",
        "widgets.response:Response",
        "widgets.fold_line:FoldLine",
    ),
    "Vision": ("panels.vlm_chat:VLMChatPanel", "widgets.attachments:Chip"),
    "Transcription": ("panels.asr_transcription:ASRTranscriptionPanel", "widgets.file_picker:_Files"),
    "Speech": ("panels.tts_synthesis:TTSSynthesisPanel", "widgets.voice_dialogs:VoicesDialog"),
    "Images": ("panels.image_generation:ImageGenerationPanel", "widgets.gallery:Gallery"),
    "Chat": (
        "screens.chat:ChatScreen",
        "widgets.titles:Titles",
        "widgets.chat_prompt:ChatPrompt",
        "widgets.chat_pane:ChatPane",
        "widgets.chat_transcript:ChatTranscript",
        "widgets.image_dialog:ImageDialog",
    ),
    "Downloads": ("widgets.download_queue:DownloadQueue", "widgets.stored_models:StoredModels"),
    "Server": ("screens.server:ServerScreen", "widgets.key_list:KeyList"),
    "Settings": ("widgets.settings_list:SettingsList", "widgets.setting_editor:SettingEditor"),
    "Logs": ("screens.logs:LogsScreen",),
    "Help": ("screens.help:HelpScreen",),
    "Dialogs": (
        "screens.jump:JumpScreen",
        "widgets.dialogs:ConfirmDialog",
        "widgets.dialogs:TextDialog",
        "widgets.dialogs:ChoiceDialog",
        "widgets.key_dialogs:SecretDialog",
        "widgets.quit_dialog:QuitDialog",
    ),
}
"""Where actions are declared, by the heading under which the help shows them."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be done.

    Attributes:
        id: What the keymap calls it.
        keys: The keys that it has without a keymap, separated by commas.
    """

    id: str
    name: str
    keys: str
    meaning: str


@functools.cache
def actions() -> dict[str, tuple[Action, ...]]:
    """Every action by its heading. Imports every screen: call it on a thread."""
    return {title: tuple(_actions_of(places)) for title, places in SCOPES.items()}


def action_ids() -> frozenset[str]:
    """The ids that a keymap may name. As slow as `actions`."""
    return frozenset(action.id for group in actions().values() for action in group)


def own_bindings(cls: type) -> list[Binding]:
    """The bindings with an id that a class itself declares."""
    return [each for each in vars(cls).get("BINDINGS", ()) if isinstance(each, Binding) and each.id]


def _actions_of(places: tuple[str, ...]) -> Iterator[Action]:
    seen = set()
    for place in places:
        module, _, name = place.partition(":")
        for binding in own_bindings(getattr(import_module(f"ominix_tui.{module}"), name)):
            if binding.id and binding.id not in seen:
                seen.add(binding.id)
                yield Action(binding.id, binding.description, binding.key, binding.tooltip)
