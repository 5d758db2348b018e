"""Clips to imitate a voice from: what is wrong with them, and how they are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ominix_core.errors import OminixError, RequestError

if TYPE_CHECKING:
    from ominix_core.audio.sources import Samples

SHORTEST, LONGEST = 3.0, 10.0
"""Seconds: shorter tells too little of a voice, longer makes every request slower."""
LARGEST_BYTES = 50_000_000
QUIETEST = 0.02
CLIPPED_SHARE = 0.001
_FULL = 0.999


class VoiceError(OminixError):
    """A voice cannot be added, changed or used."""

    code = "invalid_voice"


def copy_clip(source: Path, target: Path) -> None:
    """Write `source` as a mono WAV file. Raises VoiceError that says what is wrong with it."""
    import numpy as np
    import soundfile

    from ominix_core.audio.sources import UndecodableError
    from ominix_core.audio.stream import mixed_down

    try:
        if source.stat().st_size > LARGEST_BYTES:
            raise VoiceError(f"{source.name} is too large for a clip of {LONGEST:g} seconds.")
        audio, rate = _beginning(source)
    except (UndecodableError, RequestError, OSError) as error:
        raise VoiceError(f"{source.name} cannot be read as audio: give a WAV, FLAC, MP3, OGG or AIFF file.") from error
    if not np.isfinite(audio).all():
        raise VoiceError(f"{source.name} holds samples that are no numbers.")
    seconds = len(audio) / rate
    if not SHORTEST <= seconds <= LONGEST:
        length = f"is {seconds:.1f} s long" if seconds < SHORTEST else f"is longer than {LONGEST:g} s"
        raise VoiceError(f"{source.name} {length}. A clip of {SHORTEST:g} to {LONGEST:g} seconds is needed.")
    mono = next(mixed_down([audio]))
    peak = float(np.abs(mono).max())
    if peak < QUIETEST:
        raise VoiceError(f"{source.name} is almost silent. Record it louder.")
    if float((np.abs(audio) >= _FULL).any(axis=1).mean()) > CLIPPED_SHARE:
        raise VoiceError(f"{source.name} is distorted: it was recorded too loud. Record it a little quieter.")
    try:
        soundfile.write(target, mono, rate, subtype="PCM_16", format="WAV")
    except (soundfile.SoundFileError, OSError) as error:
        target.unlink(missing_ok=True)
        raise VoiceError(f"The clip cannot be kept as {target}: {error}") from error


def _beginning(source: Path) -> tuple[Samples, int]:
    """A little more than the longest clip, as (frames, channels), and its rate in Hz."""
    import numpy as np

    from ominix_core.audio.sources import SoundFileSource

    file = SoundFileSource(source)
    try:
        most = int(LONGEST * file.rate) + 1  # some formats do not tell how long they are
        blocks, length = [], 0
        for block in file.blocks():
            blocks.append(block)
            if (length := length + len(block)) >= most:
                break
        return np.concatenate(blocks)[:most] if blocks else np.zeros((0, 1), np.float32), file.rate
    finally:
        file.close()
