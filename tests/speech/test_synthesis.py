"""What speech models of two families make of a request, in a worker."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ominix_core.errors import LoadError
from ominix_core.generation import Failed, Finished
from ominix_core.hub import Hub
from ominix_core.media import AudioChunk, SpeechRequest, VoiceReference
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import speech_entry
from tests.support.chat import ask
from tests.support.speech import Samples, listen
from tests.support.tiny_speech import make_tiny_qwen3_tts

TWO_SENTENCES = "This is the first sentence. And this is the second one."


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, tiny_kokoro: Path, tiny_tts: Path) -> dict[str, Path]:
    base = make_tiny_qwen3_tts(tmp_path_factory.mktemp("models") / "base", "base")
    design = make_tiny_qwen3_tts(tmp_path_factory.mktemp("models") / "design", "voice_design", tokens=8)
    return {"kokoro": tiny_kokoro, "preset": tiny_tts, "base": base, "design": design}


@pytest.fixture
def load(home: Home, add_models: Callable[..., None], folders: dict[str, Path]) -> Iterator[Callable[[str], Hub]]:
    """Load one of those models into a hub."""
    add_models(*(speech_entry(name, folder) for name, folder in folders.items()))
    with Hub(home, Settings(isolation="thread", warm_spare=False)) as hub:

        def load(name: str) -> Hub:
            hub.load(name).result(60)
            return hub

        yield load


def speak(hub: Hub, model: str, text: str, **fields: Any) -> tuple[Samples, Finished | Failed]:
    return listen(hub.generate(model, SpeechRequest(text=text, **fields)))


@pytest.fixture
def clip(tmp_path: Path) -> VoiceReference:
    path = tmp_path / "clip.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(16_000 * 4) / 20), 16_000)
    return VoiceReference(str(path))


@pytest.mark.parametrize("model", ["kokoro", "preset"])
def test_speech_comes_in_parts_and_a_seed_repeats_it(load: Callable[[str], Hub], model: str) -> None:
    hub = load(model)
    events = list(hub.generate(model, SpeechRequest(text="Go on with it now. Then stop it again.", seed=7)))
    chunks = [event for event in events if isinstance(event, AudioChunk)]
    assert len(chunks) >= 2
    assert {chunk.sample_rate for chunk in chunks} == {24_000}
    audio, end = listen(events)
    assert isinstance(end, Finished)
    assert end.usage.ttft > 0
    assert end.usage.completion_tokens > 0
    assert np.isfinite(audio).all()
    assert 0 < np.abs(audio).max() <= 1
    one, again, other = (speak(hub, model, "One more.", seed=seed)[0] for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, again)
    assert len(other) != len(one) or np.abs(other - one).max() > 1e-6


def test_requests_take_turns_and_do_not_change_each_other(load: Callable[[str], Hub]) -> None:
    hub = load("preset")
    alone, _ = speak(hub, "preset", TWO_SENTENCES, seed=1, voice="ryan")
    first = hub.generate("preset", SpeechRequest(text=TWO_SENTENCES, seed=1, voice="ryan"))
    second = hub.generate("preset", SpeechRequest(text=TWO_SENTENCES * 3, seed=2))
    np.testing.assert_array_equal(listen(first)[0], alone)
    assert isinstance(listen(second)[1], Finished)


def test_a_cancel_ends_a_long_text_within_a_sentence(load: Callable[[str], Hub]) -> None:
    hub = load("preset")
    generation = hub.generate("preset", SpeechRequest(text="One more sentence of this. " * 1000))
    iterator = iter(generation)
    next(iterator)
    generation.cancel()
    *_, end = iterator
    assert isinstance(end, Finished)
    assert end.reason == "cancelled"
    assert isinstance(speak(hub, "preset", "It still speaks afterwards.")[1], Finished)


class TestKokoro:
    def test_what_it_can_do(self, load: Callable[[str], Hub]) -> None:
        abilities = load("kokoro").abilities("kokoro")
        assert abilities is not None
        assert abilities.voices == ("af_heart", "bm_george")
        assert abilities.options == ("language", "seed", "speed", "voice")
        assert {"en", "en-gb", "es", "zh"} <= set(abilities.languages)

    def test_voice_and_language_change_the_speech(self, load: Callable[[str], Hub]) -> None:
        hub = load("kokoro")
        variants = [{}, {"voice": "BM_George"}, {"voice": "bm_george", "language": "EN-US"}, {"language": "es"}]
        spoken = [speak(hub, "kokoro", "Water.", seed=1, **variant)[0] for variant in variants]
        assert len({audio.tobytes() for audio in spoken}) == len(variants)

    @pytest.mark.parametrize(
        ("fields", "code", "message"),
        [
            ({"voice": "alloy"}, "unknown_voice", "no voice 'alloy'. It has: af_heart, bm_george."),
            ({"language": "xx"}, "unknown_language", "no language 'xx'"),
            ({"speed": 2.5}, "unsupported_speed", "from 0.5 to 2, not 2.5"),
            ({"speed": float("nan")}, "unsupported_speed", "not nan"),
            ({"instructions": "Sadly"}, "unsupported_instructions", "takes no instructions"),
            ({"reference": VoiceReference("/no/file")}, "unsupported_reference", "cannot imitate"),
            ({"temperature": 1.0}, "unsupported_temperature", "no temperature"),
            ({"text": " ... "}, "invalid_input", "nothing to speak"),
            ({"language": "ja"}, "missing_library", 'pip install "misaki[ja]"'),
        ],
    )
    def test_what_it_cannot_do_is_refused_by_name(
        self,
        load: Callable[[str], Hub],
        monkeypatch: pytest.MonkeyPatch,
        fields: dict[str, Any],
        code: str,
        message: str,
    ) -> None:
        monkeypatch.setitem(sys.modules, "misaki.ja", None)
        _, end = listen(load("kokoro").generate("kokoro", SpeechRequest(**({"text": "Hello there."} | fields))))
        assert isinstance(end, Failed)
        assert end.code == code
        assert message in end.message

    def test_a_conversation_is_refused(self, load: Callable[[str], Hub]) -> None:
        _, end = listen(load("kokoro").generate("kokoro", ask("Hello")))
        assert isinstance(end, Failed)
        assert end.code == "wrong_kind_of_model"


class TestQwen3:
    @pytest.mark.parametrize(
        ("kind", "options", "voices"),
        [
            ("preset", {"voice", "instructions", "language", "temperature", "seed"}, ("vivian", "ryan")),
            ("base", {"reference", "language", "temperature", "seed"}, ()),
            ("design", {"instructions", "language", "temperature", "seed"}, ()),
        ],
    )
    def test_each_kind_of_checkpoint_tells_what_it_can_do(
        self, load: Callable[[str], Hub], kind: str, options: set[str], voices: tuple[str, ...]
    ) -> None:
        abilities = load(kind).abilities(kind)
        assert abilities is not None
        assert (set(abilities.options), abilities.voices) == (options, voices)

    def test_a_speed_that_it_would_ignore_is_refused(self, load: Callable[[str], Hub]) -> None:
        _, end = speak(load("preset"), "preset", "Hello there.", speed=1.5)
        assert isinstance(end, Failed)
        assert end.code == "unsupported_speed"

    def test_it_imitates_a_clip(self, load: Callable[[str], Hub], clip: VoiceReference) -> None:
        hub = load("base")
        own, _ = speak(hub, "base", "Hello to you all.", seed=1)
        imitated, end = speak(hub, "base", "Hello to you all.", seed=1, reference=clip)
        assert isinstance(end, Finished)
        assert len(own) != len(imitated) or np.abs(own - imitated).max() > 1e-6

    def test_a_clip_that_is_gone_fails_the_request_only(self, load: Callable[[str], Hub]) -> None:
        hub = load("base")
        _, end = speak(hub, "base", "Hello there.", reference=VoiceReference("/no/such/clip.wav"))
        assert isinstance(end, Failed)
        assert "clip.wav" in end.message
        assert isinstance(speak(hub, "base", "Hello there.")[1], Finished)

    def test_a_voice_that_it_would_ignore_is_refused(self, load: Callable[[str], Hub]) -> None:
        _, end = speak(load("design"), "design", "Hello there.", instructions="A sailor", voice="vivian")
        assert isinstance(end, Failed)
        assert end.code == "unsupported_voice"

    def test_a_designed_voice_needs_its_description(self, load: Callable[[str], Hub]) -> None:
        hub = load("design")
        _, end = speak(hub, "design", "Hello there.")
        assert isinstance(end, Failed)
        assert end.code == "invalid_input"
        assert isinstance(speak(hub, "design", "Hello there.", instructions="An old sailor")[1], Finished)


def test_a_kokoro_without_voices_is_refused(
    home: Home, add_models: Callable[..., None], tiny_kokoro: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "voiceless"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).symlink_to(tiny_kokoro / name)
    add_models(speech_entry("voiceless", folder))
    with (
        Hub(home, Settings(isolation="thread", warm_spare=False)) as hub,
        pytest.raises(LoadError, match="voiceless has no voices"),
    ):
        hub.load("voiceless").result(60)


def test_a_folder_that_is_no_speech_model_is_refused(
    home: Home, add_models: Callable[..., None], tiny_llm: Path
) -> None:
    add_models(speech_entry("wrong", tiny_llm))
    with (
        Hub(home, Settings(isolation="thread", warm_spare=False)) as hub,
        pytest.raises(LoadError, match="needs files of another repository, mlx-community/snac_24khz"),
    ):
        hub.load("wrong").result(60)
