"""Conversations as files: Markdown of the branch that is shown, or JSON of everything."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import msgspec

from ominix_core.chat_tree import Chat
from ominix_core.chats_file import ChatsError


def to_markdown(chat: Chat) -> str:
    """The branch that is shown, each message under a heading that names its speaker."""
    parts = [f"# {chat.conversation.title}"]
    if chat.conversation.system_prompt:
        parts.append("\n".join(f"> {line}".rstrip() for line in chat.conversation.system_prompt.splitlines()))
    for message in chat.branch:
        speaker = "You" if message.role == "user" else message.model_id or "Assistant"
        parts += [f"## {speaker}", message.content.strip()]
    return "\n\n".join(parts) + "\n"


def to_json(chat: Chat) -> str:
    """The conversation and every message of every branch; times are ISO 8601 with their offset."""
    conversation = asdict(chat.conversation)
    messages = []
    for message in chat.messages.values():
        usage = msgspec.to_builtins(message.usage)
        messages.append({**asdict(message), "usage": usage, "created": _moment(message.created)})
    moments = {name: _moment(conversation[name]) for name in ("created", "updated")}
    return json.dumps({**conversation, **moments, "messages": messages}, ensure_ascii=False, indent=2) + "\n"


def export(chat: Chat, file: Path) -> Path:
    """Write the conversation to a new file, as JSON if its name ends so, else as Markdown; returns the full path.

    Raises:
        ChatsError: There is such a file already, or it cannot be written.
    """
    file = file.expanduser().absolute()
    text = to_json(chat) if file.suffix.lower() == ".json" else to_markdown(chat)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise ChatsError(f"{file} exists already. Choose another name.") from error
    except OSError as error:
        raise ChatsError(f"The conversation cannot be written to {file}: {error.strerror}.") from error
    return file


def suggested_file(title: str) -> str:
    """A name for the exported file, in the user's own folder."""
    words = re.sub(r"[^\w]+", "-", title).strip("-")[:60]
    return f"~/{words or 'conversation'}.md"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
