"""The conversation that is open: its messages, the prompt, and the answer that is on its way."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message as TextualMessage

from ominix_core.chat_models import ChatModels
from ominix_core.chat_tree import Chat, Conversation, Exchange, Message
from ominix_core.chats import ChatStore
from ominix_core.errors import OminixError
from ominix_core.generation import Failed
from ominix_core.stream import Generation
from ominix_tui.talk import DRAFT, Question, Talk
from ominix_tui.text import one_line
from ominix_tui.widgets.chat_prompt import ChatPrompt
from ominix_tui.widgets.chat_transcript import ChatTranscript
from ominix_tui.widgets.dialogs import TextDialog
from ominix_tui.widgets.response import Response
from ominix_tui.widgets.sampling_options import sampling_words
from ominix_tui.widgets.telling import telling

UNTITLED = "New conversation"
UP, DOWN = "Scroll what was said up, also from the prompt", "Scroll what was said down, also from the prompt"


class ChatPane(Vertical):
    """Shows a conversation and goes on with it.

    Attributes:
        chat: The conversation; one that is not kept yet has the id DRAFT.
        model_id: The model that answers the next question, or empty.
        answering: Whether an answer is on its way, in this conversation or another.
    """

    DEFAULT_CSS = """
    ChatPane {
        #transcript { height: 1fr; padding: 0 0 0 1; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "branch(-1)", "Branch", id="chat.former", tooltip="The version before", key_display="← →"),
        Binding("right,l", "branch(1)", "Next", id="chat.next", tooltip="The next version", show=False),
        Binding("e", "edit", "Edit", id="chat.edit", tooltip="Change a question and send it again"),
        Binding("r", "regenerate", "Again", id="chat.again", tooltip="Answer once more; both answers stay"),
        Binding("pageup", "page(-1)", "Page up", id="chat.page_up", tooltip=UP, show=False, priority=True),
        Binding("pagedown", "page(1)", "Page down", id="chat.page_down", tooltip=DOWN, show=False, priority=True),
        Binding("v", "view", "View", id="chat.view", tooltip="Show the message's images as large as they go"),
    ]

    class Changed(TextualMessage):
        """Another conversation is shown, or this one has another title, model or message."""

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.transcript = ChatTranscript(id="transcript", classes="box")
        self.prompt = ChatPrompt(id="ask", classes="box")
        self.chat = _draft("", "")
        self.model_id = ""

    def compose(self) -> ComposeResult:
        yield self.transcript
        yield self.prompt

    def connect(self, store: ChatStore, models: ChatModels) -> None:
        """Where conversations are kept, and who answers. Must be called before anything else."""
        self._store = store
        self._models = models
        self._talk = Talk(store, models)

    @property
    def answering(self) -> bool:
        return self._talk.asked is not None

    # -- what is shown ------------------------------------------------------------------------------------------

    async def open(self, conversation_id: int) -> None:
        """Show a kept conversation as it is now. Raises ChatsError."""
        chat = await asyncio.to_thread(self._store.load, conversation_id)
        await self.show(chat, chat.conversation.model_id or self.model_id)

    async def begin(self, model_id: str, system_prompt: str = "") -> None:
        """Show a new conversation, which is kept once it has a question."""
        await self.show(_draft(model_id, system_prompt), model_id)

    async def take_over(self, exchange: Exchange, model_id: str) -> None:
        """Keep an exchange from elsewhere as a new conversation, and show it. Raises OminixError."""
        conversation = await asyncio.to_thread(self._store.take_over, exchange, model_id)
        await self.open(conversation.id)

    async def show(self, chat: Chat, model_id: str) -> None:
        """Show this conversation, to be continued by this model."""
        self.chat, self.model_id = chat, model_id
        transcript, running = self.transcript, self._talk.asked
        await transcript.history.show(chat, lambda model_id: self._models.find(model_id).name)
        transcript.border_title = Content(one_line(chat.conversation.title) or UNTITLED)
        transcript.response.display = running is not None and running.conversation_id == chat.conversation.id
        transcript.anchor()
        self.prompt.tell(_chosen(chat.conversation))
        self.show_model()
        self.post_message(self.Changed())

    @on(ChatPrompt.Changed)
    def show_model(self) -> None:
        """Show what depends on the model: how much of its context is taken, and whether it looks at the images."""
        model = self._models.find(self.model_id) if self.model_id else None
        self.transcript.border_subtitle = _figures(self.chat.branch, model.context if model else None)
        has_images = bool(self.prompt.images or self.chat.images_to(self.chat.conversation.head))
        blind = model is not None and model.images == 0 and has_images
        self.prompt.warn(f"! {one_line(model.name)} cannot look at images" if model and blind else "")

    # -- asking and answering -----------------------------------------------------------------------------------

    @on(ChatPrompt.Submitted)
    @work
    @telling
    async def _on_submitted(self, event: ChatPrompt.Submitted) -> None:
        await self._ask(Question(self.chat.conversation.head, event.text, event.images))
        await self.prompt.clear()

    async def _ask(self, question: Question) -> None:
        await self._follow(await self._talk.ask(self.chat, self.model_id, question))

    async def _follow(self, generation: Generation) -> None:
        await self.transcript.follow(generation)
        if asked := self._talk.asked:
            await self.open(asked.conversation_id)

    @on(Response.Ended)
    @work
    @telling
    async def _on_ended(self, event: Response.Ended) -> None:
        asked = self._talk.asked
        if asked is None:
            return
        await self._talk.keep(self.transcript.response.answer_so_far(asked.model_id))
        if asked.conversation_id == self.chat.conversation.id:
            await self.open(asked.conversation_id)
        if isinstance(event.last, Failed):
            raise OminixError(event.last.message)

    @work
    @telling
    async def ask_system_prompt(self) -> None:
        """Let the user write the conversation's system prompt."""
        conversation = self.chat.conversation
        text = await self.app.push_screen_wait(TextDialog("System prompt", conversation.system_prompt))
        if text is None:
            return
        if conversation.id == DRAFT:
            await self.begin(self.model_id, text)
        else:
            await asyncio.to_thread(self._store.set_system_prompt, conversation.id, text)
            await self.open(conversation.id)

    @work
    @telling
    async def use_model(self, model_id: str) -> None:
        """Have this model answer from now on; it is loaded if it has to be."""
        self.model_id = model_id
        if self.chat.conversation.id == DRAFT:
            await self.show(self.chat, model_id)
        else:
            await asyncio.to_thread(self._store.set_model, self.chat.conversation.id, model_id)
            await self.open(self.chat.conversation.id)
        await self._talk.make_ready(model_id)

    @work
    @telling
    async def make_ready(self) -> None:
        """Load the model if it has to be."""
        await self._talk.make_ready(self.model_id)

    def stop(self) -> None:
        """Ask the answer to end; what is there is kept."""
        self.transcript.response.stop()

    async def keep_what_is_there(self) -> None:
        """Keep what there is of an answer that is still being written; for the end of the program."""
        if asked := self._talk.asked:
            await self._talk.keep(self.transcript.response.answer_so_far(asked.model_id))

    # -- actions on a message: the chosen one, or else the last one that they fit ---------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "view":
            return self.transcript.has_focus and self.transcript.history.last(_has_images) is not None
        if action == "page":
            return self.prompt.area.has_focus and self.transcript.max_scroll_y > 0
        return self.transcript.has_focus or action not in ("branch", "edit", "regenerate")

    def action_page(self, step: int) -> None:
        """Scroll what was said by a page."""
        scroll = self.transcript.scroll_page_up if step < 0 else self.transcript.scroll_page_down
        scroll(animate=False)

    @work
    @telling
    async def action_edit(self) -> None:
        message = self.transcript.history.last(_is_question)
        if message is None:
            return
        hint = "Enter sends it again · Ctrl+J starts a new line · Escape cancels"
        text = await self.app.push_screen_wait(TextDialog("Edit and send again", message.content, hint))
        if text and text.strip():
            await self._ask(Question(message.parent, text.strip(), message.images))

    @work
    @telling
    async def action_regenerate(self) -> None:
        if question := self.transcript.history.last(_is_question):
            await self._follow(await self._talk.ask_again(self.chat, self.model_id, question.id))

    @work
    @telling
    async def action_branch(self, step: int) -> None:
        chat = self.chat
        message = self.transcript.history.last(lambda message: len(chat.alternatives(message)) > 1)
        if message is None:
            return
        versions = chat.alternatives(message)
        other = versions[(versions.index(message) + step) % len(versions)]
        await asyncio.to_thread(self._store.select, chat.conversation.id, chat.end_below(other).id)
        await self.open(chat.conversation.id)
        self.transcript.choose(other.id)

    @work
    @telling
    async def action_view(self) -> None:
        from ominix_tui.widgets.image_dialog import ImageDialog

        if message := self.transcript.history.last(_has_images):
            data = await asyncio.to_thread(self._store.images, {image.digest for image in message.images})
            self.app.push_screen(ImageDialog([(image, data[image.digest]) for image in message.images]))


def _is_question(message: Message) -> bool:
    return message.role == "user"


def _has_images(message: Message) -> bool:
    return bool(message.images)


def _draft(model_id: str, system_prompt: str) -> Chat:
    return Chat(Conversation(DRAFT, "", system_prompt, model_id, None, 0.0, 0.0), [])


def _chosen(conversation: Conversation) -> list[str]:
    """What is set for this conversation alone, in words."""
    words = ["System prompt set"] if conversation.system_prompt else []
    return words + (sampling_words(conversation.sampling) if conversation.sampling else [])


def _figures(branch: list[Message], context: int | None) -> str:
    """Speed of the newest answer, and how much of the context the conversation takes."""
    usage = next((message.usage for message in reversed(branch) if message.usage), None)
    if usage is None:
        return ""
    used = usage.prompt_tokens + usage.completion_tokens
    of_all = f" of {context:,} ({used / context:.0%})" if context else ""
    return f"{usage.decode_tps:.1f} tokens/s · context {used:,}{of_all}"
