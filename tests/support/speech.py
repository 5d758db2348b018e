"""Short forms for the tests that listen to a model."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ominix_core.generation import Failed, Finished, GenerationEvent
from ominix_core.media import AudioChunk

Samples = npt.NDArray[np.float32]


def listen(events: Iterable[GenerationEvent]) -> tuple[Samples, Finished | Failed]:
    """All the audio and the last event."""
    parts: list[bytes] = []
    for event in events:
        if isinstance(event, AudioChunk):
            parts.append(event.samples)
        elif isinstance(event, Finished | Failed):
            return np.frombuffer(b"".join(parts), "<f4"), event
    raise AssertionError("the stream ended without a last event")
