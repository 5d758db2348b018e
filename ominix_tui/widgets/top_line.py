"""The first line of a screen: where one is, and where one can go."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from ominix_tui.places import PLACES


class TopLine(Widget):
    """The names of the screens, this one's marked; a click on one goes there. At the right a few words of this screen.

    Args:
        place: The name of this screen.
    """

    DEFAULT_CSS = """
    TopLine { height: 1; padding: 0 2; background: $panel; color: $text-muted; dock: top; }
    """

    note: reactive[str] = reactive("")

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place

    def render(self) -> Content:
        names = [
            Content.styled(place.title, "$text-primary bold underline" if place.name == self._place else "")
            for place in PLACES
        ]
        left = Content.assemble(("Ominix", "$text-primary bold"), "  ", Content(" ").join(names))
        gap = self.content_size.width - left.cell_length - len(self.note)
        return Content.assemble(left, " " * gap, self.note) if gap > 1 else left

    def on_click(self, event: events.Click) -> None:
        end = len("Ominix  ")
        for place in PLACES:
            start, end = end, end + len(place.title) + 1
            if start <= event.get_content_offset_capture(self).x < end - 1:
                self.app.run_worker(self.app.run_action(f"app.show('{place.name}')"))
