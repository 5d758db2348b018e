"""The user's voices: a file of the original system's form, clips that are checked, names in any case."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile

from ominix_core.media import Abilities, SpeechRequest, VoiceReference
from ominix_core.paths import Home
from ominix_core.voices import UnknownVoiceError, VoiceBook, VoiceError

RATE = 16_000
IMITATES = Abilities(options=("reference", "speed"))
Write = Callable[..., Path]


@pytest.fixture
def book(home: Home) -> VoiceBook:
    return VoiceBook(home)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a clip of a tone."""

    def write(name: str = "clip.wav", seconds: float = 4, level: float = 0.3, channels: int = 1) -> Path:
        tone = level * np.sin(np.arange(int(RATE * seconds)) / 20)
        soundfile.write(tmp_path / name, np.stack([tone] * channels, axis=1), RATE)
        return tmp_path / name

    return write


def content(home: Home) -> Any:
    return json.loads((home.voices / "voices.json").read_text())


class TestClips:
    def test_a_stereo_clip_is_kept_as_mono(self, book: VoiceBook, write: Write) -> None:
        voice = book.add("Anna", write("clip.flac", channels=2), "What she says.")
        assert (voice.name, voice.text, voice.aliases) == ("Anna", "What she says.", ())
        samples, rate = soundfile.read(voice.path)
        assert (samples.shape, rate) == ((RATE * 4,), RATE)

    @pytest.mark.parametrize(
        ("clip", "message"),
        [
            ({"seconds": 2.5}, "clip.wav is 2.5 s long. A clip of 3 to 10 seconds is needed."),
            ({"seconds": 11}, "is longer than 10 s"),
            ({"level": 0.005}, "almost silent"),
            ({"level": 1.5}, "distorted"),
        ],
    )
    def test_a_clip_that_is_no_good_is_refused(
        self, book: VoiceBook, home: Home, write: Write, clip: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(VoiceError, match=message):
            book.add("Anna", write(**clip))
        assert book.all() == []
        assert not list(home.voices.glob("*.wav"))

    def test_what_is_no_audio_is_refused(self, book: VoiceBook, tmp_path: Path) -> None:
        for name in ("text.wav", "text.raw"):
            (tmp_path / name).write_text("no audio")
        for path in (tmp_path / "text.wav", tmp_path / "text.raw", tmp_path / "missing.wav", tmp_path):
            with pytest.raises(VoiceError, match="cannot be read as audio"):
                book.add("Anna", path)

    def test_a_clip_of_no_numbers_is_refused(self, book: VoiceBook, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "nan.wav", np.full(RATE * 4, np.nan, np.float32), RATE, subtype="FLOAT")
        with pytest.raises(VoiceError, match="no numbers"):
            book.add("Anna", tmp_path / "nan.wav")


class TestNames:
    def test_a_name_is_found_in_any_case(self, book: VoiceBook, write: Write) -> None:
        book.add("Анна Ü", write())
        assert book.find("анна ü").name == "Анна Ü"
        with pytest.raises(UnknownVoiceError, match=r"no voice 'Bob'\. Yours are: Анна Ü\."):
            book.find("Bob")

    @pytest.mark.parametrize("name", ["", " ", "../anna", "a/b", "a" * 65, "-x", "a\nb\x1b"])
    def test_names_that_are_none(self, book: VoiceBook, write: Write, name: str) -> None:
        with pytest.raises(VoiceError, match="is no name for a voice"):
            book.add(name, write())

    def test_a_name_or_alias_is_given_once(self, book: VoiceBook, home: Home, write: Write) -> None:
        book.add("Anna", write())
        raw = content(home)
        raw["voices"]["Anna"]["aliases"] = ["Nan"]
        (home.voices / "voices.json").write_text(json.dumps(raw))
        assert book.find("NAN").name == "Anna"
        for taken in ("anna", "nan"):
            with pytest.raises(VoiceError, match="a voice 'Anna' already"):
                book.add(taken, write())

    def test_two_names_that_make_one_file_name(self, book: VoiceBook, write: Write) -> None:
        clips = {book.add(name, write()).path.name for name in ("A b", "A-b", "A.b", "声")}
        assert clips == {"a-b.wav", "a-b-2.wav", "a-b-3.wav", "voice.wav"}

    def test_rename_and_remove(self, book: VoiceBook, write: Write) -> None:
        clip = book.add("Anna", write(), "Hello").path
        renamed = book.rename("ANNA", "anna")
        assert (renamed.name, renamed.path, renamed.text) == ("anna", clip, "Hello")
        book.add("Bob", write())
        with pytest.raises(VoiceError, match="already"):
            book.rename("Bob", "ANNA")
        book.remove("Anna")
        assert [voice.name for voice in book.all()] == ["Bob"]
        assert not clip.exists()


class TestFile:
    ORIGINAL: ClassVar[dict[str, Any]] = {
        "default_voice": "Doubao",
        "models_base_path": "",
        "version": 3,
        "voices": {
            "doubao": {
                "ref_audio": "doubao.wav",
                "ref_text": "你好",
                "codes_path": "doubao.bin",
                "speed_factor": 1.1,
                "aliases": ["Dou"],
                "vits_weights": "x.pth",
            },
            "codes only": {"codes_path": "other.bin"},
        },
    }

    @pytest.fixture
    def original(self, home: Home, write: Write) -> dict[str, Any]:
        home.voices.mkdir()
        content = self.ORIGINAL | {"models_base_path": str(write("doubao.wav").parent)}
        (home.voices / "voices.json").write_text(json.dumps(content))
        return content

    def test_a_file_of_the_original_system_is_read(self, book: VoiceBook, original: dict[str, Any]) -> None:
        (voice,) = book.all()
        assert voice.is_default
        assert (voice.text, voice.aliases, voice.speed_factor) == ("你好", ("Dou",), 1.1)
        assert voice.path == Path(original["models_base_path"]) / "doubao.wav"

    def test_what_it_does_not_know_is_kept(
        self, book: VoiceBook, home: Home, original: dict[str, Any], write: Write
    ) -> None:
        book.add("Anna", write())
        book.rename("dou", "Bao")
        changed = content(home)
        assert changed["version"] == 3
        assert changed["default_voice"] == "Bao"
        assert list(changed["voices"]) == ["Bao", "codes only", "Anna"]
        assert changed["voices"]["Bao"] == original["voices"]["doubao"]
        assert book.find("Anna").path == home.voices / "anna.wav"

    def test_a_clip_of_the_users_own_is_never_deleted(self, book: VoiceBook, original: dict[str, Any]) -> None:
        clip = book.find("doubao").path
        book.remove("doubao")
        assert clip.exists()

    @pytest.mark.parametrize("text", ["{", "[]", '{"voices": []}'])
    def test_a_damaged_file_is_told_and_left_alone(self, book: VoiceBook, home: Home, write: Write, text: str) -> None:
        home.voices.mkdir()
        (home.voices / "voices.json").write_text(text)
        with pytest.raises(VoiceError, match=r"voices\.json .*Mend or remove"):
            book.add("Anna", write())
        assert (home.voices / "voices.json").read_text() == text
        assert not list(home.voices.glob("*.wav"))


class TestApply:
    """What becomes of a request on its way to the model."""

    def test_a_voice_of_the_users_becomes_a_reference(self, book: VoiceBook, write: Write) -> None:
        voice = book.add("Anna", write(), "Hello")
        request = book.apply(SpeechRequest(text="Hi", voice="ANNA"), IMITATES)
        assert (request.voice, request.reference) == (None, VoiceReference(str(voice.path), "Hello"))

    def test_a_voice_of_the_model_stays(self, book: VoiceBook, write: Write) -> None:
        book.add("Vivian", write())
        request = SpeechRequest(text="Hi", voice="vivian")
        assert book.apply(request, Abilities(options=("reference", "voice"), voices=("Vivian",))) is request
        assert book.apply(request, Abilities(options=("voice",), voices=("Ryan",))) is request

    def test_the_default_voice_and_its_speed(self, book: VoiceBook, home: Home, write: Write) -> None:
        book.add("Anna", write())
        raw = content(home) | {"default_voice": "anna"}
        raw["voices"]["Anna"]["speed_factor"] = 1.5
        (home.voices / "voices.json").write_text(json.dumps(raw))
        request = book.apply(SpeechRequest(text="Hi", speed=1.2), IMITATES)
        assert request.reference is not None
        assert request.speed == pytest.approx(1.8)
        assert book.apply(SpeechRequest(text="Hi", speed=1.9), IMITATES).speed == 2.0

    def test_an_unknown_voice_and_a_lost_clip_are_refused(self, book: VoiceBook, write: Write) -> None:
        with pytest.raises(UnknownVoiceError, match="You have none yet"):
            book.apply(SpeechRequest(text="Hi", voice="Anna"), IMITATES)
        book.add("Anna", write()).path.unlink()
        with pytest.raises(VoiceError, match="clip of the voice 'Anna' is gone"):
            book.apply(SpeechRequest(text="Hi", voice="Anna"), IMITATES)
