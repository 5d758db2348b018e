"""Playing and recording, with a stand-in for PortAudio where a test needs a device, and without where it must fail."""

from __future__ import annotations

import array
import builtins
import sys
import threading
import types
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ominix_core import devices
from ominix_core.devices import DeviceError, Playback, play_file, record


class PortAudioError(Exception):
    """As sounddevice has it."""


class Output:
    """A loudspeaker that keeps what it is given, as long as `gate` lets it."""

    heard = b""
    aborted = False
    gate = threading.Event()

    def __init__(self, samplerate: int, channels: int, dtype: str) -> None:
        assert (channels, dtype) == (1, "float32")
        Output.heard, Output.aborted = b"", False

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, data: bytes) -> None:
        assert Output.gate.wait(60)
        Output.heard += data

    def abort(self) -> None:
        Output.aborted = True


class Input:
    """A microphone that hears one level."""

    level = 0

    def __init__(self, samplerate: int, channels: int, dtype: str) -> None:
        assert (samplerate, channels, dtype) == (48_000, 1, "int16")

    def __enter__(self) -> Input:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, frames: int) -> tuple[bytes, bool]:
        return array.array("h", [Input.level, -Input.level // 2] * (frames // 2)).tobytes(), False


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A machine with a loudspeaker and a microphone."""
    module = types.ModuleType("sounddevice")
    module.__dict__.update(RawOutputStream=Output, RawInputStream=Input, PortAudioError=PortAudioError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    Output.gate.set()
    return module


@pytest.mark.usefixtures("sound")
class TestPlayback:
    def test_everything_is_heard_in_order(self) -> None:
        playback = Playback(1000)
        parts = [bytes([number]) * 4 * 250 for number in range(4)]
        for part in parts:
            playback.feed(part)
        playback.finish()
        playback.wait()
        assert Output.heard == b"".join(parts)
        assert not playback.playing
        assert playback.played_seconds == pytest.approx(1.0)

    def test_stop_is_heard_within_a_slice(self) -> None:
        Output.gate.clear()
        playback = Playback(1000)
        playback.feed(bytes(4 * 1000 * 60))
        playback.stop()
        Output.gate.set()
        playback.wait()
        assert Output.aborted
        assert len(Output.heard) <= 4 * 100

    def test_what_is_no_audio_file_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "x.wav").write_text("no audio")
        with pytest.raises(DeviceError, match="cannot be played"):
            play_file(tmp_path / "x.wav")


@pytest.mark.usefixtures("sound")
class TestRecording:
    def test_a_recording_ends_after_its_time_and_tells_its_level(self, tmp_path: Path) -> None:
        Input.level = 16_384
        levels: list[float] = []
        path = record(tmp_path / "a.wav", 0.5, levels.append, threading.Event())
        assert levels == [0.5] * 5
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (48_000, 1, 24_000)

    def test_stop_ends_it(self, tmp_path: Path) -> None:
        Input.level = 1000
        stop = threading.Event()
        path = record(tmp_path / "a.wav", 60, lambda _: stop.set(), stop)
        with wave.open(str(path)) as file:
            assert file.getnframes() == 4_800

    @pytest.mark.parametrize(
        ("system", "over_ssh", "words"),
        [("Linux", False, "Is it muted"), ("Darwin", False, "Privacy & Security"), ("Darwin", True, "over SSH no")],
    )
    def test_mere_silence_is_explained(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, over_ssh: bool, words: str
    ) -> None:
        Input.level = 0
        monkeypatch.setattr("platform.system", lambda: system)
        if over_ssh:
            monkeypatch.setenv("SSH_CONNECTION", "1 2 3 4")
        with pytest.raises(DeviceError, match=words):
            record(tmp_path / "a.wav", 0.2, lambda _: None, threading.Event())
        assert not (tmp_path / "a.wav").exists()


class TestWithoutDevices:
    @pytest.fixture(params=["no package", "no library", "no device", "refused"])
    def expected(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, sound: types.ModuleType) -> str:
        """Break the machine in one way; the words that its error must have."""
        match request.param:
            case "no package":
                monkeypatch.setitem(sys.modules, "sounddevice", None)
                return "pip install sounddevice"
            case "no library":
                monkeypatch.delitem(sys.modules, "sounddevice")
                monkeypatch.setattr(builtins, "__import__", _without_port_audio(builtins.__import__))
                return "need the PortAudio library"
            case "no device":
                _refuse(monkeypatch, sound, "Error querying device -1")
                return "There is no {device} on " + devices.host()
        _refuse(monkeypatch, sound, "Invalid sample rate")
        return "Ominix cannot use the {device} on " + devices.host()

    def test_it_says_what_is_missing_and_what_to_do_instead(self, expected: str, tmp_path: Path) -> None:
        with pytest.raises(DeviceError) as no_sound:
            Playback(24_000)
        assert expected.format(device="loudspeaker") in str(no_sound.value)
        with pytest.raises(DeviceError) as no_recording:
            record(tmp_path / "a.wav", 1, lambda _: None, threading.Event())
        assert expected.format(device="microphone") in str(no_recording.value)


def _refuse(monkeypatch: pytest.MonkeyPatch, sound: types.ModuleType, reason: str) -> None:
    def stream(**_: Any) -> None:
        raise PortAudioError(reason)

    for name in ("RawOutputStream", "RawInputStream"):
        monkeypatch.setattr(sound, name, stream)


def _without_port_audio(import_: Callable[..., Any]) -> Callable[..., Any]:
    def without(name: str, *arguments: Any) -> Any:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return import_(name, *arguments)

    return without


def test_over_ssh_it_says_how_to_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert devices.where() == ""
    monkeypatch.setenv("SSH_CONNECTION", "1 2 3 4")
    assert devices.where() == f" on {devices.host()}"
    hint = devices.listening_hint()
    assert f"ssh {devices.host()} 'ominix speak \"Hello\"' > speech.wav && afplay speech.wav" in hint
