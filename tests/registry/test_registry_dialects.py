"""Every registry file that exists loads, whatever names it uses, and tells what cannot run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry_json import all_fields, said_fields
from tests.registry import samples


def read(tmp_path: Path, value: Any) -> Registry:
    file = tmp_path / "registry.json"
    file.write_text(json.dumps(value))
    return Registry.from_file(file)


def test_all_39_sample_entries_load(tmp_path: Path) -> None:
    counts = []
    for sample in (samples.PLAN, samples.LLAMA4, samples.STUDIO):
        registry = read(tmp_path, sample)
        assert registry.problems == ()
        counts.append(len(registry.entries))
    assert counts == [5, 1, 33]


def test_the_plan_s_entries_say_what_they_say(tmp_path: Path) -> None:
    registry = read(tmp_path, samples.PLAN)
    qwen = registry.resolve("mlx-community/Qwen3-8B-8bit")
    assert (qwen.id, qwen.category, qwen.subcategory, qwen.size_bytes) == ("qwen3-8b", "LLM", "Chat", 8589934592)
    assert qwen.runtime.memory_gb == 9.5
    assert qwen.storage.expected_files == ("model.safetensors", "tokenizer.json")
    assert registry.resolve("paraformer-large").id == "funasr-paraformer"
    assert [entry.runtime.engine for entry in registry.entries] == [
        "mlx-lm",
        "moxin-vlm",
        "paraformer",
        "gpt-sovits",
        "flux2",
    ]


def test_a_registry_cannot_say_where_files_go_or_which_server_answers(tmp_path: Path) -> None:
    told = json.dumps(said_fields(read(tmp_path, samples.PLAN).resolve("qwen3-8b")))
    assert "local_path" not in told
    assert "load_endpoint" not in told


def test_studio_names_become_the_canonical_ones(tmp_path: Path) -> None:
    entry = read(tmp_path, samples.STUDIO).resolve("qwen3-tts")
    assert (entry.category, entry.subcategory, entry.runtime.api_type) == ("TTS", "Family", "audio_speech")
    assert (entry.ui.panel_type, entry.runtime.engine, entry.size_bytes) == ("TTSSynthesis", "mlx-audio-tts", 5_000_000)
    assert entry.repo == "mlx-community/Qwen3-TTS-8bit"


def test_parts_of_a_model_keep_their_own_folder(tmp_path: Path) -> None:
    (part,) = read(tmp_path, samples.STUDIO).resolve("wan2.2-5b-q4km").extra_sources
    assert part.folder == "VAE"
    assert part.source.type == "DirectUrl"


@pytest.mark.parametrize(
    ("model_id", "reason"),
    [
        ("qwen3-8b-q8", "GGUF"),
        ("wan2.2-5b-q8", "no panel for video_gen"),
        ("qwen-image-4bit", "no engine for this family"),
        ("qwen-image-edit", "GGUF"),
    ],
)
def test_what_cannot_run_is_listed_with_its_reason(tmp_path: Path, model_id: str, reason: str) -> None:
    assert reason in (read(tmp_path, samples.STUDIO).resolve(model_id).unsupported_reason("apple_silicon") or "")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"runtime": {"engine": "torch"}}, "the engine 'torch'"),
        ({"runtime": {"platforms": ["cuda"]}}, "It runs on an NVIDIA GPU only."),
        ({"runtime": {"platforms": ["apple_silicon"]}}, None),
        ({"min_app_version": "99.1"}, "needs Ominix 99.1"),
        ({"source": None}, "names no source"),
        ({"source": {"type": "IPFS", "cid": "Qm"}}, "'IPFS' is of an unknown kind"),
        ({"source": {"type": "DirectUrl", "url": "https://example.com/m.gguf"}}, "GGUF"),
    ],
)
def test_reasons_are_sentences_for_people(tmp_path: Path, fields: dict[str, Any], reason: str | None) -> None:
    entry = {"id": "m", "source": {"repo": "owner/m"}, "category": "LLM", **fields}
    found = read(tmp_path, entry).resolve("m").unsupported_reason("apple_silicon")
    assert (reason in found and found.endswith(".")) if reason and found else found == reason


def test_rust_enums_and_modelscope(tmp_path: Path) -> None:
    registry = read(tmp_path, samples.RUST_ENUMS)
    assert registry.problems == ()
    glm, whisper = registry.entries
    assert (glm.source.type, glm.repo, glm.runtime.api_type) == ("HuggingFace", "owner/glm", "chat_completions")
    assert (whisper.source.type, whisper.runtime.api_type) == ("ModelScope", "audio_transcription")
    assert all_fields(glm)["source"]["revision"] == "v1"
    assert all_fields(whisper)["source"]["revision"] == "master"


def test_flat_entries_in_a_bare_list(tmp_path: Path) -> None:
    registry = read(tmp_path, samples.ADDING_MODELS)
    assert registry.problems == ()
    asr, tts, image = registry.entries
    assert (asr.category, asr.runtime.api_type, asr.ui.panel_type) == ("ASR", "audio_transcription", "ASRTranscription")
    assert (tts.runtime.api_type, tts.ui.panel_type) == ("audio_speech", "TTSSynthesis")
    assert (image.runtime.engine, image.size_bytes) == ("z-image", 6_500_000_000)


def test_the_api_s_catalogue(tmp_path: Path) -> None:
    registry = read(tmp_path, samples.API_CATALOGUE)
    assert registry.problems == ()
    image, paraformer = registry.entries
    assert (image.source.type, image.repo, image.size_bytes) == ("HuggingFace", "owner/z-image", 12_900_000_000)
    assert image.runtime.memory_gb == pytest.approx(14.68, abs=0.01)
    assert image.runtime.engine == "z-image"
    assert (paraformer.source.type, paraformer.runtime.engine) == ("ModelScope", "paraformer")


def test_models_by_id_and_a_source_in_one_word(tmp_path: Path) -> None:
    registry = read(tmp_path, {"models": {"a": {"repo": "owner/a", "category": "llm"}, "b": {"source": "owner/b"}}})
    assert [(entry.id, entry.repo) for entry in registry.entries] == [("a", "owner/a"), ("b", "owner/b")]


def test_unknown_fields_survive_a_round_trip(tmp_path: Path) -> None:
    entry = {
        "id": "m",
        "source": {"type": "HuggingFace", "repo": "owner/m", "mirror": 1},
        "runtime": {"tokens_per_second": 40},
        "benchmarks": {"mmlu": [1, 2.5, None, "x"]},
    }
    said = said_fields(read(tmp_path, entry).resolve("m"))
    assert said["benchmarks"] == {"mmlu": [1, 2.5, None, "x"]}
    assert said["runtime"]["tokens_per_second"] == 40
    assert said["source"]["mirror"] == 1
    assert said_fields(read(tmp_path, said).resolve("m")) == said
