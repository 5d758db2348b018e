"""The images of kept conversations: each is stored once, however many messages show it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ominix_core.chats_file import storable
from ominix_core.images import NamedImage, thumbnail

THUMBNAIL_SIDE = 256


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image of a kept message.

    Attributes:
        name: Of its file.
        digest: The SHA-256 of its bytes, by which the store gives them.
        format: As Pillow names it.
        thumbnail: A small JPEG of it.
    """

    name: str
    digest: str
    format: str
    width: int
    height: int
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image that is ready to be kept; `data` is None if it is kept already."""

    kept: KeptImage
    data: bytes | None


def prepare(image: NamedImage | KeptImage) -> PreparedImage:
    """What takes long is done here, before the database is locked."""
    if isinstance(image, KeptImage):
        return PreparedImage(image, None)
    facts, digest = image.facts, hashlib.sha256(image.data).hexdigest()
    small = thumbnail(image.data, THUMBNAIL_SIDE)
    name = storable(image.name)
    return PreparedImage(KeptImage(name, digest, facts.format, facts.width, facts.height, small), image.data)


def add(database: sqlite3.Connection, message_id: int, images: Sequence[PreparedImage]) -> None:
    """Give a message its images, in their order."""
    for place, image in enumerate(images):
        kept = image.kept
        if image.data is not None:
            database.execute(
                "INSERT OR IGNORE INTO images (digest, format, width, height, thumbnail, data) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (kept.digest, kept.format, kept.width, kept.height, kept.thumbnail, image.data),
            )
        database.execute(
            "INSERT INTO message_images (message_id, place, name, digest) VALUES (?, ?, ?, ?)",
            (message_id, place, kept.name, kept.digest),
        )


def of_conversation(database: sqlite3.Connection, conversation_id: int) -> dict[int, tuple[KeptImage, ...]]:
    """The images of every message that has any, by its id."""
    rows = database.execute(
        "SELECT message_id, name, digest, format, width, height, thumbnail FROM message_images "
        "JOIN images USING (digest) JOIN messages ON messages.id = message_id "
        "WHERE conversation_id = ? ORDER BY message_id, place",
        (conversation_id,),
    )
    images: dict[int, tuple[KeptImage, ...]] = defaultdict(tuple)
    for message_id, *columns in rows:
        images[message_id] += (KeptImage(*columns),)
    return dict(images)


def data_of(database: sqlite3.Connection, digests: Collection[str]) -> dict[str, bytes]:
    """The bytes of these images, as far as they are kept."""
    places = ", ".join("?" * len(digests))
    rows = database.execute(f"SELECT digest, data FROM images WHERE digest IN ({places})", tuple(digests))
    return dict(rows.fetchall())
