"""The panels: which one a registry entry asks for by its `ui.panel_type`."""

from __future__ import annotations

import functools
import logging
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ominix_tui.panels.base import ModelPanel

logger = logging.getLogger(__name__)

FACTS = "ominix_tui.panels.facts:FactsPanel"
PANELS = {
    "ASRTranscription": "ominix_tui.panels.asr_transcription:ASRTranscriptionPanel",
    "ImageGeneration": "ominix_tui.panels.image_generation:ImageGenerationPanel",
    "LLMChat": "ominix_tui.panels.llm_chat:LLMChatPanel",
    "TTSSynthesis": "ominix_tui.panels.tts_synthesis:TTSSynthesisPanel",
    "VLMChat": "ominix_tui.panels.vlm_chat:VLMChatPanel",
}
"""Where each panel is. Other packages add theirs through the entry-point group `ominix.panels`."""


def panel_class(panel_type: str) -> type[ModelPanel]:
    """The panel for this type; one that nobody knows, or whose package is broken, gets the panel of plain facts."""
    if panel_type in PANELS:
        return _imported(PANELS[panel_type])
    if target := _of_other_packages().get(panel_type):
        try:
            return _imported(target)
        except Exception:  # it is somebody else's code
            logger.exception("the panel for %s cannot be used", panel_type)
    return _imported(FACTS)


def _imported(target: str) -> type[ModelPanel]:
    module, _, name = target.partition(":")
    return cast("type[ModelPanel]", getattr(import_module(module), name))


@functools.cache
def _of_other_packages() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group="ominix.panels")}
