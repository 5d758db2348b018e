"""The panel of a model that looks at images: the language model's, and the images that go with the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from ominix_core.generation import ChatMessage, ChatRequest
from ominix_core.images import NamedImage
from ominix_core.states import Loaded, ModelState
from ominix_tui.panels.llm_chat import LLMChatPanel
from ominix_tui.widgets.attachments import MOST_IMAGES, Attachments
from ominix_tui.widgets.image_view import ImageView
from ominix_tui.widgets.prompt_area import PromptArea

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry


class VLMChatPanel(LLMChatPanel):
    """Ask about images: choose them or drop them on the prompt, then ask as of a language model."""

    DEFAULT_CSS = """
    VLMChatPanel {
        #asking, #rows { height: auto; }
        #rows { width: 1fr; }
        #preview { display: none; width: 10; height: 4; margin-left: 1; }
    }
    .-wide VLMChatPanel #preview { width: 14; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+f", "attach", "Attach", id="vlm.attach", tooltip="Choose an image to ask about", priority=True),
    ]

    def __init__(self, hub: HubFacade, entry: RegistryEntry) -> None:
        super().__init__(hub, entry)
        self._sent: dict[bytes, NamedImage] = {}

    def compose_question(self) -> ComposeResult:
        with Horizontal(id="asking"):
            with Vertical(id="rows"):
                yield self.system_row()
                yield Attachments()
                yield self.prompt_row("Ask about the images")
            yield ImageView(id="preview")

    def on_mount(self) -> None:
        self.query_one(PromptArea).takes_files = True

    @property
    def holds_work(self) -> bool:
        return super().holds_work or bool(self.query_one(Attachments).images)

    def images_of(self, asked: ChatMessage) -> tuple[NamedImage, ...]:
        return tuple(self._sent[data] for data in asked.images if data in self._sent)

    def show_state(self, state: ModelState) -> None:
        super().show_state(state)
        abilities = self.hub.abilities(self.entry.id) if isinstance(state, Loaded) else None
        self.query_one(Attachments).limit = abilities.images if abilities is not None else MOST_IMAGES

    def action_attach(self) -> None:
        self.query_one(Attachments).choose()

    def _read_form(self) -> ChatRequest | None:
        request = super()._read_form()
        images = self.query_one(Attachments).images
        if request is None or not images:
            return request
        self._sent = {image.data: image for image in images}
        *before, asked = request.messages
        asked = msgspec.structs.replace(asked, images=tuple(image.data for image in images))
        return msgspec.structs.replace(request, messages=[*before, asked])

    @on(PromptArea.FilesDropped)
    def _on_dropped(self, event: PromptArea.FilesDropped) -> None:
        self.query_one(Attachments).attach(event.paths)

    @on(Attachments.Refused)
    def _on_refused(self, event: Attachments.Refused) -> None:
        self.show_problem(event.problem)

    @on(Attachments.Changed)
    def _on_changed(self) -> None:
        self.show_problem(None)
        self._show_preview()

    @on(events.DescendantFocus)
    def _show_preview(self) -> None:
        """Show the image whose name has the focus, else the last one."""
        shown, view = self.query_one(Attachments).shown, self.query_one("#preview", ImageView)
        data = shown.data if shown else None
        view.display = data is not None
        if view.data is not data:
            view.show(data)
