"""One speech on its way from the model to the ear: generated, kept, played, saved."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ominix_core.devices import Playback
from ominix_core.errors import OminixError
from ominix_core.generation import Failed, Finished
from ominix_core.media import AudioChunk

if TYPE_CHECKING:
    from ominix_core.stream import Generation


class SpeechTake:
    """Follows one generation. `receive` is called from a timer; the playback may be opened on any thread.

    Attributes:
        last: How the generation ended; None while it goes on.
        seconds: How much speech there is.
        opening: Whether `open_playback` is on its way; set by whoever sends it there.
    """

    def __init__(self, generation: Generation) -> None:
        self.last: Finished | Failed | None = None
        self.seconds = 0.0
        self.opening = False
        self._generation = generation
        self._started = time.monotonic()
        self._elapsed = 0.0
        self._sample_rate = 0
        self._parts: list[bytes] = []
        self._playback: Playback | None = None
        self._fed = 0
        self._stopped = False

    @property
    def busy(self) -> bool:
        """Whether speech is still generated or played, or is about to be."""
        return self.last is None or self.opening or self._playing

    @property
    def _playing(self) -> bool:
        return self._playback is not None and self._playback.playing

    @property
    def played_share(self) -> float:
        """How much of what there is has been played, in 0..1."""
        if self._playback is None or not self.seconds:
            return 0.0
        return min(1.0, self._playback.played_seconds / self.seconds)

    def receive(self) -> list[AudioChunk]:
        """What has been generated since the last call, which is kept and played."""
        chunks = []
        for event in self._generation.drain():
            if isinstance(event, AudioChunk):
                chunks.append(event)
                self._parts.append(event.samples)
                self._sample_rate = event.sample_rate
                self.seconds += len(event.samples) / 4 / event.sample_rate
                self._elapsed = time.monotonic() - self._started
            elif isinstance(event, Finished | Failed):
                self.last = event
        self._feed()
        return chunks

    def open_playback(self) -> None:
        """Begin to play what there is. Raises DeviceError; the speech can still be saved then."""
        try:
            playback = Playback(self._sample_rate)
            if self._stopped:
                playback.stop()
            self._playback = playback
        finally:
            self.opening = False

    def _feed(self) -> None:
        if self._playback is None or self._fed > len(self._parts):
            return
        for part in self._parts[self._fed :]:
            self._playback.feed(part)
        self._fed = len(self._parts)
        if self.last is not None:
            self._playback.finish()
            self._fed += 1

    def stop(self) -> None:
        """Generate and play no more; what there is stays."""
        self._stopped = True
        if self.last is None:
            self._generation.cancel()
        if self._playback is not None:
            self._playback.stop()

    def save(self, folder: Path) -> Path:
        """Write a WAV file with the time in its name, and return its path. Raises OminixError."""
        import numpy as np
        import soundfile

        path = folder / time.strftime("speech-%Y%m%d-%H%M%S.wav")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.frombuffer(b"".join(self._parts), "<f4"), self._sample_rate, subtype="PCM_16")
        except (OSError, soundfile.SoundFileError) as error:
            raise OminixError(f"{path} cannot be written: {error}") from error
        return path

    def describe(self) -> str:
        """What is going on, in a few words."""
        match self.last:
            case None if self._stopped:
                return "Stopping"
            case None:
                return "Generating" if self.seconds else "Waiting for the first sound"
            case Failed():
                return "Broke off"
        if self.opening or self._playing:
            return "Playing"
        return "Stopped" if self._stopped else "Ready"

    def figures(self) -> str:
        """How long the speech is and how fast it was made."""
        if not self.seconds:
            return ""
        figures = f"{self.seconds:.1f} s · {self.seconds / max(self._elapsed, 0.001):.1f} × real time"
        if isinstance(self.last, Finished) and self.last.usage.ttft:
            figures += f" · starts after {self.last.usage.ttft:.2f} s"
        return figures
