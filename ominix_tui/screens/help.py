"""The help screen: what every key does, by screen."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from ominix_tui.actions import Action, actions
from ominix_tui.screens.place import PlaceScreen
from ominix_tui.widgets.list_keys import Reading

KEY_CELLS = 9
NAME_CELLS = 14
MEANING_CELLS = 63
ABOUT = (
    "Everything works by keyboard; the mouse works too. Tab goes from field to field, ^l jumps to one by its letter, "
    "^p finds any action or model. Your own keys: [keys] in config.toml, by the ids that a wide window shows."
)


class HelpScreen(PlaceScreen):
    """Made from the registry of actions, with the user's own keys."""

    PLACE = "help"
    CSS_PATH = ["hub.tcss", "help.tcss"]
    AUTO_FOCUS = "Reading"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "find", "Find", id="help.find", tooltip="Search the keys and what they do", key_display="/"),
    ]

    def body(self) -> ComposeResult:
        yield Input(placeholder="/ to search", compact=True, id="search")
        with Vertical(id="help-box", classes="box") as box:
            box.border_title = "Keys"
            with Reading():
                yield Static(id="text")

    def on_screen_resume(self) -> None:
        self._show()

    @on(Input.Changed)
    @work(exclusive=True)
    async def _show(self) -> None:
        groups = await asyncio.to_thread(actions)
        words = self.query_one("#search", Input).value.lower().split()
        here = self.app.former_title
        first = [title for title in groups if title == here]
        order = [*first, *(title for title in groups if title != here)]
        self.query_one("#text", Static).update(self._text({title: groups[title] for title in order}, words))

    def _text(self, groups: Mapping[str, Sequence[Action]], words: Sequence[str]) -> Content:
        wide = self.size.width >= 100
        parts = [] if words else [Content.styled(ABOUT, "$text-muted")]
        for title, members in groups.items():
            lines = [self._line(action, wide) for action in members if _matches(action, title, words)]
            if lines:
                parts.append(Content("\n").join([Content.styled(title, "$text-primary bold"), *lines]))
        return Content("\n\n").join(parts) if parts else Content.styled("No key does that.", "$text-muted")

    def _line(self, action: Action, wide: bool) -> Content:
        keys = " ".join(self._display(key) for key in self.app.keymap.get(action.id, action.keys).split(","))
        own = "*" if action.id in self.app.keymap else ""
        meaning = f"{action.meaning:{MEANING_CELLS}} " if wide else action.meaning
        return Content.assemble(
            (f"{keys + own:{KEY_CELLS}}", "$text-accent bold"),
            f"{action.name:{NAME_CELLS}} ",
            (meaning, "$text-muted"),
            (action.id if wide else "", "$foreground 50%"),
        )

    def _display(self, key: str) -> str:
        return self.app.get_key_display(Binding(key, ""))

    @on(Input.Submitted)
    def _on_submitted(self) -> None:
        self.query_one(Reading).focus()

    def action_find(self) -> None:
        self.query_one("#search").focus()

    def action_back(self) -> None:
        """Forget the search first, if there is one."""
        search = self.query_one("#search", Input)
        if search.value or search.has_focus:
            search.value = ""
            self.query_one(Reading).focus()
        else:
            super().action_back()


def _matches(action: Action, title: str, words: Sequence[str]) -> bool:
    text = f"{title} {action.name} {action.meaning} {action.id} {action.keys}".lower()
    return all(word in text for word in words)
