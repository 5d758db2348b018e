"""Ends of answers: the tokens after which a model has nothing more to say, from every file that may name them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ominix_core.memory import number_in, read_config, text_config

# gpt-oss ends its messages with <|end|>, and goes on with the next one; its turns end with these.
_HARMONY = frozenset({"<|channel|>", "<|message|>"})
_HARMONY_ENDS = ("<|return|>", "<|call|>")
_WORD, _THOUGHT, _CALL = "Amsterdam", "Copenhagen", "Ljubljana"


def ends_of(folder: Path, tokenizer: Any) -> frozenset[int]:
    """The ids of the tokens that end an answer of the model in `folder`.

    What generation_config.json names, else config.json, is believed as it stands, as mlx-lm and transformers do. What
    the other of them, the tokenizer and the chat template name beside it counts where it is a token of its own: the
    id of an ordinary word, such as a default that nobody has changed, would end answers in their middle.

    Args:
        tokenizer: mlx-lm's wrapper.
    """
    config = read_config(folder)
    text = text_config(config)
    added = {str(token): number for number, token in tokenizer.added_tokens_decoder.items()}
    sources = [read_config(folder, "generation_config.json"), config, text]
    named = [list(_ids(source.get("eos_token_id"), added)) for source in sources]
    stated = next((ids for ids in named if ids), [])
    further = set(itertools.chain.from_iterable(named)) & set(added.values())
    vocabulary = max(len(tokenizer), number_in(text, "vocab_size"))
    ends = further | set(tokenizer.eos_token_ids) | {end for end in stated if end < vocabulary}
    return frozenset(ends | _ends_of_template(tokenizer, added))


def _ids(value: Any, added: Mapping[str, int]) -> Iterator[int]:
    """The ids in `value`: a number, a token's text, a list of them, or what makes no sense."""
    if isinstance(value, list):
        for part in value:
            yield from _ids(part, added)
    elif isinstance(value, str):
        if value in added:
            yield added[value]
        elif value.isdecimal():
            yield int(value)
    elif isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        yield value


def _ends_of_template(tokenizer: Any, added: Mapping[str, int]) -> set[int]:
    """What the chat template writes when the assistant has spoken, if it is one special token and ends nothing else."""
    if added.keys() >= _HARMONY:
        return {added[mark] for mark in _HARMONY_ENDS if mark in added}
    spoken = _rendered(tokenizer, {})
    mark = spoken.rpartition(_WORD)[2].strip()
    # Phi-3.5 and Phi-4-mini close the whole conversation with the tokenizer's own end, after that of the last turn
    mark = mark.removesuffix(str(tokenizer.eos_token)).strip() or mark
    if mark not in added or not tokenizer.added_tokens_decoder[added[mark]].special:
        return set()
    thought = _rendered(tokenizer, dict.fromkeys(("reasoning_content", "reasoning", "thinking"), _THOUGHT))
    call = {"id": "call00001", "type": "function", "function": {"name": _CALL, "arguments": {}}}
    called = _rendered(tokenizer, {"tool_calls": [call]})
    inside = _between(thought, _THOUGHT, _WORD) + _between(called, _WORD, _CALL)
    return set() if mark in inside else {added[mark]}


def _rendered(tokenizer: Any, more: Mapping[str, Any]) -> str:
    """A conversation in which the assistant says a word; empty where the template does not take it."""
    if not tokenizer.has_chat_template:
        return ""
    for question, answer in (("Hello", _WORD), (_part("Hello"), _part(_WORD))):
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer, **more}]
        try:
            text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=False))
        except Exception:  # templates raise what they like
            continue
        if _WORD in text:
            return text
    return ""


def _part(text: str) -> list[dict[str, str]]:
    """`text` as templates of models that see may want it."""
    return [{"type": "text", "text": text}]


def _between(text: str, first: str, last: str) -> str:
    """What stands between two words; empty unless both are there."""
    _, _, rest = text.partition(first)
    inside, found, _ = rest.rpartition(last)
    return inside if found else ""
