"""Grammars for answers in Harmony's channels: thoughts as the model likes, and then the form that is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ominix_core.engines.output.markup import HARMONY, markup_of

_MARKS = ("start", "channel", "message", "end")


class HarmonyForm:
    """Makes grammars for one tokenizer, whose markers are tokens of their own."""

    def __init__(self, tokenizer: Any) -> None:
        vocabulary = tokenizer.get_vocab()
        self._tokens = {mark: f"<[{vocabulary[f'<|{mark}|>']}]>" for mark in _MARKS}
        constrain, call = vocabulary.get("<|constrain|>"), vocabulary.get("<|call|>")
        self._json = '" json"' if constrain is None else f'" " <[{constrain}]> "json"'
        # What ends answers may follow a complete form anyhow.
        self._call = "" if call is None or call in tokenizer.eos_token_ids else f"<[{call}]>"

    def answer(self, grammar: str) -> str:
        """The final message has the form of `grammar`, which is llguidance's."""
        inner = json.loads(grammar)
        inner["grammars"][0]["name"] = "form"
        rules = [f"start: thought* {self._message('final')} @form", *self._thoughts("analysis")]
        return json.dumps({**inner, "grammars": [{"lark_grammar": "\n".join(rules)}, *inner["grammars"]]})

    def call(self, schemas: Mapping[str, Any]) -> str:
        """One of these functions is called, with arguments of its schema."""
        return self._lark(["start: thought* call", *self._thoughts("analysis"), *self._calls(schemas)])

    def calls_or_text(self, schemas: Mapping[str, Any]) -> str:
        """Text, or a call of one of these functions with arguments of its schema."""
        start = f"start: thought* (call | {self._message('final')} text)"
        return self._lark([start, *self._thoughts("analysis", "commentary"), *self._calls(schemas)])

    @staticmethod
    def _lark(rules: list[str]) -> str:
        import llguidance

        return llguidance.LLMatcher.grammar_from_lark("\n".join(rules))

    def _message(self, channel: str) -> str:
        return f'{self._tokens["channel"]} "{channel}" {self._tokens["message"]}'

    def _thoughts(self, *channels: str) -> list[str]:
        begins = " | ".join(self._message(channel) for channel in channels)
        more = f'{self._tokens["end"]} {self._tokens["start"]} "assistant"'
        return [f"thought: ({begins}) text {more}", r"text: /(.|\n)*/"]

    def _calls(self, schemas: Mapping[str, Any]) -> list[str]:
        rules = [f"call: {' | '.join(f'call{number}' for number in range(len(schemas)))}"]
        for number, (name, schema) in enumerate(schemas.items()):
            head = json.dumps(f"commentary to=functions.{name}")
            body = f"{self._tokens['message']} arguments{number} {self._call}"
            rules.append(f"call{number}: {self._tokens['channel']} {head} {self._json} {body}")
            rules.append(f"arguments{number}: %json {json.dumps(schema)}")
        return rules


def harmony_form(tokenizer: Any) -> HarmonyForm | None:
    """None for a model that does not write Harmony, or whose markers are no tokens."""
    if markup_of(tokenizer).channels is not HARMONY:
        return None
    vocabulary = tokenizer.get_vocab()
    return HarmonyForm(tokenizer) if all(f"<|{mark}|>" in vocabulary for mark in _MARKS) else None
