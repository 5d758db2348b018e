"""Audio drawn as it comes: time from left to right, loudness as height."""

from __future__ import annotations

import array
import itertools
import sys

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

PEAKS_PER_SECOND = 50
_HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


class Waveform(Widget):
    """Shows all of the audio that it was given, the part that has been played in another colour."""

    DEFAULT_CSS = """
    Waveform { height: 1fr; max-height: 11; color: $text-muted; }
    """
    COMPONENT_CLASSES = {"waveform--played"}

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._peaks: list[float] = []
        self._rest = b""
        self._played = 0.0

    def clear(self) -> None:
        """Show nothing."""
        self._peaks.clear()
        self._rest = b""
        self._played = 0.0
        self.refresh()

    def add(self, samples: bytes, sample_rate: int) -> None:
        """Show more audio: little-endian float32 in -1..1."""
        data = self._rest + samples
        width = sample_rate // PEAKS_PER_SECOND * 4
        whole = len(data) - len(data) % width
        self._peaks += [_peak(data[start : start + width]) for start in range(0, whole, width)]
        self._rest = data[whole:]
        self.refresh()

    def show_played(self, share: float) -> None:
        """How much has been played, in 0..1."""
        if int(share * self.size.width) != int(self._played * self.size.width):
            self.refresh()
        self._played = share

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        columns = self._columns(width)
        base = self.rich_style
        played = self.get_component_rich_style("waveform--played", partial=True)
        edge = int(self._played * width)
        text = "".join(_cell(column, y, height) for column in columns)
        return Strip([Segment(text[:edge], base + played), Segment(text[edge:], base + Style())], width)

    def _columns(self, width: int) -> list[float]:
        """The peak of each column; a short piece of audio does not fill them all."""
        count = len(self._peaks)
        if not count:
            return [0.0] * width
        edges = [index * count // width for index in range(width + 1)]
        return [max(self._peaks[start : max(start + 1, end)]) for start, end in itertools.pairwise(edges)]


def _peak(samples: bytes) -> float:
    values = array.array("f", samples)
    if sys.byteorder == "big":
        values.byteswap()
    return max(max(values), -min(values))


def _cell(peak: float, y: int, height: int) -> str:
    """The character of a bar that reaches as far up as down from the middle, in half rows."""
    reach = peak * height  # half rows to each side
    upper, lower = (abs(2 * y + half + 0.5 - height) <= max(reach, 0.5 if peak else 0.0) for half in (0, 1))
    return _HALVES[upper, lower]
