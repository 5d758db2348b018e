"""Where pieces of speech meet."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from ominix_core.engines.joiner import FADE_SECONDS, PAUSE_SECONDS, Joiner, mono
from ominix_core.errors import RequestError

RATE = 1000
FADE, PAUSE = int(RATE * FADE_SECONDS), int(RATE * PAUSE_SECONDS)


def test_pieces_fade_at_their_ends_and_parts_of_a_piece_do_not() -> None:
    joiner = Joiner(RATE)
    loud = np.ones(50, np.float32)
    out = [joiner.add(loud), joiner.add(loud), joiner.end_piece(), joiner.add(loud), joiner.end_piece()]
    joined = np.concatenate(out)
    assert len(joined) == 150 + PAUSE
    assert np.abs(np.diff(joined)).max() <= 1 / (FADE - 1) + 1e-6
    assert (joined[FADE : 100 - FADE] == 1).all()
    assert not joined[100 : 100 + PAUSE].any()
    assert (loud == 1).all()


def test_parts_shorter_than_a_fade_are_kept() -> None:
    joiner = Joiner(RATE)
    out = [joiner.add(np.ones(2, np.float32)) for _ in range(10)]
    assert sum(map(len, [*out, joiner.end_piece()])) == 20


def test_a_piece_without_audio_adds_nothing() -> None:
    assert len(Joiner(RATE).end_piece()) == 0


def test_any_array_becomes_finite_mono() -> None:
    stereo = mx.array([[0.5, 2.0, float("nan")], [0.1, 2.0, float("inf")]]).astype(mx.bfloat16)
    samples = mono(stereo)
    assert samples.shape == (3,)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, [0.3, 1.0, 0.0], atol=0.01)


def test_audio_without_any_number_is_refused() -> None:
    with pytest.raises(RequestError, match="holds no numbers"):
        mono(mx.array([float("nan")] * 10))
