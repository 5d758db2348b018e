"""Paraformer from FunASR's own files, through its engine, the Hub, the server and the command line."""

from __future__ import annotations

import itertools
import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.paraformer import ParaformerEngine
from ominix_core.errors import LoadError
from ominix_core.generation import Failed, Finished, GenerationEvent
from ominix_core.hub import Hub
from ominix_core.media import AudioProgress, Transcribed, TranscriptionRequest, TranscriptPartial, TranscriptSegment
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.settings import Settings
from ominix_core.states import Downloaded
from ominix_core.transcript import Transcript
from tests.conftest import local_entry
from tests.server.conftest import api_server, running
from tests.support.command import ominix
from tests.support.fixture_hub import FixtureHub
from tests.support.sounds import silence, tone, write_audio
from tests.support.tiny_paraformer import (
    ACOUSTIC,
    SEACO,
    SHARE,
    TOKENS,
    VAD,
    acoustic_network,
    make_tiny_paraformer,
    random_weights,
    seaco_weights,
    write_part,
)
from tests.support.torch_files import write_archive, write_torch_file
from tests.transcription.conftest import PARAFORMER
from tests.transcription.test_transcription import of_kind

MODEL = "paraformer"
# 33 stacked frames, and 0.45 of a token that is counted at the end.
HEARD_IN_TWO_SECONDS = int(33 * SHARE + 0.45)


@pytest.fixture(scope="module")
def shared_hub(tmp_path_factory: pytest.TempPathFactory, tiny_paraformer: Path) -> Iterator[Hub]:
    """A hub with the model loaded."""
    home = Home(tmp_path_factory.mktemp("home"))
    entry = local_entry(MODEL, tiny_paraformer, **PARAFORMER)
    home.registry_override.write_text(json.dumps({"models": [entry]}))
    with Hub(home, Settings(isolation="thread")) as hub:
        assert hub.state(MODEL) == Downloaded()
        hub.load(MODEL).result(60)
        yield hub


def transcribe(hub: Hub, path: Path, **options: Any) -> list[GenerationEvent]:
    return list(hub.generate(MODEL, TranscriptionRequest(path=str(path), **options)))


def loaded(folder: Path) -> ParaformerEngine:
    engine = ParaformerEngine()
    engine.load(folder, LoadOptions(), lambda *_: None)
    return engine


def run(engine: ParaformerEngine, path: Path, **options: Any) -> list[GenerationEvent]:
    """All that a file brings, on this thread."""
    engine.submit("file", TranscriptionRequest(path=str(path), **options))
    events: list[GenerationEvent] = []
    while engine.busy:
        events += [event for _, event in engine.step()]
    return events


class TestThroughTheHub:
    def test_text_language_and_length(self, shared_hub: Hub, clip: Path) -> None:
        events = transcribe(shared_hub, clip)
        (segment,) = of_kind(events, TranscriptSegment)
        assert segment.text == "好" * HEARD_IN_TWO_SECONDS + "。"
        assert segment.words == ()
        assert 0 <= segment.start < segment.end <= 2.0
        assert of_kind(events, Transcribed) == [Transcribed("chinese", 2.0)]
        assert events[-1] == Finished("stop")

    def test_times_of_words(self, shared_hub: Hub, clip: Path) -> None:
        (segment,) = of_kind(transcribe(shared_hub, clip, word_times=True), TranscriptSegment)
        assert [word.text for word in segment.words] == ["好"] * HEARD_IN_TWO_SECONDS
        times = [time for word in segment.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert (segment.start, segment.end) == (times[0], times[-1])

    def test_silence_is_no_text(self, shared_hub: Hub, tmp_path: Path) -> None:
        events = transcribe(shared_hub, write_audio(tmp_path / "silence.wav", silence(70)))
        assert Transcript.of(events) == Transcript((), None, 70.0)

    def test_noise_in_which_nobody_speaks(self, shared_hub: Hub, tmp_path: Path) -> None:
        hiss = np.random.default_rng(0).standard_normal(16000 * 3).astype(np.float32) * 1e-4
        hiss[::8000] = 0.002  # clicks that are louder than silence
        assert Transcript.of(transcribe(shared_hub, write_audio(tmp_path / "hiss.flac", hiss))).text == ""

    def test_a_long_file(self, shared_hub: Hub, tmp_path: Path) -> None:
        talk = np.concatenate([silence(10), tone(5), silence(3), tone(50), silence(2), tone(30)])
        events = transcribe(shared_hub, write_audio(tmp_path / "talk.wav", talk))
        segments = of_kind(events, TranscriptSegment)
        assert [segments[0].start, segments[0].end] == pytest.approx([10, 15], abs=0.4)
        assert segments[-1].end == pytest.approx(100, abs=0.4)
        assert all(one.end <= other.start + 0.2 for one, other in itertools.pairwise(segments))
        assert all(segment.end - segment.start <= 20 for segment in segments)
        spoken = sum(len(segment.text.rstrip("。")) for segment in segments)
        assert spoken == pytest.approx(85 / 0.06 * SHARE, rel=0.05)
        done = [event.done for event in of_kind(events, AudioProgress)]
        assert done == sorted(done)
        assert done[-1] == 100

    def test_what_it_can_be_asked(self, shared_hub: Hub, clip: Path) -> None:
        abilities = shared_hub.abilities(MODEL)
        assert abilities is not None
        assert abilities.languages == ("chinese", "english")
        for language in ("zh", "English", "auto"):
            assert Transcript.of(transcribe(shared_hub, clip, language=language)).text
        for option, sentence in (
            ({"language": "fr"}, "does not know the language 'fr'. It knows chinese, english."),
            ({"prompt": "Ominix"}, "takes no prompt"),
            ({"task": "translate"}, "does not translate"),
            ({"temperature": 0.5}, "takes no temperature"),
        ):
            (failed,) = transcribe(shared_hub, clip, **option)  # type: ignore[arg-type]
            assert isinstance(failed, Failed)
            assert sentence in failed.message


class TestEngine:
    def test_without_helpers(self, tmp_path: Path, clip: Path) -> None:
        engine = loaded(make_tiny_paraformer(tmp_path / "bare", vad=False, punctuation=False))
        (segment,) = of_kind(run(engine, clip), TranscriptSegment)
        assert segment.text == "好" * HEARD_IN_TWO_SECONDS

    def test_it_is_cancelled_within_a_chunk(self, tiny_paraformer: Path, tmp_path: Path) -> None:
        engine = loaded(tiny_paraformer)
        path = write_audio(tmp_path / "talk.wav", np.tile(np.concatenate([tone(6), silence(1.5)]), 7))
        engine.submit("talk", TranscriptionRequest(path=str(path)))
        events: list[GenerationEvent] = []
        while not of_kind(events, TranscriptPartial):
            events = [event for _, event in engine.step()]
        assert set(events[0].text) == {"好"}  # type: ignore[union-attr]
        engine.cancel("talk")
        assert list(engine.step()) == [("talk", Finished("cancelled"))]
        assert not engine.busy

    def test_how_far_a_load_is(self, tiny_paraformer: Path) -> None:
        stages: list[tuple[str, int, int]] = []
        ParaformerEngine().load(tiny_paraformer, LoadOptions(), lambda *stage: stages.append((*stage, 0, 0)[:3]))
        assert stages[0][0] == "reading"
        weights = [stage for stage in stages if stage[0] == "loading weights"]
        assert [done for _, done, _ in weights] == sorted(done for _, done, _ in weights)
        assert weights[0][1] == 0
        assert weights[-1][1] == weights[-1][2] > 0

    def test_hotwords(self, tmp_path: Path, clip: Path) -> None:
        weights = seaco_weights(0)
        weights["seaco_decoder.after_norm.weight"][:] = 0
        weights["hotword_output_layer.bias"][TOKENS.index("world")] = 99  # always found
        folder = write_part(tmp_path / "seaco", SEACO, weights, TOKENS, cmvn=560, scale=0.1)
        engine = loaded(folder)
        assert "prompt" in engine.abilities.options
        plain = Transcript.of(run(engine, clip, word_times=True))
        assert "world" not in plain.segments[0].text.split()
        words = Transcript.of(run(engine, clip, prompt="world, 好", word_times=True)).segments[0].words
        assert {word.text for word in words} == {"world"}
        assert Transcript.of(run(engine, clip, word_times=True)) == plain
        (failed,) = run(engine, clip, prompt="xyzzy")
        assert failed == Failed("This model cannot write any of the hotwords: xyzzy.", "unsupported_option")

    def test_files_that_are_converted_already(self, tiny_paraformer: Path, tmp_path: Path, clip: Path) -> None:
        folder = shutil.copytree(tiny_paraformer, tmp_path / "converted")
        convert(folder)
        assert run(loaded(folder), clip) == run(loaded(tiny_paraformer), clip)


def convert(folder: Path) -> None:
    """Replace model.pt by what funasr-mlx's converter writes, in half precision and two shards."""
    import mlx.core as mx
    from mlx.utils import tree_flatten

    from ominix_core.models.paraformer.loading import load
    from ominix_core.models.paraformer.model import Paraformer

    model = Paraformer(folder)
    load(model.parts, lambda *_: None)
    weights = [(name, array.astype(mx.float16)) for name, array in tree_flatten(model.parts[0].network.parameters())]
    metadata = {"format": "funasr-mlx", "model": "paraformer"}
    for number, shard in enumerate((weights[:20], weights[20:]), 1):
        mx.save_safetensors(str(folder / f"model-{number:05d}.safetensors"), dict(shard), metadata)
    (folder / "config.yaml").rename(folder / "config.json")
    (folder / "model.pt").unlink()


class TestLoading:
    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("tokens.json", r"tokens\.json of broken cannot be used: it is missing\. Get the model again\."),
            ("am.mvn", r"am\.mvn of broken cannot be used: it is missing"),
            ("config.yaml", r"config\.yaml of broken cannot be used: it is missing"),
            ("model.pt", r"model\.pt of broken cannot be used: it is missing"),
            ("vad/am.mvn", r"am\.mvn of vad cannot be used: it is missing"),
            ("punc/tokens.json", r"tokens\.json of punc cannot be used: it is missing"),
        ],
    )
    def test_a_missing_file(self, tiny_paraformer: Path, tmp_path: Path, name: str, sentence: str) -> None:
        folder = shutil.copytree(tiny_paraformer, tmp_path / "broken")
        (folder / name).unlink()
        with pytest.raises(LoadError, match=sentence):
            loaded(folder)

    def test_another_vocabulary(self, tiny_paraformer: Path, tmp_path: Path) -> None:
        folder = shutil.copytree(tiny_paraformer, tmp_path / "other")
        (folder / "tokens.json").write_text(json.dumps([*TOKENS, "x"]))
        with pytest.raises(LoadError, match=r"The file of weights of other cannot be used: .* is \(11, 16\), not \(12"):
            loaded(folder)

    def test_parts_that_do_not_fit_each_other(self, tiny_paraformer: Path, tmp_path: Path) -> None:
        folder = shutil.copytree(tiny_paraformer, tmp_path / "other")
        frontend = {**VAD["frontend_conf"], "fs": 8000}
        (folder / "vad" / "config.yaml").write_text(json.dumps({**VAD, "frontend_conf": frontend}))
        with pytest.raises(LoadError, match="other listens at 16000 Hz, but its detector of speech at 8000"):
            loaded(folder)

    def test_missing_weights(self, tiny_paraformer: Path, tmp_path: Path) -> None:
        folder = shutil.copytree(tiny_paraformer, tmp_path / "other")
        weights = random_weights(acoustic_network(), 0)
        del weights["predictor.cif_output.bias"]
        write_torch_file(folder / "model.pt", weights)
        with pytest.raises(LoadError, match=r"it lacks predictor\.cif_output\.bias"):
            loaded(folder)

    def test_a_configuration_of_another_model(self, tiny_paraformer: Path, tmp_path: Path) -> None:
        folder = shutil.copytree(tiny_paraformer, tmp_path / "other")
        for section in ({"encoder_conf": {"selfattention_layer_type": "rel"}}, {"frontend_conf": {"fs": 3}}):
            (folder / "config.yaml").write_text(json.dumps({**ACOUSTIC, **section}))
            with pytest.raises(LoadError, match="The configuration of other cannot be used"):
                loaded(folder)

    def test_code_in_a_checkpoint_is_not_run(
        self, tiny_paraformer: Path, tmp_path: Path, home: Home, add_models: Callable[..., None]
    ) -> None:
        folder = shutil.copytree(tiny_paraformer, tmp_path / "sly")
        write_archive(folder / "model.pt", pickle.dumps({"w": Trap(str(tmp_path / "sprung"))}), {})
        add_models(local_entry(MODEL, folder, **PARAFORMER))
        wants = pytest.raises(LoadError, match=r"model\.pt of sly cannot be used: It wants to run .*open")
        with Hub(home, Settings(isolation="thread")) as hub, wants:
            hub.load(MODEL).result(60)
        assert not (tmp_path / "sprung").exists()


class Trap:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (self.path, "w"))


def test_the_entry_that_ships(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_paraformer: Path, clip: Path
) -> None:
    """Its three repositories become one folder, which loads as it is."""
    entry = Registry.bundled().resolve("funasr-paraformer")
    parts = {part.folder: part.source.repo for part in entry.extra_sources}  # type: ignore[union-attr]
    shutil.copytree(tiny_paraformer, tmp_path / "hub" / entry.repo)
    for folder, repo in parts.items():
        (tmp_path / "hub" / entry.repo / folder).rename(tmp_path / "hub" / repo)
    with FixtureHub(tmp_path / "hub") as fixture, Hub(home, Settings(isolation="thread", guard="off")) as hub:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", fixture.url)
        hub.download(entry.id).result(60)
        hub.load(entry.id).result(60)
        heard = Transcript.of(hub.generate(entry.id, TranscriptionRequest(path=str(clip))))
    assert heard.text == "好" * HEARD_IN_TWO_SECONDS + "。"


def test_over_http(shared_hub: Hub, clip: Path) -> None:
    with running(api_server(shared_hub)) as server, httpx.Client(base_url=server.url, trust_env=False) as http:
        form = {"model": MODEL, "response_format": "verbose_json", "timestamp_granularities[]": "word"}
        answer = http.post("/v1/audio/transcriptions", files={"file": clip.read_bytes()}, data=form, timeout=60).json()
    assert answer["text"] == "好" * HEARD_IN_TWO_SECONDS + "。"
    assert answer["language"] == "chinese"
    assert len(answer["words"]) == HEARD_IN_TWO_SECONDS


def test_on_the_command_line(add_models: Callable[..., None], tiny_paraformer: Path, clip: Path) -> None:
    add_models(local_entry(MODEL, tiny_paraformer, **PARAFORMER))
    result = ominix("transcribe", str(clip), "--format", "srt")
    assert result.stdout.splitlines()[-1] == "好" * HEARD_IN_TWO_SECONDS + "。"
