"""Reading prompts with images into KV caches, as mlx-vlm's own generation does, but piece by piece and in turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ominix_core.engines.vision_caches import KVQuantization

# Where language models keep the positions of the prompt that they read last.
_POSITIONS = ("_position_ids", "_rope_deltas")


@dataclass(eq=False)
class Sequence:
    """A request.

    Attributes:
        tokens: What its KV cache holds.
        inputs: What the model takes beside the tokens; empty once the images have been looked at.
        in_pieces: Whether the prompt may be read piece by piece.
        extras: What the language model takes beside the embeddings.
        positions: What the language model has to find in itself when it goes on with this prompt.
    """

    uid: int
    prompt: list[int]
    tokens: list[int]
    cache: list[Any]
    inputs: dict[str, Any]
    max_tokens: int
    sampler: Any
    processors: list[Any]
    made: int = 0
    in_pieces: bool = True
    embeddings: Any = None
    extras: dict[str, Any] = field(default_factory=dict)
    positions: dict[str, Any] = field(default_factory=dict)

    @property
    def sees(self) -> bool:
        """Whether there are images that have not been looked at."""
        return self.inputs.get("pixel_values") is not None

    @property
    def unread(self) -> int:
        return len(self.prompt) - len(self.tokens)


class Reader:
    """Reads prompts for one model, which has `get_input_embeddings` and `language_model` as mlx-vlm's models have."""

    def __init__(self, model: Any, quantization: KVQuantization) -> None:
        self._model = model
        self._quantization = quantization

    def new_cache(self) -> list[Any]:
        from mlx_vlm.models.cache import make_prompt_cache

        cache: list[Any] = make_prompt_cache(self._model.language_model)
        return cache

    def embed(self, sequence: Sequence) -> None:
        """Look at the images and turn the prompt into embeddings."""
        import mlx.core as mx
        from mlx_vlm.generate.common import _chunked_prefill_enabled

        inputs = dict(sequence.inputs)
        sequence.inputs.clear()
        tokens = mx.array([sequence.prompt])
        pixels, mask = inputs.pop("pixel_values", None), inputs.pop("attention_mask", None)
        features = self._model.get_input_embeddings(tokens, pixels, mask=mask, **inputs)
        made = {name: value for name, value in features.to_dict().items() if value is not None}
        sequence.embeddings = made.pop("inputs_embeds")
        sequence.extras = inputs | made
        mx.eval(sequence.embeddings)
        self._keep_positions(sequence)
        sequence.in_pieces = _chunked_prefill_enabled(
            self._model,
            input_ids=tokens,
            inputs_embeds=sequence.embeddings,
            prompt_cache=sequence.cache,
            prefill_kwargs=sequence.extras,
        )
        if not sequence.in_pieces and sequence.tokens:  # the model reads all of it at once, or it reads it wrongly
            sequence.tokens, sequence.cache = [], self.new_cache()

    def read(self, sequence: Sequence, size: int, **extras: Any) -> Any:
        """Read the next `size` tokens into the KV cache; returns what the language model says after them."""
        import mlx.core as mx

        self._restore_positions(sequence)
        begin = len(sequence.tokens)
        piece = sequence.prompt[begin : begin + size]
        output = self._model.language_model(
            mx.array([piece]),
            inputs_embeds=sequence.embeddings[:, begin : begin + size],
            cache=sequence.cache,
            logits_to_keep=1,
            **sequence.extras,
            **extras,
        )
        self._quantization.apply(sequence.cache)
        mx.eval([part.state for part in sequence.cache])
        self._keep_positions(sequence)
        sequence.tokens = sequence.tokens + piece
        return output

    def _keep_positions(self, sequence: Sequence) -> None:
        language_model = self._model.language_model
        sequence.positions = {
            name: getattr(language_model, name) for name in _POSITIONS if hasattr(language_model, name)
        }

    def _restore_positions(self, sequence: Sequence) -> None:
        for name, value in sequence.positions.items():
            setattr(self._model.language_model, name, value)

    def rope_deltas(self, sequence: Sequence) -> Any:
        """How far positions run behind the length of the KV cache, for models that place images in two dimensions."""
        import mlx.core as mx

        deltas = sequence.extras.get("rope_deltas")
        if deltas is None and "_rope_deltas" in sequence.positions:
            deltas = sequence.positions["_rope_deltas"]
            deltas = mx.zeros((1, 1), dtype=mx.int32) if deltas is None else deltas
        return None if deltas is None else deltas.reshape(1, -1)[:, :1]
