"""Asking the models of conversations, one question at a time, and keeping what they answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ominix_core.chat_images import KeptImage
from ominix_core.chat_models import ChatModels
from ominix_core.chat_tree import Answer, Chat
from ominix_core.chats import ChatStore
from ominix_core.errors import BusyError, NotReadyError
from ominix_core.generation import ChatMessage
from ominix_core.images import NamedImage
from ominix_core.stream import Generation
from ominix_tui.widgets.chat_dialogs import NO_MODEL

DRAFT = 0
"""The id of a conversation that is not kept yet: it has no message."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The question that is being answered."""

    conversation_id: int
    question_id: int
    model_id: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the user asks below the message `parent`; None begins the conversation."""

    parent: int | None
    text: str
    images: Sequence[NamedImage | KeptImage] = ()


class Talk:
    """What stands between a conversation on the screen, the store and the models.

    Attributes:
        asked: The question that is being answered, if one is.
    """

    def __init__(self, store: ChatStore, models: ChatModels) -> None:
        self._store = store
        self._models = models
        self._starting = False
        self.asked: Asked | None = None

    async def ask(self, chat: Chat, model_id: str, question: Question) -> Generation:
        """Keep a question and have it answered. Raises OminixError."""
        async with self._started(chat, model_id, question) as generation:
            conversation_id = chat.conversation.id or await self._keep_draft(chat, model_id)
            kept = await asyncio.to_thread(
                self._store.ask, conversation_id, question.parent, question.text, question.images
            )
            self.asked = Asked(conversation_id, kept.id, model_id)
        return generation

    async def ask_again(self, chat: Chat, model_id: str, question_id: int) -> Generation:
        """Have a question answered once more. Raises OminixError."""
        asked = chat.messages[question_id]
        question = Question(asked.parent, asked.content, asked.images)
        async with self._started(chat, model_id, question) as generation:
            await asyncio.to_thread(self._store.select, chat.conversation.id, question_id)
            self.asked = Asked(chat.conversation.id, question_id, model_id)
        return generation

    async def keep(self, answer: Answer) -> Asked | None:
        """Keep the answer, unless there is nothing in it; returns what it answers."""
        asked = self.asked
        try:
            if asked is not None and (answer.text or answer.reasoning):
                await asyncio.to_thread(self._store.answer, asked.conversation_id, asked.question_id, answer)
        finally:
            self.asked = None
        return asked

    async def make_ready(self, model_id: str) -> None:
        """Load the model if it has to be. Raises OminixError."""
        if not self._models.find(model_id).ready:
            await asyncio.wrap_future(await asyncio.to_thread(self._models.load, model_id))

    async def _keep_draft(self, chat: Chat, model_id: str) -> int:
        draft = chat.conversation
        kept = await asyncio.to_thread(self._store.create, draft.title, draft.system_prompt, model_id)
        return kept.id

    @asynccontextmanager
    async def _started(self, chat: Chat, model_id: str, question: Question) -> AsyncIterator[Generation]:
        """Send the conversation up to the question to the model, which is loaded first if it has to be.

        Nothing else can be asked until the block ends; if it fails, the answer is not wanted any more.
        """
        if self.asked is not None or self._starting:
            raise BusyError("An answer is on its way. Wait for it, or stop it with Escape.")
        if not model_id:
            raise NotReadyError(NO_MODEL)
        self._starting = True
        try:
            await self.make_ready(model_id)
            generation = await asyncio.to_thread(self._send, chat, model_id, question)
            try:
                yield generation
            except BaseException:
                generation.cancel()
                raise
        finally:
            self._starting = False

    def _send(self, chat: Chat, model_id: str, question: Question) -> Generation:
        """Images of former turns are left out for a model that reads text only; new ones are refused by it."""
        blind = self._models.find(model_id).images == 0
        former = [] if blind else [image.digest for image in chat.images_to(question.parent)]
        known = [image.digest for image in question.images if isinstance(image, KeptImage)]
        kept = self._store.images({*former, *known})
        shown = tuple(image.data if isinstance(image, NamedImage) else kept[image.digest] for image in question.images)
        history = chat.request_messages(question.parent, {digest: kept[digest] for digest in former})
        messages = [*history, ChatMessage("user", question.text, images=shown)]
        return self._models.generate(model_id, messages, chat.conversation.sampling)
