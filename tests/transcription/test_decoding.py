"""Audio files of every kind, sound and broken, become samples or a sentence that helps."""

from __future__ import annotations

import io
import os
import stat
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ominix_core.audio.chunks import Chunk
from ominix_core.audio.reader import ChunkReader, End
from ominix_core.audio.sources import Samples
from ominix_core.audio.stream import AudioStream
from ominix_core.errors import RequestError
from tests.support.sounds import silence, tone, wav_bytes, write_audio


def decoded(path: Path, rate: int = 16000) -> Samples:
    stream = AudioStream(path, rate)
    try:
        return np.concatenate(list(stream.blocks()))
    finally:
        stream.close()


def pcm(seconds: float = 1.0) -> bytes:
    return (tone(seconds) * 32767).astype("<i2").tobytes()


class TestFormats:
    @pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.aiff", "a.caf", "a.au", "a.w64"])
    def test_what_soundfile_reads(self, tmp_path: Path, name: str) -> None:
        samples = decoded(write_audio(tmp_path / name, tone(2.0)))
        assert samples.dtype == np.float32
        assert len(samples) == pytest.approx(32000, abs=2500)  # lossy formats pad
        assert np.abs(samples).max() == pytest.approx(0.3, abs=0.05)

    @pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.flac"])
    def test_blocks_are_the_samples_of_the_whole(self, tmp_path: Path, name: str) -> None:
        import soundfile

        path = write_audio(tmp_path / name, tone(3.0))
        whole, _ = soundfile.read(path, dtype="float32")
        assert np.abs(decoded(path) - whole).max() < 1e-5

    @pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
    def test_every_sample_rate(self, tmp_path: Path, rate: int) -> None:
        samples = decoded(write_audio(tmp_path / "a.wav", tone(2.0, rate), rate))
        assert len(samples) == pytest.approx(32000, abs=2)
        middle = samples[8000:24000]
        assert np.max(np.abs(middle - tone(2.0)[8000:24000])) < 0.003

    def test_what_lies_above_the_models_range_does_not_come_back_as_another_tone(self, tmp_path: Path) -> None:
        high = 0.5 * np.sin(2 * np.pi * 15_000 * np.arange(96_000) / 48_000)
        assert np.abs(decoded(write_audio(tmp_path / "a.wav", high, 48_000))[1000:-1000]).max() < 1e-3

    @pytest.mark.parametrize("channels", [2, 6, 8])
    def test_channels_are_mixed(self, tmp_path: Path, channels: int) -> None:
        parts = np.zeros((16000, channels), np.float32)
        parts[:, -1] = tone(1.0)
        assert np.abs(decoded(write_audio(tmp_path / "a.wav", parts)) - tone(1.0) / channels).max() < 1e-4

    @pytest.mark.parametrize("rate", [16000, 44100])
    def test_channels_that_cancel_each_other_are_not_lost(self, tmp_path: Path, rate: int) -> None:
        voice = tone(3.0, rate)
        parts = np.stack([voice, -0.98 * voice], 1)
        parts[rate : 2 * rate, 1] = 0.3 * voice[rate : 2 * rate]  # for a second they agree: there the mean counts
        heard = decoded(write_audio(tmp_path / "a.wav", parts, rate))
        peaks = [np.abs(heard[at + 4000 : at + 12000]).max() for at in (0, 16000, 32000)]
        assert peaks == pytest.approx([0.3, 0.195, 0.3], abs=0.01)

    def test_between_inverted_channels_of_changing_level_the_choice_stays(self, tmp_path: Path) -> None:
        voice = tone(4.0)
        level = np.repeat([1.0, 1.05, 0.95, 1.05], 16000)
        heard = decoded(write_audio(tmp_path / "a.wav", np.stack([voice, -level * voice], 1), subtype="FLOAT"))
        assert np.abs(heard - voice).max() < 1e-4

    def test_opposite_offsets_are_no_reason_to_choose_a_channel(self, tmp_path: Path) -> None:
        voice = tone(1.0) / 10
        parts = np.stack([voice + 0.2, voice - 0.2], 1)
        assert np.abs(decoded(write_audio(tmp_path / "a.wav", parts, subtype="FLOAT")) - voice).max() < 1e-4

    def test_another_program_decodes_what_soundfile_cannot(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_audio(tmp_path / "sound.au", np.stack([tone(2.5), silence(2.5)], 1), subtype="FLOAT")
        program = tmp_path / "ffmpeg"
        program.write_text(f'#!/bin/sh\nexec /bin/cat "{tmp_path}/sound.au"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
        assert np.allclose(decoded(tmp_path / "a.m4a"), tone(2.5) / 2, atol=1e-7)

    def test_what_to_install_for_a_format_that_nothing_here_decodes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        monkeypatch.setenv("PATH", str(tmp_path))
        (tmp_path / "talk.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
        with pytest.raises(RequestError, match=r"talk\.m4a is MP4 or M4A.*install ffmpeg.*ominix\[av\]"):
            AudioStream(tmp_path / "talk.m4a", 16000)


def cut_file(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def make_bytes(content: bytes, name: str = "a.wav") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def floats(value: float) -> bytes:
    return np.full(16000, value, "<f4").tobytes()


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "none.wav", "cannot be read: No such file"),
    "a folder": (lambda folder: folder, "is not a file"),
    "empty": (make_bytes(b""), "a.wav is empty"),
    "text": (make_bytes(b"This is a letter, not a song.\n" * 50), "not an audio file, or it is damaged"),
    "a picture": (make_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500), "a.mp3"), "not an audio file"),
    "noise": (make_bytes(bytes(range(7, 250)) * 40, "a.ogg"), "not an audio file"),
    "an archive": (make_bytes(b"PK\x03\x04" + bytes(800), "a.flac"), "not an audio file"),
    "a header that stops": (make_bytes(wav_bytes(pcm())[:20]), "not an audio file"),
    "only a header": (make_bytes(wav_bytes(b"")), "holds no sound"),
    "0 Hz": (make_bytes(wav_bytes(pcm(), rate=0)), "samples a second|not an audio file"),
    "4 GHz": (make_bytes(wav_bytes(pcm(), rate=4_000_000_000)), "samples a second|not an audio file"),
    "an M4A of nonsense": (make_bytes(b"\0\0\0\x20ftypM4A " + bytes(range(256)) * 9, "a.m4a"), "a.m4a is MP4 or M4A"),
    "a WebM of nonsense": (make_bytes(b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 9, "a.webm"), "a.webm is WebM"),
    "a playlist": (make_bytes(b"#EXTM3U\nfile:///etc/passwd\n", "a.m3u8"), "not an audio file"),
}
HANDLED: dict[str, Callable[[Path], Path]] = {
    "cut off in the middle": lambda folder: cut_file(write_audio(folder / "a.wav", tone(2.0)), 0.6),
    "more promised than there is": make_bytes(wav_bytes(pcm(), size=2**31)),
    "8 channels": lambda folder: write_audio(folder / "a.wav", np.tile(tone(1.0)[:, None], 8)),
    "no numbers": make_bytes(wav_bytes(floats(float("nan")), bits=32)),
    "endless numbers": make_bytes(wav_bytes(floats(float("inf")), bits=32)),
    "far too loud": make_bytes(wav_bytes(floats(1e30), bits=32)),
    "a FLAC called .wav": lambda folder: write_audio(folder / "a.wav", tone(1.0), format="FLAC"),
    "a WAV called .mp3": make_bytes(wav_bytes(pcm()), "a.mp3"),
    "a WAV called .raw": make_bytes(wav_bytes(pcm()), "a.raw"),
    "a WAV without a name's end": make_bytes(wav_bytes(pcm()), "audio"),
    "a FLAC cut off": lambda folder: cut_file(write_audio(folder / "a.flac", tone(5.0)), 0.5),
    "an MP3 cut off": lambda folder: cut_file(write_audio(folder / "a.mp3", tone(5.0)), 0.5),
    "one sample": make_bytes(wav_bytes(b"\0\x40")),
}


def streamed(kind: str, size: int) -> bytes:
    """A second of sound in a file whose header tells `size` for the length of its data, and is right but for that."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, tone(1.0), 16000, "PCM_16", format=kind.removesuffix("+LIST"))
    data = bytearray(file.getvalue())
    at = data.find(b"data")
    match kind:
        case "WAV" | "WAVEX":
            struct.pack_into("<I", data, at + 4, size % 2**32)
            struct.pack_into("<I", data, 4, size % 2**32)
        case "WAV+LIST":
            struct.pack_into("<I", data, at + 4, size % 2**32)
            data[at:at] = struct.pack("<4sI4s4sI14s", b"LIST", 26, b"INFO", b"ISFT", 14, b"Lavf60.16.100")
        case "RF64":
            struct.pack_into("<QQQ", data, data.find(b"ds64") + 8, *[size % 2**64] * 3)
        case "W64":
            struct.pack_into("<Q", data, at + 16 if at > 0 else data.find(W64_DATA) + 16, size % 2**64)
        case "AIFF":
            struct.pack_into(">I", data, data.find(b"SSND") + 4, size % 2**32)
            struct.pack_into(">I", data, data.find(b"COMM") + 10, size % 2**32)
        case "AU":
            struct.pack_into(">I", data, 8, size % 2**32)
        case "CAF":
            struct.pack_into(">q", data, at + 4, size)
        case "FLAC":
            data[21] &= 0xF0
            struct.pack_into(">I", data, 22, size % 2**32)
    return bytes(data)


W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")
KINDS = ("WAV", "WAVEX", "WAV+LIST", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC")
SIZES = (0, -1, 2**31 - 1, 2**31, 2**32 - 37, 2**63 - 1, 999_999)


class TestLengthsThatNobodyFilledIn:
    """Programs that write to a pipe cannot go back to the header."""

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_sound_goes_on_to_the_end_of_the_file(self, tmp_path: Path, kind: str, size: int) -> None:
        path = make_bytes(streamed(kind, size), "piped")(tmp_path)
        chunks, seconds = all_of(ChunkReader(path, 16000, 20, 30))
        assert seconds == pytest.approx(1.0, abs=0.001)
        assert np.abs(chunks[0].samples[:15_000] - tone(1.0)[:15_000]).max() < 1e-3

    @pytest.mark.parametrize("size", [0, 2**31 - 1])
    def test_of_an_encoding_with_fewer_bits(self, tmp_path: Path, size: int) -> None:
        path = write_audio(tmp_path / "a.wav", tone(1.0), subtype="IMA_ADPCM")
        data = bytearray(path.read_bytes())
        struct.pack_into("<I", data, data.find(b"data") + 4, size)
        path.write_bytes(data)
        assert len(decoded(path)) == pytest.approx(16000, abs=1100)

    def test_a_recording_that_was_stopped_at_once_is_empty(self, tmp_path: Path) -> None:
        data = wav_bytes(b"") + struct.pack("<4sI6s", b"LIST", 6, b"INFOab")
        with pytest.raises(RequestError, match="holds no sound"):
            all_of(ChunkReader(make_bytes(data)(tmp_path), 16000, 20, 30))

    @pytest.mark.parametrize("size", [2**62, 2**63 - 1, 2**63, 2**64 - 1])
    def test_a_damaged_size_before_the_sound_is_told_in_words(self, tmp_path: Path, size: int) -> None:
        data = bytearray(streamed("W64", 0))
        struct.pack_into("<Q", data, data.find(b"fmt ") + 16, size)
        with pytest.raises(RequestError, match="not an audio file, or it is damaged"):
            decoded(make_bytes(bytes(data), "a.w64")(tmp_path))

    def test_a_long_flac_without_a_length_is_read_to_its_last_sample(self, tmp_path: Path) -> None:
        path = write_audio(tmp_path / "a.flac", tone(5.3))
        data = bytearray(path.read_bytes())
        data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])
        path.write_bytes(data)
        stream = AudioStream(path, 16000)
        assert stream.seconds == 0, "unknown"
        assert sum(map(len, stream.blocks())) == round(5.3 * 16000)
        stream.close()


class TestBrokenFiles:
    @pytest.mark.parametrize("kind", REFUSED)
    def test_refused_with_a_sentence(self, tmp_path: Path, kind: str) -> None:
        make, sentence = REFUSED[kind]
        reader = ChunkReader(make(tmp_path), 16000, 20, 30)
        with pytest.raises(RequestError, match=sentence) as refusal:
            all_of(reader)
        assert str(refusal.value).endswith(".")
        assert refusal.value.code == "invalid_input"

    @pytest.mark.parametrize("kind", HANDLED)
    def test_taken_as_far_as_it_goes(self, tmp_path: Path, kind: str) -> None:
        chunks, seconds = all_of(ChunkReader(HANDLED[kind](tmp_path), 16000, 20, 30))
        assert 0 < seconds <= 5.1
        for chunk in chunks:
            assert np.isfinite(chunk.samples).all()
            assert np.abs(chunk.samples).max() <= 1.0

    def test_a_file_that_may_not_be_read(self, tmp_path: Path) -> None:
        path = write_audio(tmp_path / "a.wav", tone(1.0))
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(RequestError, match="may not be read"):
            AudioStream(path, 16000)
        path.chmod(stat.S_IRUSR)


def all_of(reader: ChunkReader) -> tuple[list[Chunk], float]:
    chunks: list[Chunk] = []
    while True:
        result = reader.next(30)
        assert result is not None
        if isinstance(result, End):
            return chunks, result.seconds
        chunks.append(result)


class TestChunks:
    def read(self, path: Path, samples: Samples) -> tuple[list[Chunk], float]:
        return all_of(ChunkReader(write_audio(path / "a.flac", samples), 16000, 20, 30))

    def test_silence_has_none(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, silence(65)) == ([], 65)

    def test_a_long_silence_keeps_nobody_waiting(self, tmp_path: Path) -> None:
        reader = ChunkReader(write_audio(tmp_path / "a.flac", np.append(silence(300), tone(1))), 16000, 20, 30)
        assert reader.next(1e-9) is None
        chunks, _ = all_of(reader)
        assert [round(chunk.start, 1) for chunk in chunks] == [299.8]

    def test_cuts_fall_into_pauses(self, tmp_path: Path) -> None:
        sentence = np.concatenate([tone(6.5), silence(0.5)])
        chunks, seconds = self.read(tmp_path, np.tile(sentence, 10))
        assert seconds == 70
        assert [round(chunk.start) for chunk in chunks] == [0, 28, 56]
        for chunk in chunks:
            assert len(chunk.samples) <= 30 * 16000
            assert np.abs(chunk.samples[-800:]).max() < 1e-3  # the last 50 ms

    def test_a_long_pause_is_left_out(self, tmp_path: Path) -> None:
        chunks, _ = self.read(tmp_path, np.concatenate([silence(40), tone(2), silence(100), tone(3)]))
        assert [round(chunk.start, 1) for chunk in chunks] == [39.8, 141.8]
        assert [round(len(chunk.samples) / 16000, 1) for chunk in chunks] == [2.4, 3.2]

    def test_times_are_plain_numbers_which_alone_can_leave_a_worker(self, tmp_path: Path) -> None:
        chunks, seconds = self.read(tmp_path, np.concatenate([silence(1.5), tone(2)]))
        assert {type(time) for time in (seconds, *(chunk.start for chunk in chunks))} == {float}

    def test_speech_without_a_pause_is_cut_all_the_same(self, tmp_path: Path) -> None:
        chunks, _ = self.read(tmp_path, tone(100))
        assert sum(len(chunk.samples) for chunk in chunks) == 100 * 16000
        assert all(len(chunk.samples) <= 30 * 16000 for chunk in chunks)

    def test_a_later_pause_wins_though_it_is_a_little_louder(self, tmp_path: Path) -> None:
        pauses = [tone(0.5) / 200, tone(0.5) / 150]
        talk = [tone(21), pauses[0], tone(6), pauses[1], tone(10)]
        chunks, _ = self.read(tmp_path, np.concatenate(talk))
        assert chunks[1].start == pytest.approx(27.75, abs=0.3)

    @pytest.mark.parametrize("moment", [13.7, 14.0, 14.2])
    def test_what_was_not_heard_comes_again_from_the_pause_before_it(self, tmp_path: Path, moment: float) -> None:
        sentence = np.concatenate([tone(6.5), silence(0.5)])
        reader = ChunkReader(write_audio(tmp_path / "a.flac", np.tile(sentence, 5)), 16000, 20, 30)
        first = reader.next(30)
        assert isinstance(first, Chunk)
        assert len(first.samples) > 20 * 16000
        reader.come_back_to(moment)
        chunks, seconds = all_of(reader)
        assert [round(chunk.start, 1) for chunk in chunks] == [13.8]
        assert seconds == 35

    def test_what_goes_on_without_a_pause_comes_again_from_that_very_moment(self, tmp_path: Path) -> None:
        talk = np.concatenate([tone(12), silence(0.5), tone(12)])
        reader = ChunkReader(write_audio(tmp_path / "a.flac", talk), 16000, 20, 30)
        assert reader.next(30) is not None
        reader.come_back_to(18.5)
        chunks, _ = all_of(reader)
        assert [chunk.start for chunk in chunks] == [18.5]

    def test_a_closed_reader_ends_its_thread(self, tmp_path: Path) -> None:
        path = write_audio(tmp_path / "long.flac", np.tile(tone(30), 10))
        reader = ChunkReader(path, 16000, 20, 30)
        assert reader.next(30) is not None
        reader.close()
        for thread in threading.enumerate():
            if thread.name == "decode long.flac":
                thread.join(60)
                assert not thread.is_alive()
