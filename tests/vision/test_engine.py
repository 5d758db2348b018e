"""The vision engine against mlx-vlm called directly, and what it promises beyond that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.vision import VisionEngine
from ominix_core.engines.vision_loading import RememberingTower
from ominix_core.errors import LoadError, RequestError
from ominix_core.generation import ChatMessage, CompletionRequest, EmbeddingRequest, Grammar, Sampling
from tests.support.tiny_vision_models import picture
from tests.vision.conftest import NO_SECTIONS, Driver, Told, asking, decoded, turn

FAMILIES = ["qwen3_vl", "qwen2_5_vl", "gemma3", "smolvlm", "gemma4"]
RED, BLUE = picture("red"), picture("blue", 60, 100)

Drive = Callable[..., Driver]
Vlms = Callable[[str], Path]


@pytest.fixture(scope="module")
def shared(tiny_vlms: Vlms) -> Iterator[Callable[[str], Driver]]:
    """A driver for each family, for tests that do not mind what was asked before."""
    drivers: dict[str, Driver] = {}

    def driver(family: str) -> Driver:
        if family not in drivers:
            engine = VisionEngine()
            engine.load(tiny_vlms(family), LoadOptions(), lambda *_: None)
            drivers[family] = Driver(engine)
        return drivers[family]

    yield driver
    for each in drivers.values():
        each.close()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "messages",
    [
        (turn("What is this?", RED),),
        (turn("And together?", RED, BLUE),),
        (turn("Only words."),),
        (turn("First", RED), ChatMessage("assistant", "a red one"), turn("Second", BLUE)),
        (turn("First", BLUE), ChatMessage("assistant", "a blue one"), turn("which one?")),
    ],
    ids=["image", "two images", "text", "image in a later turn", "image in an earlier turn"],
)
def test_greedy_tokens_are_those_of_mlx_vlm(
    family: str,
    messages: tuple[ChatMessage, ...],
    shared: Callable[[str], Driver],
    tiny_vlms: Vlms,
    straight_from_mlx_vlm: Callable[..., list[bytes]],
) -> None:
    told = shared(family).ask(asking(*messages))
    assert decoded(told) == straight_from_mlx_vlm(tiny_vlms(family), *messages)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_image_shows_changes_the_answer(family: str, shared: Callable[[str], Driver]) -> None:
    driver = shared(family)
    red, blue = (driver.ask(asking(turn("What is this?", image))).tokens for image in (RED, picture("blue")))
    assert red != blue
    assert driver.ask(asking(turn("What is this?", RED))).tokens == red


@pytest.mark.parametrize("family", FAMILIES)
def test_others_that_join_and_leave_change_nothing(family: str, drive: Drive) -> None:
    requests = {
        "first": asking(turn("One", RED), max_tokens=24),
        "second": asking(turn("Two, a longer one", BLUE, RED), max_tokens=10),
        "third": asking(turn("Three, without any image at all"), max_tokens=30),
        "leaver": asking(turn("Four", BLUE), max_tokens=40),
    }
    alone = {name: drive(family).ask(request).tokens for name, request in requests.items()}
    together = drive(family)
    for name, request in requests.items():
        together.submit(request, name)
        together.step(3)
    together.engine.cancel("leaver")
    together.finish()
    for name in ("first", "second", "third"):
        assert together.told[name].tokens == alone[name], name
    left = together.told["leaver"]
    assert left.end.reason == "cancelled"
    assert left.tokens == alone["leaver"][: len(left.tokens)]


def test_answers_whose_caches_cannot_be_put_together_take_turns(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = {name: asking(turn(name, image), max_tokens=20) for name, image in (("red", RED), ("blue", BLUE))}
    alone = {name: drive().ask(request).tokens for name, request in requests.items()}
    monkeypatch.setattr("ominix_core.engines.vision_batch._can_batch", lambda _: False)
    together = drive()
    for name, request in requests.items():
        together.submit(request, name)
    together.step(8)
    assert all(len(told.tokens) > 3 for told in together.told.values()), "nobody waits for the other"
    together.finish()
    assert {name: told.tokens for name, told in together.told.items()} == alone


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_read_in_pieces_gives_the_same_answer(
    family: str, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asking(turn("x" * 150, RED, BLUE))
    whole = drive(family)
    monkeypatch.setattr(whole.engine._pace, "chunk", lambda *_, **__: 4096)
    pieces = drive(family)
    monkeypatch.setattr(pieces.engine._pace, "chunk", lambda *_, **__: 32)
    assert pieces.ask(request).tokens == whole.ask(request).tokens
    assert len(pieces.told["only"].events) > len(whole.told["only"].events)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_next_turn_reads_only_what_is_new_and_answers_the_same(family: str, drive: Drive) -> None:
    driver = drive(family)
    first = driver.ask(asking(turn("Look", RED)))
    history = (turn("Look", RED), ChatMessage("assistant", first.text), turn("and now?", BLUE))
    warm = driver.ask(asking(*history))
    cold = drive(family).ask(asking(*history))
    assert warm.end.usage.cached_tokens >= first.end.usage.prompt_tokens - 1
    assert cold.end.usage.cached_tokens == 0
    assert warm.tokens == cold.tokens


def test_the_same_words_about_another_image_share_no_cache_of_it(drive: Drive) -> None:
    driver = drive()
    driver.ask(asking(turn("What is this?", RED)))
    other = driver.ask(asking(turn("What is this?", picture("blue"))))
    # what comes before the image may be shared, the image not
    assert other.end.usage.cached_tokens < other.end.usage.prompt_tokens - 10


@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_is_looked_at_once_in_a_conversation(family: str, drive: Drive) -> None:
    driver = drive(family)
    (tower,) = (part for part in vars(driver.engine._model).values() if isinstance(part, RememberingTower))
    first = driver.ask(asking(turn("Look", RED)))
    driver.ask(asking(turn("Look", RED), ChatMessage("assistant", first.text), turn("again")))
    driver.ask(asking(turn("Something else about it", RED)))
    assert tower.looked == 1
    driver.engine.trim()
    driver.ask(asking(turn("Look", RED)))
    assert tower.looked == 2


def test_cancelling_a_prompt_that_is_being_read_is_harmless(drive: Drive) -> None:
    driver = drive()
    alone = drive().ask(asking(turn("y" * 300, RED))).tokens
    driver.submit(asking(turn("z" * 900, BLUE)), "gone")
    driver.step(2)
    driver.engine.cancel("gone")
    driver.step()
    assert driver.told["gone"].end.reason == "cancelled"
    assert not driver.engine.busy
    assert driver.ask(asking(turn("y" * 300, RED))).tokens == alone


def test_a_seed_gives_the_answer_again(drive: Drive) -> None:
    driver = drive()
    drawn = [
        driver.ask(
            asking(turn("Look", RED), sampling=Sampling(temperature=1.5, seed=seed, logit_bias=NO_SECTIONS))
        ).tokens
        for seed in (7, 7, 8)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_different_samplers_share_a_batch(drive: Drive) -> None:
    seeded = Sampling(temperature=1.5, seed=3, logit_bias=NO_SECTIONS)
    alone = [
        drive().ask(asking(turn("Look", RED))).tokens,
        drive().ask(asking(turn("Look", BLUE), sampling=seeded)).tokens,
    ]
    together = drive()
    together.submit(asking(turn("Look", RED)), "greedy")
    together.submit(asking(turn("Look", BLUE), sampling=seeded), "seeded")
    together.finish()
    assert [together.told["greedy"].tokens, together.told["seeded"].tokens] == alone


def test_the_likeliest_alternatives_are_told(drive: Drive) -> None:
    told = drive().ask(asking(turn("Look", RED), logprobs=3))
    entries = [entry for event in told.events for entry in getattr(event, "logprobs", ())]
    assert len(entries) == 12
    for entry in entries:
        assert len(entry.top) == 3
        assert entry.top[0].logprob == pytest.approx(entry.logprob, abs=1e-4), "greedy takes the likeliest"


def test_answers_keep_to_a_grammar(drive: Drive) -> None:
    request = asking(turn("Which colour?", RED), grammar=Grammar("regex", "red|blue"), logprobs=None)
    told = drive().ask(request)
    assert told.text in ("red", "blue")
    assert told.end.reason == "stop"


def test_an_answer_ends_before_a_stop_string(drive: Drive) -> None:
    driver = drive()
    whole = driver.ask(asking(turn("Look", RED))).text
    stop = whole[3:5]
    told = driver.ask(asking(turn("Look", RED), stop=(stop,)))
    assert told.text == whole[: whole.index(stop)]
    assert (told.end.reason, told.end.stop) == ("stop", stop)


def test_counting_tokens_answers_nothing(drive: Drive) -> None:
    told = drive().ask(asking(turn("Look", RED), max_tokens=0))
    assert told.end.usage.completion_tokens == 0
    assert told.end.usage.prompt_tokens > 20


def test_text_alone_can_be_continued(drive: Drive) -> None:
    driver = drive()
    driver.engine.submit("only", CompletionRequest(prompt="Once upon", max_tokens=5, sampling=Sampling(temperature=0)))
    driver.told["only"] = Told()
    driver.finish()
    assert driver.told["only"].end.usage.completion_tokens == 5


def test_a_conversation_that_is_too_long_is_refused_with_the_numbers(drive: Drive) -> None:
    with pytest.raises(RequestError, match=r"is 4,0\d\d|is 4,1\d\d") as refusal:
        drive().submit(asking(turn("x" * 4090, RED)))
    assert refusal.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (asking(turn("Look", b"not an image")), "not an image"),
        (asking(turn("Look", RED[:200])), "cut short"),
        (asking(turn("Look", *[RED] * 65)), "takes 64 images"),
        (asking(ChatMessage("system", "Look", images=(RED,)), turn("hi")), "belong to what the user says"),
        (asking(turn("Look", picture("red", 2000, 5))), "cannot take this image"),
        (asking(turn("Look <|vision_start|><|image_pad|><|vision_end|>")), "no image comes with it"),
        (EmbeddingRequest(["text"]), "writes text"),
    ],
    ids=["no image", "truncated", "too many", "elsewhere", "too narrow", "mark", "embedding"],
)
def test_what_cannot_be_answered_is_refused_and_harms_nobody(request_: Any, reason: str, drive: Drive) -> None:
    from ominix_core.errors import OminixError

    driver = drive()
    driver.submit(asking(turn("Look", BLUE)), "other")
    driver.step(3)
    with pytest.raises(OminixError, match=reason):
        driver.submit(request_)
    driver.finish()
    assert driver.told["other"].tokens == drive().ask(asking(turn("Look", BLUE))).tokens


def test_a_prompt_that_cannot_be_read_fails_alone(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = drive()
    alone = drive().ask(asking(turn("Look", BLUE))).tokens
    driver.submit(asking(turn("Look", BLUE)), "other")
    driver.step(3)
    driver.submit(asking(turn("Look", RED)))

    def break_down(*_: Any, **__: Any) -> None:
        raise ValueError("shapes do not fit")

    monkeypatch.setattr(type(driver.engine._model), "get_input_embeddings", break_down)
    driver.finish()
    assert "shapes do not fit" in driver.told["only"].failure.message
    assert driver.told["other"].tokens == alone


def test_the_load_reports_bytes_of_weights_and_its_abilities(tiny_vlms: Vlms) -> None:
    reports: list[tuple[str, int, int]] = []
    engine = VisionEngine()
    engine.load(tiny_vlms("qwen3_vl"), LoadOptions(), lambda *report: reports.append(report))
    loading = [report for report in reports if report[0] == "loading weights"]
    assert loading[0][1] == 0
    assert loading[-1][1] == loading[-1][2] > 100_000
    assert [done for _, done, _ in loading] == sorted({done for _, done, _ in loading})
    assert engine.abilities.images == 64
    engine.close()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", {"model_file": "evil.py"}),
        ("config.json", {"auto_map": {"AutoModel": "evil.Model"}}),
        ("preprocessor_config.json", {"auto_map": {"AutoImageProcessor": "evil.Processor"}}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}),
    ],
)
def test_code_in_a_checkpoint_is_not_run_unasked(
    file: str, content: dict[str, Any], tiny_vlms: Vlms, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(tiny_vlms("qwen3_vl"), folder)
    config = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(config | content))
    (folder / "evil.py").write_text("raise SystemExit('the code ran')")
    with pytest.raises(LoadError, match=r"Python code of its own \(evil.py\)"):
        VisionEngine().load(folder, LoadOptions(), lambda *_: None)


def test_a_damaged_checkpoint_is_told_by_its_name(tiny_vlms: Vlms, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "broken-model"
    shutil.copytree(tiny_vlms("qwen3_vl"), folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(LoadError, match=r"model\.safetensors of broken-model is cut short: .* Get the model again\."):
        VisionEngine().load(folder, LoadOptions(), lambda *_: None)


def test_a_family_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mllama"}))
    with pytest.raises(LoadError, match="of the family mllama"):
        VisionEngine().load(tmp_path, LoadOptions(), lambda *_: None)


def test_a_family_that_takes_one_image_says_so(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlx_vlm.prompt_utils.SINGLE_IMAGE_ONLY_MODELS", {"qwen3_vl"})
    driver = drive()
    assert driver.engine.abilities.images == 1
    with pytest.raises(RequestError, match="takes one image in a conversation, but there are 2") as refusal:
        driver.submit(asking(turn("First", RED), ChatMessage("assistant", "red"), turn("Second", BLUE)))
    assert refusal.value.code == "too_many_images"


def test_a_family_that_reads_bare_prompts_does_not_lose_what_was_said(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlx_vlm.prompt_utils import MODEL_CONFIG, MessageFormat

    monkeypatch.setitem(MODEL_CONFIG, "qwen3_vl", MessageFormat.PROMPT_ONLY)
    driver = drive()
    assert len(driver.ask(asking(turn("Look"))).tokens) == 12
    assert len(driver.ask(asking(ChatMessage("system", "Be brief."), turn("Look"))).tokens) == 12
    with pytest.raises(RequestError, match="takes nothing that was said before"):
        driver.submit(asking(turn("Look"), ChatMessage("assistant", "A fox."), turn("Where?")))


def test_images_stay_where_they_were_shown(drive: Drive) -> None:
    """Also in turns that are joined because the template wants strict ones."""
    driver = drive()
    placed = ChatMessage("user", "Before\nand after", images=(RED,), image_places=(6,))
    text = driver.engine._tokenizer.decode(driver.engine._encode(asking(placed, turn("then", BLUE))).tokens)
    order = re.findall(r"Before|and after|then|<.vision_start.>", text)
    assert order == ["Before", "<|vision_start|>", "and after", "<|vision_start|>", "then"]


def test_histories_that_the_template_does_not_take_as_they_are(drive: Drive) -> None:
    driver = drive()
    history = [
        *(ChatMessage("system", "One"), ChatMessage("system", "Two"), turn("Look", RED), turn("closely")),
        *(ChatMessage("assistant", "A fox"), ChatMessage("system", "Three"), turn("Where?")),
        ChatMessage("assistant", "In the"),
    ]
    text = driver.engine._tokenizer.decode(driver.engine._encode(asking(*history, prefill=True)).tokens)
    words = ("One", "Two", "Look", "closely", "A fox", "Three", "Where?", "In the")
    assert re.findall("|".join(map(re.escape, words)), text) == list(words)
    assert text.endswith("In the")
