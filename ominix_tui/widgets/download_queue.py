"""The downloads that have not ended, in the queue's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType

from ominix_core.states import Downloading, Error, ModelState, Paused
from ominix_tui.model_commands import RESUME_ALL
from ominix_tui.widgets.download_row import DownloadRow
from ominix_tui.widgets.list_keys import Rows

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade

MOVE = Binding.Group("Move", compact=True)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A download that has not ended well.

    Attributes:
        queued: Whether it is in this program's queue; else it was left by an earlier one, or is another one's.
    """

    model_id: str
    name: str
    state: ModelState
    queued: bool


def unfinished(hub: HubFacade) -> list[Unfinished]:
    """The queue, then what other programs download, then what is half here, then what failed. Takes milliseconds."""
    ids = [item.model_id for item in hub.download_queue()]
    found = [Unfinished(model_id, hub.resolve(model_id).name, hub.state(model_id), True) for model_id in ids]
    others: dict[type[ModelState], list[Unfinished]] = {Downloading: [], Paused: [], Error: []}
    for entry in hub.registry.entries:
        state = hub.state(entry.id)
        if type(state) not in others or entry.id in ids:
            continue
        if not isinstance(state, Error) or not hub.downloaded(entry.id):  # else its load or its run has failed
            others[type(state)].append(Unfinished(entry.id, entry.name, state, False))
    return found + [each for kind in others.values() for each in kind]


class DownloadQueue(Rows):
    """Its keys run actions of the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "screen.pause", "Pause/Resume", id="queue.pause", tooltip="Stop it for now, or go on with it"),
        Binding("r", "screen.retry", "Retry", id="queue.retry", tooltip="Try again; what has arrived is kept"),
        Binding("x", "screen.cancel", "Cancel", id="queue.cancel", tooltip="Take it out of the queue, keep its bytes"),
        Binding("d", "screen.discard", "Discard", id="queue.discard", tooltip="Stop it and delete what has arrived"),
        Binding("K", "screen.move(-1)", "Earlier", id="queue.earlier", tooltip="Let it come earlier", group=MOVE),
        Binding("J", "screen.move(1)", "Later", id="queue.later", tooltip="Let it come later", group=MOVE),
        RESUME_ALL,
        Binding("enter", "select_cursor", "Show", id="queue.show", tooltip="Show this model in the hub", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._downloads: Sequence[Unfinished] = ()
        self._rows: dict[str, DownloadRow] = {}
        self._current: str | None = None

    @property
    def chosen(self) -> Unfinished | None:
        """The download under the cursor."""
        return next((each for each in self._downloads if each.model_id == self._current), None)

    @property
    def ids(self) -> list[str]:
        """The models that are listed, from top to bottom."""
        return [row.model_id for row in self.query(DownloadRow)]

    def watch_index(self, old_index: int | None, new_index: int | None) -> None:
        super().watch_index(old_index, new_index)
        if isinstance(row := self.highlighted_child, DownloadRow):
            self._current = row.model_id

    async def fill(self, downloads: Sequence[Unfinished]) -> None:
        """Show these, the cursor on the model that it was on. Rows that stay are moved, not made anew."""
        ids = [each.model_id for each in downloads]
        place = ids.index(self._current) if self._current in ids else min(self.index or 0, len(ids) - 1)
        gone = [self._rows.pop(model_id) for model_id in set(self._rows) - set(ids)]
        new = [
            DownloadRow(each.model_id, each.name, each.state) for each in downloads if each.model_id not in self._rows
        ]
        self._downloads = downloads
        self._rows |= {row.model_id: row for row in new}
        with self.app.batch_update():
            self.index = None  # the place of a row is about to be another one's
            if gone:
                await self.remove_children(gone)
            if new:
                await self.extend(new)
            self.sort_children(key=lambda row: ids.index(cast(DownloadRow, row).model_id))
            self.index = place if ids else None
        for each in downloads:
            self._rows[each.model_id].show(each.state)

    def show_state(self, model_id: str, state: ModelState) -> bool:
        """Show how far a model is; False if it is not listed, or has come to another kind of state."""
        row = self._rows.get(model_id)
        if row is None or type(row.state) is not type(state):
            return False
        row.show(state)
        return True
