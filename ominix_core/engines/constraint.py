"""Answers that keep to a grammar: JSON of a schema, any JSON object, a regular expression, or the call of a function
(llguidance).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ominix_core.engines.schemas import answer_schema, arguments_schema, one_line
from ominix_core.errors import RequestError
from ominix_core.generation import ChatRequest, Grammar, TextRequest

if TYPE_CHECKING:
    import mlx.core as mx

# Free whitespace between the parts would let a model go on with it for ever.
_COMPACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class ConstraintFactory:
    """Makes constraints for one tokenizer; reading the tokenizer takes about half a second, once."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._vocabulary: Any = None

    def of(self, request: TextRequest, *, after_reasoning: bool) -> Constraint | None:
        """What holds the answer to what the request asks of it; None if it asks for nothing. Raises RequestError."""
        if isinstance(request, ChatRequest) and request.must_call:
            return self._make(_call_grammar(self._tokenizer, request), "A tool's parameters are", after_reasoning)
        if request.grammar is not None:
            return self._make(_compile(request.grammar), "The response format is", after_reasoning)
        if isinstance(request, ChatRequest) and any(_is_strict(tool) for tool in request.tools):
            return self._make(_strict_grammar(self._tokenizer, request), "A tool's parameters are", in_each_call=True)
        return None

    def _make(
        self, grammar: str, what_is: str, after_reasoning: bool = False, *, in_each_call: bool = False
    ) -> Constraint:
        import llguidance
        import llguidance.hf

        if self._vocabulary is None:
            fast = self._tokenizer._tokenizer  # mlx-lm's wrapper hides the tokenizer that llguidance needs
            self._vocabulary = llguidance.hf.from_tokenizer(fast, eos_token=self._ends())
        matcher = llguidance.LLMatcher(self._vocabulary, grammar)
        if fault := matcher.get_error():
            raise RequestError(f"{what_is} not usable: {one_line(fault)}.", "invalid_response_format")
        waits_for = self._tokenizer.think_end_tokens if after_reasoning else ()
        if in_each_call:
            waits_for = self._tokenizer.tool_call_start_tokens
        return Constraint(matcher, self._vocabulary.vocab_size, self._ends(), waits_for or (), repeats=in_each_call)

    def _ends(self) -> list[int]:
        """The tokens that end an answer; llguidance takes none that the tokenizer has no text for."""
        return sorted(end for end in self._tokenizer.eos_token_ids if end < len(self._tokenizer))


class Constraint:
    """A logits processor that leaves only the tokens that the grammar allows next.

    Args:
        ends: The tokens that may follow a complete form.
        waits_for: The tokens after which the form begins; without any it begins at once.
        repeats: Whether anything may follow a complete form, and another one after the next `waits_for`.
    """

    def __init__(
        self, matcher: Any, vocabulary: int, ends: list[int], waits_for: Sequence[int], *, repeats: bool = False
    ) -> None:
        from llguidance.numpy import allocate_token_bitmask

        self._matcher = matcher
        self._bitmask = allocate_token_bitmask(1, vocabulary)
        self._ends = ends
        self._waits_for = list(waits_for)
        self._repeats = repeats
        self._active = not self._waits_for
        self._prompt_tokens: int | None = None

    def __call__(self, tokens: mx.array, logits: mx.array) -> mx.array:
        """`tokens` is everything before the next token, prompt included; `logits` is (1, vocabulary)."""
        from llguidance.numpy import fill_next_token_bitmask

        if self._prompt_tokens is None:
            self._prompt_tokens = len(tokens)
        elif self._active:
            newest: Any = tokens[-1].item()
            self._matcher.consume_token(newest)
            if self._repeats and self._matcher.is_stopped():
                self._matcher.reset()
                self._active = False
        else:
            answer: Any = tokens[self._prompt_tokens :].tolist()
            self._active = answer[-len(self._waits_for) :] == self._waits_for
        if not self._active:
            return logits
        if self._matcher.is_stopped():  # the form is complete; only the end of the turn may follow
            return only(logits, self._ends)
        fill_next_token_bitmask(self._matcher, self._bitmask)
        return _masked(logits, self._bitmask)


def only(logits: mx.array, tokens: list[int]) -> mx.array:
    """`logits` that leave these tokens alone possible."""
    import mlx.core as mx

    kept = mx.full(logits.shape, -mx.inf, dtype=logits.dtype)
    kept[:, tokens] = logits[:, tokens]
    return kept


def _masked(logits: mx.array, bitmask: Any) -> mx.array:
    import mlx.core as mx
    import numpy as np

    allowed = np.unpackbits(bitmask.view(np.uint8), bitorder="little").astype(bool)
    width = logits.shape[-1]
    if len(allowed) < width:  # padding rows of the output matrix have no token
        allowed = np.concatenate([allowed, np.zeros(width - len(allowed), dtype=bool)])
    return mx.where(mx.array(allowed[:width]), logits, -mx.inf)


def _compile(grammar: Grammar) -> str:
    import llguidance

    try:
        if grammar.kind == "regex":
            return llguidance.LLMatcher.grammar_from_regex(grammar.definition)
        is_schema = grammar.kind == "json_schema"
        schema = answer_schema(grammar.definition, strict=grammar.strict) if is_schema else {"type": "object"}
        return llguidance.LLMatcher.grammar_from_json_schema(schema, defaults={"whitespace_flexible": True})
    except (ValueError, TypeError) as error:
        raise RequestError(f"The response format is not usable: {error}", "invalid_response_format") from error


def _call_grammar(tokenizer: Any, request: ChatRequest) -> str:
    """The call of one of the functions that must be called, its markers included."""
    if not _writes_json_calls(tokenizer):
        raise RequestError(
            "This model writes tool calls in a form of its own, to which it cannot be held: 'tool_choice' can only be "
            "'auto' or 'none' for it.",
            "unsupported_tool_choice",
        )
    functions = [tool["function"] for tool in request.tools if tool["function"]["name"] in request.must_call]
    schemas = {function["name"]: arguments_schema(function) for function in functions}
    return _grammar_of_call(schemas, _marks(tokenizer.tool_call_start_tokens), _marks(tokenizer.tool_call_end_tokens))


def _strict_grammar(tokenizer: Any, request: ChatRequest) -> str:
    """The rest of a call whose first marker is there already; the arguments of strict functions have their schema."""
    if not _writes_json_calls(tokenizer):
        raise RequestError(
            "This model writes tool calls in a form of its own, to which it cannot be held: 'strict' cannot be true "
            "for its tools.",
            "unsupported_strict",
        )
    schemas = {
        tool["function"]["name"]: arguments_schema(tool["function"]) if _is_strict(tool) else {"type": "object"}
        for tool in request.tools
    }
    return _grammar_of_call(schemas, "", _marks(tokenizer.tool_call_end_tokens))


def _grammar_of_call(schemas: dict[str, Any], begin: str, end: str) -> str:
    """A call as the `json_tools` family of chat templates writes it: a JSON object between two markers."""
    import llguidance

    rules = [f'start: {begin} "\\n" ({" | ".join(f"call{n}" for n in range(len(schemas)))}) "\\n" {end}']
    for number, (name, schema) in enumerate(schemas.items()):
        head = json.dumps(f'{{"name": {json.dumps(name)}, "arguments": ')
        # A JSON grammar of its own for each, because a schema's references count from its own root.
        arguments = json.dumps(schema | {"x-guidance": _COMPACT})
        rules += [f'call{number}: {head} arguments{number} "}}"', f"arguments{number}: %json {arguments}"]
    return llguidance.LLMatcher.grammar_from_lark("\n".join(rules))


def _writes_json_calls(tokenizer: Any) -> bool:
    parser = tokenizer.tool_parser
    return parser is not None and bool(parser.__module__.endswith(".json_tools"))


def _is_strict(tool: dict[str, Any]) -> bool:
    return bool(tool["function"].get("strict"))


def _marks(tokens: Sequence[int]) -> str:
    return " ".join(f"<[{token}]>" for token in tokens)
