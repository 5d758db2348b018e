"""Conversations are kept, found, branched, deleted and brought back."""

from __future__ import annotations

import json
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ominix_core.chat_export import export, to_json, to_markdown
from ominix_core.chat_tree import Answer, title_from
from ominix_core.chats import ChatStore
from ominix_core.chats_file import ChatsError
from ominix_core.folding import folded
from ominix_core.generation import ChatMessage, Usage
from ominix_core.paths import Home

USAGE = Usage(prompt_tokens=12, completion_tokens=34, ttft=0.5, decode_tps=42.0)


def titles(chats: ChatStore, query: str = "") -> list[str]:
    return [conversation.title for conversation in chats.conversations(query)]


class TestKeeping:
    def test_everything_is_there_after_a_restart(self, home: Home) -> None:
        with ChatStore(home) as chats:
            conversation = chats.create(system_prompt="Be brief.", model_id="qwen3-8b")
            question = chats.ask(conversation.id, None, "What is the capital\nof France?")
            chats.answer(conversation.id, question.id, Answer("Paris.", "qwen3-8b", "Easy.", "length", USAGE))
        with ChatStore(home) as chats:
            [kept] = chats.conversations()
            assert (kept.title, kept.system_prompt) == ("What is the capital of France?", "Be brief.")
            question, answer = chats.load(kept.id).branch
            assert question.content == "What is the capital\nof France?"
            assert (answer.content, answer.reasoning, answer.ending) == ("Paris.", "Easy.", "length")
            assert (answer.model_id, answer.usage) == ("qwen3-8b", USAGE)
            assert chats.load(kept.id).request_messages(answer.id)[-1].reasoning == "Easy."

    def test_the_newest_comes_first(self, chats: ChatStore) -> None:
        first, second = chats.create("first"), chats.create("second")
        assert titles(chats) == ["second", "first"]
        chats.ask(first.id, None, "again")
        assert titles(chats) == ["first", "second"]
        assert second.head is None

    def test_rename_model_and_system_prompt(self, chats: ChatStore) -> None:
        conversation = chats.create("old")
        chats.rename(conversation.id, "new")
        chats.set_model(conversation.id, "glm4-9b")
        changed = chats.set_system_prompt(conversation.id, "Be kind.")
        assert (changed.title, changed.model_id, changed.system_prompt) == ("new", "glm4-9b", "Be kind.")

    def test_text_that_the_file_cannot_hold_loses_only_that(self, chats: ChatStore) -> None:
        conversation = chats.create("a\0b")
        assert chats.ask(conversation.id, None, "x\0y\ud800z").content == "xy?z"

    def test_only_the_owner_may_read_the_files(self, home: Home, chats: ChatStore) -> None:
        chats.create("secret")
        modes = {file.name: file.stat().st_mode & 0o777 for file in home.root.glob("chats*")}
        assert "chats.sqlite-wal" in modes
        assert set(modes.values()) == {0o600}


class TestBranches:
    def test_an_edited_question_opens_a_branch_and_the_first_one_stays(self, chats: ChatStore) -> None:
        conversation = chats.create(system_prompt="Be brief.")
        first = chats.ask(conversation.id, None, "one")
        answer = chats.answer(conversation.id, first.id, Answer("1"))
        follow_up = chats.ask(conversation.id, answer.id, "and then?")
        edited = chats.ask(conversation.id, None, "two")
        chat = chats.load(conversation.id)
        assert [message.content for message in chat.branch] == ["two"]
        assert [message.id for message in chat.alternatives(edited)] == [first.id, edited.id]
        assert chat.end_below(first) == follow_up
        chats.select(conversation.id, chat.end_below(first).id)
        chat = chats.load(conversation.id)
        assert [message.content for message in chat.branch] == ["one", "1", "and then?"]
        assert chat.request_messages(first.id) == [ChatMessage("system", "Be brief."), ChatMessage("user", "one")]

    def test_a_second_answer_is_shown_when_its_question_was(self, chats: ChatStore) -> None:
        conversation = chats.create()
        question = chats.ask(conversation.id, None, "one")
        first = chats.answer(conversation.id, question.id, Answer("1"))
        late = chats.answer(conversation.id, question.id, Answer("eins"))
        assert chats.load(conversation.id).branch[-1] == first
        chats.select(conversation.id, question.id)
        newest = chats.answer(conversation.id, question.id, Answer("uno"))
        chat = chats.load(conversation.id)
        assert chat.branch[-1] == newest
        assert list(chat.alternatives(late)) == [first, late, newest]

    def test_a_message_of_another_conversation_is_refused(self, chats: ChatStore) -> None:
        one, two = chats.create(), chats.create()
        message = chats.ask(one.id, None, "hi")
        with pytest.raises(ChatsError, match="not part of the conversation"):
            chats.answer(two.id, message.id, Answer("no"))
        with pytest.raises(ChatsError, match="not part of the conversation"):
            chats.select(two.id, message.id)


class TestDeleting:
    def test_deleted_is_gone_and_comes_back(self, chats: ChatStore) -> None:
        conversation = chats.create("one")
        chats.ask(conversation.id, None, "a question")
        chats.delete(conversation.id)
        assert titles(chats) == titles(chats, "question") == []
        with pytest.raises(ChatsError, match="has been deleted"):
            chats.ask(conversation.id, None, "still there?")
        chats.restore(conversation.id)
        assert titles(chats) == titles(chats, "question") == ["one"]

    def test_a_day_later_it_is_gone_for_good(
        self, home: Home, chats: ChatStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        conversation = chats.create("one")
        chats.ask(conversation.id, None, "a question")
        chats.delete(conversation.id)
        monkeypatch.setattr("ominix_core.chats_file.UNDO_SECONDS", -1.0)
        with ChatStore(home) as later, pytest.raises(ChatsError, match="has been deleted"):
            later.restore(conversation.id)


class TestSearch:
    def test_every_word_must_be_there(self, chats: ChatStore) -> None:
        first = chats.create("Holidays")
        chats.ask(first.id, None, "Where is it warm in November?")
        second = chats.create("Work")
        chats.ask(second.id, None, "今天天气很好,我们去公园")
        assert titles(chats, "WARM nov") == ["Holidays"]
        assert titles(chats, "warm december") == []
        assert titles(chats, "holi") == ["Holidays"]
        assert titles(chats, "天气很") == titles(chats, "公园") == ["Work"]
        assert titles(chats, "  ") == ["Work", "Holidays"]

    @pytest.mark.parametrize(
        "query", ['"', "'", "a OR b", "NEAR(", "*", "col:", "-x", "%", "_", "\\", "a\0b", "\ud800"]
    )
    def test_no_character_is_special(self, chats: ChatStore, query: str) -> None:
        chats.ask(chats.create("one").id, None, "plain text")
        assert titles(chats, query) == []
        chats.ask(chats.create("two").id, None, f"before {query} after")
        assert titles(chats, query) == ["two"]

    @given(text=st.text(), query=st.text())
    def test_no_query_fails_and_every_part_of_a_text_finds_it(
        self, tmp_path_factory: pytest.TempPathFactory, text: str, query: str
    ) -> None:
        with ChatStore(Home(tmp_path_factory.mktemp("search"))) as chats:
            conversation = chats.create("\N{EM DASH}")
            kept = chats.ask(conversation.id, None, text).content
            chats.conversations(query)
            for word in kept.split():
                assert chats.conversations(word[len(word) // 3 :]) != []


class TestAlike:
    """What is written in another way and means the same is found, in titles as in messages."""

    @pytest.mark.parametrize(
        ("text", "query"),
        [
            ("étude", "étude"),
            ("café au lait", "CAFE"),
            ("cafe", "café"),
            ("Straße", "strasse"),
            ("STRASSE", "straße"),
            ("한글 이름", unicodedata.normalize("NFD", "한글")),
            ("Ελληνικά", "ελληνικα"),
            ("ΟΔΟΣ", "οδός"),
            ("Phở", "pho"),
            ("ёлка", "елка"),
            ("ＭＬＸ", "mlx"),
            ("ﬁle", "file"),
            ("שָׁלוֹם", "שלום"),
        ],
    )
    def test_both_ways_and_in_both_forms(self, chats: ChatStore, text: str, query: str) -> None:
        chats.create(f"About {text}")
        chats.ask(chats.create("asked").id, None, f"I said {text}, in short.")
        for form in ("NFC", "NFD"):
            asked = unicodedata.normalize(form, query)
            assert titles(chats, asked) == ["asked", f"About {text}"]
        assert chats.load(2).branch[0].content == f"I said {text}, in short."

    @pytest.mark.parametrize(("text", "query"), [("か", "が"), ("คำ", "คา"), ("हिन्दी", "हनद")])
    def test_marks_that_make_another_letter_stay(self, chats: ChatStore, text: str, query: str) -> None:
        chats.ask(chats.create("other").id, None, text)
        assert titles(chats, query) == []
        assert titles(chats, text) == ["other"]

    @pytest.mark.slow
    def test_ten_thousand_messages_are_searched_at_once(self, chats: ChatStore) -> None:
        ids = [chats.create(f"Talk {number}").id for number in range(100)]
        words = [f"wört{number}" for number in range(997)]
        rows = []
        for number in range(10_000):
            text = " ".join(words[(number * 31 + step * 7) % 997] for step in range(40))
            rows.append((ids[number % 100], text, folded(text)))
        with chats._writing() as database:
            database.executemany(
                "INSERT INTO messages (conversation_id, role, content, created, model_id, reasoning, ending, folded) "
                "VALUES (?, 'user', ?, 0, '', '', '', ?)",
                rows,
            )
        before = time.process_time()
        assert titles(chats, "WORT996")
        assert titles(chats, "xq") == []  # too short for the index
        assert time.process_time() - before < 0.5


class TestExport:
    def test_markdown_has_the_branch_and_json_everything(self, chats: ChatStore) -> None:
        conversation = chats.create("Größe", system_prompt="Be\nbrief.")
        question = chats.ask(conversation.id, None, "one")
        chats.ask(conversation.id, None, "two")
        chats.select(conversation.id, question.id)
        chats.answer(conversation.id, question.id, Answer("# 1", "qwen3-8b", usage=USAGE))
        chat = chats.load(conversation.id)
        assert to_markdown(chat) == "# Größe\n\n> Be\n> brief.\n\n## You\n\none\n\n## qwen3-8b\n\n# 1\n"
        document = json.loads(to_json(chat))
        assert document["title"] == "Größe"
        assert [message["content"] for message in document["messages"]] == ["one", "two", "# 1"]
        assert document["messages"][2]["usage"]["completion_tokens"] == 34

    def test_a_file_is_never_overwritten(self, chats: ChatStore, tmp_path: Path) -> None:
        conversation = chats.create("one")
        file = export(chats, conversation.id, tmp_path / "chat.md")
        assert file.read_text("utf-8") == "# one\n"
        with pytest.raises(ChatsError, match="exists already"):
            export(chats, conversation.id, file)
        with pytest.raises(ChatsError, match="No such file"):
            export(chats, conversation.id, tmp_path / "none" / "chat.json")


def test_a_title_is_one_short_line() -> None:
    assert title_from("  How  do\nI? ") == "How do I?"
    long = title_from("word " * 100)
    assert len(long) <= 60
    assert long.endswith("word…")
    assert title_from("x" * 100) == "x" * 59 + "…"
