"""KV caches of earlier prompts, kept so that a conversation's next turn prefills only what is new."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

MOST_PREFIXES = 64
# mlx-lm's cache can hold several models. A worker has one, but tokens of images look alike whatever they show,
# so every list of images counts as a model of its own.
_Images = tuple[str, ...]


@dataclass(frozen=True)
class CachedPrefix:
    """What is left of a prompt, the cache that already holds the rest, and the tokens in that cache."""

    rest: list[int]
    cache: list[Any] | None
    tokens: list[int]


class PrefixCache:
    """Least recently used prefixes go first once the budget, in bytes, is full."""

    def __init__(self, budget: int) -> None:
        from mlx_lm.models.cache import LRUPromptCache

        self._cache = LRUPromptCache(max_size=MOST_PREFIXES, max_bytes=budget)

    @property
    def nbytes(self) -> int:
        return int(self._cache.nbytes)

    def take(self, prompt: list[int], images: _Images = ()) -> CachedPrefix:
        """The longest cached prefix of the prompt; at least its last token is left to read.

        Args:
            images: Digests of the images in the prompt, in order. A prefix may end before some of them.
        """
        from mlx_lm.models.cache import can_trim_prompt_cache, trim_prompt_cache

        for known in range(len(images), -1, -1):
            cache, rest = self._cache.fetch_nearest_cache(images[:known], prompt)
            if cache is not None:
                break
        if cache is None:
            return CachedPrefix(prompt, None, [])
        if not rest:
            if not can_trim_prompt_cache(cache):
                return CachedPrefix(prompt, None, [])
            trim_prompt_cache(cache, 1)
            rest = prompt[-1:]
        return CachedPrefix(rest, cache, prompt[: len(prompt) - len(rest)])

    def put(self, tokens: list[int], cache: list[Any], images: _Images = ()) -> None:
        """Keep the cache of these tokens, which stand for these images among others."""
        self._cache.insert_cache(images, list(tokens), cache)

    def trim(self, budget: int = 0) -> None:
        """Let go of the oldest prefixes until the rest fits."""
        self._cache.trim_to(n_bytes=budget)

    def _newest_first(self) -> Iterator[tuple[_Images, list[int], list[Any]]]:
        # mlx-lm keeps the order and the values but has no way to walk through them
        for order in self._cache._lru._lrus.values():
            for images, tokens in reversed(order):
                yield images, tokens, self._cache._trie.get(images, tokens).prompt_cache

    def _can_write(self, cache: list[Any]) -> bool:
        return True

    def _write(self, path: Path, cache: list[Any], metadata: dict[str, str]) -> None:
        from mlx_lm.models.cache import save_prompt_cache

        save_prompt_cache(str(path), cache, metadata)

    def _read(self, path: Path) -> tuple[list[Any], dict[str, str]]:
        from mlx_lm.models.cache import load_prompt_cache

        cache, metadata = load_prompt_cache(str(path), return_metadata=True)
        return cache, metadata

    def save(self, folder: Path, disk_bytes: int) -> None:
        """Write the newest prefixes to `folder` until `disk_bytes` are used, in place of what was there."""
        folder.mkdir(parents=True, exist_ok=True)
        kept, used = set(), 0
        for images, tokens, cache in self._newest_first():
            if not self._can_write(cache):
                continue
            size = sum(part.nbytes for part in cache)
            if used + size > disk_bytes:
                break
            metadata = {"tokens": json.dumps(tokens), "images": json.dumps(images)}
            name = hashlib.sha256("\n".join(metadata.values()).encode()).hexdigest()[:32] + ".safetensors"
            kept.add(name)
            used += size
            if not (folder / name).exists():
                draft = folder / f".{name}"
                self._write(draft, cache, metadata)
                draft.rename(folder / name)
        for path in folder.iterdir():
            if path.name not in kept:
                path.unlink()

    def restore(self, folder: Path) -> None:
        """Read what `save` has written; a file that cannot be read is skipped and removed."""
        for path in sorted(folder.glob("[!.]*.safetensors"), key=lambda path: path.stat().st_mtime):
            try:
                cache, metadata = self._read(path)
                self.put(json.loads(metadata["tokens"]), cache, tuple(json.loads(metadata["images"])))
            except Exception:  # whatever is wrong with it, a cache is only a cache
                logger.warning("dropping the unreadable prompt cache %s", path.name, exc_info=True)
                path.unlink(missing_ok=True)
