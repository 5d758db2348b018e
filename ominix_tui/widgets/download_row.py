"""A download on three lines: which model, how far, and what it does or waits for."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Label, ListItem, ProgressBar

from ominix_core.states import Downloading, Error, ModelState, Paused
from ominix_core.system import file_size
from ominix_tui.text import download_measure, one_line, words_for


class DownloadRow(ListItem):
    """Shows how far one model's download is.

    Attributes:
        model_id: The model.
        state: What it shows.
    """

    DEFAULT_CSS = """
    DownloadRow {
        padding: 0 1;
        .line { height: 1; }
        .name { width: 1fr; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
        .badge { width: auto; padding-left: 1; }
        .measure { width: auto; padding-left: 2; color: $text-muted; }
        .detail { width: 1fr; color: $text-muted; }
        ProgressBar, Bar { width: 1fr; }

        .tone-accent { color: $text-accent; }
        .tone-error { color: $text-error; }
        .tone-muted { color: $text-muted; }
    }
    """

    def __init__(self, model_id: str, name: str, state: ModelState) -> None:
        super().__init__()
        self.model_id = model_id
        self.state = state
        # Kept here and not looked up: the hub tells of a row's model while the row is still being made, or going.
        self._title = Label(one_line(name), markup=False, classes="name")
        self._badge = Label(markup=False)
        self._bar = ProgressBar(total=1, show_eta=False, show_percentage=False)
        self._measure = Label(markup=False, classes="measure")
        self._progress = Horizontal(self._bar, self._measure, classes="line bar")
        self._detail = Label(markup=False, classes="detail")
        self.show(state)

    def compose(self) -> ComposeResult:
        yield Horizontal(self._title, self._badge, classes="line")
        yield self._progress
        yield self._detail

    def show(self, state: ModelState) -> None:
        """The model's state is now `state`."""
        self.state = state
        words = words_for(state)
        self._badge.update(f"{words.glyph} {words.long}")
        self._badge.set_classes(f"badge tone-{words.tone}")
        self._progress.display = isinstance(state, Downloading | Paused)
        if isinstance(state, Downloading | Paused):
            self._bar.update(progress=state.progress)
        measure, detail = _words(state)
        self._measure.update(measure)
        self._detail.display = bool(detail)
        self._detail.update(detail)


def _words(state: ModelState) -> tuple[str, str]:
    """Bytes, speed and time; and the file, the reason of a wait, or the trouble."""
    match state:
        case Downloading():
            return download_measure(state), one_line(state.note or state.file or "starting")
        case Paused():
            return f"{file_size(state.done_bytes)} of {file_size(state.total_bytes)}", ""
        case Error():
            return "", one_line(state.message)
    return "", ""
