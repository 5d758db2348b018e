"""What a vision model's files say of its ends, its templates and its weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.moxin import MoxinEngine
from ominix_core.engines.vision import VisionEngine
from ominix_core.errors import LoadError
from ominix_core.generation import ChatMessage, ChatRequest, Failed
from tests.support.chat import ask
from tests.support.tiny_models import CHAT_TEMPLATE as FOR_TOOLS
from tests.support.tiny_moxin import checkpoint, write_checkpoint
from tests.support.tiny_vision_models import CHAT_TEMPLATE, TOKEN

Vlms = Callable[[str], Path]

PUT = {"type": "function", "function": {"name": "put", "parameters": {"type": "object", "properties": {}}}}
ONE, TURN = TOKEN["<|reserved_0|>"], TOKEN["<|im_end|>"]
IN_PARTS = FOR_TOOLS.replace("{{ message.content }}", "{% for p in message.content %}{{ p.text }}{% endfor %}")


@pytest.fixture
def folder(tiny_vlms: Vlms, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_vlms("qwen3_vl"), tmp_path / "seer")


def edit(folder: Path, file: str, **values: Any) -> None:
    path = folder / file
    content = json.loads(path.read_text()) if path.exists() else {}
    kept = {name: value for name, value in (content | values).items() if value is not None}
    path.write_text(json.dumps(kept))


def load(folder: Path) -> VisionEngine:
    engine = VisionEngine()
    engine.load(folder, LoadOptions(local=True), lambda *_: None)
    return engine


@pytest.mark.parametrize(
    ("config", "generation", "text"),
    [([TURN, ONE], None, None), (TURN, [ONE], None), ([TURN, ONE], TURN, None), (None, None, [TURN, ONE])],
    ids=["config.json", "generation_config.json", "both, the shorter list in the latter", "text_config"],
)
def test_ends_are_those_of_every_file(folder: Path, config: Any, generation: Any, text: Any) -> None:
    own = json.loads((folder / "config.json").read_text())["text_config"]
    edit(folder, "config.json", eos_token_id=config, text_config=own | {"eos_token_id": text})
    if generation is not None:
        edit(folder, "generation_config.json", eos_token_id=generation)
    assert load(folder)._tokenizer.eos_token_ids == {TURN, ONE}


def test_ends_of_moxin(tmp_path: Path) -> None:
    import mlx.core as mx

    folder = write_checkpoint(tmp_path / "moxin", {name: mx.array(array) for name, array in checkpoint().items()})
    edit(folder, "generation_config.json", eos_token_id=[2, 7])
    engine = MoxinEngine()
    engine.load(folder, LoadOptions(), lambda *_: None)
    assert {2, 7} <= engine._tokenizer.eos_token_ids


@pytest.mark.parametrize(
    "layout",
    [
        {"chat_template.jinja": CHAT_TEMPLATE, "additional_chat_templates/tool_use.jinja": IN_PARTS},
        {"additional_chat_templates/tool_use.jinja": IN_PARTS},
        {"chat_template.json": json.dumps({"chat_template": IN_PARTS})},
    ],
    ids=["two files", "only for tools", "the processor's"],
)
def test_tools_are_taken_wherever_their_template_is(folder: Path, layout: dict[str, str]) -> None:
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    (folder / "additional_chat_templates").mkdir()
    for file, content in layout.items():
        (folder / file).write_text(content)
    engine = load(folder)
    request = ChatRequest(messages=[ChatMessage("user", "go")], max_tokens=4, tools=[PUT])
    tokens = engine._encode(request).tokens
    assert '"name": "put"' in engine._tokenizer.decode(tokens)
    plain = engine._encode(ask("go")).tokens
    assert "put" not in engine._tokenizer.decode(plain)


def test_a_missing_shard_is_told_by_its_name(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(LoadError, match=r"^model-00002-of-00002\.safetensors of seer is missing\.$"):
        load(folder)


def test_an_unknown_architecture(folder: Path) -> None:
    edit(folder, "config.json", model_type="zzz_new")
    with pytest.raises(LoadError, match=r"\(mlx-vlm [\d.]+\) cannot run 'zzz_new', the architecture of seer"):
        load(folder)
    edit(folder, "config.json", model_type="gptj")
    with pytest.raises(LoadError, match="mlx-lm can: let its entry in the registry be of the category LLM"):
        load(folder)


def test_weights_without_numbers_end_a_request(folder: Path) -> None:
    import mlx.core as mx

    weights = mx.load(str(folder / "model.safetensors"))
    assert isinstance(weights, dict)
    name = next(name for name in weights if name.endswith("layers.0.input_layernorm.weight"))
    weights[name] = mx.full(weights[name].shape, float("nan"))
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    engine = load(folder)
    for request_id in ("1", "2"):
        engine.submit(request_id, ask("hello", 100))
    events = []
    while engine.busy:
        events += [event for _, event in engine.step()]
    failed = [event for event in events if isinstance(event, Failed)]
    assert len(failed) == 2
    assert all("yield no numbers (NaN)" in event.message for event in failed)
