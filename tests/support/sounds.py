"""Audio for tests: tones with pauses, and WAV files whose headers say what they like."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def tone(seconds: float, rate: int = 16000, level: float = 0.3) -> Samples:
    """A hum of 220 Hz."""
    samples: Samples = (level * np.sin(2 * np.pi * 220 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)
    return samples


def silence(seconds: float, rate: int = 16000) -> Samples:
    return np.zeros(int(seconds * rate), np.float32)


def write_audio(path: Path, samples: NDArray[Any], rate: int = 16000, **options: Any) -> Path:
    """Write samples of shape (frames,) or (frames, channels) in the format of the file's name."""
    import soundfile

    soundfile.write(path, samples, rate, **options)
    return path


def wav_bytes(data: bytes, *, rate: int = 16000, channels: int = 1, bits: int = 16, size: int | None = None) -> bytes:
    """A WAV file; floats if `bits` is 32. `size` is what its header says of the data."""
    kind, frame = (3 if bits == 32 else 1), channels * bits // 8
    size = len(data) if size is None else size
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, channels, rate, (rate * frame) % 2**32, frame, bits)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size) + data
