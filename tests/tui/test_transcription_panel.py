"""The transcription panel, by keyboard: choose a file, transcribe, stop, copy, save."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, DirectoryTree, Input, Label

from ominix_core import devices
from ominix_core.generation import Failed, Finished
from ominix_core.hub import Hub
from ominix_core.media import Abilities, AudioProgress, SpokenWord, Transcribed, TranscriptPartial, TranscriptSegment
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.states import Loaded
from ominix_tui.app import OminixApp
from ominix_tui.panels.asr_transcription import ASRTranscriptionPanel
from ominix_tui.widgets.file_picker import FilePicker
from ominix_tui.widgets.path_field import PathField
from ominix_tui.widgets.record_button import RecordButton
from ominix_tui.widgets.transcript_view import TranscriptView
from tests.conftest import local_entry
from tests.support.sounds import silence, tone, write_audio
from tests.support.whisper import scripted_whisper
from tests.tui.support import answer_with, screen_text, set_state, until, until_connected

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
SnapCompare = Callable[..., bool]
TALK = [
    TranscriptSegment(0.0, 4.2, "Good morning, and welcome to the harbour."),
    TranscriptSegment(
        64.5,
        71.0,
        "The first boats left at five; by now they are far out, and the fog has lifted from pier to lighthouse.",
        (SpokenWord("The", 64.5, 64.7),),
    ),
    TranscriptSegment(3671.0, 3673.5, "Thank you."),
]


@pytest.fixture
def audio_hub(home: Home, add_models: Callable[..., None], tmp_path: Path) -> Iterator[Hub]:
    """A hub with a Whisper that hears "hello big world" in everything."""
    folder = scripted_whisper(tmp_path / "tiny-whisper", "hello big world")
    runtime = {"engine": "mlx-audio", "api_type": "audio_transcription", "parameters": "39M"}
    ui = {"panel_type": "ASRTranscription", "color": "#10b981"}
    add_models(local_entry("tiny-whisper", folder, category="ASR", runtime=runtime, ui=ui))
    with Hub(home, Settings(isolation="thread")) as hub:
        yield hub


@pytest.fixture
def talk(catalogue_hub: Hub) -> OminixApp:
    """The app on a loaded model that answers as the test says."""
    set_state(catalogue_hub, "paraformer", Loaded())
    return OminixApp(lambda: catalogue_hub, "paraformer")


def panel(pilot: Pilot[None]) -> ASRTranscriptionPanel:
    return pilot.app.screen.query_one(ASRTranscriptionPanel)


def view(pilot: Pilot[None]) -> TranscriptView:
    return panel(pilot).query_one(TranscriptView)


def problem(pilot: Pilot[None]) -> str:
    label = panel(pilot).query_one("#problem", Label)
    return str(label.render()) if label.display else ""


def failure(pilot: Pilot[None]) -> str:
    return str(view(pilot).query_one("#failure", Label).render())


def choose(name: str) -> Callable[[Pilot[None]], object]:
    """Type a path and press Enter."""

    async def act(pilot: Pilot[None]) -> None:
        await until_connected(pilot)
        field = panel(pilot).query_one(PathField)
        field.focus()
        await until(pilot, lambda: field.has_focus)
        await pilot.press(*name, "enter")
        await until(pilot, lambda: not view(pilot).running)
        await pilot.pause()

    return act


class TestByKeyboard:
    async def test_transcribe_and_save(self, audio_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        write_audio(tmp_path / "talk.wav", tone(2.0))
        app = OminixApp(lambda: audio_hub, "tiny-whisper")
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: isinstance(audio_hub.state("tiny-whisper"), Loaded))
            await until(pilot, lambda: isinstance(app.focused, PathField))
            await pilot.press(*"talk.wav", "enter")
            await until(pilot, lambda: str(view(pilot).border_title) == "Transcript · English")
            await until(pilot, lambda: "00:00:00  hello big world" in screen_text(pilot))
            assert "100 % of 00:00:02" in str(view(pilot).border_subtitle)
            await pilot.press("ctrl+s", "ctrl+s")
            await until(pilot, lambda: (tmp_path / "talk 2.txt").is_file())
            assert (tmp_path / "talk.txt").read_text() == "hello big world\n"
            for name in ("srt", "vtt", "json"):
                panel(pilot).query_one(f"#save-{name}", Button).press()
                await until(pilot, lambda name=name: (tmp_path / f"talk.{name}").is_file())
            assert json.loads((tmp_path / "talk.json").read_text())["text"] == "hello big world"
            await pilot.press("ctrl+y")
            assert app.clipboard == "hello big world"

    async def test_silence_and_broken_files(
        self, audio_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write_audio(tmp_path / "quiet.wav", silence(1.0))
        app = OminixApp(lambda: audio_hub, "tiny-whisper")
        async with app.run_test() as pilot:
            await until(pilot, lambda: isinstance(audio_hub.state("tiny-whisper"), Loaded))
            await choose("quiet.wav")(pilot)
            await until(pilot, lambda: "Nobody speaks in this audio." in screen_text(pilot))
            panel(pilot).query_one(PathField).clear()
            await choose("none.wav")(pilot)
            await until(pilot, lambda: str(view(pilot).border_title) == "Transcript · broke off")
            assert failure(pilot).endswith("none.wav cannot be read: No such file or directory.")

    async def test_a_stop_keeps_what_is_there(self, catalogue_hub: Hub, talk: OminixApp) -> None:
        async with talk.run_test() as pilot:
            await until_connected(pilot)
            generation = answer_with(catalogue_hub, TALK[0], TranscriptPartial("The first"), AudioProgress(5, 60))
            cancelled = []
            generation.cancel = lambda: cancelled.append(True)  # type: ignore[method-assign]
            panel(pilot).query_one(PathField).value = "talk.m4a"
            panel(pilot).focus_first()
            await pilot.press("enter")
            await until(pilot, lambda: "…         The first" in screen_text(pilot))
            assert "8 % of 00:01:00" in str(view(pilot).border_subtitle)
            await pilot.press("escape")
            assert cancelled
            generation.put(Finished("cancelled"))
            await until(pilot, lambda: str(view(pilot).border_title) == "Transcript · stopped")
            assert "The first" not in screen_text(pilot)
            assert view(pilot).transcript.text == TALK[0].text

    async def test_no_file_is_told_at_the_field(self, talk: OminixApp) -> None:
        async with talk.run_test() as pilot:
            await until_connected(pilot)
            panel(pilot).focus_first()
            await pilot.press("enter")
            assert problem(pilot) == "Choose an audio file first."
            await pilot.press("a")
            assert problem(pilot) == ""

    async def test_what_comes_from_outside_reaches_the_terminal_clean(
        self, catalogue_hub: Hub, talk: OminixApp
    ) -> None:
        async with talk.run_test() as pilot:
            answer_with(catalogue_hub, TranscriptSegment(0, 1, "a \x1b[31mred\x07 [b]lie[/b]"), Failed("no \x1b[2J[x]"))
            await choose("talk.m4a")(pilot)
            text = screen_text(pilot)
            assert "a [31mred [b]lie[/b]" in text
            assert "! no [2J[x]" in text
            assert "\x1b" not in text


class TestFiles:
    async def test_paths_are_completed(self, talk: OminixApp, tmp_path: Path) -> None:
        (tmp_path / "music").mkdir()
        (tmp_path / "music" / "song.flac").touch()
        (tmp_path / "music" / "song.txt").touch()
        async with talk.run_test() as pilot:
            await until_connected(pilot)
            field = panel(pilot).query_one(PathField)
            field.focus()
            field.value = f"{tmp_path}/mu"
            field.cursor_position = len(field.value)
            await until(pilot, lambda: field._suggestion)
            await pilot.press("right")
            assert field.value == f"{tmp_path}/music/"
            await pilot.press("s")
            await until(pilot, lambda: field._suggestion.endswith("song.flac"))
            await pilot.press("right")
            assert field.path == tmp_path / "music" / "song.flac"

    async def test_a_file_is_picked(self, talk: OminixApp, tmp_path: Path) -> None:
        (tmp_path / "music" / "sub").mkdir(parents=True)
        for name in ("a.wav", "b.txt"):
            (tmp_path / "music" / name).touch()
        async with talk.run_test() as pilot:
            await until_connected(pilot)
            panel(pilot).query_one(PathField).value = f"{tmp_path}/music/sub"
            panel(pilot).focus_first()
            await pilot.press("ctrl+o")
            await until(pilot, lambda: isinstance(pilot.app.screen, FilePicker))
            await pilot.press("backspace")
            tree = pilot.app.screen.query_one(DirectoryTree)
            await until(pilot, lambda: [str(node.label) for node in tree.root.children] == ["sub", "a.wav"])
            await pilot.press("down", "down", "enter")
            await until(pilot, lambda: not isinstance(pilot.app.screen, FilePicker))
            assert panel(pilot).query_one(PathField).path == tmp_path / "music" / "a.wav"

    @pytest.mark.parametrize("typed", ["~nobody-has-this-name/clip.wav", "/" + "x" * 5000])
    async def test_a_path_that_cannot_be_is_told(self, talk: OminixApp, typed: str) -> None:
        async with talk.run_test() as pilot:
            await until_connected(pilot)
            panel(pilot).query_one(PathField).value = typed
            panel(pilot).focus_first()
            await pilot.press("ctrl+o")
            await until(pilot, lambda: isinstance(pilot.app.screen, FilePicker))
            line = pilot.app.screen.query_one(Input)
            line.value = typed
            line.focus()
            await pilot.press("enter")
            await until(pilot, lambda: "There is no file" in screen_text(pilot))


class TestRecording:
    async def test_a_recording_is_the_next_file(
        self, talk: OminixApp, catalogue_hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def record(path: Path, max_seconds: float, on_level: Callable[[float], None], stop: threading.Event) -> Path:
            on_level(0.6)
            assert stop.wait(30)
            return write_audio(path, tone(1.0))

        monkeypatch.setattr(devices, "record", record)
        async with talk.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            panel(pilot).query_one(RecordButton).focus()
            await pilot.press("enter")
            await until(pilot, lambda: re.search(r"■ 0:\d\d ▅", screen_text(pilot)))
            await pilot.press("escape")
            await until(pilot, lambda: panel(pilot).query_one(PathField).value)
            path = panel(pilot).query_one(PathField).path
            assert path is not None
            assert path.parent == catalogue_hub.home.outputs
            assert path.is_file()
            await until(pilot, lambda: "● Record" in screen_text(pilot))

    async def test_no_microphone_is_told(self, talk: OminixApp, monkeypatch: pytest.MonkeyPatch) -> None:
        def record(*_: object) -> Path:
            raise devices.DeviceError("There is no microphone on studio.")

        monkeypatch.setattr(devices, "record", record)
        async with talk.run_test() as pilot:
            await until_connected(pilot)
            panel(pilot).query_one(RecordButton).press()
            await until(pilot, lambda: problem(pilot) == "There is no microphone on studio.")


@SIZES
class TestPictures:
    def test_before(self, snap_compare: SnapCompare, talk: OminixApp, size: tuple[int, int]) -> None:
        async def ready(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            panel(pilot)._show_abilities(Abilities(options=("language",), languages=("english", "german")))
            panel(pilot).focus_first()
            await pilot.pause()

        assert snap_compare(talk, terminal_size=size, run_before=ready)

    def test_transcript(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, talk: OminixApp, size: tuple[int, int]
    ) -> None:
        answer_with(catalogue_hub, *TALK, Transcribed("english", 3700.0), Finished("stop"))
        assert snap_compare(talk, terminal_size=size, run_before=choose("~/talks/harbour.m4a"))

    def test_failure(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, talk: OminixApp, size: tuple[int, int]
    ) -> None:
        answer_with(catalogue_hub, Failed("harbour.m4a is not an audio file, or it is damaged."))
        assert snap_compare(talk, terminal_size=size, run_before=choose("~/talks/harbour.m4a"))
