"""The file of kept conversations: how it is made, opened, checked, and set aside when it is damaged."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from pathlib import Path

from ominix_core.errors import OminixError

logger = logging.getLogger(__name__)

BUSY_SECONDS = 10.0
UNDO_SECONDS = 24 * 3600.0
VERSION = 1

SCHEMA = """
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    system_prompt TEXT NOT NULL,
    model_id TEXT NOT NULL,
    head INTEGER,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    deleted REAL
);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    parent INTEGER REFERENCES messages (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    created REAL NOT NULL,
    model_id TEXT NOT NULL,
    reasoning TEXT NOT NULL,
    ending TEXT NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    ttft REAL,
    decode_tps REAL
);
CREATE INDEX conversations_by_age ON conversations (updated);
CREATE INDEX messages_of_conversation ON messages (conversation_id);
CREATE INDEX messages_of_parent ON messages (parent);
CREATE VIRTUAL TABLE message_index USING fts5 (
    content, content = 'messages', content_rowid = 'id', tokenize = 'trigram'
);
CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN
    INSERT INTO message_index (rowid, content) VALUES (new.id, new.content);
END;
CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN
    INSERT INTO message_index (message_index, rowid, content) VALUES ('delete', old.id, old.content);
END;
"""


class ChatsError(OminixError):
    """The kept conversations cannot be read or written, or one of them is gone."""

    code = "chats_error"


def open_database(file: Path) -> tuple[sqlite3.Connection, str]:
    """Open the database, making it if there is none; a damaged one is set aside, and the text then tells the user.

    Raises:
        ChatsError: The file cannot be used: no access, no space, or written by a newer Ominix.
    """
    from filelock import FileLock

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock"), mode=0o600):
            try:
                return _connect(file), ""
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
            notice = _set_aside(file)
            return _connect(file), notice
    except (sqlite3.Error, OSError) as error:
        raise ChatsError(f"The conversations in {file} cannot be opened: {error}.") from error


def _connect(file: Path) -> sqlite3.Connection:
    """Open the database, making it if there is none. Its journal files take over its mode."""
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    file.chmod(0o600)
    connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.create_function("folded", 1, str.casefold, deterministic=True)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        fault = connection.execute("PRAGMA quick_check (1)").fetchone()[0]
        if fault != "ok":
            raise _Damaged(fault)
        _prepare_schema(connection, file)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare_schema(connection: sqlite3.Connection, file: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise ChatsError(f"The conversations in {file} were written by a newer Ominix. Update Ominix to use them.")
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    connection.execute("DELETE FROM conversations WHERE deleted < ?", (time.time() - UNDO_SECONDS,))


class _Damaged(sqlite3.DatabaseError):
    """The file can be opened, but what it holds is broken."""


def is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, _Damaged) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _set_aside(file: Path) -> str:
    """Move a damaged database out of the way; returns what to tell the user."""
    kept = file.with_name(f"{file.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}{file.suffix}")
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            file.with_name(file.name + ending).rename(kept.with_name(kept.name + ending))
    logger.error("damaged conversations kept as %s", kept)
    return f"The file of kept conversations was damaged. It was set aside as {kept}, and a new one was begun."
