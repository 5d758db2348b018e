"""The list of models with what narrows it down: search, quick views, categories."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Region
from textual.message import Message
from textual.widgets import Input, Label

from ominix_core.states import ModelState
from ominix_tui.model_filter import KINDS, MOST_HITS, VIEWS, ModelFilter
from ominix_tui.text import one_line
from ominix_tui.widgets.choice_row import ChoiceRow
from ominix_tui.widgets.registry_tree import RegistryTree

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade


class SearchField(Input):
    """Enter and Down lead to the hits, Escape clears what was typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,down", "screen.focus_models", "Hits", id="search.hits", tooltip="Go to the models found"),
        Binding("escape", "clear_or_leave", "Clear", id="search.clear", tooltip="Forget what was typed"),
    ]

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Drawn alone: what is typed moves nothing, and laying out the whole screen would come before the hits."""
        return super().refresh(*regions, repaint=repaint, recompose=recompose)

    def action_clear_or_leave(self) -> None:
        if self.value:
            self.value = ""
        else:
            self.screen.query_one(RegistryTree).focus()


class Sidebar(Vertical):
    """Shows the Hub's models as they match its search field, view and category."""

    DEFAULT_CSS = """
    Sidebar {
        SearchField { background: $foreground 4%; }
        SearchField:focus { background: $foreground 10%; background-tint: transparent; }
        RegistryTree { height: 1fr; }
        #none { display: none; padding: 1; width: 1fr; color: $text-muted; }
    }
    """

    class Emptied(Message):
        """No model matches what is asked for: there is none to choose."""

    def __init__(self, *, id: str, classes: str) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.border_title = "Models"
        self._tree = RegistryTree(id="models")
        self._hub: HubFacade | None = None
        self._states: Mapping[str, ModelState] = {}
        self._wanted: str | None = None
        self._stand_in: str | None = None
        self._last_asked = 0
        self._shown: ModelFilter | None = None

    def compose(self) -> ComposeResult:
        yield SearchField(placeholder="/ to search", compact=True, id="search")
        yield ChoiceRow(VIEWS.items(), id="view")
        yield ChoiceRow(KINDS.items(), id="kind")
        yield Label(id="none", markup=False)
        yield self._tree

    @property
    def filter(self) -> ModelFilter:
        """What is typed and chosen now."""
        view, kind = (self.query_one(name, ChoiceRow).chosen for name in ("#view", "#kind"))
        return ModelFilter(self.query_one(SearchField).value, view, kind)

    @property
    def _in_use(self) -> str | None:
        """The model that is shown, if the user has not asked for another list meanwhile."""
        return self._tree.chosen if self._shown == self.filter else None

    async def show_models(self, hub: HubFacade, states: Mapping[str, ModelState]) -> None:
        """Show the Hub's models; `states` by id is read whenever a line is drawn or the filter needs it."""
        self._hub, self._states = hub, states
        await self._apply(self._in_use)

    def choose(self, model_id: str) -> None:
        """Move the cursor to a model, now and whenever the list is filled again."""
        self._wanted = model_id
        self._tree.choose(model_id)

    async def reveal(self, model_id: str) -> None:
        """The same; what narrows the list down is forgotten if it hides the model."""
        self._wanted = model_id
        if self._tree.choose(model_id):
            return
        field, view, kind = self.query_one(SearchField), self.query_one("#view"), self.query_one("#kind")
        with field.prevent(Input.Changed), view.prevent(ChoiceRow.Changed), kind.prevent(ChoiceRow.Changed):
            field.value = ""
            self.query_one("#view", ChoiceRow).chosen = next(iter(VIEWS))
            self.query_one("#kind", ChoiceRow).chosen = next(iter(KINDS))
            await self._apply()
            if not self._tree.choose(model_id):  # among more than are listed at once
                field.value = model_id
                await self._apply()

    def show_state(self, model_id: str, new_kind: bool) -> None:
        """A model's state has changed; `new_kind` if it is another one, not only its progress."""
        self._tree.refresh_model(model_id)
        if new_kind and self.filter.depends_on_states:
            self._apply_soon(self._in_use)

    def focus_search(self) -> None:
        self.query_one(SearchField).focus()

    async def go_to_hits(self) -> None:
        """Go to the list, once it shows what is typed now: Enter may come before that."""
        if self._shown != self.filter:
            await self._apply()
        self._wanted = self._tree.choose_first() or self._wanted
        self._tree.focus()

    def choose_view(self, view: str) -> None:
        self.query_one("#view", ChoiceRow).chosen = view

    def next_kind(self) -> None:
        self.query_one("#kind", ChoiceRow).action_move(1)

    @on(Input.Changed)
    @on(ChoiceRow.Changed)
    def _on_changed(self) -> None:
        self._apply_soon()

    @on(RegistryTree.Chosen)
    def _on_chosen(self, event: RegistryTree.Chosen) -> None:
        if event.model_id == self._tree.chosen != self._stand_in:
            self._wanted, self._stand_in = event.model_id, None

    @work(exclusive=True)
    async def _apply_soon(self, stays: str | None = None) -> None:
        await self._apply(stays)

    async def _apply(self, stays: str | None = None) -> None:
        """Fill the list. The panel and the keys belong to what it shows: if that is not the model that is wanted, its
        first one stands in, until the wanted one is listed again or the user goes to another.
        """
        if self._hub is None:
            return
        wanted = self.filter
        self._last_asked += 1
        asked = self._last_asked
        entries = await asyncio.to_thread(wanted.apply, self._hub, self._states, stays)
        if asked != self._last_asked:  # a later question is on its way; an older answer must not come after its own
            return
        self._shown = wanted
        self._tree.fill(entries, self._states, by_rank=bool(wanted.text.strip()))
        none = self.query_one("#none", Label)
        none.display = not entries
        if not entries:
            none.update(_nothing_found(wanted))
        self.border_subtitle = _count(len(entries), len(self._hub.registry.entries))
        if self._wanted is None or self._tree.choose(self._wanted):
            self._stand_in = None
            return
        self._stand_in = self._tree.choose_first()
        if self._stand_in is None:
            self.post_message(self.Emptied())


def _count(shown: int, total: int) -> str:
    if shown == total:
        return f"{total:,}"
    more = "+" if shown == MOST_HITS else ""
    return f"{shown:,}{more} of {total:,}"


def _nothing_found(wanted: ModelFilter) -> str:
    what = f"No model matches “{one_line(wanted.text)}”" if wanted.text.strip() else "No model"
    where = {"here": " on this machine", "loaded": " in memory", "fits": " that fits this Mac"}.get(wanted.view, "")
    kind = f" among {KINDS[wanted.category]} models" if wanted.category else ""
    return f"{what}{where}{kind}."
