"""Where answers end: the tokens that a model's files name, in every layout that there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ominix_core.engines.ends import ends_of
from ominix_core.engines.tokenizer import load_tokenizer
from ominix_core.generation import CompletionRequest, Finished, Grammar
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.support.chat import GREEDY, ask, collect
from tests.support.tiny_models import CHAT_TEMPLATE, SPECIAL_TOKENS, VOCABULARY, make_tiny_llm, scripted_llm

TOKEN = {token: 256 + index for index, token in enumerate(SPECIAL_TOKENS)}
END, TURN = TOKEN["<|endoftext|>"], TOKEN["<|im_end|>"]
ONE, TWO = TOKEN["<|reserved_0|>"], TOKEN["<|reserved_1|>"]
WORD = 65  # an ordinary token
PLAIN = "{%- for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
PHI = "{%- for message in messages %}<|{{ message.role }}|>\n{{ message.content }}<|reserved_0|>\n{% endfor %}"

CONFIG, GENERATION = "config.json", "generation_config.json"
LAYOUTS: dict[str, tuple[Any, Any, Any, set[int]]] = {
    # config.json, generation_config.json, text_config, what ends an answer
    "none": (None, None, None, {END}),
    "integer": (ONE, None, None, {END, ONE}),
    "list": ([END, ONE, TWO], None, None, {END, ONE, TWO}),
    "empty list": ([], None, None, {END}),
    "generation integer": (END, ONE, None, {END, ONE}),
    "generation list": (END, [ONE, TWO], None, {END, ONE, TWO}),
    "generation alone": (None, [ONE], None, {END, ONE}),
    "generation overrides a longer list": ([END, ONE, TWO], ONE, None, {END, ONE, TWO}),
    "text_config alone": (None, None, [ONE, TWO], {END, ONE, TWO}),
    "text_config beside": (ONE, None, TWO, {END, ONE, TWO}),
    "an ordinary token as a forgotten default": (WORD, [ONE], WORD, {END, ONE}),
    "an ordinary token and nothing else": (WORD, None, None, {END, WORD}),
    "a padding row": (VOCABULARY, None, None, {END, VOCABULARY}),
    "out of the vocabulary": ([ONE, 400_000, -1], None, None, {END, ONE}),
    "a boolean": (True, False, None, {END}),
    "strings": (["<|reserved_0|>", str(TWO), "A", ""], None, None, {END, ONE, TWO}),
    "nonsense": ({"a": 1}, 1.5, "A", {END}),
    "a list in a list": ([[ONE], [TWO]], None, None, {END, ONE, TWO}),
}


def edit(folder: Path, file: str, **values: Any) -> None:
    path = folder / file
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content | values))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tokenizer names <|endoftext|> and whose template marks no end."""
    folder = make_tiny_llm(tmp_path_factory.mktemp("ends") / "plain", eos_token_id=None)
    edit(folder, "tokenizer_config.json", eos_token="<|endoftext|>")
    edit(folder, CONFIG, vocab_size=VOCABULARY + 8)
    (folder / "chat_template.jinja").write_text(PLAIN)
    return folder


@pytest.fixture(scope="module")
def tokenizer(plain: Path) -> Any:
    return load_tokenizer(plain)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(plain: Path, tokenizer: Any, layout: str) -> None:
    config, generation, text, ends = LAYOUTS[layout]
    edit(plain, CONFIG, eos_token_id=config, text_config={"eos_token_id": text, "vocab_size": VOCABULARY + 8})
    edit(plain, GENERATION, eos_token_id=generation)
    assert ends_of(plain, tokenizer) == ends


def test_without_a_tokenizer_config(plain: Path) -> None:
    edit(plain, CONFIG, eos_token_id=[END, ONE])
    (plain / GENERATION).write_text("not JSON")
    settings = (plain / "tokenizer_config.json").read_text()
    (plain / "tokenizer_config.json").unlink()
    assert load_tokenizer(plain).eos_token_ids == {END, ONE}
    (plain / "tokenizer_config.json").write_text(settings)


THINKING = """{%- for message in messages %}{% if message.role == 'assistant' %}{% if message.reasoning_content %}
<|start|>{{ message.reasoning_content }}<|reserved_0|>{% endif %}<|start|>{{ message.content }}<|reserved_0|>
{% else %}{{ message.content }}{% endif %}{% endfor %}"""
CALLING = """{%- for message in messages %}{{ message.content }}<|reserved_0|>{% for call in message.tool_calls or [] %}
{{ call.function.name }}<|reserved_1|>{% endfor %}{% endfor %}"""
PARTS = """{%- for message in messages %}{% for part in message.content %}{{ part.text }}{% endfor %}<|reserved_0|>
{% endfor %}"""


@pytest.mark.parametrize(
    ("template", "ends"),
    [
        pytest.param(PHI, {END, ONE}, id="after each turn"),
        pytest.param(PARTS, {END, ONE}, id="content in parts"),
        pytest.param(CHAT_TEMPLATE, {END, TURN}, id="ChatML"),
        pytest.param(PHI.replace("<|reserved_0|>", "<|reserved_0|><|reserved_1|>"), {END}, id="two marks"),
        pytest.param(
            PHI + "{% if not add_generation_prompt %}{{ eos_token }}{% endif %}", {END, ONE}, id="and the end of all"
        ),
        pytest.param(PHI.replace("<|reserved_0|>", "<|unknown|>"), {END}, id="no token"),
        pytest.param(THINKING, {END}, id="it ends thoughts too"),
        pytest.param(CALLING, {END}, id="calls may follow it"),
        pytest.param("{{ raise_exception('never') }}", {END}, id="a template that refuses everything"),
        pytest.param("{% if %}", {END}, id="no template at all"),
    ],
)
def test_what_the_template_writes_after_each_answer(plain: Path, template: str, ends: set[int]) -> None:
    edit(plain, CONFIG, eos_token_id=None, text_config={})
    (plain / GENERATION).unlink(missing_ok=True)
    (plain / "chat_template.jinja").write_text(template)
    assert load_tokenizer(plain).eos_token_ids == ends


def test_the_messages_of_gpt_oss_end_with_another_token_than_its_turns(tmp_path: Path) -> None:
    from tokenizers import AddedToken, Tokenizer

    folder = make_tiny_llm(tmp_path / "oss")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    marks = ["<|return|>", "<|call|>", "<|channel|>", "<|message|>", "<|end|>"]
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in marks])
    tokenizer.save(str(folder / "tokenizer.json"))
    edit(folder, "tokenizer_config.json", eos_token="<|return|>")
    edit(folder, CONFIG, eos_token_id=tokenizer.token_to_id("<|return|>"))
    (folder / "chat_template.jinja").write_text(PHI.replace("<|reserved_0|>", "<|end|>"))
    ends = ends_of(folder, load_tokenizer(folder))
    assert ends == {tokenizer.token_to_id("<|return|>"), tokenizer.token_to_id("<|call|>")}


def test_an_end_without_a_text_hinders_no_grammar(home: Home, add_models: Callable[..., None], tmp_path: Path) -> None:
    add_models(local_entry("padded", make_tiny_llm(tmp_path / "padded", vocab_size=320, eos_token_id=[TURN, 300])))
    with Hub(home, Settings(isolation="thread", prompt_cache_gb=0)) as hub:
        hub.load("padded").result(60)
        held = msgspec.structs.replace(ask("hello", 40), grammar=Grammar("regex", "[ab]{3}"))
        text, end = collect(hub.generate("padded", held))
        assert set(text) <= set("ab")
        assert len(text) == 3
        assert isinstance(end, Finished)
        assert end.reason == "stop"


@pytest.mark.parametrize("file", [CONFIG, GENERATION])
@pytest.mark.parametrize("settings", [{}, {"draft_models": {"talker": "talker"}}], ids=str)
def test_answers_end_there_in_every_kind_of_decoding(
    home: Home, add_models: Callable[..., None], tmp_path: Path, file: str, settings: dict[str, Any]
) -> None:
    folder = scripted_llm(tmp_path / "talker", "It is four.")
    edit(folder, "tokenizer_config.json", eos_token="<|endoftext|>")
    edit(folder, CONFIG, eos_token_id=END)
    edit(folder, file, eos_token_id=[END, TURN])
    (folder / "chat_template.jinja").write_text(PLAIN + "{% if add_generation_prompt %}assistant\n{% endif %}")
    add_models(local_entry("talker", folder))
    with Hub(home, Settings(isolation="thread", prompt_cache_gb=0, **settings)) as hub:
        hub.load("talker").result(60)
        for request in (ask("hello"), CompletionRequest(prompt="x\n", max_tokens=16, sampling=GREEDY)):
            text, end = collect(hub.generate("talker", request))
            assert text == "It is four."
            assert isinstance(end, Finished)
            assert end.reason == "stop"
