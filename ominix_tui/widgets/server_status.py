"""What the server of this machine is doing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Label

from ominix_core.system import file_size
from ominix_tui.text import one_line, time_left

if TYPE_CHECKING:
    from ominix_tui.local_server import ServerStatus

MOST_REQUESTS = 8


class ServerState(Vertical):
    """Whether it runs, and where. Its buttons run the screen's actions `toggle_server` and `copy_address`."""

    DEFAULT_CSS = """
    ServerState {
        height: auto;
        Label { width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
        #facts { color: $text-muted; }
        #buttons { height: 1; margin-top: 1; }
        Button { min-width: 0; padding: 0 2; margin-right: 1; background: $surface-lighten-1; }
        Button:focus { background: $primary; color: $text; text-style: bold; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Label(id="state", markup=False)
        yield Label(id="facts", markup=False)
        with Horizontal(id="buttons"):
            yield Button("Start", id="toggle", compact=True, action="screen.toggle_server")
            yield Button("Copy address", id="copy", compact=True, action="screen.copy_address")

    def show(self, status: ServerStatus | None, would_listen: str, doing: str = "") -> None:
        """Show a server that runs, or that none does; `doing` says what is being done about that."""
        state, facts = self.query_one("#state", Label), self.query_one("#facts", Label)
        toggle = self.query_one("#toggle", Button)
        if status is None:
            state.update(Content.assemble(("○ ", "$text-muted"), doing or "No server runs on this machine."))
            facts.update(f"It would listen at {would_listen} (the settings host and port).")
        else:
            state.update(Content.assemble(("● ", "$text-success"), doing or f"Serving at {status.url}/v1"))
            minutes = status.uptime_seconds // 60
            up = f"up {minutes // 60}:{minutes % 60:02} h"
            facts.update(f"{up} · version {status.version} · process {status.pid} · {status.url}/docs")
        toggle.label = "Start" if status is None else "Stop"
        toggle.disabled = bool(doing)
        self.query_one("#copy").display = status is not None


class ServerWork(Vertical):
    """The models in the server's memory, and what they answer."""

    DEFAULT_CSS = """
    ServerWork { height: auto; }
    ServerWork Label { width: 1fr; }
    """

    def compose(self) -> ComposeResult:
        yield Label(id="work", markup=False)

    def show(self, status: ServerStatus | None) -> None:
        """Show a line for each model, and one for each answer in work."""
        self.query_one("#work", Label).update(_work(status))


def _work(status: ServerStatus | None) -> Content:
    if status is None or not status.models:
        nothing = "No model is in the server's memory. ominix load MODEL, or a request with jit on, brings one there."
        return Content.styled(nothing if status else "–", "$text-muted")
    lines = []
    for model in status.models:
        speed = f" · {model.tokens_per_second:.1f} tokens/s" if model.tokens_per_second else ""
        rest = f"  {file_size(model.memory_bytes)} · {model.requests} running{speed}"
        lines.append(Content.assemble(("● ", "$text-success"), (one_line(model.id), "bold"), (rest, "$text-muted")))
    for model_id, began in status.requests[:MOST_REQUESTS]:
        age = time_left(max(time.time() - began, 0))
        lines.append(Content.styled(f"  ▸ {one_line(model_id)} answers for {age}", "$text-muted"))
    if len(status.requests) > MOST_REQUESTS:
        lines.append(Content.styled(f"  … and {len(status.requests) - MOST_REQUESTS} more", "$text-muted"))
    return Content("\n").join(lines)
