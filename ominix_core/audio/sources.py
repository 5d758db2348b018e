"""Audio files as streams of samples: soundfile reads most formats; the system's converter, ffmpeg or PyAV the rest."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ominix_core.audio import headers
from ominix_core.errors import RequestError

logger = logging.getLogger(__name__)

Samples = NDArray[np.float32]

BLOCK_SECONDS = 1.0
PROBE_SECONDS = 20.0
_UNKNOWN_LENGTH = 1 << 60
_LOWEST_RATE, _HIGHEST_RATE = 1000, 768_000

# Playlists and the like may name other files and addresses, so ffmpeg gets to open formats that hold their own sound.
_FORMATS = "mov,matroska,aac,mp3,ogg,flac,wav,w64,aiff,caf,asf,avi,mpegts,mpeg,mpegvideo,amr,ac3,eac3,au,flv,ape,wv,tta"
_CONTAINERS = (
    (4, b"ftyp", "MP4 or M4A"),
    (0, b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x30\x26\xb2\x75", "WMA"),
    (8, b"AVI ", "AVI"),
    (0, b"FLV\x01", "FLV"),
)
"""Formats that soundfile does not read: where their mark is, and what people call them."""


class UndecodableError(Exception):
    """One way of decoding a file does not work; another may."""


class Source(Protocol):
    """A file that is being decoded.

    Attributes:
        rate: Sample rate in Hz.
        seconds: How long it is as far as the file tells, 0 if it does not.
    """

    rate: int
    seconds: float

    def blocks(self) -> Iterator[Samples]:
        """All samples in order, as arrays of (frames, channels)."""
        ...

    def close(self) -> None: ...


def open_source(path: Path, rate: int) -> Source:
    """Begin to decode `path`, at `rate` Hz where the decoder can choose.

    Raises:
        RequestError: The file cannot be decoded; the text says why, or what to install.
    """
    _refuse_what_is_no_file(path)
    tried = []
    for decoder, opener in _decoders():
        try:
            return opener(path, rate)
        except UndecodableError as error:
            logger.info("%s cannot decode %s: %s", decoder, path.name, error)
            tried.append(decoder)
    raise RequestError(_explanation(path, tried), "invalid_input")


def _decoders() -> Iterator[tuple[str, Callable[[Path, int], Source]]]:
    yield "soundfile", SoundFileSource
    if sys.platform == "darwin" and shutil.which("afconvert"):
        yield "afconvert", ConvertedSource
    if shutil.which("ffmpeg"):
        yield "ffmpeg", FfmpegSource
    if importlib.util.find_spec("av") is not None:
        yield "PyAV", PyAvSource


def _refuse_what_is_no_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}.", "invalid_input") from error
    if not stat.S_ISREG(status.st_mode):
        raise RequestError(f"{path.name} is not a file.", "invalid_input")
    if status.st_size == 0:
        raise RequestError(f"{path.name} is empty.", "invalid_input")
    if not os.access(path, os.R_OK):
        raise RequestError(f"{path.name} may not be read by this user.", "invalid_input")


def _explanation(path: Path, tried: list[str]) -> str:
    with path.open("rb") as file:
        head = file.read(16)
    kind = next((name for at, mark, name in _CONTAINERS if head[at:].startswith(mark)), None)
    if kind is None:
        return f"{path.name} is not an audio file, or it is damaged."
    if tried == ["soundfile"]:
        install = "brew install ffmpeg" if sys.platform == "darwin" else "apt install ffmpeg"
        return (
            f"{path.name} is {kind}, which needs another decoder: {install}, or pip install 'ominix[av]'. "
            "WAV, FLAC, MP3, OGG and AIFF need none."
        )
    return f"{path.name} is {kind}, but holds no audio that {' or '.join(tried[1:])} can decode; it may be damaged."


class SoundFileSource:
    """What libsndfile reads, whatever the file is called: WAV, FLAC, MP3, OGG (Vorbis, Opus), AIFF, CAF and more."""

    def __init__(self, path: Path, rate: int = 0) -> None:
        import soundfile

        self._error: type[Exception] = soundfile.LibsndfileError
        # An open file: given a name, soundfile would believe its extension.
        self._opened = path.open("rb")
        corrections = headers.corrections(self._opened)
        self._opened.seek(0)
        target = headers.CorrectedFile(self._opened, corrections) if corrections else self._opened.fileno()
        try:
            self._file = _sound_file(target)
        except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
            self._opened.close()
            raise UndecodableError(str(error)) from error
        self.rate = self._file.samplerate
        if not _LOWEST_RATE <= self.rate <= _HIGHEST_RATE:
            self.close()
            raise RequestError(
                f"{path.name} says that it has {self.rate:,} samples a second, which no recording has.", "invalid_input"
            )
        frames = self._file.frames
        self.seconds = frames / self.rate if frames < _UNKNOWN_LENGTH else 0.0

    def blocks(self) -> Iterator[Samples]:
        frames = int(self.rate * BLOCK_SECONDS)
        with contextlib.suppress(self._error):  # damaged from here on; what came before is worth having
            while len(block := self._file.read(frames, dtype="float32", always_2d=True)):
                yield block

    def close(self) -> None:
        self._file.close()
        self._opened.close()


def _sound_file(target: headers.CorrectedFile | int) -> Any:
    """A file that is read straight on.

    Else soundfile goes, after each block, to where it is already, which libsndfile refuses at the end of a FLAC that
    tells no length, or a wrong one: the block is lost. Its decoder of MP3 starts anew there, so that each block clicks.
    """
    import soundfile

    class Straight(soundfile.SoundFile):  # type: ignore[misc]  # the package has no types
        def seekable(self) -> bool:
            return False

    return Straight(target, closefd=False)


class ConvertedSource(SoundFileSource):
    """What macOS itself can decode, through a file on the side."""

    def __init__(self, path: Path, rate: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ominix-audio-")
        target = Path(self._folder.name) / "audio.caf"
        command = ["afconvert", "-f", "caff", "-d", f"LEI16@{rate}", str(path.absolute()), str(target)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
            if done.returncode:
                raise UndecodableError(done.stderr.strip() or f"afconvert ended with {done.returncode}")
            super().__init__(target)
        except BaseException:
            self._folder.cleanup()
            raise

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


class FfmpegSource:
    """What the user's ffmpeg decodes, through a pipe."""

    def __init__(self, path: Path, rate: int) -> None:
        self.rate = rate
        guarded = ["-protocol_whitelist", "file", "-format_whitelist", _FORMATS]
        # AU is the plainest format whose header tells the number of channels.
        wanted = ["-map", "0:a:0", "-ar", str(rate), "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
        self.seconds = _probe_seconds(path, guarded)
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        self._process = subprocess.Popen(
            ["ffmpeg", "-nostdin", "-v", "error", *guarded, "-i", f"file:{path.absolute()}", *wanted],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )
        self._channels = self._read_header()
        self._first = self._read()
        if not len(self._first):
            self._process.wait()
            self._complaints.seek(0)
            reason = self._complaints.read(500).decode(errors="replace")
            self.close()
            raise UndecodableError(reason or "no sound came out")

    def blocks(self) -> Iterator[Samples]:
        block = self._first
        while len(block):
            yield block
            block = self._read()

    def _read_header(self) -> int:
        """The number of channels of what follows."""
        assert self._process.stdout is not None
        head = self._process.stdout.read(24)
        if len(head) < 24:
            return 1
        self._process.stdout.read(int.from_bytes(head[4:8]) - len(head))
        return max(1, int.from_bytes(head[20:24]))

    def _read(self) -> Samples:
        assert self._process.stdout is not None
        frame = 4 * self._channels
        data = self._process.stdout.read(int(self.rate * BLOCK_SECONDS) * frame)
        samples = np.frombuffer(data[: len(data) // frame * frame], dtype=">f4").astype(np.float32)
        return samples.reshape(-1, self._channels)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._complaints.close()


def _probe_seconds(path: Path, guarded: list[str]) -> float:
    """What ffmpeg's companion says, or 0."""
    command = ["ffprobe", "-v", "error", *guarded, "-show_entries", "format=duration", "-of", "csv=p=0"]
    try:
        done = subprocess.run(
            [*command, f"file:{path.absolute()}"], capture_output=True, text=True, timeout=PROBE_SECONDS, check=True
        )
        return max(0.0, float(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0.0


class PyAvSource:
    """What FFmpeg's libraries inside the PyAV package decode."""

    def __init__(self, path: Path, rate: int) -> None:
        import av

        self.rate = rate
        self._error: type[Exception] = av.FFmpegError
        options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
        try:
            self._container = av.open(f"file:{path.absolute()}", options=options)
        except (av.FFmpegError, ValueError) as error:
            raise UndecodableError(str(error)) from error
        if not self._container.streams.audio:
            self._container.close()
            raise UndecodableError("it has no audio track")
        self._resampler = av.AudioResampler(format="fltp", rate=rate)
        self.seconds = (self._container.duration or 0) / av.time_base

    def blocks(self) -> Iterator[Samples]:
        with contextlib.suppress(self._error):  # see SoundFileSource
            for frame in self._container.decode(audio=0):
                yield from self._converted(frame)
            yield from self._converted(None)

    def _converted(self, frame: Any) -> Iterator[Samples]:
        for piece in self._resampler.resample(frame):
            yield piece.to_ndarray().T

    def close(self) -> None:
        self._container.close()
