"""Samplers take logits as a model gives them."""

from __future__ import annotations

import mlx.core as mx
import pytest

from ominix_core.engines.sampling import make_sampler
from ominix_core.generation import Sampling

LOGITS = mx.array([[120.0, 119.5, 119.0, 60.0, 0.0]])
FORMS = [
    Sampling(seed=3),
    Sampling(seed=3, top_p=0.7),
    Sampling(seed=3, min_p=0.5),
    Sampling(seed=3, top_k=2, temperature=2.0),
]


def drawn(sampling: Sampling, logits: mx.array) -> list[int]:
    sampler = make_sampler(sampling)
    return [int(sampler(logits).item()) for _ in range(40)]


@pytest.mark.parametrize("sampling", FORMS)
def test_normalization_changes_nothing(sampling: Sampling) -> None:
    assert drawn(sampling, LOGITS) == drawn(sampling, LOGITS - mx.logsumexp(LOGITS))


@pytest.mark.parametrize(("sampling", "possible"), list(zip(FORMS, [{0, 1, 2}, {0, 1}, {0, 1}, {0, 1}], strict=True)))
def test_only_what_the_request_allows_is_drawn(sampling: Sampling, possible: set[int]) -> None:
    assert set(drawn(sampling, LOGITS)) == possible
