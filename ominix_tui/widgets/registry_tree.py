"""The list of models, grouped by category, each with its state in glyph and text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from ominix_core.states import ModelState
from ominix_tui.text import one_line, words_for

if TYPE_CHECKING:
    from ominix_core.registry.entry import RegistryEntry

CATEGORY_ORDER = ("LLM", "VLM", "ASR", "TTS", "ImageGen")


class RegistryTree(Tree[str]):
    """A node's data is its model's id; a category has none."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"registry-tree--{tone}" for tone in ("success", "accent", "error", "muted", "foreground")
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open", id="tree.open", tooltip="Go to the panel of this model"),
        Binding("j", "cursor_down", "Down", id="tree.down", tooltip="The next model", show=False),
        Binding("k", "cursor_up", "Up", id="tree.up", tooltip="The previous model", show=False),
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
        super().__init__("models", id=id)
        self.show_root = False
        self.show_guides = False
        self.guide_depth = 2
        self._model_nodes: dict[str, TreeNode[str]] = {}
        self._states: Mapping[str, ModelState] = {}

    def fill(self, entries: Iterable[RegistryEntry], states: Mapping[str, ModelState]) -> None:
        """Show these models; `states` by id is read whenever a line is drawn."""
        self.clear()
        self._states = states
        self._model_nodes.clear()
        for category, members in groupby(sorted(entries, key=_order), key=lambda entry: entry.category):
            group = self.root.add(Text(one_line(category)), expand=True)
            for entry in members:
                self._model_nodes[entry.id] = group.add_leaf(Text(one_line(entry.name)), entry.id)

    def choose(self, model_id: str) -> None:
        """Move the cursor to a model."""
        if node := self._model_nodes.get(model_id):
            self.get_node_at_line(0)  # numbers the lines, which a tree that was just filled leaves to its next paint
            self.move_cursor(node)

    def refresh_model(self, model_id: str) -> None:
        """Draw the model's line again."""
        if node := self._model_nodes.get(model_id):
            node.refresh()

    def render_label(self, node: TreeNode[str], base_style: Style, style: Style) -> Text:
        width = self.scrollable_content_region.width - self.guide_depth
        if node.is_root:  # measured before the styles are there, never shown
            return Text()
        if node.data is None:
            return self._render_group(node, style)
        words = words_for(self._states[node.data])
        tone = self._tone(words.tone)
        room = max(width - cell_len(words.short) - 3, 4)
        name = _fitted(str(node.label), room)
        return Text.assemble((f"{words.glyph} ", tone), name, " ", (words.short, tone), style=style)

    def _render_group(self, node: TreeNode[str], style: Style) -> Text:
        arrow = "▾" if node.is_expanded else "▸"
        return Text.assemble(f"{arrow} {node.label} ", (str(len(node.children)), self._tone("muted")), style=style)

    def _tone(self, name: str) -> Style:
        """The theme's colour of this tone; Rich knows no transparency, so that it is blended here."""
        _, background = self.background_colors
        color = self.get_component_styles(f"registry-tree--{name}").color
        return Style(color=(background + color).rich_color)

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[str]) -> None:
        if event.node.data is not None:
            self.post_message(self.Chosen(event.node.data))

    def on_tree_node_selected(self, event: Tree.NodeSelected[str]) -> None:
        if event.node.data is not None:
            self.post_message(self.Entered(event.node.data))


def _order(entry: RegistryEntry) -> tuple[int, str]:
    known = entry.category in CATEGORY_ORDER
    return (CATEGORY_ORDER.index(entry.category) if known else len(CATEGORY_ORDER), entry.category)


def _fitted(name: str, width: int) -> str:
    if cell_len(name) > width:
        name = set_cell_size(name, width - 1).rstrip() + "…"
    return set_cell_size(name, width)
