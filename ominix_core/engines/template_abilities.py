"""What a chat template can take, found out by trying it: small conversations are rendered, once for each model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Literal

Turn = dict[str, Any]
Render = Callable[[list[Turn], dict[str, Any]], str]
"""Turns and the template's other arguments to the prompt; raises whatever the template stumbles over."""

EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")
"""How much a model may be asked to think, from little to much."""

_PUT: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "Qput",
        "description": "Writes a file.",
        "parameters": {"type": "object", "properties": {"path": {"type": "string", "description": "Where."}}},
    },
}
_LONG_ID, _SHORT_ID = "call_0a1b2c3d4e5f", "a1b2c3d4e"


def _said(role: str, text: str) -> Turn:
    return {"role": role, "content": text}


def _called(arguments: Any, *ids: str, content: str = "", **more: Any) -> Turn:
    calls = [{"id": name, "type": "function", "function": {"name": "Qput", "arguments": arguments}} for name in ids]
    return {"role": "assistant", "content": content, "tool_calls": calls, **more}


def _result(call: str, text: str) -> Turn:
    return {"role": "tool", "tool_call_id": call, "name": "Qput", "content": text}


class TemplateAbilities:
    """What one template takes. A text that it drops or moves counts as not taken, as one that it refuses does.

    Args:
        render: Renders with the template.
        with_tools: Whether the conversations offer tools, with which some templates take other ways.
    """

    def __init__(self, render: Render, *, with_tools: bool) -> None:
        self._render = render
        self._options: dict[str, Any] = {"tools": [_PUT] if with_tools else None}

    def _rendered(self, turns: list[Turn], **options: Any) -> str | None:
        """None if the template refuses them."""
        try:
            return self._render(turns, self._options | options)
        except Exception:  # templates, and the code that some models bring in their place, raise what they like
            return None

    def _shows(self, turns: list[Turn], *words: str) -> bool:
        """Whether the words stand in the prompt in this order."""
        text = self._rendered(turns)
        place = 0
        for word in words if text is not None else ():
            place = text.find(word, place) if text is not None else -1
            if place < 0:
                return False
            place += len(word)
        return text is not None

    @cached_property
    def system(self) -> bool:
        """Whether a conversation may begin with a system turn."""
        return self._shows([_said("system", "Qone"), _said("user", "Qtwo")], "Qone", "Qtwo")

    @cached_property
    def later_system(self) -> bool:
        """Whether system turns may stand anywhere."""
        turns = [
            *(_said("system", "Qone"), _said("user", "Qtwo"), _said("system", "Qthree"), _said("assistant", "Qfour")),
            *(_said("user", "Qfive"), _said("system", "Qsix")),
        ]
        return self._shows(turns, "Qone", "Qtwo", "Qthree", "Qfour", "Qfive", "Qsix")

    @cached_property
    def neighbours(self) -> bool:
        """Whether turns of one role may follow each other."""
        asked, answered = [_said("user", "Qone"), _said("user", "Qtwo")], _said("assistant", "Qfour")
        turns = [*asked, _said("assistant", "Qthree"), answered, _said("user", "Qfive")]
        return self._shows(turns, "Qone", "Qtwo", "Qthree", "Qfour", "Qfive")

    @cached_property
    def assistant_first(self) -> bool:
        """Whether the assistant may speak first."""
        return self._shows([_said("assistant", "Qone"), _said("user", "Qtwo")], "Qone", "Qtwo")

    @cached_property
    def assistant_last(self) -> bool:
        """Whether another turn of the assistant may follow its last one."""
        return self._shows([_said("user", "Qone"), _said("assistant", "Qtwo")], "Qone", "Qtwo")

    @cached_property
    def without_user(self) -> bool:
        """Whether a conversation may have no user turn."""
        return self._shows([_said("system", "Qone")], "Qone")

    @cached_property
    def arguments(self) -> Literal["mapping", "text"] | None:
        """In which form the template shows the arguments of a call; None if it does not show calls at all."""
        if self._shows_call({"path": "Qthree"}):
            return "mapping"
        return "text" if self._shows_call('{"path": "Qthree"}') else None

    def _shows_call(self, arguments: Any) -> bool:
        return any(
            self._shows(
                [_said("user", "Qone"), _called(arguments, name), _result(name, "Qfour")], "Qone", "Qput", "Qthree"
            )
            for name in (_LONG_ID, _SHORT_ID)
        )

    @property
    def _some_arguments(self) -> Any:
        return {"path": "Qthree"} if self.arguments != "text" else '{"path": "Qthree"}'

    @cached_property
    def odd_arguments(self) -> bool:
        """Whether arguments may be something else than an object, or than the text of one."""
        return self._shows_call("Qthree") and (self.arguments == "text" or self._shows_call(["Qthree"]))

    @cached_property
    def short_ids(self) -> bool:
        """Whether the ids of calls have to be nine letters and digits, as Mistral's templates want them."""
        turns = [_called(self._some_arguments, _LONG_ID), _result(_LONG_ID, "Qfour")]
        short = [_called(self._some_arguments, _SHORT_ID), _result(_SHORT_ID, "Qfour")]
        start = _said("user", "Qone")
        return self._rendered([start, *turns]) is None and self._rendered([start, *short]) is not None

    def _results(self, ids: list[str]) -> Iterator[Turn]:
        for number, name in enumerate(ids):
            yield _result(name, f"Qfour{number}")

    @cached_property
    def results(self) -> bool:
        """Whether the template shows what a call came to."""
        called = _called(self._some_arguments, _SHORT_ID) if self.arguments else _said("assistant", "Qthree")
        turns = [_said("user", "Qone"), called, _result(_SHORT_ID, "Qfour")]
        return self._shows(turns, "Qone", "Qthree", "Qfour")

    @cached_property
    def lone_results(self) -> bool:
        """Whether a result may come without its call."""
        return self._shows([_said("user", "Qone"), _result(_SHORT_ID, "Qfour")], "Qone", "Qfour")

    @cached_property
    def parallel_calls(self) -> bool:
        """Whether one turn may make several calls."""
        ids = ["a1b2c3d4e", "f1b2c3d4e"]
        turns = [_said("user", "Qone"), _called(self._some_arguments, *ids), *self._results(ids)]
        return self._shows(turns, "Qone", "Qthree", "Qthree", "Qfour0", "Qfour1")

    @cached_property
    def user_after_call(self) -> bool:
        """Whether the user may speak right after a call and its result."""
        turns = [_said("user", "Qone"), _called(self._some_arguments, _SHORT_ID), _result(_SHORT_ID, "Qfour")]
        return self._shows([*turns, _said("user", "Qfive")], "Qone", "Qfour", "Qfive")

    @cached_property
    def text_with_calls(self) -> bool:
        """Whether a turn that calls may say something as well."""
        turns = [_said("user", "Qone"), _called(self._some_arguments, _SHORT_ID, content="Qtwo")]
        return self._shows([*turns, _result(_SHORT_ID, "Qfour")], "Qone", "Qtwo", "Qthree", "Qfour")

    @cached_property
    def text_before_calls(self) -> bool:
        """Whether a turn that says something may come right before one that calls."""
        turns = [_said("user", "Qone"), _said("assistant", "Qtwo"), _called(self._some_arguments, _SHORT_ID)]
        return self._shows([*turns, _result(_SHORT_ID, "Qfour")], "Qone", "Qtwo", "Qthree", "Qfour")

    @cached_property
    def reasoning_with_calls(self) -> bool:
        """Whether a turn that calls may have a thought beside its text."""
        turn = _called(self._some_arguments, _SHORT_ID, content="Qtwo", reasoning_content="Qthink")
        return self._rendered([_said("user", "Qone"), turn, _result(_SHORT_ID, "Qfour")]) is not None

    @cached_property
    def bare_tools(self) -> bool:
        """Whether a tool may come without a description."""
        tool = {"type": "function", "function": {k: v for k, v in _PUT["function"].items() if k != "description"}}
        return self._rendered([_said("user", "Qone")], tools=[tool]) is not None

    @cached_property
    def efforts(self) -> tuple[str, ...]:
        """What of EFFORTS the template takes."""
        user = [_said("user", "Qone")]
        return tuple(effort for effort in EFFORTS if self._rendered(user, reasoning_effort=effort) is not None)

    def nearest_effort(self, wanted: str) -> str | None:
        """The nearest effort that the template takes, of two the smaller one; None if it takes none."""
        place = EFFORTS.index(wanted)
        return min(self.efforts, key=lambda effort: abs(EFFORTS.index(effort) - place), default=None)


class ChatTemplate:
    """A model's chat template with what it was found to take.

    Args:
        render: Renders with it.
    """

    def __init__(self, render: Render) -> None:
        self.render = render
        self._abilities: dict[bool, TemplateAbilities] = {}

    def abilities(self, *, with_tools: bool) -> TemplateAbilities:
        """What it takes in conversations with tools, or without."""
        if with_tools not in self._abilities:
            self._abilities[with_tools] = TemplateAbilities(self.render, with_tools=with_tools)
        return self._abilities[with_tools]
