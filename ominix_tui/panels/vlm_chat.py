"""The panel of a model that looks at images: the language model's, and the images that go with the prompt."""

from __future__ import annotations

import msgspec
from textual import on

from ominix_core.generation import ChatRequest
from ominix_core.states import Loaded, ModelState
from ominix_tui.panels.llm_chat import LLMChatPanel
from ominix_tui.widgets.image_attachments import MOST_IMAGES, ImageAttachments
from ominix_tui.widgets.prompt_area import PromptArea


class VLMChatPanel(LLMChatPanel):
    """Ask about images: choose them or drop them on the prompt, then ask as of a language model."""

    def on_mount(self) -> None:
        self.query_one("#form").mount(ImageAttachments(), before="#prompt-row")
        prompt = self.query_one(PromptArea)
        prompt.placeholder = "Ask about the images"
        prompt.takes_files = True

    @property
    def holds_work(self) -> bool:
        return super().holds_work or any(row.images for row in self.query(ImageAttachments))

    def show_state(self, state: ModelState) -> None:
        super().show_state(state)
        abilities = self.hub.abilities(self.entry.id) if isinstance(state, Loaded) else None
        for row in self.query(ImageAttachments):
            row.limit = abilities.images if abilities is not None else MOST_IMAGES

    def focus_first(self) -> None:
        self.query_one(PromptArea).focus()

    def _read_form(self) -> ChatRequest | None:
        request = super()._read_form()
        images = self.query_one(ImageAttachments).images
        if request is None or not images:
            return request
        *before, asked = request.messages
        return msgspec.structs.replace(request, messages=[*before, msgspec.structs.replace(asked, images=images)])

    @on(PromptArea.FilesDropped)
    def _on_dropped(self, event: PromptArea.FilesDropped) -> None:
        self.query_one(ImageAttachments).attach(event.paths)

    @on(ImageAttachments.Refused)
    def _on_refused(self, event: ImageAttachments.Refused) -> None:
        self._show_problem(event.problem)

    @on(ImageAttachments.Changed)
    def _on_changed(self) -> None:
        self._show_problem(None)
