"""Large catalogues."""

from __future__ import annotations

from ominix_core.registry.entry import RegistryEntry
from ominix_core.registry.entry_json import read_entry


def many_models(number: int) -> list[RegistryEntry]:
    return [
        read_entry(
            {
                "id": f"model-{index:05}-{index % 97}b",
                "name": f"Model {index:05} {'Instruct' if index % 2 else 'Coder'} {index % 97}B",
                "description": "A model of the large catalogue, with a sentence that describes what it is good for.",
                "category": ("LLM", "LLM", "LLM", "VLM", "ASR", "TTS", "ImageGen")[index % 7],
                "tags": ["chat", f"family-{index % 50}"],
                "source": {"type": "HuggingFace", "repo": f"owner/model-{index}"},
            }
        )
        for index in range(number)
    ]
