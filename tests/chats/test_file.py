"""The file of conversations: several programs at once, damage, and versions to come."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ominix_core.chats import ChatStore
from ominix_core.chats_file import ChatsError
from ominix_core.chats_schema import STEPS
from ominix_core.paths import Home

WRITER = """
import sys
from ominix_core.chats import ChatStore
from ominix_core.paths import Home
with ChatStore(Home.from_environment()) as chats:
    parent = None
    for number in range(40):
        parent = chats.ask(int(sys.argv[1]), parent, f"{sys.argv[2]} {number}").id
"""


class TestSeveralWriters:
    def test_programs_that_write_at_once_lose_nothing(self, chats: ChatStore) -> None:
        conversation = chats.create("shared")
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(conversation.id), name], stderr=subprocess.PIPE)
            for name in ("red", "blue")
        ]
        parent = None
        for number in range(40):
            parent = chats.ask(conversation.id, parent, f"own {number}").id
        for writer in writers:
            assert writer.communicate(timeout=60)[1] == b""
        chat = chats.load(conversation.id)
        for name in ("red", "blue", "own"):
            mine = [message for message in chat.messages.values() if message.content.startswith(name)]
            assert chat.branch_to(mine[-1].id) == mine
            assert len(mine) == 40

    def test_threads_may_share_a_store(self, chats: ChatStore) -> None:
        def work(number: int) -> None:
            conversation = chats.create(f"chat {number}")
            chats.ask(conversation.id, None, "hello")
            chats.conversations("hello")

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(40)))
        assert len(chats.conversations("hello")) == 40

    def test_many_programs_may_make_the_file(self, home: Home) -> None:
        with ThreadPoolExecutor(8) as threads:
            stores = list(threads.map(lambda _: ChatStore(home), range(8)))
        stores[0].create("one")
        assert [len(store.conversations()) for store in stores] == [1] * 8
        for store in stores:
            store.close()


class TestDamage:
    def test_what_is_no_database_is_set_aside(self, home: Home) -> None:
        home.chats.write_bytes(b"no database at all " * 100)
        with ChatStore(home) as chats:
            assert "was damaged" in chats.notice
            chats.create("new")
        [kept] = home.root.glob("chats.damaged-*.sqlite")
        assert str(kept) in chats.notice
        assert kept.read_bytes().startswith(b"no database")
        with ChatStore(home) as chats:
            assert chats.notice == ""
            assert len(chats.conversations()) == 1

    def test_so_is_a_database_with_a_broken_page(self, home: Home) -> None:
        with ChatStore(home) as chats:
            for number in range(200):
                chats.create(f"conversation {number}", system_prompt="x" * 500)
        raw = bytearray(home.chats.read_bytes())
        raw[len(raw) // 2 : len(raw) // 2 + 8192] = b"\xff" * 8192
        home.chats.write_bytes(raw)
        with ChatStore(home) as chats:
            assert "was damaged" in chats.notice
            assert chats.conversations() == []

    def test_damage_that_comes_later_is_told_and_mended_by_the_next_start(self, home: Home) -> None:
        with ChatStore(home) as chats:
            chats.create("one")
        with ChatStore(home) as chats:
            home.chats.write_bytes(b"no database at all " * 1000)
            with pytest.raises(ChatsError, match="The next start sets the file aside"):
                chats.conversations()
        with ChatStore(home) as chats:
            assert "was damaged" in chats.notice

    def test_a_file_of_a_newer_version_is_left_alone(self, home: Home) -> None:
        ChatStore(home).close()
        with sqlite3.connect(home.chats) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
        with pytest.raises(ChatsError, match="newer Ominix"):
            ChatStore(home)
        assert not list(home.root.glob("chats.damaged-*"))

    def test_a_home_that_cannot_hold_it_is_told(self, home: Home) -> None:
        home.chats.mkdir()
        with pytest.raises(ChatsError, match="cannot be opened"):
            ChatStore(home)


def test_conversations_of_an_older_version_are_found_in_the_new_way(home: Home) -> None:
    with sqlite3.connect(home.chats, isolation_level=None) as database:
        database.create_function("folded", 1, str.casefold, deterministic=True)
        for number, step in enumerate(STEPS[:2], 1):
            database.executescript(f"{step} PRAGMA user_version = {number};")
        database.execute(
            "INSERT INTO conversations (id, title, system_prompt, model_id, head, created, updated) "
            "VALUES (1, 'Une \u00e9tude', '', '', 1, 0, 0)"
        )
        database.execute(
            "INSERT INTO messages (id, conversation_id, role, content, created, model_id, reasoning, ending) "
            "VALUES (1, 1, 'user', 'Die Stra\u00dfe zum Cafe\u0301', 0, '', '', '')"
        )
    database.close()
    for _ in range(2):  # once made anew, and once more from what was made
        with ChatStore(home) as chats:
            for query in ("ETUDE", "strasse", "caf\u00e9"):
                assert [found.id for found in chats.conversations(query)] == [1], query
            assert chats.load(1).branch[0].content == "Die Stra\u00dfe zum Cafe\u0301"
    with ChatStore(home) as chats:
        chats.delete(1)
        with chats._writing() as store:
            store.execute("DELETE FROM conversations WHERE id = 1")
            store.execute("INSERT INTO message_index (message_index, rank) VALUES ('integrity-check', 1)")
        assert chats.conversations("strasse") == []
