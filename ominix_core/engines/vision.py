"""The vision engine: models of mlx-vlm that look at images and talk about them, with batching and prefix reuse."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.engines.batch import AT_ONCE
from ominix_core.engines.chat import ChatEngine, Events
from ominix_core.engines.prefix_cache import CachedPrefix
from ominix_core.engines.prompt import Prompt
from ominix_core.engines.template_abilities import ChatTemplate
from ominix_core.engines.vision_batch import VisionBatch
from ominix_core.engines.vision_caches import KVQuantization, VisionPrefixCache
from ominix_core.engines.vision_loading import RememberingTower, VisionModel, load_vision_model
from ominix_core.engines.vision_prompt import encode_with_images, most_images, vision_template
from ominix_core.generation import Failed, TextRequest
from ominix_core.media import Abilities


class VisionEngine(ChatEngine):
    """One model that sees, and the batch of requests that it is answering."""

    _loaded: VisionModel
    _quantization: KVQuantization
    _batch: VisionBatch  # type: ignore[assignment]
    _wired: ExitStack

    def load(self, folder: Path, options: LoadOptions, report: LoadReport) -> None:
        """Load the model in `folder`. Raises LoadError that names it."""
        loaded = self._read_files(folder, options, report)
        self._loaded = loaded
        self._options = options
        self._model, self._tokenizer = loaded.model, loaded.tokenizer
        self._context, self._kv_cache = loaded.context, loaded.kv_cache
        self._quantization = KVQuantization(options.kv_bits, loaded.kv_group)
        self._quantization.check(loaded.model.language_model, folder.name)
        self._wired = _wired(loaded.model)
        self.abilities = Abilities(images=self._most_images(), at_once=AT_ONCE)
        self._get_ready(VisionPrefixCache(sys.maxsize if options.room is None else options.room))

    def _read_files(self, folder: Path, options: LoadOptions, report: LoadReport) -> VisionModel:
        return load_vision_model(folder, options, report)

    def _most_images(self) -> int:
        return most_images(self._model.config.model_type.lower())

    def _make_template(self) -> ChatTemplate:
        return vision_template(self._loaded)

    def _reset_batch(self) -> None:
        self._running.clear()
        self._batch = VisionBatch(self._model, frozenset(self._tokenizer.eos_token_ids), self._quantization)

    def _encode(self, request: TextRequest) -> Prompt:
        return encode_with_images(self._loaded, self._template, request, self.abilities.images)

    def _join(self, prompt: Prompt, prefix: CachedPrefix, **decoding: Any) -> int:
        return self._batch.insert(
            prefix.rest, cache=prefix.cache, all_tokens=prefix.tokens, inputs=prompt.inputs, **decoding
        )

    def step(self) -> Events:
        """One decoding step for every running answer, and one image or chunk of prompt for those that wait for it."""
        yield from super().step()
        failed, self._batch.failed = self._batch.failed, []
        for uid, error in failed:
            if (running := self._running.pop(uid, None)) is not None:
                yield (
                    running.request_id,
                    Failed(f"The model could not read this conversation: {str(error).rstrip('.')}."),
                )

    def trim(self) -> None:
        """Drop every cached prefix and what was seen in images."""
        for tower in vars(self._model).values():
            if isinstance(tower, RememberingTower):
                tower.forget()
        super().trim()

    def close(self) -> None:
        """Free the model."""
        self._wired.close()
        super().close()


def _wired(model: Any) -> ExitStack:
    """Keep the model's memory from being paged out while it is loaded."""
    from mlx_vlm.generate.common import wired_limit

    stack = ExitStack()
    stack.enter_context(wired_limit(model))
    return stack
