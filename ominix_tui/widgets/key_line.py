"""The keys that work now, on the last line of the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.keys import key_to_character
from textual.widget import Widget

if TYPE_CHECKING:
    from textual.screen import Screen

GAP = "  "


class KeyLine(Widget):
    """One line that is drawn anew when other keys work; a click on a key presses it.

    Textual's Footer makes a widget per key at every move of the focus, which blocks the event loop for 20 to 60 ms.
    """

    DEFAULT_CSS = """
    KeyLine { dock: bottom; height: 1; padding: 0 1; background: $panel; color: $footer-description-foreground; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: tuple[tuple[str, str, str], ...] = ()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._on_bindings)

    def _on_bindings(self, screen: Screen[object]) -> None:
        if not screen.app.app_focus or screen is not self.screen or not screen.is_active:
            return  # below a dialog, the actions of the screen would be looked for in the dialog
        first: dict[str, Binding] = {}
        for active in screen.active_bindings.values():
            if active.binding.show and active.enabled and not _is_text(screen, active.binding):
                first.setdefault(active.binding.action, active.binding)
        keys = tuple((each.key, self.app.get_key_display(each), each.description) for each in first.values())
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    def render(self) -> Content:
        """As many keys as there is room for: half a word would tell nothing."""
        parts: list[Content] = []
        room = self.content_size.width
        for _, shown, words in self._keys:
            part = Content.assemble((shown, "bold $footer-key-foreground"), " ", words)
            room -= part.cell_length
            if room < 0:
                break
            parts.append(part)
            room -= len(GAP)
        return Content(GAP).join(parts)

    def on_click(self, event: events.Click) -> None:
        end = self.styles.padding.left
        for key, shown, words in self._keys:
            end += cell_len(f"{shown} {words}{GAP}")
            if event.x < end:
                self.app.simulate_key(key)
                return


def _is_text(screen: Screen[object], binding: Binding) -> bool:
    """Whether the key writes itself into the field that has the focus, and so comes to no binding."""
    focused, key = screen.focused, binding.key
    character = "/" if key == "slash" else key_to_character(key)  # Textual looks for a character that is called so
    return focused is not None and not binding.priority and focused.check_consume_key(key, character)
