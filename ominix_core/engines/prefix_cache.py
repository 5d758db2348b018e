"""KV caches of earlier prompts, kept so that a conversation's next turn prefills only what is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# A working budget until a memory guard sets one: about 20,000 tokens of an 8B model in half precision.
DEFAULT_BUDGET_BYTES = 3 << 30
_MODEL = "model"  # mlx-lm's cache can hold several models; a worker has one


@dataclass(frozen=True)
class CachedPrefix:
    """What is left of a prompt, the cache that already holds the rest, and the tokens in that cache."""

    rest: list[int]
    cache: list[Any] | None
    tokens: list[int]


class PrefixCache:
    """Least recently used prefixes go first once the budget is full."""

    def __init__(self, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        from mlx_lm.models.cache import LRUPromptCache

        self._cache = LRUPromptCache(max_size=64, max_bytes=budget_bytes)

    @property
    def nbytes(self) -> int:
        return int(self._cache.nbytes)

    def take(self, prompt: list[int]) -> CachedPrefix:
        """The longest cached prefix of the prompt; at least its last token is left to read."""
        from mlx_lm.models.cache import can_trim_prompt_cache, trim_prompt_cache

        cache, rest = self._cache.fetch_nearest_cache(_MODEL, prompt)
        if cache is None:
            return CachedPrefix(prompt, None, [])
        if not rest:
            if not can_trim_prompt_cache(cache):
                return CachedPrefix(prompt, None, [])
            trim_prompt_cache(cache, 1)
            rest = prompt[-1:]
        return CachedPrefix(rest, cache, prompt[: len(prompt) - len(rest)])

    def put(self, tokens: list[int], cache: list[Any]) -> None:
        """Keep the cache of these tokens."""
        self._cache.insert_cache(_MODEL, list(tokens), cache)

    def trim(self, budget_bytes: int) -> None:
        """Let go of prefixes until they fit."""
        self._cache.trim_to(n_bytes=budget_bytes)
