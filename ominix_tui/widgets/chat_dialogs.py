"""The question for the model that answers in a conversation."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from ominix_core.chat_models import ChatModel
from ominix_tui.text import one_line, words_for
from ominix_tui.widgets.dialogs import ChoiceDialog

NO_MODEL = "No model is on this machine yet. Get one in the Model Hub (Ctrl+T)."


def model_dialog(models: Sequence[ChatModel], chosen: str) -> ChoiceDialog:
    """Asks for a model; its id is the answer."""
    hint = "Enter uses the model, and loads it if it is on this machine" if models else NO_MODEL
    return ChoiceDialog("Model", "", {model.id: describe(model) for model in models}, chosen=chosen, hint=hint)


def describe(model: ChatModel) -> Text:
    """A model on one line: name, where it runs, and its state."""
    text = Text(f"{one_line(model.name)} [{one_line(model.badge)}]", no_wrap=True, overflow="ellipsis")
    if model.state is not None:
        words = words_for(model.state)
        text.append(f" {words.glyph} {words.long}")
    return text
