"""The list of models, grouped by category, each with its state in glyph and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from ominix_core.states import ModelState, Unsupported
from ominix_tui.model_commands import COMMAND_KEYS, RESUME_ALL
from ominix_tui.text import StateWords, fitted, one_line, words_for
from ominix_tui.widgets.list_keys import TREE_ACTIONS, moving_keys
from ominix_tui.widgets.still_scrollbar import StillScrollbar

if TYPE_CHECKING:
    from ominix_core.registry.entry import RegistryEntry

GONE = Unsupported("This model is no longer in the registry.")
"""What is shown of a model until the list without it is drawn."""
CATEGORY_ORDER = ("LLM", "VLM", "ASR", "TTS", "ImageGen")
MOST_LINES = 200
NEXT_KIND, KIND_BEFORE = "The kind of models below", "The kind of models above"


class RegistryTree(StillScrollbar, Tree[str]):
    """A node's data is its model's id; a category has none.

    Attributes:
        chosen: The model that the cursor came to last; what `Chosen` tells may be older.
        folds: Whether the user has opened or closed a category, by its name.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"registry-tree--{tone}" for tone in ("success", "accent", "error", "muted", "foreground")
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open", id="tree.open", tooltip="Go to the panel of this model"),
        *COMMAND_KEYS,
        RESUME_ALL,
        *moving_keys(*TREE_ACTIONS, without="g"),  # which gets the model
        Binding(
            "right_curly_bracket",
            "move_kind(1)",
            "Next kind",
            id="tree.next",
            tooltip="The kind of models below",
            show=False,
        ),
        Binding(
            "left_curly_bracket",
            "move_kind(-1)",
            "Kind before",
            id="tree.before",
            tooltip="The kind of models above",
            show=False,
        ),
    ]
    ICON_NODE = ICON_NODE_EXPANDED = ""

    class Chosen(Message):
        """The cursor came to a model."""

        def __init__(self, model_id: str) -> None:
            super().__init__()
            self.model_id = model_id

    class Entered(Chosen):
        """Enter was pressed on a model."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        self._tones: dict[str, Style] = {}
        self._drawn: dict[str, StateWords] = {}
        super().__init__("models", id=id)
        self.show_root = False
        self.show_guides = False
        self.guide_depth = 2
        self._model_nodes: dict[str, TreeNode[str]] = {}
        self._states: Mapping[str, ModelState] = {}
        self._members: dict[int, list[RegistryEntry]] = {}
        self.folds: dict[str, bool] = {}
        self.chosen: str | None = None

    def fill(
        self, entries: Sequence[RegistryEntry], states: Mapping[str, ModelState], *, by_rank: bool = False
    ) -> None:
        """Show these models; `states` by id is read whenever a line is drawn.

        More than MOST_LINES stay folded: a category's lines are made when it is opened.

        Args:
            by_rank: The first entry's category comes first, not the usual one.
        """
        self.clear()
        self.chosen = None
        self.cursor_line = -1  # where it stood is another model's line now
        self._states = states
        self._model_nodes.clear()
        self._members.clear()
        for category, members in _grouped(entries, by_rank).items():
            group = self.root.add(Text(one_line(category)))
            self._members[group.id] = members
            if by_rank or self.folds.get(category, len(entries) <= MOST_LINES):
                self._open(group)

    def _open(self, group: TreeNode[str]) -> None:
        members = self._members[group.id]
        if not group.children:
            for entry in members[:MOST_LINES]:
                self._model_nodes[entry.id] = group.add_leaf(Text(one_line(entry.name)), entry.id)
            if len(members) > MOST_LINES:
                group.add_leaf(Text(f"… {len(members) - MOST_LINES:,} more: search"))
        if not group.is_expanded:
            group.expand()

    def choose(self, model_id: str) -> bool:
        """Move the cursor to a model; False if it is not listed."""
        if model_id not in self._model_nodes:
            for group in self.root.children:
                if any(entry.id == model_id for entry in self._members[group.id][:MOST_LINES]):
                    self._open(group)
        if node := self._model_nodes.get(model_id):
            if node.parent is not None and not node.parent.is_expanded:
                node.parent.expand()
            self.get_node_at_line(0)  # numbers the lines, which a tree that was just filled leaves to its next paint
            self.move_cursor(node)
            self.chosen = model_id
        return node is not None

    def choose_first(self) -> str | None:
        """Move the cursor to the first model, unless it stands on one; returns the model where it is."""
        first = next((entry for group in self.root.children for entry in self._members[group.id]), None)
        if self.chosen is None and first is not None:
            self.choose(first.id)
        return self.chosen

    @property
    def at_cursor(self) -> str | None:
        """The model on the line of the cursor; None on the line of a category."""
        node = self.cursor_node
        return None if node is None else node.data

    def refresh_model(self, model_id: str) -> None:
        """Draw the model's line again if it says anything new."""
        node = self._model_nodes.get(model_id)
        state = self._states.get(model_id)
        if node is not None and state is not None and self._drawn.get(model_id) != words_for(state):
            node.refresh()

    def render_label(self, node: TreeNode[str], base_style: Style, style: Style) -> Text:
        width = self.scrollable_content_region.width - self.guide_depth
        if node.is_root:  # measured before the styles are there, never shown
            return Text()
        if node.data is None:
            return self._render_group(node, style) if node.allow_expand else Text(str(node.label), style=style)
        words = self._drawn[node.data] = words_for(self._states.get(node.data, GONE))
        tone = self._tone(words.tone)
        room = max(width - cell_len(words.short) - 3, 4)
        name = fitted(str(node.label), room)
        return Text.assemble((f"{words.glyph} ", tone), name, " ", (words.short, tone), style=style)

    def _render_group(self, node: TreeNode[str], style: Style) -> Text:
        arrow = "▾" if node.is_expanded else "▸"
        return Text.assemble(
            f"{arrow} {node.label} ", (f"{len(self._members[node.id]):,}", self._tone("muted")), style=style
        )

    def get_label_width(self, node: TreeNode[str]) -> int:
        """Labels fill the width that there is. Textual renders each one to measure it: 30 ms whenever a list is new."""
        return 1

    def _tone(self, name: str) -> Style:
        """The theme's colour of this tone; Rich knows no transparency, so that it is blended here."""
        if name not in self._tones:
            _, background = self.background_colors
            color = self.get_component_styles(f"registry-tree--{name}").color
            self._tones[name] = Style(color=(background + color).rich_color)
        return self._tones[name]

    def notify_style_update(self) -> None:
        self._tones.clear()
        super().notify_style_update()

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[str]) -> None:
        if event.node.id in self._members:
            self._open(event.node)

    def action_move_kind(self, step: int) -> None:
        """Move the cursor to the line of a category, as vim moves to paragraphs."""
        lines = [group.line for group in self.root.children]
        beyond = [line for line in lines if (line - self.cursor_line) * step > 0]
        if beyond:
            self.cursor_line = min(beyond, key=lambda line: abs(line - self.cursor_line))

    def action_toggle_node(self) -> None:
        self._toggle()

    def action_select_cursor(self) -> None:
        if not self._toggle():
            super().action_select_cursor()

    def _toggle(self) -> bool:
        """Open or close the category under the cursor, and remember that; False on a model."""
        node = self.cursor_node
        if node is None or node.id not in self._members:
            return False
        self.folds[str(node.label)] = not node.is_expanded
        node.toggle()
        return True

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[str]) -> None:
        model_id = event.node.data
        if model_id is not None and self._model_nodes.get(model_id) is event.node:  # else of the list before this one
            self.chosen = model_id
            self.post_message(self.Chosen(model_id))

    def on_tree_node_selected(self, event: Tree.NodeSelected[str]) -> None:
        if event.node.data is not None:
            self.post_message(self.Entered(event.node.data))


def _grouped(entries: Sequence[RegistryEntry], by_rank: bool) -> dict[str, list[RegistryEntry]]:
    groups: dict[str, list[RegistryEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.category, []).append(entry)
    return groups if by_rank else {category: groups[category] for category in sorted(groups, key=_order)}


def _order(category: str) -> tuple[int, str]:
    known = category in CATEGORY_ORDER
    return (CATEGORY_ORDER.index(category) if known else len(CATEGORY_ORDER), category)
