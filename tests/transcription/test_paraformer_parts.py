"""The parts of Paraformer that need no network: words, sentences, FunASR's small files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ominix_core.errors import LoadError, RequestError
from ominix_core.media import SpokenWord
from ominix_core.models.paraformer.files import read_cmvn, read_config, read_tokens
from ominix_core.models.paraformer.sentences import sentences
from ominix_core.models.paraformer.spelling import Speller
from ominix_core.models.paraformer.timing import token_times
from ominix_core.models.paraformer.words import text_of, words_of
from tests.support.tiny_paraformer import cmvn_text


def spoken(*texts: str) -> list[SpokenWord]:
    return [SpokenWord(text, index, index + 1) for index, text in enumerate(texts)]


class TestWords:
    @pytest.mark.parametrize(
        ("tokens", "text"),
        [
            ("", ""),
            ("今 天 天 气", "今天天气"),
            ("hel@@ lo world", "hello world"),
            ("我 用 py@@ thon 写 代 码", "我用python写代码"),
            ("打 开 hel@@ lo world 吧", "打开hello world吧"),
            ("the a s r model", "the ASR model"),
            ("a model", "a model"),
            ("二 2 0 2 4 年", "二2024年"),
            ("covid 1 9 and 2 doses", "covid 19 and 2 doses"),
            ("<s> 好 <unk> 吗 </s>", "好吗"),
            ("hel@@ 好", "hel好"),
            ("hel@@ lo@@", "hello"),
            ("it's fine", "it's fine"),
            ("@@", ""),
        ],
    )
    def test_text(self, tokens: str, text: str) -> None:
        assert text_of(word.text for word in words_of(spoken(*tokens.split()))) == text

    def test_what_is_no_text_is_no_word(self) -> None:
        assert words_of(spoken("@@", "<unk>", "</s>")) == []

    def test_times_span_what_was_joined(self) -> None:
        words = words_of(spoken("a", "b", "hel@@", "l@@", "o", "好"))
        assert words == [SpokenWord("AB", 0, 2), SpokenWord("hello", 2, 5), SpokenWord("好", 5, 6)]


class TestSentences:
    def test_a_segment_for_each_sentence_and_clip(self) -> None:
        clips = [spoken("你", "好", "hello", "world"), [], spoken("good", "day", "吗")]
        found = list(sentences(clips, ["", "。", "", ".", "", ",", "？"]))
        assert [segment.text for segment in found] == ["你好。", "Hello world.", "Good day,吗？"]
        assert [(segment.start, segment.end) for segment in found] == [(0, 2), (2, 4), (0, 3)]
        assert [word.text for word in found[1].words] == ["hello", "world"]

    def test_a_sentence_that_goes_on_after_a_pause(self) -> None:
        found = sentences([spoken("we", "wait"), spoken("and", "see")], ["", "", "", "."])
        assert [segment.text for segment in found] == ["We wait", "and see."]

    def test_without_marks(self) -> None:
        assert [segment.text for segment in sentences([spoken("hello"), spoken("好")], None)] == ["hello", "好"]


class TestTimes:
    def test_no_tokens_and_no_frames(self) -> None:
        assert token_times([], [], 0) == []
        assert token_times([], [], 2) == [(0.0, 0.0)] * 2
        assert token_times([0.0] * 10, [0.0] * 10, 1) == [(0.0, pytest.approx(0.6))]

    def test_times_never_go_back(self) -> None:
        random = np.random.default_rng(0)
        for _ in range(200):
            frames, count = int(random.integers(1, 80)), int(random.integers(1, 20))
            weights = random.random(frames) * random.choice([0.05, 0.3, 1.0])
            times = token_times(weights.tolist(), (np.cumsum(weights) % 1.3).tolist(), count)
            flat = [time for span in times for time in span]
            assert len(times) == count
            assert flat == sorted(flat)
            assert flat[0] >= 0
            assert flat[-1] <= frames * 0.06 + 1e-9


class TestFiles:
    def test_cmvn(self, tmp_path: Path) -> None:
        (tmp_path / "am.mvn").write_text(cmvn_text(np.array([1.0, -2.5]), np.array([0.5, 4.0])))
        assert read_cmvn(tmp_path, 2).tolist() == [[1.0, -2.5], [0.5, 4.0]]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (None, "it is missing"),
            (b"\xff\xfe\x00", "it is not text"),
            (b"", "its two rows of numbers cannot be found"),
            (b"<AddShift> 2 2 <LearnRateCoef> 0 [ 1 2 ]", "its two rows"),
            (b"<AddShift> [ 1 2 ] <Rescale> [ 1 two ]", "its two rows"),
            (b"<AddShift> [ 1 2 ] <Rescale> [ 1 2", "its two rows"),
            (b"<AddShift> [ 1 2 ] <Rescale> [ 1 2 3 ]", "it has 3 numbers in a row, not 2"),
            (b"<AddShift> [ 1 ] <Rescale> [ 1 ]", "it has 1 numbers in a row, not 2"),
            (b"<AddShift> [ 1 nan ] <Rescale> [ 1 2 ]", "some of its numbers are none"),
        ],
    )
    def test_cmvn_that_cannot_be_used(self, tmp_path: Path, content: bytes | None, reason: str) -> None:
        if content is not None:
            (tmp_path / "am.mvn").write_bytes(content)
        with pytest.raises(LoadError, match=rf"am\.mvn of {tmp_path.name} cannot be used: {reason}"):
            read_cmvn(tmp_path, 2)

    def test_a_vocabulary(self, tmp_path: Path) -> None:
        (tmp_path / "tokens.json").write_text(json.dumps(["<s>", "好"]))
        assert read_tokens(tmp_path) == ["<s>", "好"]
        for content, reason in (("{", "not JSON"), ("{}", "not a list"), ("[1]", "not a list"), ("[]", "not a list")):
            (tmp_path / "tokens.json").write_text(content)
            with pytest.raises(LoadError, match=reason):
                read_tokens(tmp_path)

    def test_a_configuration(self, tmp_path: Path) -> None:
        with pytest.raises(LoadError, match=r"config\.yaml of .* it is missing"):
            read_config(tmp_path)
        (tmp_path / "config.json").write_text('{"model_conf": {}}')
        assert read_config(tmp_path) == {"model_conf": {}}
        for content in ("- a\n- b\n", "a: [", "!!python/object/apply:os.system [true]"):
            (tmp_path / "config.yaml").write_text(content)
            with pytest.raises(LoadError, match="no valid configuration"):
                read_config(tmp_path)


class TestHotwords:
    TOKENS = ("<s>", "好", "吗", "hel@@", "lo", "world", "open", "a@@", "i")

    @pytest.fixture
    def speller(self, tmp_path: Path) -> Speller:
        (tmp_path / "seg_dict").write_text("hello hel@@ lo\n好 好\n\nai a@@ i\n")
        return Speller(tmp_path, self.TOKENS)

    @pytest.mark.parametrize(
        ("prompt", "spelled"),
        [
            ("", []),
            (" , ，\n", []),
            ("好吗", ["好吗"]),
            ("Hello world, 好；吗", ["hel@@ lo world", "好", "吗"]),
            ("open AI、好", ["open a@@ i", "好"]),
            ("xyzzy, world", ["world"]),
            ("Open. Hello world!", ["open", "hel@@ lo world"]),
        ],
    )
    def test_spelling(self, speller: Speller, prompt: str, spelled: list[str]) -> None:
        found = ["".join(self.TOKENS[index] for index in word) for word in speller.spelled(prompt)]
        assert found == [word.replace(" ", "") for word in spelled]

    def test_what_cannot_be_written(self, speller: Speller) -> None:
        with pytest.raises(RequestError, match="cannot write any of the hotwords: xyzzy, 龘"):
            speller.spelled("xyzzy, 龘")
        with pytest.raises(RequestError, match="51 hotwords are too many: 50 at most"):
            speller.spelled("好," * 51)

    def test_without_a_list_of_pieces(self, tmp_path: Path) -> None:
        assert Speller(tmp_path, self.TOKENS).spelled("好吗,world") == [[1, 2], [5]]
