"""A button that records from the microphone of the machine that this program runs on."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

from textual import on, work
from textual.message import Message
from textual.widgets import Button

from ominix_core import devices
from ominix_core.errors import OminixError

LONGEST_SECONDS = 3600.0
TICK_SECONDS = 0.1
LEVELS = "▁▂▃▄▅▆▇█"


class RecordButton(Button):
    """One press begins, the next one ends; meanwhile it shows how long it has recorded, and how loud it is.

    Args:
        folder: Where recordings are kept.
    """

    class Recorded(Message):
        """There is a recording at `path`."""

        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

    class Failed(Message):
        """Nothing could be recorded; `reason` is for people."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def __init__(self, folder: Path, *, id: str) -> None:  # noqa: A002  the name that every widget uses
        super().__init__("● Record", compact=True, id=id, tooltip=f"Record from the microphone{devices.where()}")
        self._folder = folder
        self._stopping: threading.Event | None = None
        self._started = 0.0
        self._level = 0.0

    @property
    def recording(self) -> bool:
        return self._stopping is not None

    def on_mount(self) -> None:
        self._timer = self.set_interval(TICK_SECONDS, self._tick, pause=True)

    def on_unmount(self) -> None:
        self.stop()

    def stop(self) -> None:
        """End the recording, and keep it."""
        if self._stopping is not None:
            self._stopping.set()

    @on(Button.Pressed)
    def _on_press(self, event: Button.Pressed) -> None:
        event.stop()
        if self.recording:
            self.stop()
        else:
            self._record()

    @work
    async def _record(self) -> None:
        stopping = self._stopping = threading.Event()
        self._started = time.monotonic()
        self._timer.resume()
        try:
            self.post_message(self.Recorded(await asyncio.to_thread(self._record_until, stopping)))
        except OminixError as error:
            self.post_message(self.Failed(str(error)))
        finally:
            self._stopping = None
            self._timer.pause()
            self.label = "● Record"

    def _record_until(self, stopping: threading.Event) -> Path:
        path = self._folder / time.strftime("recording-%Y%m%d-%H%M%S.wav")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return devices.record(path, LONGEST_SECONDS, self._hear, stopping)
        except OSError as error:
            raise OminixError(f"{path} cannot be written: {error.strerror}.") from error

    def _hear(self, level: float) -> None:
        self._level = level

    def _tick(self) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        meter = LEVELS[min(len(LEVELS) - 1, int(self._level * len(LEVELS)))]
        self.label = f"■ {minutes}:{seconds:02} {meter}"
