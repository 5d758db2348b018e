"""Encoded audio is what a player makes of it."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import miniaudio
import numpy as np
import pytest
import soundfile

from ominix_core.audio_files import AudioFormat, AudioFormatError, AudioStream, format_of

RATE = 24_000
TONE = (0.3 * np.sin(np.arange(RATE * 3) * 2 * np.pi * 440 / RATE)).astype("<f4")


def encode(audio_format: AudioFormat, rate: int = RATE) -> list[bytes]:
    stream = AudioStream(audio_format, rate)
    return [*(stream.add(part.tobytes()) for part in np.split(TONE, 30)), stream.end()]


def decode(encoded: bytes, audio_format: AudioFormat) -> Any:
    if audio_format == "opus":
        return soundfile.read(io.BytesIO(encoded), dtype="float32")[0]
    decoded = miniaudio.decode(encoded, miniaudio.SampleFormat.FLOAT32, nchannels=1, sample_rate=RATE)
    return np.array(decoded.samples)


@pytest.mark.parametrize("audio_format", ["flac", "mp3", "opus"])
def test_a_stream_without_its_last_corrections_decodes_whole(audio_format: AudioFormat) -> None:
    parts = encode(audio_format)
    assert sum(map(len, parts[:15])) > len(b"".join(parts)) / 4, "the first half is sent before the last is there"
    samples = decode(b"".join(parts), audio_format)
    assert abs(len(samples) - len(TONE)) < RATE / 10
    assert np.abs(samples[RATE : 2 * RATE]).max() == pytest.approx(0.3, abs=0.05)


def test_wav_has_one_header_of_unknown_length_and_then_pcm() -> None:
    wav, pcm = b"".join(encode("wav")), b"".join(encode("pcm"))
    assert wav[44:] == pcm
    assert wav.count(b"RIFF") == 1
    assert struct.unpack("<I", wav[40:44]) == (0xFFFFFFFF,)
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(samples, TONE, atol=1e-4)


def test_opus_says_which_rates_it_cannot_hold() -> None:
    with pytest.raises(AudioFormatError, match="32,000 Hz"):
        AudioStream("opus", 32_000)


def test_the_name_of_a_file_tells_its_format() -> None:
    assert [format_of(Path(name)) for name in ("a.WAV", "a.mp3", "a.ogg")] == ["wav", "mp3", "opus"]
    with pytest.raises(AudioFormatError, match=r"a\.aac is of no kind"):
        format_of(Path("a.aac"))


def test_the_length_of_an_mp3_stream_can_be_told_from_its_bytes() -> None:
    samples, _ = soundfile.read(io.BytesIO(b"".join(encode("mp3"))))
    assert abs(len(samples) - len(TONE)) < RATE / 10
