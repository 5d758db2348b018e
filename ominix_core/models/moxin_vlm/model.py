"""The whole model: what the towers see is put between the first token and the rest of the prompt."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models import llama

from ominix_core.models.moxin_vlm.vision import Towers, TowerShape


class LanguageModel(llama.Model):
    """mlx-lm's llama, called as mlx-vlm calls language models."""

    def __call__(
        self, inputs: mx.array, cache: Any = None, inputs_embeds: mx.array | None = None, **_: Any
    ) -> mx.array:
        logits: mx.array = super().__call__(inputs, cache, inputs_embeds)
        return logits

    def make_cache(self) -> list[Any]:
        """mlx-vlm's caches, as every model that sees has them."""
        from mlx_vlm.models.cache import KVCache

        return [KVCache() for _ in self.layers]


class Projector(nn.Module):
    """Maps what the towers see to what the language model reads."""

    def __init__(self, seen: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(seen, 4 * seen)
        self.fc2 = nn.Linear(4 * seen, hidden)
        self.fc3 = nn.Linear(hidden, hidden)

    def __call__(self, x: mx.array) -> mx.array:
        out: mx.array = self.fc3(nn.gelu(self.fc2(nn.gelu(self.fc1(x)))))
        return out


class MoxinVLM(nn.Module):
    """Takes one image in a conversation, whose tokens come right after the first one of the prompt."""

    def __init__(self, dino: TowerShape, siglip: TowerShape, text: dict[str, Any]) -> None:
        super().__init__()
        self.vision_backbone = Towers(dino, siglip)
        self.projector = Projector(dino.width + siglip.width, text["hidden_size"])
        self.language_model = LanguageModel(llama.ModelArgs.from_dict(text))
        self.image_tokens = dino.patches

    def get_input_embeddings(self, input_ids: mx.array, pixel_values: mx.array | None = None, **_: Any) -> Any:
        """Embeddings of a prompt (1, tokens) in which `image_tokens` places after the first token are the image's."""
        from mlx_vlm.models.base import InputEmbeddingsFeatures

        words = self.language_model.model.embed_tokens(input_ids)
        if pixel_values is None:
            return InputEmbeddingsFeatures(inputs_embeds=words)
        image = self.projector(self.vision_backbone(pixel_values.astype(words.dtype)))
        spliced = mx.concatenate([words[:, :1], image.astype(words.dtype), words[:, 1 + self.image_tokens :]], axis=1)
        return InputEmbeddingsFeatures(inputs_embeds=spliced)
