"""Conversations as files: Markdown of the branch that is shown with its images beside it, or JSON of everything."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import msgspec

from ominix_core.chat_tree import Chat
from ominix_core.chats import ChatStore
from ominix_core.chats_file import ChatsError
from ominix_core.images import data_url
from ominix_core.paths import typed_path


def to_markdown(chat: Chat, images: Mapping[str, str] | None = None) -> str:
    """The branch that is shown, each message under a heading that names its speaker.

    Args:
        images: Where the branch's images lie, by their digests; of others only the name is written.
    """
    parts = [f"# {chat.conversation.title}"]
    if chat.conversation.system_prompt:
        parts.append("\n".join(f"> {line}".rstrip() for line in chat.conversation.system_prompt.splitlines()))
    for message in chat.branch:
        speaker = "You" if message.role == "user" else message.model_id or "Assistant"
        shown = [f"![{_alone(image.name)}]({(images or {}).get(image.digest, '')})" for image in message.images]
        parts += [f"## {speaker}", *shown, message.content.strip()]
    return "\n\n".join(parts) + "\n"


def to_json(chat: Chat, images: Mapping[str, bytes] | None = None) -> str:
    """The conversation and every message of every branch; times are ISO 8601 with their offset.

    Args:
        images: The bytes of its images by their digests; they are written as `data:` URLs.
    """
    data = images or {}
    urls = {digest: data_url(data[digest]) for digest in data}
    conversation = {**asdict(chat.conversation), "sampling": msgspec.to_builtins(chat.conversation.sampling)}
    messages = []
    for message in chat.messages.values():
        usage = msgspec.to_builtins(message.usage)
        shown = [{"name": image.name, "url": urls.get(image.digest)} for image in message.images]
        messages.append({**asdict(message), "usage": usage, "created": _moment(message.created), "images": shown})
    moments = {name: _moment(conversation[name]) for name in ("created", "updated")}
    return json.dumps({**conversation, **moments, "messages": messages}, ensure_ascii=False, indent=2) + "\n"


def export(store: ChatStore, conversation_id: int, file: Path) -> Path:
    """Write a conversation to a new file, as JSON if its name ends so, else as Markdown; returns the full path.

    JSON holds the images itself; beside Markdown they lie in a new folder, which is named after the file.

    Raises:
        ChatsError: There is such a file already, or it cannot be written.
    """
    file = typed_path(str(file))
    chat = store.load(conversation_id)
    try:
        if file.exists():
            raise FileExistsError(errno.EEXIST, "exists", str(file))
        if file.suffix.lower() == ".json":
            kept = {image.digest for message in chat.messages.values() for image in message.images}
            text = to_json(chat, store.images(kept))
        else:
            text = to_markdown(chat, _write_images(store, chat, file))
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise ChatsError(f"{error.filename} exists already. Choose another name.") from error
    except OSError as error:
        raise ChatsError(f"The conversation cannot be written to {file}: {error.strerror}.") from error
    return file


def _write_images(store: ChatStore, chat: Chat, file: Path) -> dict[str, str]:
    """Write the images of the branch beside the file; their places from there, by their digests."""
    images = {image.digest: image for image in chat.images_to(chat.conversation.head)}
    if not images:
        return {}
    folder = file.with_name(f"{file.stem}-images")
    folder.mkdir()
    places = {}
    for number, (digest, image) in enumerate(images.items(), 1):
        name = f"{number}-{_dashed(Path(image.name).stem) or 'image'}.{image.format.lower()}"
        (folder / name).write_bytes(store.images([digest])[digest])
        places[digest] = quote(f"{folder.name}/{name}")
    return places


def _alone(name: str) -> str:
    """A name that ends no link of Markdown before its time."""
    return re.sub(r"[\[\]\\\r\n]", " ", name)


def suggested_file(title: str) -> str:
    """A name for the exported file, in the user's own folder."""
    return f"~/{_dashed(title) or 'conversation'}.md"


def _dashed(text: str) -> str:
    """The words of a text as a part of a file's name."""
    return re.sub(r"[^\w]+", "-", text).strip("-")[:60]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
