"""The KV caches of models that see: quantized where the settings ask for it, and kept on disk between loads."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ominix_core.engines.prefix_cache import PrefixCache
from ominix_core.errors import LoadError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class KVQuantization:
    """How KV caches are quantized; with 0 bits they are not.

    Sliding windows stay as they are: they do not grow, and mlx-vlm cannot quantize them.
    """

    bits: int = 0
    group: int = 64

    def apply(self, cache: list[Any]) -> None:
        """Quantize the layers that are not yet; what they read later they quantize themselves."""
        from mlx_vlm.models.cache import KVCache

        if not self.bits:
            return
        for index, part in enumerate(cache):
            if type(part) is KVCache:
                cache[index] = part.to_quantized(self.group, self.bits)

    def check(self, language_model: Any, name: str) -> None:
        """Try it with two steps of the model. Raises LoadError that names the setting and the model."""
        import mlx.core as mx
        from mlx_vlm.models.cache import QuantizedKVCache, make_prompt_cache

        if not self.bits:
            return
        cache = make_prompt_cache(language_model)
        try:
            for tokens in ([0, 0], [0]):
                output = language_model(mx.array([tokens]), cache=cache)
                self.apply(cache)
                mx.eval(getattr(output, "logits", output))
            works = any(type(part) is QuantizedKVCache for part in cache)
        except Exception:  # families differ in what their attention cannot do
            logger.exception("quantizing the KV cache of %s failed", name)
            works = False
        if not works:
            raise LoadError(
                f"The setting 'kv_bits' cannot be used with {name}: its KV cache cannot be quantized. "
                "Set kv_bits = 0 in config.toml."
            )


class VisionPrefixCache(PrefixCache):
    """Prefixes of mlx-vlm's models, which has caches of its own but no way to keep them.

    On disk as in memory a prefix is known by its tokens and the digests of its images. The positions that some models
    give to images are not kept: they follow from the whole prompt and are found out with every request. Prefixes that
    are more than keys and values, such as recurrent states and pools, end with the worker.
    """

    def _can_write(self, cache: list[Any]) -> bool:
        return all(type(part) in _plain_caches().values() for part in cache)

    def _write(self, path: Path, cache: list[Any], metadata: dict[str, str]) -> None:
        import mlx.core as mx
        from mlx.utils import tree_flatten

        parts = json.dumps([(type(part).__name__, part.meta_state) for part in cache])
        arrays = dict(tree_flatten([part.state for part in cache]))
        mx.save_safetensors(str(path), arrays, {**metadata, "parts": parts})

    def _read(self, path: Path) -> tuple[list[Any], dict[str, str]]:
        import mlx.core as mx
        from mlx.utils import tree_unflatten

        loaded: Any = mx.load(str(path), return_metadata=True)
        arrays, metadata = loaded
        states, kinds = tree_unflatten(list(arrays.items())), _plain_caches()
        parts = zip(json.loads(metadata["parts"]), states, strict=True)
        return [kinds[name].from_state(state, meta) for (name, meta), state in parts], metadata


def _plain_caches() -> dict[str, Any]:
    """The kinds of caches whose arrays and numbers are all there is to them."""
    from mlx_vlm.models.cache import KVCache, QuantizedKVCache, RotatingKVCache

    return {kind.__name__: kind for kind in (KVCache, QuantizedKVCache, RotatingKVCache)}
