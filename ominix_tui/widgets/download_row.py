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
        self._title = one_line(name)

    def compose(self) -> ComposeResult:
        with Horizontal(classes="line"):
            yield Label(self._title, markup=False, classes="name")
            yield Label(markup=False, classes="badge")
        with Horizontal(classes="line bar"):
            yield ProgressBar(total=1, show_eta=False, show_percentage=False)
            yield Label(markup=False, classes="measure")
        yield Label(markup=False, classes="detail")

    def on_mount(self) -> None:
        self.show(self.state)

    def show(self, state: ModelState) -> None:
        """The model's state is now `state`."""
        self.state = state
        words = words_for(state)
        badge = self.query_one(".badge", Label)
        badge.update(f"{words.glyph} {words.long}")
        badge.set_classes(f"badge tone-{words.tone}")
        self.query_one(".bar").display = isinstance(state, Downloading | Paused)
        measure, detail = _words(state)
        if isinstance(state, Downloading | Paused):
            self.query_one(ProgressBar).update(progress=state.progress)
        self.query_one(".measure", Label).update(measure)
        label = self.query_one(".detail", Label)
        label.display = bool(detail)
        label.update(detail)


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
