"""Tokenizers and chat templates, as the files of a model have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ominix_core.engines.chat import ChatEngine
from ominix_core.engines.tokenizer import load_tokenizer
from ominix_core.errors import RequestError
from ominix_core.generation import ChatMessage, ChatRequest, Finished, ToolCalled
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.support.chat import GREEDY, ask, collect
from tests.support.tiny_models import CHAT_TEMPLATE, byte_alphabet, make_tiny_llm, scripted_llm

TEXTS = ["x123 is 4567", "I'VE said: don't!\n\n  two", "ＦＵＬＬ café e\u0301 ünï", "a<|im_end|>b", "", " ", "你好 123"]
CLASSES = [
    *("Qwen2Tokenizer", "Qwen2TokenizerFast", "LlamaTokenizer", "LlamaTokenizerFast", "GPT2Tokenizer"),
    *("GemmaTokenizerFast", "CohereTokenizer", "GPTNeoXTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend"),
]


def write_tokenizer(folder: Path, *, spaced: bool = False) -> Any:
    """One that keeps up to three digits together, and does not normalize; it joins "123", "'V" and "he".

    Args:
        spaced: It marks spaces as SentencePiece does, rather than working on bytes.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    alphabet = byte_alphabet()
    vocabulary = {char: index for index, char in enumerate([*alphabet, "▁"])}
    merges = [("1", "2"), ("12", "3"), ("'", "V"), ("h", "e")]
    for left, right in merges:
        vocabulary[left + right] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    if spaced:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
        tokenizer.decoder = decoders.Metaspace(prepend_scheme="never")
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(r"\p{N}{1,3}|[^\p{N}]+"), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<|im_end|>", normalized=False), AddedToken("<|endoftext|>")])
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


class TestSplitting:
    @pytest.mark.parametrize("spaced", [False, True], ids=["bytes", "spaces"])
    @pytest.mark.parametrize("model_type", ["qwen2", "qwen3", "llama", "gemma3_text", "mistral", "cohere"])
    def test_it_is_that_of_the_file_whatever_the_class(self, tmp_path: Path, model_type: str, spaced: bool) -> None:
        own = write_tokenizer(tmp_path, spaced=spaced)
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type, "vocab_size": 300}))
        for name in CLASSES:
            settings = {"tokenizer_class": name, "eos_token": "<|im_end|>"}
            (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
            tokenizer = load_tokenizer(tmp_path)
            for text in TEXTS:
                expected = own.encode(text, add_special_tokens=False).ids
                assert tokenizer.encode(text, add_special_tokens=False) == expected, (name, text)
                detokenizer = tokenizer.detokenizer
                for token in expected:
                    detokenizer.add_token(token)
                detokenizer.finalize()
                # mlx-lm leaves out a space in front
                assert detokenizer.text.lstrip(" ") == tokenizer.decode(expected).lstrip(" "), (name, text)

    def test_it_is_that_of_the_file_without_a_tokenizer_config(self, tmp_path: Path) -> None:
        own = write_tokenizer(tmp_path)
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3", "vocab_size": 300}))
        assert load_tokenizer(tmp_path).encode("x123") == own.encode("x123").ids
        assert len(own.encode("x123").ids) == 2

    def test_tokens_that_only_the_settings_name_are_kept(self, tmp_path: Path) -> None:
        own = write_tokenizer(tmp_path)
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
        settings = {"tokenizer_class": "Qwen2Tokenizer", "bos_token": "<|first|>"}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        tokenizer = load_tokenizer(tmp_path)
        assert tokenizer.encode("<|first|>123") == [own.get_vocab_size(), own.token_to_id("123")]
        assert tokenizer.decode(tokenizer.encode("<|first|>123")) == "<|first|>123"

    def test_a_model_reads_its_prompt_so(self, tmp_path: Path) -> None:
        folder = make_tiny_llm(tmp_path / "split", vocab_size=320)
        own = write_tokenizer(folder)
        settings = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>"}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        assert load_tokenizer(folder).encode("x123 and 123") == own.encode("x123 and 123").ids


PLAIN = """{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
NAMED = [{"name": "default", "template": PLAIN}, {"name": "tool_use", "template": CHAT_TEMPLATE}]
LAYOUTS: dict[str, dict[str, Any]] = {
    "a list in tokenizer_config.json": {"tokenizer_config.json": {"chat_template": NAMED}},
    "a dictionary": {"tokenizer_config.json": {"chat_template": {"default": PLAIN, "tool_use": CHAT_TEMPLATE}}},
    "files": {"chat_template.jinja": PLAIN, "additional_chat_templates/tool_use.jinja": CHAT_TEMPLATE},
    "a file beside tokenizer_config.json": {
        "tokenizer_config.json": {"chat_template": PLAIN},
        "additional_chat_templates/tool_use.jinja": CHAT_TEMPLATE,
    },
    "only for tools": {"additional_chat_templates/tool_use.jinja": CHAT_TEMPLATE},
    "one for both": {"chat_template.jinja": CHAT_TEMPLATE},
    "the processor's": {"chat_template.json": {"chat_template": CHAT_TEMPLATE}},
    "with a byte order mark": {"chat_template.jinja": "\ufeff" + CHAT_TEMPLATE},
    "a file before tokenizer_config.json": {
        "tokenizer_config.json": {"chat_template": "{{ raise_exception('old') }}"},
        "chat_template.jinja": CHAT_TEMPLATE,
    },
}
PUT = {"type": "function", "function": {"name": "put", "parameters": {"type": "object", "properties": {}}}}
CALL = '<tool_call>\n{"name": "put", "arguments": {"path": "a.txt"}}\n</tool_call>'


def write_templates(folder: Path, layout: dict[str, Any]) -> None:
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    (folder / "additional_chat_templates").mkdir(exist_ok=True)
    for file, content in layout.items():
        path = folder / file
        if isinstance(content, dict):
            old = json.loads(path.read_text()) if path.exists() else {}
            content = json.dumps(old | content)
        path.write_text(content, "utf-8")


class TestTemplates:
    @pytest.fixture(scope="class")
    def caller(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return scripted_llm(tmp_path_factory.mktemp("caller") / "caller", CALL)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_tools_are_taken_wherever_their_template_is(
        self, home: Home, add_models: Callable[..., None], tmp_path: Path, caller: Path, layout: str
    ) -> None:
        import shutil

        folder = shutil.copytree(caller, tmp_path / "named")
        write_templates(folder, LAYOUTS[layout])
        add_models(local_entry("named", folder))
        tokenizer = load_tokenizer(folder)
        assert not tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False).startswith(
            "\ufeff"
        )
        request = ChatRequest(messages=[ChatMessage("user", "go")], max_tokens=64, sampling=GREEDY, tools=[PUT])
        with Hub(home, Settings(isolation="thread", prompt_cache_gb=0)) as hub:
            hub.load("named").result(60)
            events = list(hub.generate("named", request))
            (called,) = (event.call for event in events if isinstance(event, ToolCalled))
            assert (called.name, json.loads(called.arguments)) == ("put", {"path": "a.txt"})
            _, end = collect(hub.generate("named", ask("no tools", 64)))
            assert isinstance(end, Finished)

    def test_the_one_for_tools_is_used_for_them_alone(self, tmp_path: Path) -> None:
        folder = make_tiny_llm(tmp_path / "named")
        write_templates(folder, LAYOUTS["files"])
        tokenizer = load_tokenizer(folder)
        turns = [{"role": "user", "content": "x"}]
        assert "put" in tokenizer.apply_chat_template(turns, tools=[PUT], tokenize=False)
        assert "put" not in tokenizer.apply_chat_template(turns, tokenize=False)

    def test_a_model_without_any_is_a_base_model(self, tmp_path: Path) -> None:
        folder = make_tiny_llm(tmp_path / "base")
        (folder / "chat_template.jinja").unlink()
        engine = ChatEngine()
        from ominix_core.engines.base import LoadOptions

        engine.load(folder, LoadOptions(), lambda *_: None)
        with pytest.raises(RequestError, match="no chat template"):
            engine.submit("1", ask("hello"))
