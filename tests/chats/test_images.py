"""Images of kept conversations: stored once, shared by branches, gone with what shows them, exported and sent."""

from __future__ import annotations

import base64
import io
import json
import random
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from ominix_core.chat_export import export, to_markdown
from ominix_core.chat_tree import Answer, Exchange
from ominix_core.chats import ChatStore
from ominix_core.chats_file import ChatsError
from ominix_core.chats_schema import STEPS
from ominix_core.generation import ChatMessage, Sampling
from ominix_core.images import CheckedImage, NamedImage, check_image, data_url, open_image
from ominix_core.paths import Home
from tests.support.tiny_vision_models import picture

RED, BLUE = picture("red"), picture("blue", 640, 480)


def named(name: str, data: bytes) -> NamedImage:
    return NamedImage(name, data, check_image(data))


def stored(home: Home) -> int:
    """How many images the file holds."""
    with sqlite3.connect(home.chats) as database:
        count: int = database.execute("SELECT count(*) FROM images").fetchone()[0]
    database.close()
    return count


class TestKeeping:
    def test_an_image_comes_back_as_it_was(self, home: Home) -> None:
        with ChatStore(home) as chats:
            conversation = chats.create()
            chats.ask(conversation.id, None, "What is this?", [named("kite\0.png", RED), named("sea.png", BLUE)])
        with ChatStore(home) as chats:
            [message] = chats.load(conversation.id).branch
            kite, sea = message.images
            assert (kite.name, kite.format, kite.width, kite.height) == ("kite.png", "PNG", 80, 64)
            assert sea.name == "sea.png"
            assert max(open_image(sea.thumbnail).size) == 256
            assert chats.images([kite.digest, sea.digest]) == {kite.digest: RED, sea.digest: BLUE}

    def test_it_is_stored_once_however_often_it_is_shown(self, home: Home, chats: ChatStore) -> None:
        for _ in range(2):
            conversation = chats.create()
            question = chats.ask(conversation.id, None, "one", [named("a.png", RED), named("b.png", RED)])
            chats.ask(conversation.id, None, "two", question.images)
        assert stored(home) == 1
        assert [image.name for image in chats.load(conversation.id).branch[0].images] == ["a.png", "b.png"]

    def test_it_goes_with_every_turn_unless_its_bytes_are_not_given(self, chats: ChatStore) -> None:
        conversation = chats.create()
        question = chats.ask(conversation.id, None, "one", [named("a.png", RED)])
        answer = chats.answer(conversation.id, question.id, Answer("A kite."))
        chat = chats.load(conversation.id)
        [image] = chat.images_to(answer.id)
        assert chat.request_messages(answer.id, {image.digest: RED}) == [
            ChatMessage("user", "one", images=(RED,)), ChatMessage("assistant", "A kite.")
        ]  # fmt: skip
        assert chat.request_messages(answer.id)[0] == ChatMessage("user", "one")

    def test_what_is_no_image_costs_nothing_but_the_question(self, home: Home, chats: ChatStore) -> None:
        conversation = chats.create()
        with pytest.raises(Exception, match="not an image"):
            chats.ask(conversation.id, None, "one", [NamedImage("a.png", b"no", CheckedImage("PNG", 1, 1))])
        assert chats.load(conversation.id).messages == {}
        assert stored(home) == 0


class TestDeleting:
    def test_images_go_for_good_with_the_last_conversation_that_shows_them(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ChatStore(home) as chats:
            first, second = chats.create("first"), chats.create("second")
            chats.ask(first.id, None, "one", [named("a.png", RED), named("b.png", BLUE)])
            chats.ask(second.id, None, "two", [named("a.png", RED)])
            chats.delete(first.id)
            assert stored(home) == 2, "the deletion can still be undone"
            chats.restore(first.id)
            assert len(chats.load(first.id).branch[0].images) == 2
            chats.delete(first.id)
        monkeypatch.setattr("ominix_core.chats_file.UNDO_SECONDS", -1.0)
        with ChatStore(home) as chats:
            assert stored(home) == 1
            chats.delete(second.id)
        with ChatStore(home) as chats:
            assert stored(home) == 0
            assert chats.conversations() == []

    def test_the_disk_gets_back_what_they_took(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        noise = random.Random(1).randbytes(3 * 500 * 500)
        data = data_of(Image.frombytes("RGB", (500, 500), noise))
        with ChatStore(home) as chats:
            conversation = chats.create()
            chats.ask(conversation.id, None, "one", [named("noise.png", data)])
            chats.delete(conversation.id)
        before = home.chats.stat().st_size
        monkeypatch.setattr("ominix_core.chats_file.UNDO_SECONDS", -1.0)
        ChatStore(home).close()
        assert before - home.chats.stat().st_size > 500_000

    def test_a_conversation_of_thousands_of_turns_can_go_too(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        with ChatStore(home) as chats:
            conversation = chats.create()
            first = chats.ask(conversation.id, None, "one")
            chats.delete(conversation.id)
        with sqlite3.connect(home.chats) as database:
            columns = "conversation_id, role, content, created, model_id, reasoning, ending"
            values = f"{conversation.id}, 'user', '', 0, '', '', ''"
            rows = ((first.id + number, first.id + number - 1) for number in range(1, 1500))
            database.executemany(
                f"INSERT INTO messages (id, parent, {columns}) VALUES (?, ?, {values})",
                rows,
            )
        database.close()
        monkeypatch.setattr("ominix_core.chats_file.UNDO_SECONDS", -1.0)
        with ChatStore(home) as chats:
            assert chats.conversations() == []


class TestOlderFiles:
    def test_a_file_of_the_first_version_is_taken_over(self, home: Home) -> None:
        with sqlite3.connect(home.chats) as database:
            database.executescript(f"BEGIN; {STEPS[0]} PRAGMA user_version = 1; COMMIT;")
            database.execute("INSERT INTO conversations VALUES (7, 'old', 'Be brief.', 'qwen3-8b', 1, 1.0, 2.0, NULL)")
            database.execute(
                "INSERT INTO messages VALUES (1, 7, NULL, 'user', 'hello', 1.0, '', '', '', NULL, NULL, NULL, NULL)"
            )
        database.close()
        with ChatStore(home) as chats:
            [message] = chats.load(7).branch
            assert (message.content, message.images) == ("hello", ())
            chats.ask(7, message.id, "and this?", [named("a.png", RED)])
            assert [each.title for each in chats.conversations("hello")] == ["old"]
        with ChatStore(home) as chats:
            assert [len(message.images) for message in chats.load(7).branch] == [0, 1]


class TestTakingOver:
    def test_an_exchange_begins_a_conversation(self, chats: ChatStore) -> None:
        sampling = Sampling(temperature=0.2, top_p=0.9)
        answer = Answer("A kite.", "seer", "Hm.")
        exchange = Exchange("What is this?", answer, "Be brief.", (named("a.png", RED),), sampling)
        conversation = chats.take_over(exchange, "seer")
        chat = chats.load(conversation.id)
        assert [message.content for message in chat.branch] == ["What is this?", "A kite."]
        assert (chat.branch[0].images[0].name, chat.branch[1].reasoning) == ("a.png", "Hm.")
        assert (chat.conversation.system_prompt, chat.conversation.sampling) == ("Be brief.", sampling)
        assert chats.set_model(conversation.id, "seer").sampling == sampling
        assert chats.set_model(conversation.id, "other").sampling is None


class TestExport:
    @pytest.fixture
    def conversation_id(self, chats: ChatStore) -> int:
        conversation = chats.create("Kites")
        question = chats.ask(conversation.id, None, "What is this?", [named("red [kite].png", RED)])
        chats.answer(conversation.id, question.id, Answer("A kite."))
        chats.ask(conversation.id, None, "And this?", [named("sea.png", BLUE)])
        chats.select(conversation.id, question.id)
        return conversation.id

    def test_json_holds_the_images_of_every_branch(
        self, chats: ChatStore, conversation_id: int, tmp_path: Path
    ) -> None:
        file = export(chats, conversation_id, tmp_path / "kites.json")
        messages = json.loads(file.read_text("utf-8"))["messages"]
        [kite], [sea] = messages[0]["images"], messages[2]["images"]
        assert (kite["name"], sea["name"]) == ("red [kite].png", "sea.png")
        assert base64.b64decode(sea["url"].removeprefix("data:image/png;base64,")) == BLUE
        assert list(tmp_path.glob("kites*")) == [file]

    def test_markdown_shows_those_of_the_branch_from_a_folder_beside_it(
        self, chats: ChatStore, conversation_id: int, tmp_path: Path
    ) -> None:
        file = export(chats, conversation_id, tmp_path / "my kites.md")
        assert "![red  kite .png](my%20kites-images/1-red-kite.png)\n\nWhat is this?" in file.read_text("utf-8")
        [image] = (tmp_path / "my kites-images").iterdir()
        assert image.read_bytes() == RED

    def test_nothing_is_overwritten(self, chats: ChatStore, conversation_id: int, tmp_path: Path) -> None:
        (tmp_path / "kites-images").mkdir()
        with pytest.raises(ChatsError, match="kites-images exists already"):
            export(chats, conversation_id, tmp_path / "kites.md")
        assert not (tmp_path / "kites.md").exists()

    def test_without_the_files_only_the_names_are_there(self, chats: ChatStore, conversation_id: int) -> None:
        assert "![red  kite .png]()" in to_markdown(chats.load(conversation_id))


class TestDataUrls:
    def test_a_format_that_services_do_not_know_becomes_a_png(self) -> None:
        bitmap = data_of(open_image(RED), "BMP")
        assert data_url(bitmap).startswith("data:image/bmp;base64,")
        url = data_url(bitmap, ("PNG", "JPEG"))
        assert url.startswith("data:image/png;base64,")
        png = base64.b64decode(url.partition(",")[2])
        assert open_image(png).tobytes() == open_image(RED).tobytes()


def data_of(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()
