"""The catalogue that ships: complete, valid, and honest about what it does not know."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry import HuggingFaceSource
from ominix_core.registry.schema import registry_schema, schema_text

REPOSITORY = Path(__file__).parents[2]
PLAN_IDS = {
    "LLM": "qwen2-0.5b qwen2-7b qwen2-72b qwen3-0.6b qwen3-8b qwen3-72b qwen3-235b-moe glm4-9b glm4-moe-9b "
    "mixtral-8x7b mixtral-8x22b mistral-7b minicpm-sala-9b",
    "VLM": "moxin-7b-vlm",
    "ASR": "funasr-paraformer funasr-nano",
    "TTS": "gpt-sovits",
    "ImageGen": "flux-klein zimage-turbo",
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.bundled()


def test_every_entry_is_valid(registry: Registry) -> None:
    assert registry.problems == ()
    assert len(registry.entries) >= 40


def test_every_model_of_the_plan_is_there_with_source_and_memory(registry: Registry) -> None:
    for category, ids in PLAN_IDS.items():
        for model_id in ids.split():
            entry = registry.resolve(model_id)
            assert entry.category == category
            assert entry.repo
            assert entry.runtime.memory_gb
            assert entry.evidence


def test_every_category_has_a_choice(registry: Registry) -> None:
    counts = Counter(entry.category for entry in registry.entries)
    assert all(counts[category] >= 4 for category in PLAN_IDS)


def test_every_model_runs_on_a_mac_or_says_which_engine_is_missing(registry: Registry) -> None:
    reasons = {entry.runtime.engine: entry.unsupported_reason("apple_silicon") for entry in registry.entries}
    assert reasons["mlx-lm"] is None
    for engine, reason in reasons.items():
        assert reason is None or f"the engine '{engine}', which this version of Ominix does not have" in reason


def test_models_that_do_not_exist_say_so(registry: Registry) -> None:
    assert "There is no Qwen3 with 72B" in registry.resolve("qwen3-72b").description
    assert "There is no GLM-4 mixture of experts with 9B" in registry.resolve("glm4-moe-9b").description


def test_the_demo_model_comes_first(registry: Registry) -> None:
    demo = registry.entries[0]
    assert (demo.id, demo.source.type, demo.license) == ("smollm2-135m", "PyPI", "Apache-2.0")


def test_panels_start_with_what_is_true_for_the_model(registry: Registry) -> None:
    flux, turbo = registry.resolve("flux-klein").defaults, registry.resolve("zimage-turbo").defaults
    assert (flux.steps, flux.guidance, flux.negative_prompt) == (4, 1.0, False)
    assert (turbo.steps, turbo.guidance) == (8, 0.0)
    kokoro = registry.resolve("kokoro-82m").defaults
    assert kokoro.voice in kokoro.voices


def test_memory_covers_the_weights(registry: Registry) -> None:
    for entry in registry.entries:
        if entry.size_bytes and entry.runtime.memory_gb:
            assert entry.runtime.memory_gb > entry.size_bytes / 1e9, entry.id


def test_no_two_models_share_a_name(registry: Registry) -> None:
    for names in ([e.name for e in registry.entries], [e.api_id for e in registry.entries]):
        assert len(names) == len(set(names))


def test_an_entry_says_whether_and_how_it_was_verified(registry: Registry) -> None:
    assert all(entry.evidence for entry in registry.entries)
    assert {entry.id for entry in registry.entries if not entry.verified} == {
        "moxin-7b-vlm",
        "funasr-paraformer",
        "gpt-sovits",
    }


def test_repositories_pin_a_revision(registry: Registry) -> None:
    assert all(e.source.revision for e in registry.entries if isinstance(e.source, HuggingFaceSource))


def test_the_schema_file_is_what_the_types_say() -> None:
    assert (REPOSITORY / "registry" / "schema.json").read_text() == schema_text(), (
        "run: python -m ominix_core.registry.schema > registry/schema.json"
    )


def test_the_schema_accepts_the_catalogue_and_refuses_a_faulty_one() -> None:
    validator = Draft202012Validator(registry_schema())
    catalogue = json.loads((REPOSITORY / "registry" / "models_registry.json").read_bytes())
    assert list(validator.iter_errors(catalogue)) == []
    catalogue["models"][1] |= {"id": "Not An Id", "size_bytes": -1}
    catalogue["models"][1]["source"]["repo"] = "../x"
    places = {".".join(map(str, error.absolute_path)) for error in validator.iter_errors(catalogue)}
    assert places == {"models.1.id", "models.1.size_bytes", "models.1.source"}


def test_the_schema_describes_fields() -> None:
    properties = registry_schema()["$defs"]["Runtime"]["properties"]
    assert properties["memory_gb"]["description"] == "Memory that a loaded model needs, in units of 10^9 bytes."


def test_the_schema_names_what_an_entry_needs() -> None:
    schema = registry_schema()
    assert schema["$defs"]["RegistryEntry"]["required"] == ["id"]
    assert "steps" in schema["$defs"]["Defaults"]["properties"]


def test_private_keys_are_not_in_the_repository() -> None:
    assert list((REPOSITORY / "registry").rglob("*.key")) == []


def test_the_catalogue_is_plain_json() -> None:
    document = json.loads((REPOSITORY / "registry" / "models_registry.json").read_bytes())
    assert document["version"] == "1.0.0"


def test_the_demo_model_answers_without_chance(registry: Registry) -> None:
    """At its card's 0.2 one first answer in five was wrong."""
    sampling = registry.resolve("smollm2-135m").defaults.sampling
    assert (sampling.temperature, sampling.top_p) == (0.0, 0.9)
