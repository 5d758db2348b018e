"""The panels: which one a registry entry asks for by its `ui.panel_type`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ominix_tui.panels.base import ModelPanel

FACTS = "ominix_tui.panels.facts:FactsPanel"
PANELS = {
    "ASRTranscription": "ominix_tui.panels.asr_transcription:ASRTranscriptionPanel",
    "ImageGeneration": "ominix_tui.panels.image_generation:ImageGenerationPanel",
    "LLMChat": "ominix_tui.panels.llm_chat:LLMChatPanel",
    "TTSSynthesis": "ominix_tui.panels.tts_synthesis:TTSSynthesisPanel",
    "VLMChat": "ominix_tui.panels.vlm_chat:VLMChatPanel",
}


def panel_class(panel_type: str) -> type[ModelPanel]:
    """The panel for this type; a type that nobody knows gets the panel of plain facts."""
    module, _, name = PANELS.get(panel_type, FACTS).partition(":")
    return cast("type[ModelPanel]", getattr(import_module(module), name))
