"""Speech as files and as streams of bytes, in the formats that libsndfile writes."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ominix_core.errors import OminixError

if TYPE_CHECKING:
    import soundfile

AudioFormat = Literal["wav", "pcm", "flac", "mp3", "opus"]

MEDIA_TYPES: dict[AudioFormat, str] = {
    "wav": "audio/wav",
    "pcm": "audio/pcm",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
}
_FILES = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "opus": ("OGG", "OPUS"),
}
_SUFFIXES = {f".{name}": name for name in _FILES} | {".ogg": "opus"}
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
_UNKNOWN_LENGTH = 0xFFFFFFFF


class AudioFormatError(OminixError):
    """Audio cannot be written in this format here."""

    code = "unsupported_audio_format"


def wav_header(sample_rate: int) -> bytes:
    """The head of a mono 16-bit WAV stream whose length nobody knows yet."""
    return b"RIFF%sWAVEfmt %sdata%s" % (
        struct.pack("<I", _UNKNOWN_LENGTH),
        struct.pack("<IHHIIHH", 16, 1, 1, sample_rate, sample_rate * 2, 2, 16),
        struct.pack("<I", _UNKNOWN_LENGTH),
    )


def to_pcm16(samples: bytes) -> bytes:
    """Little-endian float32 as little-endian 16-bit integers."""
    import numpy as np

    pcm: bytes = np.rint(np.frombuffer(samples, "<f4") * 32_767).astype("<i2").tobytes()
    return pcm


class AudioStream:
    """Encodes mono float32 audio as it comes, so that the first bytes can be sent before the last are known.

    Raises:
        AudioFormatError: libsndfile has no such encoder, or the encoder does not take this sample rate.
    """

    def __init__(self, audio_format: AudioFormat, sample_rate: int) -> None:
        self._head = wav_header(sample_rate) if audio_format == "wav" else b""
        self._sink: _ForwardOnly | None = None
        self._begun = False
        if audio_format not in ("wav", "pcm"):
            self._sink = _ForwardOnly()
            self._file = open_audio(self._sink, audio_format, sample_rate)

    def add(self, samples: bytes) -> bytes:
        """What can be sent now of everything so far."""
        if self._sink is None:
            head, self._head = self._head, b""
            return head + to_pcm16(samples)
        import numpy as np

        self._file.write(np.frombuffer(samples, "<f4"))
        return self._taken(self._sink)

    def end(self) -> bytes:
        """The last bytes."""
        if self._sink is None:
            return b""
        self._file.close()
        return self._taken(self._sink)

    def _taken(self, sink: _ForwardOnly) -> bytes:
        encoded = sink.take()
        if self._begun or not encoded:
            return encoded
        self._begun = True
        return _without_info_frame(encoded)


def _without_info_frame(encoded: bytes) -> bytes:
    """MP3 begins with an empty frame, into which the number of frames would go: of a stream nobody knows it."""
    if encoded[0] == 0xFF and not any(encoded[4:64]):
        return encoded[encoded.find(encoded[:2], 4) :]
    return encoded


def format_of(path: Path) -> AudioFormat:
    """The format that a file's name asks for. Raises AudioFormatError."""
    name = _SUFFIXES.get(path.suffix.lower())
    if name is None:
        raise AudioFormatError(f"{path.name} is of no kind that Ominix writes: use {', '.join(_SUFFIXES)}.")
    return name  # type: ignore[return-value]  # the keys of _FILES are formats


def open_audio(target: Path | int | _ForwardOnly, audio_format: AudioFormat, sample_rate: int) -> soundfile.SoundFile:
    """A mono file, or file descriptor, to write float32 arrays to. Raises AudioFormatError."""
    if audio_format == "opus" and sample_rate not in _OPUS_RATES:
        raise AudioFormatError(
            f"Opus cannot hold {sample_rate:,} Hz, at which this model speaks: use mp3, flac or wav."
        )
    import soundfile

    kind, subtype = _FILES[audio_format]
    # Players tell the length of an MP3 stream from its bit rate, which must be constant for that.
    constant = {"bitrate_mode": "CONSTANT", "compression_level": 0.5} if audio_format == "mp3" else {}
    try:
        return soundfile.SoundFile(target, "w", sample_rate, 1, subtype, format=kind, **constant)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise AudioFormatError(f"Audio cannot be written as {audio_format} here: {error}") from error


class _ForwardOnly:
    """A file whose bytes leave as they are written. What libsndfile would correct afterwards, the length in a header,
    is left as it was, which players of streams know.
    """

    def __init__(self) -> None:
        self._fresh = bytearray()
        self._position = 0
        self._length = 0

    def take(self) -> bytes:
        """What was written since the last time."""
        fresh = bytes(self._fresh)
        self._fresh.clear()
        return fresh

    def write(self, data: Any) -> int:
        size = len(data)
        self._fresh += bytes(data)[max(0, self._length - self._position) :]
        self._position += size
        self._length = max(self._length, self._position)
        return size

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self._length)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, _size: int = -1) -> bytes:
        return b""

    def flush(self) -> None:
        pass
