"""The speech panel: voice, speed, text; what is heard, drawn, stopped and saved; the user's voices."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile
from textual.pilot import Pilot
from textual.widgets import Button, Input, Label, OptionList, Select

from ominix_core import devices
from ominix_core.devices import DeviceError
from ominix_core.generation import Failed, Finished, Usage
from ominix_core.hub import Hub
from ominix_core.media import Abilities, AudioChunk, SpeechRequest
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry_json import read_entry
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Loaded
from ominix_core.stream import Generation
from ominix_tui.app import OminixApp
from ominix_tui.panels.tts_synthesis import TTSSynthesisPanel
from ominix_tui.widgets.prompt_area import PromptArea
from tests.conftest import speech_entry
from tests.tui.support import answer, screen_text, set_state, until, until_connected

RATE = 24_000
DONE = Finished("stop", Usage(ttft=0.35))
PRESET = Abilities(options=("voice", "speed", "instructions", "seed"), voices=("Vivian", "Ryan"))
IMITATOR = Abilities(options=("reference", "seed"))


def speech(seconds: float) -> AudioChunk:
    """A tone that swells and fades three times a second."""
    time = np.arange(int(RATE * seconds)) / RATE
    wave = np.sin(time * 2 * math.pi * 200) * np.abs(np.sin(time * 3 * math.pi)) * 0.9
    return AudioChunk(wave.astype("<f4").tobytes(), RATE)


class SilentLoudspeaker:
    """Stands in for a loudspeaker, which the machine of a test need not have."""

    heard: ClassVar[bytes] = b""

    def __init__(self, sample_rate: int) -> None:
        assert sample_rate == RATE
        type(self).heard = b""
        self.played_seconds = 0.0
        self.playing = True

    def feed(self, samples: bytes) -> None:
        type(self).heard += samples
        self.played_seconds = len(self.heard) / 4 / RATE

    def finish(self) -> None:
        self.playing = False

    def stop(self) -> None:
        self.playing = False


@pytest.fixture(autouse=True)
def loudspeaker(monkeypatch: pytest.MonkeyPatch) -> type[SilentLoudspeaker]:
    monkeypatch.setattr("ominix_tui.speech_take.Playback", SilentLoudspeaker)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    return SilentLoudspeaker


@pytest.fixture
def speaking(catalogue_hub: Hub) -> Callable[..., list[SpeechRequest]]:
    """Make the hub answer every request for speech with these events; returns what it was asked."""

    def speaking(*events: Any, abilities: Abilities = PRESET) -> list[SpeechRequest]:
        asked: list[SpeechRequest] = []

        def generate(_: str, request: SpeechRequest) -> Generation:
            asked.append(request)
            generation = Generation("scripted", lambda _: generation.put(Finished("cancelled")))
            for event in events:
                generation.put(event)
            return generation

        catalogue_hub.generate = generate  # type: ignore[method-assign,assignment]
        catalogue_hub.abilities = lambda _: abilities  # type: ignore[method-assign]
        set_state(catalogue_hub, "gpt-sovits", Loaded())
        return asked

    return speaking


@pytest.fixture
def app(catalogue_hub: Hub) -> OminixApp:
    return OminixApp(lambda: catalogue_hub, "gpt-sovits", load_initial=False)


def panel(pilot: Pilot[None]) -> TTSSynthesisPanel:
    return pilot.app.screen.query_one(TTSSynthesisPanel)


def shown(pilot: Pilot[None], name: str) -> str:
    label = panel(pilot).query_one(name, Label)
    return str(label.render()) if label.display else ""


def title(pilot: Pilot[None]) -> str:
    return str(panel(pilot).query_one("#sound").border_title)


async def ready(pilot: Pilot[None]) -> None:
    await until_connected(pilot)
    await until(
        pilot, lambda: panel(pilot).query_one("#style-row").display or not panel(pilot).query_one("#speed-row").display
    )


async def say(pilot: Pilot[None], text: str) -> None:
    area = panel(pilot).query_one(PromptArea)
    area.focus()
    area.text = text
    await pilot.press("enter")


class TestSpeaking:
    async def test_a_text_is_spoken_heard_and_drawn(
        self, app: OminixApp, speaking: Callable[..., list[SpeechRequest]], loudspeaker: type[SilentLoudspeaker]
    ) -> None:
        asked = speaking(speech(0.5), speech(0.5), DONE)
        async with app.run_test() as pilot:
            await ready(pilot)
            panel(pilot).query_one("#voice", Select).value = "Ryan"
            panel(pilot).query_one("#style", Input).value = "Softly"
            panel(pilot).query_one("#speed Input", Input).value = "1.5"
            await say(pilot, "Hello there")
            await until(pilot, lambda: title(pilot) == "Ready" and loudspeaker.heard)
            assert asked == [SpeechRequest(text="Hello there", voice="Ryan", speed=1.5, instructions="Softly")]
            assert len(loudspeaker.heard) == RATE * 4
            figures = str(panel(pilot).query_one("#sound").border_subtitle)
            assert figures.startswith("1.0 s · ")
            assert figures.endswith("starts after 0.35 s")
            await until(pilot, lambda: "█" in screen_text(pilot))

    async def test_stop_ends_generation_and_sound(
        self, app: OminixApp, speaking: Callable[..., list[SpeechRequest]]
    ) -> None:
        speaking(speech(0.5))
        async with app.run_test() as pilot:
            await ready(pilot)
            await say(pilot, "Hello there")
            await until(pilot, lambda: title(pilot) == "Generating")
            assert str(panel(pilot).query_one("#generate", Button).label) == "■ Stop"
            await pilot.press("escape")
            await until(pilot, lambda: title(pilot) == "Stopped")
            assert str(panel(pilot).query_one("#generate", Button).label) == "▶ Generate & Play"

    async def test_saving(self, app: OminixApp, speaking: Callable[..., list[SpeechRequest]], home: Home) -> None:
        speaking(speech(1.0), DONE)
        async with app.run_test() as pilot:
            await ready(pilot)
            assert panel(pilot).query_one("#save", Button).disabled
            await say(pilot, "Hello there")
            await until(pilot, lambda: not panel(pilot).query_one("#save", Button).disabled and title(pilot) == "Ready")
            await pilot.press("ctrl+s")
            await until(pilot, lambda: list(home.outputs.glob("speech-*.wav")))
            (path,) = home.outputs.glob("speech-*.wav")
            await until(pilot, lambda: any(path.name in note.message for note in app._notifications))
            samples, rate = soundfile.read(path, dtype="float32")
            assert (rate, len(samples)) == (RATE, RATE)
            np.testing.assert_allclose(samples, np.frombuffer(speech(1.0).samples, "<f4"), atol=1e-4)

    async def test_without_a_loudspeaker_it_can_still_be_saved(
        self, app: OminixApp, speaking: Callable[..., list[SpeechRequest]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def none(_: int) -> None:
            raise DeviceError("There is no loudspeaker on studio. Save the speech as a file instead.")

        monkeypatch.setattr("ominix_tui.speech_take.Playback", none)
        speaking(speech(0.5), DONE)
        async with app.run_test() as pilot:
            await ready(pilot)
            await say(pilot, "Hello there")
            await until(pilot, lambda: shown(pilot, "#problem"))
            assert shown(pilot, "#problem").startswith("There is no loudspeaker on studio. Save the speech")
            await until(pilot, lambda: not panel(pilot).query_one("#save", Button).disabled)

    async def test_a_failure_is_told_and_what_there_is_stays(
        self, app: OminixApp, speaking: Callable[..., list[SpeechRequest]]
    ) -> None:
        speaking(speech(0.5), Failed("The model could [not] speak\x1b this text."))
        async with app.run_test() as pilot:
            await ready(pilot)
            await say(pilot, "Hello there")
            await until(pilot, lambda: title(pilot) == "Broke off")
            assert shown(pilot, "#problem") == "The model could [not] speak this text."
            await until(pilot, lambda: not panel(pilot).query_one("#save", Button).disabled)

    async def test_over_ssh_it_says_where_it_plays(
        self, app: OminixApp, speaking: Callable[..., list[SpeechRequest]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSH_CONNECTION", "1 2 3 4")
        speaking()
        async with app.run_test() as pilot:
            await ready(pilot)
            assert f"played on {devices.host()}." in shown(pilot, "#hint")


class TestForm:
    @pytest.mark.parametrize("typed", ["", "fast", "0.4", "2.1"])
    async def test_a_bad_speed_is_told_at_the_field(
        self, app: OminixApp, speaking: Callable[..., list[SpeechRequest]], typed: str
    ) -> None:
        asked = speaking(DONE)
        async with app.run_test() as pilot:
            await ready(pilot)
            panel(pilot).query_one("#speed Input", Input).value = typed
            await say(pilot, "Hello there")
            assert shown(pilot, "#problem").startswith("Speed must be a number from 0.5 to 2.0")
            assert asked == []

    async def test_an_empty_text_is_asked_for(
        self, app: OminixApp, speaking: Callable[..., list[SpeechRequest]]
    ) -> None:
        speaking(DONE)
        async with app.run_test() as pilot:
            await ready(pilot)
            await say(pilot, " ")
            assert shown(pilot, "#problem") == "Type what is to be said first."

    async def test_it_offers_what_the_model_can_do(
        self, app: OminixApp, speaking: Callable[..., list[SpeechRequest]], catalogue_hub: Hub
    ) -> None:
        speaking(abilities=IMITATOR)
        async with app.run_test() as pilot:
            await ready(pilot)
            rows = {row: panel(pilot).query_one(row).display for row in ("#style-row", "#speed-row", "#manage")}
            assert rows == {"#style-row": False, "#speed-row": False, "#manage": True}
            set_state(catalogue_hub, "gpt-sovits", Downloaded())
            await until(pilot, lambda: panel(pilot).query_one("#generate", Button).disabled)

    async def test_the_voice_that_the_registry_names_is_chosen(
        self, app: OminixApp, speaking: Callable[..., list[SpeechRequest]], catalogue_hub: Hub
    ) -> None:
        entry = read_entry({**catalogue_hub.resolve("gpt-sovits").said, "defaults": {"voice": "RYAN"}})
        catalogue_hub.registry = Registry([entry])
        speaking()
        async with app.run_test() as pilot:
            await ready(pilot)
            assert panel(pilot).query_one("#voice", Select).value == "Ryan"

    async def test_real_speech(self, home: Home, add_models: Callable[..., None], tiny_tts: Path) -> None:
        add_models(speech_entry("speaker", tiny_tts))
        with Hub(home, Settings(isolation="thread", warm_spare=False)) as hub:
            app = OminixApp(lambda: hub, "speaker")
            async with app.run_test() as pilot:
                await ready(pilot)
                await say(pilot, "Hello there, my friend.")
                await until(pilot, lambda: title(pilot) == "Ready")
                assert "real time" in str(panel(pilot).query_one("#sound").border_subtitle)


class TestVoices:
    @pytest.fixture
    def clip(self, tmp_path: Path) -> Path:
        soundfile.write(tmp_path / "clip.wav", 0.3 * np.sin(np.arange(16_000 * 4) / 20), 16_000)
        return tmp_path / "clip.wav"

    async def test_add_rename_use_and_remove(
        self, app: OminixApp, speaking: Callable[..., list[SpeechRequest]], catalogue_hub: Hub, clip: Path
    ) -> None:
        speaking(abilities=IMITATOR)
        async with app.run_test() as pilot:
            await ready(pilot)
            await pilot.press("enter", "ctrl+o")
            await until(pilot, lambda: "You have no voices yet" in screen_text(pilot))
            await pilot.press("a")
            await until(pilot, lambda: app.screen.query("#clip"))
            for field, value in (("#clip", "/no/clip.wav"), ("#name", "Anna"), ("#words", "Hello")):
                app.screen.query_one(field, Input).value = value
            await pilot.press("enter")
            await until(pilot, lambda: "clip.wav cannot be read as audio" in screen_text(pilot))
            app.screen.query_one("#clip", Input).value = str(clip)
            await pilot.press("enter")
            await until(pilot, lambda: "Anna  Hello" in screen_text(pilot))

            await pilot.press("r")
            await until(pilot, lambda: app.screen.query(PromptArea) and "New name" in screen_text(pilot))
            app.screen.query_one(PromptArea).text = "Ann"
            await pilot.press("enter")
            await until(pilot, lambda: "Ann  Hello" in screen_text(pilot))
            await until(pilot, lambda: app.screen.query_one(OptionList).highlighted == 0)
            await pilot.press("enter")
            await until(pilot, lambda: app.screen.query(TTSSynthesisPanel))
            await until(pilot, lambda: panel(pilot).query_one("#voice", Select).value == "Ann")

            await pilot.press("ctrl+o")
            await until(pilot, lambda: "Ann  Hello" in screen_text(pilot))
            await pilot.press("d")
            await until(pilot, lambda: "Remove Ann?" in screen_text(pilot))
            await answer(pilot, "y")
            await until(pilot, lambda: "You have no voices yet" in screen_text(pilot))
            assert catalogue_hub.voices.all() == []


class TestPictures:
    @pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
    def test_spoken(
        self,
        app: OminixApp,
        speaking: Callable[..., list[SpeechRequest]],
        snap_compare: Callable[..., bool],
        monkeypatch: pytest.MonkeyPatch,
        size: tuple[int, int],
    ) -> None:
        figures = "3.2 s · 2.9 × real time · starts after 0.35 s"
        monkeypatch.setattr("ominix_tui.speech_take.SpeechTake.figures", lambda _: figures)
        speaking(speech(3.2), DONE)

        async def run(pilot: Pilot[None]) -> None:
            await ready(pilot)
            await say(pilot, "The quick brown fox jumps over the lazy dog.")
            await until(pilot, lambda: title(pilot) == "Ready")
            await pilot.pause()

        assert snap_compare(app, run_before=run, terminal_size=size)

    @pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
    def test_before_use(self, app: OminixApp, snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
        async def run(pilot: Pilot[None]) -> None:
            await until_connected(pilot)

        assert snap_compare(app, run_before=run, terminal_size=size)

    def test_voices(
        self,
        app: OminixApp,
        speaking: Callable[..., list[SpeechRequest]],
        catalogue_hub: Hub,
        snap_compare: Callable[..., bool],
        tmp_path: Path,
    ) -> None:
        soundfile.write(tmp_path / "clip.wav", 0.3 * np.sin(np.arange(16_000 * 4) / 20), 16_000)
        catalogue_hub.voices.add("Anna", tmp_path / "clip.wav", "Hello, I am Anna, and this is how I speak.")
        catalogue_hub.voices.add("Great-grandfather", tmp_path / "clip.wav")
        speaking(abilities=IMITATOR)

        async def run(pilot: Pilot[None]) -> None:
            await ready(pilot)
            await pilot.press("enter", "ctrl+o")
            await until(pilot, lambda: "Great-grandfather" in screen_text(pilot))
            await pilot.pause()

        assert snap_compare(app, run_before=run, terminal_size=(80, 24))
