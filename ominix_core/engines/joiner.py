"""Pieces of speech become one stream of audio without clicks where they meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ominix_core.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

FADE_SECONDS = 0.005
PAUSE_SECONDS = 0.1
"""Silence between two pieces, beside what the model puts there itself."""


class Joiner:
    """Fades each piece in and out; the parts of one piece follow each other as they are.

    Args:
        sample_rate: In Hz, of everything that comes.
    """

    def __init__(self, sample_rate: int) -> None:
        import numpy as np

        self._ramp = np.linspace(0.0, 1.0, max(2, int(sample_rate * FADE_SECONDS)), dtype=np.float32)
        self._pause = np.zeros(int(sample_rate * PAUSE_SECONDS), np.float32)
        self._held = self._pause[:0]
        self._inside = False
        self._first = True

    def add(self, part: Samples) -> Samples:
        """The next part of a piece; returns what is ready, which lags behind by the length of a fade."""
        import numpy as np

        before = self._held
        if not self._inside:
            if not self._first:
                before = self._pause
            part = part.copy()
            length = min(len(self._ramp), len(part))
            part[:length] *= self._ramp[:length]
        self._inside, self._first = True, False
        joined = np.concatenate([before, part])
        ready = max(0, len(joined) - len(self._ramp))
        self._held = joined[ready:]
        return joined[:ready]

    def end_piece(self) -> Samples:
        """The rest of the piece."""
        if not self._inside:
            return self._pause[:0]
        self._inside = False
        rest = self._held * self._ramp[: len(self._held)][::-1]
        self._held = self._pause[:0]
        return rest


def mono(samples: Any) -> Samples:
    """An MLX array of any float type as finite mono float32 in -1..1. Channels, if any, are the shorter axis.

    Raises RequestError if there is no finite sample at all.
    """
    import mlx.core as mx
    import numpy as np

    audio: Samples = np.array(samples.astype(mx.float32))
    while audio.ndim > 1:
        audio = audio.mean(axis=int(np.argmin(audio.shape)))
    if len(audio) and not np.isfinite(audio).any():
        raise RequestError("The model's audio holds no numbers. Get the model again: its files may be damaged.")
    return np.clip(np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
