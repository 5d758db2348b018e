"""Moxin-VLM against timm and transformers, by golden arrays; its checkpoints, its prompt, and its engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.moxin import MoxinEngine
from ominix_core.errors import LoadError, RequestError
from ominix_core.generation import ChatMessage, Sampling
from tests.support.tiny_moxin import (
    CONFIG,
    PATCHES,
    SIDE,
    checkpoint,
    image_pixels,
    make_tiny_moxin,
    photo_pixels,
    prompt_tokens,
    write_checkpoint,
)
from tests.support.tiny_vision_models import picture
from tests.vision.conftest import Driver, asking, turn

GREEDY = Sampling(temperature=0)
RED, BLUE = picture("red"), picture("blue")


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("golden") / "moxin.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_moxin(tmp_path_factory.mktemp("moxin") / "tiny-moxin")


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    from ominix_core.models.moxin_vlm.loading import load

    return load(folder)


@pytest.fixture
def drive_moxin(folder: Path) -> Iterator[Callable[..., Driver]]:
    engines: list[MoxinEngine] = []

    def load(other: Path = folder, **options: Any) -> Driver:
        engine = MoxinEngine()
        engine.load(other, LoadOptions(**options), lambda *_: None)
        engines.append(engine)
        return Driver(engine)

    yield load
    for engine in engines:
        engine.close()


def pixels() -> Any:
    import mlx.core as mx

    return mx.array(image_pixels().transpose(0, 2, 3, 1))


def furthest(ours: Any, reference: np.ndarray) -> float:
    return float(np.abs(np.array(ours) - reference).max())


def spliced_prompt() -> Any:
    import mlx.core as mx

    first, *rest = prompt_tokens()
    return mx.array([[first, *[CONFIG["pad_token_id"]] * PATCHES, *rest]])


def test_both_towers_see_what_timm_sees(model: Any, golden: dict[str, np.ndarray]) -> None:
    towers = model.vision_backbone
    assert furthest(towers.featurizer(pixels()[:1]), golden["dino"]) < 1e-4
    assert furthest(towers.fused_featurizer(pixels()[1:]), golden["siglip"]) < 1e-4


def test_the_projector_is_the_reference(model: Any, golden: dict[str, np.ndarray]) -> None:
    import mlx.core as mx

    seen = mx.concatenate([mx.array(golden["dino"]), mx.array(golden["siglip"])], axis=-1)
    assert furthest(model.projector(seen), golden["projector"]) < 1e-5


def test_the_logits_are_those_of_transformers(model: Any, golden: dict[str, np.ndarray]) -> None:
    embeddings = model.get_input_embeddings(spliced_prompt(), pixels()).inputs_embeds
    assert furthest(model.language_model(spliced_prompt(), inputs_embeds=embeddings), golden["logits"]) < 1e-4


def test_greedy_tokens_are_those_of_transformers(model: Any, golden: dict[str, np.ndarray]) -> None:
    from ominix_core.engines.sampling import make_sampler
    from ominix_core.engines.vision_batch import VisionBatch

    batch = VisionBatch(model, frozenset())
    batch.prefill_step_size = 7  # the image is cut, too
    batch.insert(
        spliced_prompt()[0].tolist(),
        max_tokens=len(golden["greedy"]),
        cache=None,
        all_tokens=[],
        sampler=make_sampler(GREEDY),
        logits_processors=[],
        inputs={"pixel_values": pixels()},
    )
    said: list[int] = []
    while len(said) < len(golden["greedy"]):
        said += [decoded.token for decoded in batch.next()[1]]
    assert said == golden["greedy"].tolist()


def test_images_are_prepared_as_torchvision_does_it(golden: dict[str, np.ndarray]) -> None:
    from PIL import Image

    from ominix_core.models.moxin_vlm.prompt import prepare_image

    assert furthest(prepare_image(Image.fromarray(photo_pixels()), SIDE), golden["photo"]) < 1e-6


def as_ominix_saves(weights: dict[str, Any], *, inner: bool) -> dict[str, Any]:
    """The same weights in the 8-bit layout, not quantized yet: q, k and v apart, other names, no pooling."""
    import mlx.core as mx

    saved: dict[str, Any] = {}
    for name, array in weights.items():
        if ".attn_pool." in name:
            continue
        name = name.replace("scale_factor", "gamma").replace(".attn.proj.", ".attn.out_proj.")
        if ".attn.qkv." in name:
            for letter, part in zip("qkv", np.split(array, 3), strict=True):
                saved[name.replace(".qkv.", f".{letter}_proj.")] = mx.array(part)
        elif name.startswith("language_model") and array.ndim == 2 and "embed_tokens" not in name:
            packed, scales, biases = mx.quantize(mx.array(array), group_size=64, bits=8)
            stem = name.removesuffix(".weight")
            saved |= {
                f"{stem}{'.inner' if inner else ''}.weight": packed,
                f"{stem}.scales": scales,
                f"{stem}.biases": biases,
            }
        else:
            saved[name] = mx.array(array)
    return saved


@pytest.mark.parametrize("inner", [True, False])
def test_the_8_bit_layout_answers_as_the_same_weights_quantized_at_load(
    inner: bool, drive_moxin: Callable[..., Driver], tmp_path: Path
) -> None:
    saved = write_checkpoint(tmp_path / "saved", as_ominix_saves(checkpoint(), inner=inner))
    request = asking(turn("What is this?", RED), sampling=GREEDY)
    ready, quantized = drive_moxin(saved), drive_moxin(variant="8bit")
    assert ready.ask(request).tokens == quantized.ask(request).tokens
    projection = ready.engine._model.language_model.layers[0].self_attn.q_proj
    assert (projection.bits, projection.group_size) == (8, 64)


def test_quantizing_at_load_leaves_what_sees_alone(drive_moxin: Callable[..., Driver]) -> None:
    import mlx.nn as nn

    model = drive_moxin(variant="4bit").engine._model
    assert model.language_model.lm_head.bits == 4
    assert isinstance(model.projector.fc1, nn.Linear)
    assert isinstance(model.vision_backbone.fused_featurizer.blocks[0].mlp.fc2, nn.Linear)


def test_blocks_that_are_never_run_are_not_loaded(model: Any) -> None:
    assert len(model.vision_backbone.featurizer.blocks) == 2
    assert len(model.vision_backbone.fused_featurizer.blocks) == 3


def test_other_names_of_the_same_weights_are_read(
    folder: Path, drive_moxin: Callable[..., Driver], tmp_path: Path
) -> None:
    import mlx.core as mx

    names = {
        "language_model.": "llm_backbone.llm.",
        "vision_backbone.featurizer.": "vision_backbone.featurizer.0.",
        "vision_backbone.fused_featurizer.": "vision_backbone.featurizer.1.",
        "projector.fc1.": "projector.0.",
        "projector.fc2.": "projector.2.",
        "projector.fc3.": "projector.4.",
    }
    renamed = {}
    for name, array in checkpoint().items():
        for ours, theirs in names.items():
            name = theirs + name.removeprefix(ours) if name.startswith(ours) else name
        renamed[name.replace("reg_token", "register_tokens")] = mx.array(array)
    other = write_checkpoint(tmp_path / "renamed", renamed)
    request = asking(turn("What is this?", RED), sampling=GREEDY)
    assert drive_moxin(other).ask(request).tokens == drive_moxin().ask(request).tokens


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([turn(" What is this? ")], "In: What is this?\nOut:"),
        ([turn("<image>\nWhat?")], "In: What?\nOut:"),
        (
            [turn("One"), ChatMessage("assistant", "First."), turn("Two")],
            "In: One\nOut: First.</s>In: Two\nOut:",
        ),
        ([ChatMessage("system", "Be brief."), turn("One")], "In: Be brief.\nOne\nOut:"),
    ],
)
def test_the_conversation_is_laid_out_as_it_was_taught(messages: list[ChatMessage], text: str) -> None:
    from ominix_core.models.moxin_vlm.prompt import lay_out

    assert lay_out(messages) == text


def test_what_was_begun_is_gone_on_with() -> None:
    from ominix_core.models.moxin_vlm.prompt import lay_out

    begun = [turn("Which"), turn("colour?"), ChatMessage("assistant", "It is")]
    assert lay_out(begun, goes_on=True) == "In: Which\n\ncolour?\nOut: It is"


def test_the_image_comes_right_after_the_first_token(drive_moxin: Callable[..., Driver]) -> None:
    prompt = drive_moxin().engine._encode(asking(turn("Hi", RED)))
    assert prompt.tokens[0] == 1
    assert prompt.tokens[1 : 1 + PATCHES] == [CONFIG["pad_token_id"]] * PATCHES
    assert CONFIG["pad_token_id"] not in prompt.tokens[1 + PATCHES :]
    assert prompt.inputs["pixel_values"].shape == (2, SIDE, SIDE, 3)


def test_a_conversation_about_an_image_goes_on(drive_moxin: Callable[..., Driver]) -> None:
    driver = drive_moxin()
    first = driver.ask(asking(turn("What is this?", RED), sampling=GREEDY))
    history = asking(turn("What is this?", RED), ChatMessage("assistant", first.text), turn("And?"), sampling=GREEDY)
    warm, cold = driver.ask(history), drive_moxin().ask(history)
    assert warm.end.usage.cached_tokens > PATCHES
    assert warm.tokens == cold.tokens
    assert driver.engine._model.vision_backbone.looked == 1


def test_requests_beside_each_other_answer_as_alone(drive_moxin: Callable[..., Driver]) -> None:
    requests = {
        "red": asking(turn("What is this?", RED), sampling=GREEDY, max_tokens=20),
        "blue": asking(turn("And what is this here?", BLUE), sampling=GREEDY),
        "words": asking(turn("Hello"), sampling=GREEDY, max_tokens=16),
    }
    alone = {name: drive_moxin().ask(request).tokens for name, request in requests.items()}
    together = drive_moxin()
    for name, request in requests.items():
        together.submit(request, name)
        together.step(2)
    together.finish()
    assert {name: told.tokens for name, told in together.told.items()} == alone
    assert alone["red"] != alone["words"]


def test_one_image_is_what_it_takes(drive_moxin: Callable[..., Driver]) -> None:
    driver = drive_moxin()
    assert driver.engine.abilities.images == 1
    with pytest.raises(RequestError, match="takes one image in a conversation, but there are 2"):
        driver.submit(asking(turn("Look", RED), ChatMessage("assistant", "yes"), turn("and?", BLUE)))


def test_tools_are_refused(drive_moxin: Callable[..., Driver]) -> None:
    with pytest.raises(RequestError, match="cannot call tools"):
        drive_moxin().submit(asking(turn("Look"), tools=[{"type": "function", "function": {"name": "a"}}]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda weights: weights.pop("vision_backbone.featurizer.pos_embed"), "holds no Moxin-VLM"),
        (lambda weights: weights.pop("projector.fc2.bias"), "they lack one array: projector.fc2.bias"),
        (lambda weights: weights.clear(), "holds no Moxin-VLM"),
    ],
)
def test_a_checkpoint_that_lacks_something_is_told_by_its_name(
    change: Callable[[Any], Any], reason: str, tmp_path: Path
) -> None:
    import mlx.core as mx

    weights = {name: mx.array(array) for name, array in checkpoint().items()}
    change(weights)
    broken = write_checkpoint(tmp_path / "broken", weights or {"unrelated": mx.zeros((2,))})
    with pytest.raises(LoadError, match=f"broken.*{reason}"):
        MoxinEngine().load(broken, LoadOptions(), lambda *_: None)


def test_an_unknown_variant_is_refused(folder: Path) -> None:
    with pytest.raises(LoadError, match="'3bit' is no variant of tiny-moxin"):
        MoxinEngine().load(folder, LoadOptions(variant="3bit"), lambda *_: None)


def test_the_guard_knows_the_cache_of_a_checkpoint_that_says_little(tmp_path: Path) -> None:
    from ominix_core.memory import need_of

    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "prismatic", "text_config": {"model_type": "mistral"}})
    )
    per_token = 36 * 2 * 8 * 128 * 2
    assert need_of(tmp_path, 2048, dense_float32=False).kv_cache == 2048 * per_token
