"""The file of kept conversations: how it is made, opened, checked, and set aside when it is damaged."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from pathlib import Path

from ominix_core.chats_schema import STEPS, VERSION
from ominix_core.errors import OminixError
from ominix_core.folding import folded

logger = logging.getLogger(__name__)

BUSY_SECONDS = 10.0
UNDO_SECONDS = 24 * 3600.0


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
        connection.create_function("folded", 1, folded, deterministic=True)
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
    if version < VERSION:
        # What deleted images took is given back to the disk; a file learns that only by being written anew.
        connection.executescript("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")
    for number, step in enumerate(STEPS[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
    _forget_deleted(connection)


def _forget_deleted(connection: sqlite3.Connection) -> None:
    """Delete for good what was deleted long ago."""
    gone = "SELECT id FROM conversations WHERE deleted < ?"
    before = (time.time() - UNDO_SECONDS,)
    if connection.execute(gone, before).fetchone() is None:
        return
    # SQLite follows the messages from parent to child, but no deeper than a thousand.
    connection.execute(f"UPDATE messages SET parent = NULL WHERE conversation_id IN ({gone})", before)
    connection.execute("DELETE FROM conversations WHERE deleted < ?", before)
    connection.executescript("PRAGMA incremental_vacuum")


def storable(text: str) -> str:
    """`text` without what SQLite cannot hold: NUL ends a text for it, and halves of characters are no UTF-8."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


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
