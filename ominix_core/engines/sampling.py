"""How the next token is chosen, per request, inside a batch."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from ominix_core.generation import Sampling

if TYPE_CHECKING:
    import mlx.core as mx


def make_sampler(sampling: Sampling) -> Callable[[mx.array], mx.array]:
    """A function from log-probabilities (batch, vocabulary) to token ids (batch,).

    Each request owns its random key, so a seeded answer is the same whatever else is in the batch.
    """
    import mlx.core as mx
    from mlx_lm.sample_utils import apply_top_p, greedy_sampler

    if sampling.temperature == 0:
        greedy: Callable[[mx.array], mx.array] = greedy_sampler
        return greedy
    key = mx.random.key(secrets.randbits(32) if sampling.seed is None else sampling.seed)

    def sample(logprobs: mx.array) -> mx.array:
        nonlocal key
        key, draw = mx.random.split(key)
        if sampling.top_p < 1:
            logprobs = apply_top_p(logprobs, sampling.top_p)
        return mx.random.categorical(logprobs / sampling.temperature, key=draw)

    return sample
