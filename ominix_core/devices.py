"""The loudspeaker and the microphone of the machine that this program runs on. PortAudio is loaded when first used."""

from __future__ import annotations

import array
import logging
import os
import platform
import queue
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Literal

from ominix_core.errors import OminixError

logger = logging.getLogger(__name__)

SLICE_SECONDS = 0.1
"""How long a stop may take to be noticed, and how often the level of a recording is told."""
RECORDING_RATE = 48_000
_FULL_SCALE = 32_768

Direction = Literal["output", "input"]


class DeviceError(OminixError):
    """No sound can be played or recorded here; the text says why and what would help."""

    code = "no_audio_device"


def over_ssh() -> bool:
    """Whether the user sits at another machine than the one that this program runs on."""
    return "SSH_CONNECTION" in os.environ


def host() -> str:
    """The short name of this machine."""
    return platform.node().partition(".")[0] or "this machine"


def where() -> str:
    """Where sound plays and records, as an addition to a label: " on studio" over SSH, else nothing."""
    return f" on {host()}" if over_ssh() else ""


def listening_hint(command: str = 'ominix speak "Hello"') -> str:
    """How to hear at one's own machine what is spoken on this one."""
    quoted = command.replace("'", "'\\''")
    return (
        f"Sound plays on {host()}. To hear it where you are, run there: "
        f"ssh {host()} '{quoted}' > speech.wav && afplay speech.wav (on Linux: ssh … | aplay)"
    )


class Playback:
    """Plays mono float32 audio as it arrives, on a thread of its own.

    Attributes:
        played_seconds: How much of it has been handed to the loudspeaker.

    Raises:
        DeviceError: There is no loudspeaker, or it does not take this sample rate.
    """

    def __init__(self, sample_rate: int) -> None:
        self.played_seconds = 0.0
        self._slice_bytes = int(sample_rate * SLICE_SECONDS) * 4
        self._stopped = threading.Event()
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stream = _open("output", sample_rate, "float32")
        self._thread = threading.Thread(target=self._run, name="playback", daemon=True)
        self._thread.start()

    @property
    def playing(self) -> bool:
        """Whether sound still comes, or may."""
        return self._thread.is_alive()

    def feed(self, samples: bytes) -> None:
        """More audio."""
        self._waiting.put(samples)

    def finish(self) -> None:
        """No more audio comes; what is there is played to its end."""
        self._waiting.put(None)

    def stop(self) -> None:
        """Be silent at once."""
        self._stopped.set()
        self._waiting.put(None)

    def wait(self) -> None:
        """Return when the last sound has been heard."""
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._stream:
                for part in self._slices():
                    self._stream.write(part)
                    self.played_seconds += len(part) / self._slice_bytes * SLICE_SECONDS
                if self._stopped.is_set():
                    self._stream.abort()
        except Exception:  # the device was unplugged, or went to another program
            logger.exception("playback broke off")

    def _slices(self) -> Iterator[bytes]:
        while (samples := self._waiting.get()) is not None:
            for start in range(0, len(samples), self._slice_bytes):
                if self._stopped.is_set():
                    return
                yield samples[start : start + self._slice_bytes]


def play_file(file: Path | IO[bytes]) -> None:
    """Play an audio file to its end. Raises DeviceError, also if it cannot be read."""
    import soundfile

    try:
        samples, sample_rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise DeviceError(f"This audio cannot be played: {error}") from error
    playback = Playback(sample_rate)
    playback.feed(samples.mean(axis=1).astype("<f4").tobytes())
    playback.finish()
    playback.wait()


def record(path: Path, max_seconds: float, on_level: Callable[[float], None], stop: threading.Event) -> Path:
    """Record from the microphone to the WAV file `path` until `stop` is set or `max_seconds` are over; returns `path`.

    Args:
        on_level: Called ten times a second, on this thread, with the peak level in 0..1.

    Raises:
        DeviceError: There is no microphone, or macOS gives this program nothing but silence.
    """
    loudest = 0.0
    slices = int(max_seconds / SLICE_SECONDS)
    with _open("input", RECORDING_RATE, "int16") as stream, wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RECORDING_RATE)
        for _ in range(slices):
            if stop.is_set():
                break
            block = _read(stream)
            file.writeframes(block)
            level = _peak(block)
            loudest = max(loudest, level)
            on_level(level)
    if loudest == 0.0:
        path.unlink()
        raise DeviceError(_silence_help())
    return path


def _read(stream: Any) -> bytes:
    try:
        block, _ = stream.read(int(RECORDING_RATE * SLICE_SECONDS))
    except Exception as error:
        logger.exception("the recording broke off")
        raise DeviceError(f"The microphone{where()} stopped: {error}.") from error
    return bytes(block)


def _peak(block: bytes) -> float:
    samples = array.array("h", block)
    if sys.byteorder == "big":
        samples.byteswap()
    return max(max(samples, default=0), -min(samples, default=0)) / _FULL_SCALE


def _silence_help() -> str:
    if platform.system() != "Darwin":
        return f"The microphone{where()} gave only silence. Is it muted, or another one meant?"
    if over_ssh():
        return (
            f"The microphone of {host()} gave only silence: macOS gives a program that was started over SSH no "
            "microphone. Record where you are and send the file instead."
        )
    return (
        "The microphone gave only silence: macOS keeps it from this terminal. Allow it in System Settings, Privacy & "
        "Security, Microphone, and start the terminal again."
    )


def _open(direction: Direction, sample_rate: int, sample_type: str) -> Any:
    """A raw mono stream of the default device, not started. Raises DeviceError."""
    try:
        import sounddevice
    except ImportError as error:
        raise DeviceError("Playing and recording need the package sounddevice: pip install sounddevice") from error
    except OSError as error:  # what it raises where the C library is missing
        raise DeviceError(
            "Playing and recording need the PortAudio library: brew install portaudio, or sudo apt install "
            f"libportaudio2. {_without_device(direction)}"
        ) from error
    kind = sounddevice.RawOutputStream if direction == "output" else sounddevice.RawInputStream
    try:
        return kind(samplerate=sample_rate, channels=1, dtype=sample_type)
    except sounddevice.PortAudioError as error:
        logger.warning("no %s stream: %s", direction, error)
        raise DeviceError(_no_device(direction, str(error))) from error


def _no_device(direction: Direction, reason: str) -> str:
    device = "loudspeaker" if direction == "output" else "microphone"
    found = "There is no" if "querying device" in reason else "Ominix cannot use the"
    return f"{found} {device} on {host()}. {_without_device(direction)}"


def _without_device(direction: Direction) -> str:
    if direction == "output":
        return "Save the speech as a file instead."
    return "Choose a file instead of recording."
