"""Transcription through the Hub, with tiny models that hear what they were made to hear."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ominix_core.errors import LoadError
from ominix_core.generation import ChatMessage, ChatRequest, Failed, Finished, GenerationEvent
from ominix_core.hub import Hub
from ominix_core.media import AudioProgress, Transcribed, TranscriptionRequest, TranscriptPartial, TranscriptSegment
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.transcript import Transcript
from tests.conftest import local_entry
from tests.support.sounds import silence, tone, write_audio
from tests.support.whisper import scripted_whisper
from tests.transcription.conftest import SPEECH

MODEL = "tiny-whisper"


@pytest.fixture
def hub_with(home: Home, add_models: Callable[..., None]) -> Callable[[Path], Any]:
    """A hub with the speech model of this folder loaded, as "speech"."""

    @contextmanager
    def open_hub(folder: Path) -> Iterator[Hub]:
        add_models(local_entry("speech", folder, **SPEECH))
        with Hub(home, Settings(isolation="thread")) as hub:
            hub.load("speech").result(60)
            yield hub

    return open_hub


def transcribe(hub: Hub, path: Path, model: str = MODEL, **options: Any) -> list[GenerationEvent]:
    return list(hub.generate(model, TranscriptionRequest(path=str(path), **options)))


def of_kind(events: Iterable[GenerationEvent], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


class TestWhisper:
    def test_text_times_language_and_length(self, speech_hub: Hub, clip: Path) -> None:
        events = transcribe(speech_hub, clip)
        assert of_kind(events, TranscriptSegment) == [TranscriptSegment(0.0, 1.0, "hello big world")]
        assert of_kind(events, Transcribed) == [Transcribed("english", 2.0)]
        assert of_kind(events, AudioProgress)[-1] == AudioProgress(2.0, 2.0)
        assert of_kind(events, Finished)[-1].reason == "stop"

    def test_times_of_words(self, speech_hub: Hub, clip: Path) -> None:
        (segment,) = of_kind(transcribe(speech_hub, clip, word_times=True), TranscriptSegment)
        assert [word.text for word in segment.words] == ["hello", "big", "world"]
        for word, start in zip(segment.words, [0.0, 0.33, 0.67], strict=True):
            assert word.start == pytest.approx(start, abs=0.2)
            assert word.start < word.end

    def test_silence_is_no_text(self, speech_hub: Hub, tmp_path: Path) -> None:
        events = transcribe(speech_hub, write_audio(tmp_path / "silence.wav", silence(40)))
        assert Transcript.of(events) == Transcript((), None, 40.0)

    def test_times_count_from_the_start_of_a_long_file(self, speech_hub: Hub, tmp_path: Path) -> None:
        talk = np.concatenate([silence(10), tone(25), silence(3), tone(25)])
        events = transcribe(speech_hub, write_audio(tmp_path / "talk.wav", talk), word_times=True)
        segments = of_kind(events, TranscriptSegment)
        assert [segment.start for segment in segments] == pytest.approx([9.8, 37.8], abs=0.2)
        assert segments[1].words[0].start == segments[1].start
        assert Transcript.of(events).text == "hello big world hello big world"
        done = [event.done for event in of_kind(events, AudioProgress)]
        assert done == sorted(done)
        assert done[-1] == pytest.approx(63)

    def test_the_language_is_found_or_given(
        self, hub_with: Callable[[Path], Any], german_whisper: Path, clip: Path
    ) -> None:
        with hub_with(german_whisper) as hub:
            abilities = hub.abilities("speech")
            assert abilities.languages[:2] == ("english", "chinese")
            assert "task" in abilities.options
            assert of_kind(transcribe(hub, clip, "speech"), Transcribed)[0].language == "german"
            for given in ("fr", "French", "fr-CA"):
                assert of_kind(transcribe(hub, clip, "speech", language=given), Transcribed)[0].language == "french"
            for option in ({"task": "translate"}, {"prompt": "Tag"}, {"temperature": 0.2}, {"language": "auto"}):
                assert Transcript.of(transcribe(hub, clip, "speech", **option)).text == "guten Tag"

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"language": "german"}, "does not know the language 'german'. It knows english."),
            ({"task": "translate"}, "does not translate"),
        ],
    )
    def test_what_an_english_model_cannot(
        self, speech_hub: Hub, clip: Path, options: dict[str, Any], sentence: str
    ) -> None:
        (failed,) = transcribe(speech_hub, clip, **options)
        assert isinstance(failed, Failed)
        assert sentence in failed.message

    def test_a_file_that_cannot_be_decoded(self, speech_hub: Hub, tmp_path: Path) -> None:
        (tmp_path / "letter.wav").write_text("Dear reader, " * 50)
        (failed,) = transcribe(speech_hub, tmp_path / "letter.wav")
        assert failed == Failed("letter.wav is not an audio file, or it is damaged.", "invalid_input")

    def test_it_does_not_chat(self, speech_hub: Hub) -> None:
        (failed,) = speech_hub.generate(MODEL, ChatRequest(messages=[ChatMessage("user", "Hello")]))
        assert isinstance(failed, Failed)
        assert failed.code == "wrong_kind_of_model"

    def test_two_files_take_turns_and_one_can_be_cancelled(self, speech_hub: Hub, tmp_path: Path) -> None:
        path = write_audio(tmp_path / "long.wav", tone(600))
        first, second = (speech_hub.generate(MODEL, TranscriptionRequest(path=str(path))) for _ in range(2))
        for generation in (first, second):
            assert any(isinstance(event, TranscriptSegment) for event in iter(generation))  # stops at the first one
        first.cancel()
        second.cancel()
        for generation in (first, second):
            events = list(generation)
            assert events[-1] == Finished("cancelled")
            assert not of_kind(events, Transcribed)


class TestQwen3:
    def test_the_text_grows_while_it_is_heard(
        self, hub_with: Callable[[Path], Any], tiny_qwen3_asr: Path, clip: Path
    ) -> None:
        with hub_with(tiny_qwen3_asr) as hub:
            assert hub.abilities("speech").languages == ("english", "french")
            events = transcribe(hub, clip, "speech")
            assert [event.text for event in of_kind(events, TranscriptPartial)] == [
                "bonjour",
                "bonjour tout",
                "bonjour tout le",
                "bonjour tout le monde",
            ]
            assert of_kind(events, TranscriptSegment) == [TranscriptSegment(0.0, 2.0, "bonjour tout le monde")]
            assert of_kind(events, Transcribed) == [Transcribed("french", 2.0)]
            (failed,) = transcribe(hub, clip, "speech", word_times=True)
            assert "does not time single words" in failed.message

    def test_a_cancel_is_noticed_within_a_chunk(
        self, hub_with: Callable[[Path], Any], tiny_qwen3_asr: Path, clip: Path
    ) -> None:
        with hub_with(tiny_qwen3_asr) as hub:
            generation = hub.generate("speech", TranscriptionRequest(path=str(clip)))
            assert next(iter(generation)) == TranscriptPartial("bonjour")
            generation.cancel()
            assert list(generation)[-1] in (Finished("cancelled"), Finished("stop"))


class TestLoading:
    def load(self, hub_with: Callable[[Path], Any], folder: Path) -> None:
        with hub_with(folder):
            pass

    def test_a_tokenizer_without_times_is_refused(self, hub_with: Callable[[Path], Any], tmp_path: Path) -> None:
        folder = scripted_whisper(tmp_path / "old-whisper", "hello", timed=False)
        with pytest.raises(LoadError, match="tokenizer of old-whisper has no tokens for times"):
            self.load(hub_with, folder)

    def test_missing_files(self, hub_with: Callable[[Path], Any], tmp_path: Path, tiny_whisper: Path) -> None:
        folder = shutil.copytree(tiny_whisper, tmp_path / "mute")
        (folder / "preprocessor_config.json").unlink()
        with pytest.raises(
            LoadError, match=r"files of mute cannot be read: its .*preprocessor_config\.json is missing"
        ):
            self.load(hub_with, folder)

    def test_an_unknown_family(self, hub_with: Callable[[Path], Any], tmp_path: Path, tiny_whisper: Path) -> None:
        folder = shutil.copytree(tiny_whisper, tmp_path / "strange")
        (folder / "config.json").write_text(json.dumps({"model_type": "nonesuch"}))
        with pytest.raises(LoadError, match="cannot run 'nonesuch', the architecture of strange"):
            self.load(hub_with, folder)

    def test_code_in_the_files_is_not_run(
        self, hub_with: Callable[[Path], Any], tmp_path: Path, tiny_qwen3_asr: Path
    ) -> None:
        folder = shutil.copytree(tiny_qwen3_asr, tmp_path / "sly")
        (folder / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Trap: pass\n")
        settings = json.loads((folder / "tokenizer_config.json").read_bytes())
        settings["auto_map"] = {"AutoTokenizer": ["trap.Trap", None]}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        with pytest.raises(LoadError, match=r"sly carries Python code of its own \(trap\.py\)"):
            self.load(hub_with, folder)
        assert not (tmp_path / "sprung").exists()


def test_a_request_that_nobody_can_refuse_earlier_ends_with_a_sentence(speech_hub: Hub, tmp_path: Path) -> None:
    (failed,) = transcribe(speech_hub, tmp_path / "nowhere.wav")
    assert isinstance(failed, Failed)
    assert "nowhere.wav cannot be read: No such file or directory." in failed.message
