"""The conversation that is open: its messages, the prompt, and the answer that is on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.message import Message as TextualMessage

from ominix_core.chat_models import ChatModel, ChatModels
from ominix_core.chat_tree import Answer, Chat, Conversation, Ending, Message
from ominix_core.chats import ChatStore
from ominix_core.errors import BusyError, NotReadyError, OminixError
from ominix_core.generation import ChatMessage, Failed, Finished
from ominix_core.stream import Generation
from ominix_tui.text import one_line
from ominix_tui.widgets.chat_dialogs import NO_MODEL
from ominix_tui.widgets.chat_transcript import ChatTranscript
from ominix_tui.widgets.dialogs import TextDialog
from ominix_tui.widgets.prompt_area import PromptArea
from ominix_tui.widgets.response import Response
from ominix_tui.widgets.telling import telling

UNTITLED = "New conversation"
DRAFT = 0
"""The id of a conversation that is not kept yet: it has no message."""

ENDINGS: dict[str, Ending] = {"length": "length", "cancelled": "cancelled"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The question that is being answered."""

    conversation_id: int
    question_id: int
    model_id: str


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
        #ask { height: auto; }
        #prompt {
            height: auto; min-height: 1; max-height: 8; border: none; padding: 0;
            background: $foreground 4%;
        }
        #prompt:focus { background: $foreground 10%; background-tint: transparent; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "branch(-1)", "Branch", id="chat.former", tooltip="The version before", key_display="← →"),
        Binding("right,l", "branch(1)", "Next", id="chat.next", tooltip="The next version", show=False),
        Binding("c", "copy", "Copy", id="chat.copy", tooltip="Copy the chosen message, or the last one"),
        Binding("e", "edit", "Edit", id="chat.edit", tooltip="Change a question and send it again"),
        Binding("t", "thoughts", "Thoughts", id="chat.thoughts", tooltip="Show or hide what the model thought first"),
        Binding("r", "regenerate", "Again", id="chat.again", tooltip="Answer once more; both answers stay"),
    ]

    class Changed(TextualMessage):
        """Another conversation is shown, or this one has another title, model or message."""

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.transcript = ChatTranscript(id="transcript", classes="box")
        self.chat = _draft("", "")
        self.model_id = ""
        self._asked: Asked | None = None
        self._starting = False

    def compose(self) -> ComposeResult:
        yield self.transcript
        with Container(id="ask", classes="box"):
            yield PromptArea(placeholder="Ask something", compact=True, highlight_cursor_line=False, id="prompt")

    def connect(self, store: ChatStore, models: ChatModels) -> None:
        """Where conversations are kept, and who answers. Must be called before anything else."""
        self._store = store
        self._models = models

    @property
    def answering(self) -> bool:
        return self._asked is not None

    def focus_prompt(self) -> None:
        self.query_one(PromptArea).focus()

    # -- what is shown ------------------------------------------------------------------------------------------

    async def open(self, conversation_id: int) -> None:
        """Show a kept conversation as it is now. Raises ChatsError."""
        chat = await asyncio.to_thread(self._store.load, conversation_id)
        await self.show(chat, chat.conversation.model_id or self.model_id)

    async def begin(self, model_id: str, system_prompt: str = "") -> None:
        """Show a new conversation, which is kept once it has a question."""
        await self.show(_draft(model_id, system_prompt), model_id)

    async def show(self, chat: Chat, model_id: str) -> None:
        """Show this conversation, to be continued by this model."""
        self.chat, self.model_id = chat, model_id
        transcript, running = self.transcript, self._asked
        await transcript.history.show(chat, lambda model_id: self._models.find(model_id).name)
        transcript.border_title = one_line(chat.conversation.title) or UNTITLED
        transcript.response.display = running is not None and running.conversation_id == chat.conversation.id
        transcript.anchor()
        self.query_one("#ask").border_title = "System prompt set" if chat.conversation.system_prompt else ""
        self.show_figures(self._models.find(model_id) if model_id else None)
        self.post_message(self.Changed())

    def show_figures(self, model: ChatModel | None) -> None:
        """Show the speed of the last answer, and how much of the model's context is taken."""
        self.transcript.border_subtitle = _figures(self.chat.branch, model.context if model else None)

    # -- asking and answering -----------------------------------------------------------------------------------

    @on(PromptArea.Submitted)
    @work
    @telling
    async def _on_submitted(self) -> None:
        prompt = self.query_one(PromptArea)
        if text := prompt.text.strip():
            await self._ask(self.chat.conversation.head, text)
            prompt.clear()

    async def _ask(self, parent: int | None, text: str) -> None:
        """Add a question below `parent` and have it answered."""
        chat, model_id = self.chat, self.model_id
        generation = await self._start([*chat.request_messages(parent), ChatMessage("user", text)])
        try:
            conversation_id = chat.conversation.id or await self._keep_draft(chat)
            question = await asyncio.to_thread(self._store.ask, conversation_id, parent, text)
        except OminixError:
            generation.cancel()
            raise
        await self._follow(Asked(conversation_id, question.id, model_id), generation)

    async def _keep_draft(self, chat: Chat) -> int:
        draft = chat.conversation
        kept = await asyncio.to_thread(self._store.create, draft.title, draft.system_prompt, self.model_id)
        return kept.id

    async def _start(self, messages: list[ChatMessage]) -> Generation:
        """Send a request to the model, which is loaded first if it has to be."""
        if self._asked is not None or self._starting:
            raise BusyError("An answer is on its way. Wait for it, or stop it with Escape.")
        if not self.model_id:
            raise NotReadyError(NO_MODEL)
        self._starting = True
        try:
            if not self._models.find(self.model_id).ready:
                await asyncio.wrap_future(await asyncio.to_thread(self._models.load, self.model_id))
            return await asyncio.to_thread(self._models.generate, self.model_id, messages)
        finally:
            self._starting = False

    async def _follow(self, asked: Asked, generation: Generation) -> None:
        self._asked = asked
        self.transcript.response.follow(generation)
        await self.open(asked.conversation_id)

    @on(Response.Ended)
    @work
    @telling
    async def _on_ended(self, event: Response.Ended) -> None:
        asked, last = self._asked, event.last
        if asked is None:
            return
        try:
            answer = self._answer_so_far(asked, last)
            if answer.text or answer.reasoning:
                await asyncio.to_thread(self._store.answer, asked.conversation_id, asked.question_id, answer)
        finally:
            self._asked = None
        if asked.conversation_id == self.chat.conversation.id:
            await self.open(asked.conversation_id)
        if isinstance(last, Failed):
            raise OminixError(last.message)

    def _answer_so_far(self, asked: Asked, last: Finished | Failed | None) -> Answer:
        response = self.transcript.response
        usage = last.usage if isinstance(last, Finished) else None
        ending: Ending = "failed" if isinstance(last, Failed) else "cancelled"
        if isinstance(last, Finished):
            ending = ENDINGS.get(last.reason, "")
        return Answer(response.answer, asked.model_id, response.reasoning, ending, usage)

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
        if self.chat.conversation.id != DRAFT:
            await asyncio.to_thread(self._store.set_model, self.chat.conversation.id, model_id)
        await self.show(self.chat, model_id)
        if not self._models.find(model_id).ready:
            await asyncio.wrap_future(await asyncio.to_thread(self._models.load, model_id))

    def stop(self) -> None:
        """Ask the answer to end; what is there is kept."""
        self.transcript.response.stop()

    async def keep_what_is_there(self) -> None:
        """Keep what there is of an answer that is still being written; for the end of the program."""
        if asked := self._asked:
            answer = self._answer_so_far(asked, None)
            await asyncio.to_thread(self._store.answer, asked.conversation_id, asked.question_id, answer)

    # -- actions on a message: the chosen one, or else the last one that they fit ---------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "thoughts":
            return self.transcript.has_focus and self._last(lambda message: bool(message.reasoning)) is not None
        return self.transcript.has_focus or action not in ("branch", "copy", "edit", "regenerate")

    def _last(self, fits: Callable[[Message], bool]) -> Message | None:
        chosen = self.transcript.history.chosen
        branch = self.chat.branch_to(chosen.id) if chosen else self.chat.branch
        return next((message for message in reversed(branch) if fits(message)), None)

    def action_thoughts(self) -> None:
        if message := self._last(lambda message: bool(message.reasoning)):
            self.transcript.history.toggle_thoughts(message)

    def action_copy(self) -> None:
        if message := self._last(lambda _: True):
            self.app.copy_to_clipboard(message.content)
            self.notify("The message was copied.")

    @work
    @telling
    async def action_edit(self) -> None:
        message = self._last(lambda message: message.role == "user")
        if message is None:
            return
        hint = "Enter sends it again · Ctrl+J starts a new line · Escape cancels"
        text = await self.app.push_screen_wait(TextDialog("Edit and send again", message.content, hint))
        if text and text.strip():
            await self._ask(message.parent, text.strip())

    @work
    @telling
    async def action_regenerate(self) -> None:
        question = self._last(lambda message: message.role == "user")
        if question is None:
            return
        conversation_id, model_id = self.chat.conversation.id, self.model_id
        generation = await self._start(self.chat.request_messages(question.id))
        await asyncio.to_thread(self._store.select, conversation_id, question.id)
        await self._follow(Asked(conversation_id, question.id, model_id), generation)

    @work
    @telling
    async def action_branch(self, step: int) -> None:
        chat = self.chat
        message = self._last(lambda message: len(chat.alternatives(message)) > 1)
        if message is None:
            return
        versions = chat.alternatives(message)
        other = versions[(versions.index(message) + step) % len(versions)]
        await asyncio.to_thread(self._store.select, chat.conversation.id, chat.end_below(other).id)
        await self.open(chat.conversation.id)
        self.transcript.choose(other.id)


def _draft(model_id: str, system_prompt: str) -> Chat:
    return Chat(Conversation(DRAFT, "", system_prompt, model_id, None, 0.0, 0.0), [])


def _figures(branch: list[Message], context: int | None) -> str:
    """Speed of the newest answer, and how much of the context the conversation takes."""
    usage = next((message.usage for message in reversed(branch) if message.usage), None)
    if usage is None:
        return ""
    used = usage.prompt_tokens + usage.completion_tokens
    of_all = f" of {context:,} ({used / context:.0%})" if context else ""
    return f"{usage.decode_tps:.1f} tokens/s · context {used:,}{of_all}"
