"""Which files of a repository are fetched: the model, and neither copies nor leftovers of it."""

from __future__ import annotations

import pytest

from ominix_core.registry.contents import wanted

MODEL = ["config.json", "model.safetensors", "tokenizer.json"]


@pytest.mark.parametrize(
    "leftovers",
    [
        ["checkpoint-500/model.safetensors", "checkpoint-500/config.json", "checkpoint-500/trainer_state.json"],
        ["global_step120/model.safetensors"],
        ["fp16/model.safetensors", "bf16/model.safetensors", "4bit/model.safetensors", "8-bit/config.json"],
        ["original/consolidated.00.safetensors", "original/params.json", "original/tokenizer.model"],
        ["consolidated.safetensors", "consolidated-00001-of-00002.safetensors"],
        ["model.fp16.safetensors"],
        ["onnx/config.json", "onnx/model.onnx", "openvino/config.json", "metal/model.bin", "gguf/m.gguf"],
        ["pytorch_model.bin", "model.pth", "m-Q4_K_M.gguf", "model.onnx", "tf_model.h5", "flax_model.msgpack"],
        ["optimizer.pt", "optimizer.safetensors", "trainer_state.json", "training_args.bin", "random_states_0.pkl"],
        ["a/b/checkpoint-12/model.safetensors"],
    ],
    ids=lambda names: names[0],
)
def test_leftovers_stay_where_they_are(leftovers: list[str]) -> None:
    assert wanted([*leftovers, *MODEL]) == MODEL


@pytest.mark.parametrize(
    "parts",
    [
        ["speech_tokenizer/config.json", "speech_tokenizer/model.safetensors"],
        ["voices/af_heart.safetensors", "voices/bm_george.safetensors"],
        ["1_Pooling/config.json", "2_Dense/model.safetensors", "modules.json"],
        ["tokenizer-e351c8d8-checkpoint125.safetensors"],
        ["conds.safetensors", "t3/model.safetensors", "audio_tokenizer/model.safetensors"],
        ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        ["additional_chat_templates/tool_use.jinja", "chat_template.jinja"],
    ],
    ids=lambda names: names[0],
)
def test_parts_of_a_model_come_along(parts: list[str]) -> None:
    assert wanted([*MODEL, *parts]) == [*MODEL, *parts]


def test_what_is_there_once_is_no_copy() -> None:
    only = ["config.json", "consolidated.safetensors"]
    assert wanted(only) == only
    below = ["config.json", "fp16/model.safetensors"]
    assert wanted(below) == below
    variant = ["config.json", "model.fp16.safetensors"]
    assert wanted(variant) == variant


def test_of_a_pipeline_its_parts_without_their_variants() -> None:
    parts = ["model_index.json", "transformer/a.safetensors", "vae/b.safetensors", "text_encoder/model.safetensors"]
    copies = ["vae/b.fp16.safetensors", "flux.safetensors", "unet/c.safetensors"]
    assert wanted([*parts, *copies]) == parts


def test_what_an_entry_names_is_taken_even_if_it_looks_like_a_leftover() -> None:
    names = [*MODEL, "fp16/model.safetensors", "original/params.json", "weights.npz"]
    assert set(wanted(names, ["fp16/*.safetensors", "weights.npz"])) == {
        "config.json",
        "tokenizer.json",
        "fp16/model.safetensors",
        "weights.npz",
    }
