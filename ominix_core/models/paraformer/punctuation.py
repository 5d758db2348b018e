"""Where sentences end: CT-Transformer puts marks between words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
from funasr_mlx.models.ct_punc import CtPuncConfig, CtPuncModel, SanmEncoderConfig

from ominix_core.models.paraformer.files import damaged, known, read_config, read_tokens, section
from ominix_core.models.paraformer.loading import Part, open_checkpoint, usable
from ominix_core.models.paraformer.sentences import SENTENCE_ENDS

_FULL_STOP = "。"
_NONE = ("_", "<unk>")
_LATIN = {"，": ",", "。": ".", "？": "?", "、": ",", "！": "!"}
# FunASR's steps: so many tokens at a time; what follows the last end of a sentence is looked at again with the next
# ones, until it is so long that it is cut at a comma.
_STEP, _LONGEST = 20, 200
_WORD_LIST = "jieba_usr_dict"
_LONGEST_WORD = 8


class Punctuator:
    """The network and its vocabulary.

    Attributes:
        parts: The network, for `loading.load`.

    Raises:
        LoadError: Their files cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        config, tokens = read_config(folder), read_tokens(folder)
        self._ids = {token: index for index, token in enumerate(tokens)}
        if "<unk>" not in self._ids:
            raise damaged(folder, "tokens.json", "it has no <unk>.")
        options = known(CtPuncConfig, section(config, "model_conf")) | {"vocab_size": len(tokens)}
        options["punc_list"] = marks = [str(mark) for mark in options.get("punc_list") or ()]
        if not set(marks) & set(SENTENCE_ENDS):
            raise damaged(folder, "The configuration", "it names no marks.")
        with usable(folder):
            encoder = SanmEncoderConfig(**known(SanmEncoderConfig, section(config, "encoder_conf")))
            self._network = CtPuncModel(CtPuncConfig(**options | {"encoder": encoder}))
        self._marks = marks
        self.parts = [Part(self._network, open_checkpoint(folder))]
        # FunASR cuts Chinese into words for the models that come with a list of them.
        self._by_word = (folder / _WORD_LIST).is_file()

    def marks(self, words: Sequence[str]) -> list[str]:
        """The mark after each word, empty where there is none; the last one ends a sentence."""
        tokens = list(self._tokens(words))
        found = self._predicted([text for text, _ in tokens])
        marks = [""] * len(words)
        for (_, word), mark in zip(tokens, found, strict=True):
            marks[word] = "" if mark in _NONE else mark
        if words and marks[-1] not in SENTENCE_ENDS:
            marks[-1] = _FULL_STOP
        return [_LATIN.get(mark, mark) if word.isascii() else mark for word, mark in zip(words, marks, strict=True)]

    def _tokens(self, words: Sequence[str]) -> Iterator[tuple[str, int]]:
        """What the network knows, each with the number of the word that it ends with."""
        index = 0
        while index < len(words):
            length = self._length_at(words, index) if self._by_word else 1
            yield "".join(words[index : index + length]), index + length - 1
            index += length

    def _length_at(self, words: Sequence[str], index: int) -> int:
        """How many characters from here on are one word: as many as the vocabulary allows."""
        longest = 1
        for length in range(1, _LONGEST_WORD + 1):
            piece = words[index : index + length]
            if len(piece) < length or piece[-1].isascii():
                break
            if "".join(piece) in self._ids:
                longest = length
        return longest

    def _predicted(self, tokens: Sequence[str]) -> list[str]:
        ids = [self._ids.get(token, self._ids["<unk>"]) for token in tokens]
        settled: list[str] = []
        open_ids: list[int] = []
        for start in range(0, len(ids), _STEP):
            open_ids += ids[start : start + _STEP]
            marks = self._look_at(open_ids)
            if start + _STEP >= len(ids):
                return settled + marks
            end = _last_end(marks)
            settled += marks[:end]
            open_ids = open_ids[end:]
        return settled

    def _look_at(self, ids: Sequence[int]) -> list[str]:
        scores = self._network(mx.array([ids]), [len(ids)])
        best: Any = mx.argmax(scores[0], axis=-1)
        return [self._marks[index] for index in best.tolist()]


def _last_end(marks: list[str]) -> int:
    """After how many tokens the last sentence ends that is surely over; a long one is ended at a comma."""
    inner = range(len(marks) - 2, 1, -1)
    for index in inner:
        if marks[index] in ("。", "？"):
            return index + 1
    comma = next((index for index in inner if marks[index] == "，"), None)
    if comma is None or len(marks) <= _LONGEST:
        return 0
    marks[comma] = _FULL_STOP
    return comma + 1
