"""How the next token is chosen, per request, inside a batch."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ominix_core.errors import RequestError
from ominix_core.generation import Sampling

if TYPE_CHECKING:
    import mlx.core as mx

Sampler: TypeAlias = "Callable[[mx.array], mx.array]"
"""From logits (batch, vocabulary), normalized or not, to token ids (batch,)."""

NO_NUMBERS = (
    "This model's weights yield no numbers (NaN) here, so nothing can be made of them. "
    "Its files are damaged or badly converted: get it again, or get another conversion."
)
"""What a request is told that ends for it."""

# How far back the penalties look, in tokens.
PENALTY_WINDOW = 256


def make_sampler(sampling: Sampling) -> Sampler:
    """How the request chooses its tokens.

    Each request owns its random key, so a seeded answer is the same whatever else is in the batch.
    """
    import mlx.core as mx
    from mlx_lm.sample_utils import apply_min_p, apply_top_k, apply_top_p, greedy_sampler

    if sampling.temperature == 0:
        greedy: Sampler = greedy_sampler
        return greedy
    key = mx.random.key(secrets.randbits(32) if sampling.seed is None else sampling.seed)

    def sample(logits: mx.array) -> mx.array:
        nonlocal key
        key, draw = mx.random.split(key)
        if sampling.top_p < 1:  # it adds up exponentials, which must not overflow
            logits = apply_top_p(logits - mx.max(logits, axis=-1, keepdims=True), sampling.top_p)
        if sampling.min_p > 0:
            logits = apply_min_p(logits, sampling.min_p)
        if 0 < sampling.top_k < logits.shape[-1]:
            logits = apply_top_k(logits, sampling.top_k)
        return mx.random.categorical(logits / sampling.temperature, key=draw)

    return sample


def choose(samplers: Sequence[Sampler], logits: mx.array) -> mx.array:
    """A token for each row of the logits (batch, vocabulary), by the sampler of its request; shape (batch,)."""
    import mlx.core as mx

    if len(set(samplers)) == 1:  # all of them greedy, or one alone
        return samplers[0](logits)
    return mx.concatenate([sampler(logits[row : row + 1]) for row, sampler in enumerate(samplers)])


def has_number(logits: mx.array, token: int) -> bool:
    """Whether there is a number behind a chosen token; weights that hold none (NaN) say nothing about any token.

    Args:
        logits: What the token was chosen from, computed already, shape (vocabulary,).
    """
    import mlx.core as mx

    # A GPU would come to it only after the next step, which is on its way.
    value: Any = mx.take(logits, token, stream=mx.cpu).item()
    return not math.isnan(value)


def check_bias(sampling: Sampling, vocabulary: int) -> None:
    """Raises RequestError for a token that is beyond the vocabulary: MLX would write outside the logits."""
    beyond = [token for token in sampling.logit_bias if not 0 <= token < vocabulary]
    if beyond:
        raise RequestError(
            f"'logit_bias' names the token {beyond[0]}, but this model has {vocabulary:,} tokens.",
            "invalid_logit_bias",
        )


def make_logits_processors(sampling: Sampling) -> list[Any]:
    """Functions from (tokens so far, logits) to logits, for what the request asks for."""
    from mlx_lm.sample_utils import make_logits_processors

    processors: list[Any] = make_logits_processors(
        logit_bias=sampling.logit_bias or None,
        repetition_penalty=None if sampling.repetition_penalty == 1 else sampling.repetition_penalty,
        repetition_context_size=PENALTY_WINDOW,
        presence_penalty=sampling.presence_penalty,
        presence_context_size=PENALTY_WINDOW,
        frequency_penalty=sampling.frequency_penalty,
        frequency_context_size=PENALTY_WINDOW,
    )
    return processors
