"""Ends a thought that has become as long as its request allows."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from ominix_core.engines.constraint import only
from ominix_core.engines.output.markup import markup_of
from ominix_core.generation import ChatRequest, TextRequest

if TYPE_CHECKING:
    import mlx.core as mx


def thinking_budget(tokenizer: Any, request: TextRequest, *, thinking: bool) -> ThinkingBudget | None:
    """What holds the answer to its request's budget; None where there is none, or a model that does not think.

    Args:
        thinking: Whether the prompt has opened a thought.
    """
    if not isinstance(request, ChatRequest) or request.thinking_budget is None:
        return None
    begin, end = markup_of(tokenizer).thought_tokens
    if not begin or not end:
        return None
    return ThinkingBudget(list(begin), list(end), request.thinking_budget, thinking=thinking)


class ThinkingBudget:
    """A logits processor that makes the model close its thoughts once they hold `most` tokens.

    Args:
        begin: The tokens that open a thought, as `end` closes it.
        thinking: Whether the prompt has opened one.
    """

    def __init__(self, begin: list[int], end: list[int], most: int, *, thinking: bool) -> None:
        self._begin = begin
        self._end = end
        self._most = most
        self._thinking = thinking
        self._spent = 0
        self._closed_by = 0
        self._latest: deque[int] | None = None

    def __call__(self, tokens: mx.array, logits: mx.array) -> mx.array:
        """`tokens` is everything before the next token, prompt included; `logits` is (1, vocabulary)."""
        if self._latest is None:
            self._latest = deque(maxlen=max(len(self._begin), len(self._end)))
        else:
            newest: Any = tokens[-1].item()
            self._latest.append(newest)
            self._follow(list(self._latest))
        if not self._thinking or self._spent < self._most:
            return logits
        forced = only(logits, [self._end[self._closed_by]])
        if bool((forced.max() == -math.inf).item()):
            return logits  # a grammar does not allow it here, in the middle of a character
        self._closed_by += 1
        return forced

    def _follow(self, latest: list[int]) -> None:
        if not self._thinking:
            self._thinking = latest[-len(self._begin) :] == self._begin
        elif latest[-len(self._end) :] == self._end:
            self._thinking, self._closed_by = False, 0
        else:
            self._spent += 1
