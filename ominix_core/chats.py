"""Kept conversations: a small database, `chats.sqlite`, that several programs may use at once."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import msgspec

from ominix_core import chat_images
from ominix_core.chat_images import KeptImage
from ominix_core.chat_tree import Answer, Chat, Conversation, Exchange, Message, title_from
from ominix_core.chats_file import ChatsError, is_damage, open_database, storable
from ominix_core.folding import folded
from ominix_core.generation import Sampling, Usage
from ominix_core.images import NamedImage

if TYPE_CHECKING:
    from ominix_core.paths import Home

logger = logging.getLogger(__name__)

INDEXED_LENGTH = 3
"""The index knows every three letters in a row; shorter words are looked for in the texts themselves."""

CONVERSATION_COLUMNS = "id, title, system_prompt, model_id, head, created, updated, sampling"
FIGURE_COLUMNS = "prompt_tokens, completion_tokens, ttft, decode_tps"
MESSAGE_COLUMNS = f"id, parent, role, content, created, model_id, reasoning, ending, {FIGURE_COLUMNS}"


class ChatStore:
    """Every kept conversation. Thread-safe; calls may wait for the disk or another program, so make them on a thread.

    Attributes:
        notice: What the user must know about the opening, such as a damaged file that was set aside; else empty.

    Every method raises ChatsError when the file cannot be used, or the conversation was deleted meanwhile.

    Example:
        with ChatStore(Home.from_environment()) as chats:
            conversation = chats.create(model_id="qwen3-8b")
            question = chats.ask(conversation.id, None, "What is MLX?")
            chats.answer(conversation.id, question.id, Answer("An array framework.", "qwen3-8b"))
    """

    def __init__(self, home: Home) -> None:
        self._file = home.chats
        self._lock = threading.Lock()
        self._connection, self.notice = open_database(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    # -- conversations ------------------------------------------------------------------------------------------

    def conversations(self, query: str = "", limit: int = 200) -> list[Conversation]:
        """The newest first; only those that have every word of `query` in their title or in one of their messages."""
        condition, values = _matching(query)
        statement = (
            f"SELECT {CONVERSATION_COLUMNS} FROM conversations WHERE deleted IS NULL AND ({condition}) "
            "ORDER BY updated DESC, id DESC LIMIT ?"
        )
        with self._reading() as database:
            return [_head_data(row) for row in database.execute(statement, (*values, limit))]

    def load(self, conversation_id: int) -> Chat:
        """A conversation with all its messages."""
        with self._reading() as database:
            conversation = _conversation(database, conversation_id)
            rows = database.execute(
                f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE conversation_id = ? ORDER BY id", (conversation_id,)
            )
            images = chat_images.of_conversation(database, conversation_id)
            return Chat(conversation, [_message(row, images.get(row[0], ())) for row in rows])

    def images(self, digests: Collection[str]) -> dict[str, bytes]:
        """The bytes of images, by their digests."""
        with self._reading() as database:
            return chat_images.data_of(database, digests)

    def create(
        self, title: str = "", system_prompt: str = "", model_id: str = "", sampling: Sampling | None = None
    ) -> Conversation:
        """A new conversation; without a title, its first question becomes one."""
        now = time.time()
        chosen = msgspec.json.encode(sampling).decode() if sampling else ""
        with self._writing() as database:
            cursor = database.execute(
                "INSERT INTO conversations (title, system_prompt, model_id, created, updated, sampling) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (storable(title), storable(system_prompt), model_id, now, now, chosen),
            )
            return _conversation(database, cursor.lastrowid or 0)

    def take_over(self, exchange: Exchange, model_id: str) -> Conversation:
        """A new conversation that begins with this exchange."""
        conversation = self.create("", exchange.system_prompt, model_id, exchange.sampling)
        question = self.ask(conversation.id, None, exchange.question, exchange.images)
        self.answer(conversation.id, question.id, exchange.answer)
        return conversation

    def rename(self, conversation_id: int, title: str) -> Conversation:
        return self._set(conversation_id, "title", storable(title))

    def set_system_prompt(self, conversation_id: int, text: str) -> Conversation:
        return self._set(conversation_id, "system_prompt", storable(text))

    def set_model(self, conversation_id: int, model_id: str) -> Conversation:
        """Let this model answer from now on; the sampling that was chosen for another one is forgotten."""
        with self._writing() as database:
            conversation = _conversation(database, conversation_id)
            if conversation.model_id != model_id:
                statement = "UPDATE conversations SET model_id = ?, sampling = '' WHERE id = ?"
                database.execute(statement, (model_id, conversation_id))
            return _conversation(database, conversation_id)

    def select(self, conversation_id: int, message_id: int) -> Conversation:
        """Show the branch that ends with this message."""
        with self._writing() as database:
            _check_message(database, conversation_id, message_id)
            database.execute("UPDATE conversations SET head = ? WHERE id = ?", (message_id, conversation_id))
            return _conversation(database, conversation_id)

    def delete(self, conversation_id: int) -> None:
        """Take a conversation out of every list; for a day, `restore` brings it back."""
        with self._writing() as database:
            _conversation(database, conversation_id)
            database.execute("UPDATE conversations SET deleted = ? WHERE id = ?", (time.time(), conversation_id))

    def restore(self, conversation_id: int) -> Conversation:
        """Undo `delete`."""
        with self._writing() as database:
            database.execute("UPDATE conversations SET deleted = NULL WHERE id = ?", (conversation_id,))
            return _conversation(database, conversation_id)

    def _set(self, conversation_id: int, column: str, value: str) -> Conversation:
        with self._writing() as database:
            _conversation(database, conversation_id)
            database.execute(f"UPDATE conversations SET {column} = ? WHERE id = ?", (value, conversation_id))
            return _conversation(database, conversation_id)

    # -- messages -----------------------------------------------------------------------------------------------

    def ask(
        self, conversation_id: int, parent: int | None, text: str, images: Sequence[NamedImage | KeptImage] = ()
    ) -> Message:
        """Add the user's message below `parent` (None begins the conversation) and show its branch.

        An image that an earlier message has is not stored again. Raises ImageError for one that cannot be read.
        """
        return self._add(conversation_id, parent, "user", Answer(text), images)

    def answer(self, conversation_id: int, parent: int, answer: Answer) -> Message:
        """Add an answer to the message `parent`; the branch is shown if `parent` was its end."""
        return self._add(conversation_id, parent, "assistant", answer)

    def _add(
        self,
        conversation_id: int,
        parent: int | None,
        role: str,
        answer: Answer,
        images: Sequence[NamedImage | KeptImage] = (),
    ) -> Message:
        prepared = [chat_images.prepare(image) for image in images]
        now, usage = time.time(), answer.usage
        figures = (usage.prompt_tokens, usage.completion_tokens, usage.ttft, usage.decode_tps) if usage else (None,) * 4
        text = storable(answer.text)
        texts = (text, now, answer.model_id, storable(answer.reasoning), answer.ending, folded(text))
        with self._writing() as database:
            conversation = _conversation(database, conversation_id)
            if parent is not None:
                _check_message(database, conversation_id, parent)
            cursor = database.execute(
                "INSERT INTO messages (conversation_id, parent, role, content, created, model_id, reasoning, ending, "
                f"folded, {FIGURE_COLUMNS}) VALUES ({', '.join('?' * 13)})",
                (conversation_id, parent, role, *texts, *figures),
            )
            message_id = cursor.lastrowid or 0
            chat_images.add(database, message_id, prepared)
            shown = message_id if role == "user" or conversation.head == parent else conversation.head
            title = conversation.title or title_from(text)
            database.execute(
                "UPDATE conversations SET head = ?, updated = ?, title = ? WHERE id = ?",
                (shown, now, title, conversation_id),
            )
            row = database.execute(f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE id = ?", (message_id,)).fetchone()
            return _message(row, tuple(image.kept for image in prepared))

    # -- transactions -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._transaction("BEGIN") as database:
            yield database

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._transaction("BEGIN IMMEDIATE") as database:
            yield database

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._connection.execute(begin)
                try:
                    yield self._connection
                except BaseException:
                    self._connection.rollback()
                    raise
                self._connection.commit()
            except sqlite3.Error as error:
                logger.exception("the conversations in %s", self._file)
                hint = " The next start sets the file aside and begins a new one." if is_damage(error) else ""
                raise ChatsError(f"The conversations in {self._file} cannot be used: {error}.{hint}") from error


def _matching(query: str) -> tuple[str, list[str]]:
    """The SQL condition for conversations in which every word of `query` occurs, and its values."""
    words = folded(storable(query)).split()
    if not words:
        return "TRUE", []
    indexed = [word for word in words if len(word) >= INDEXED_LENGTH]
    others = [word for word in words if len(word) < INDEXED_LENGTH]
    in_title = " AND ".join("instr(folded(title), ?)" for _ in words)
    conditions = ["instr(messages.folded, ?)" for _ in others]
    values = words + others
    if indexed:
        conditions.append("messages.id IN (SELECT rowid FROM message_index WHERE message_index MATCH ?)")
        values.append(" ".join('"' + word.replace('"', '""') + '"' for word in indexed))
    in_message = f"id IN (SELECT conversation_id FROM messages WHERE {' AND '.join(conditions)})"
    return f"({in_title}) OR {in_message}", values


def _conversation(database: sqlite3.Connection, conversation_id: int) -> Conversation:
    row = database.execute(
        f"SELECT {CONVERSATION_COLUMNS} FROM conversations WHERE id = ? AND deleted IS NULL", (conversation_id,)
    ).fetchone()
    if row is None:
        raise ChatsError("This conversation has been deleted.")
    return _head_data(row)


def _head_data(row: tuple[Any, ...]) -> Conversation:
    sampling = None
    with contextlib.suppress(msgspec.MsgspecError):  # empty, or of another version
        sampling = msgspec.json.decode(row[-1], type=Sampling)
    return replace(Conversation(*row[:-1]), sampling=sampling)


def _check_message(database: sqlite3.Connection, conversation_id: int, message_id: int) -> None:
    statement = "SELECT 1 FROM messages WHERE id = ? AND conversation_id = ?"
    if database.execute(statement, (message_id, conversation_id)).fetchone() is None:
        raise ChatsError("This message is not part of the conversation.")


def _message(row: tuple[Any, ...], images: tuple[KeptImage, ...]) -> Message:
    usage = None if row[-1] is None else Usage(*row[-4:])
    return replace(Message(*row[:-4]), usage=usage, images=images)
