"""Conversations as a chat template can take them: whatever order, roles and gaps the clients' histories have.

What a template takes is left as it is. What it does not take keeps its words and its order; only its form changes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ominix_core.engines.template_abilities import TemplateAbilities
from ominix_core.generation import ChatMessage
from ominix_core.turns import joined_neighbours, together

_EMPTY = ("", "null", "[]", "{}")
_SILENT = ChatMessage("assistant")
_replace = msgspec.structs.replace

Turns = list[ChatMessage]


def fitted(turns: Iterable[ChatMessage], abilities: TemplateAbilities, *, goes_on: bool = False) -> Turns:
    """The turns in a form that the template takes.

    Args:
        goes_on: Whether the answer continues the last turn.
    """
    given = list(turns)
    if len(given) > 1 and given[-1] == ChatMessage("assistant"):  # an answer that has not begun
        given.pop()
    fitting: Turns = _results_in_order(_named(given))
    steps: list[Callable[[Turns, TemplateAbilities], Turns]] = [_fit_calls, _fit_system, _fit_turns]
    for step in steps:
        fitting = step(fitting, abilities)
    if fitting and fitting[-1].role == "assistant" and not goes_on and not abilities.assistant_last:
        fitting.append(ChatMessage("user"))
    return fitting


def as_template_reads_it(turn: ChatMessage, abilities: TemplateAbilities) -> dict[str, Any]:
    """A turn as chat templates expect it; its images have no place in it."""
    read: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.tool_calls:
        read["tool_calls"] = [
            {
                "id": _id(call.id, abilities),
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments, abilities)},
            }
            for call in turn.tool_calls
        ]
    if turn.tool_call_id is not None:
        read["tool_call_id"] = _id(turn.tool_call_id, abilities)
    if turn.name:
        read["name"] = turn.name
    if turn.reasoning:
        read["reasoning_content"] = turn.reasoning
    return read


def _named(turns: Turns) -> Turns:
    """Results with the name of their function, which some templates show."""
    names: dict[str | None, str] = {}
    named: Turns = []
    for turn in turns:
        names.update({call.id: call.name for call in turn.tool_calls})
        if turn.role == "tool" and not turn.name:
            turn = _replace(turn, name=names.get(turn.tool_call_id))
        named.append(turn)
    return named


def _results_in_order(turns: Turns) -> Turns:
    """Results right behind their calls and in the order of these: many templates tell them apart by nothing else."""
    ordered: Turns = []
    for starts_calls, group in itertools.groupby(turns, _Calls()):
        members = list(group)
        if starts_calls:
            called, *members = members
            ordered.append(called)
            places = {call.id: place for place, call in enumerate(called.tool_calls)}
            members.sort(key=lambda turn: places.get(turn.tool_call_id or "", len(places) + (turn.role != "tool")))
        ordered += members
    return ordered


class _Calls:
    """A key for grouping: 0 outside of calls, else the number of the turn that calls, also for what answers it."""

    def __init__(self) -> None:
        self._number = 0
        self._open = False

    def __call__(self, turn: ChatMessage) -> int:
        if turn.tool_calls:
            self._number, self._open = self._number + 1, True
        elif turn.role not in ("tool", "system"):
            self._open = False
        return self._number if self._open else 0


def _fit_calls(turns: Turns, abilities: TemplateAbilities) -> Turns:
    fitting: Turns = []
    open_calls: set[str] = set()
    for turn in turns:
        if turn.tool_calls:
            open_calls = {call.id for call in turn.tool_calls}
            fitting += _fit_call(turn, abilities)
        elif turn.role == "tool":
            fits = abilities.results and (turn.tool_call_id in open_calls or abilities.lone_results)
            fitting.append(turn if fits else _result_as_text(turn))
        else:
            fitting.append(turn)
    if not abilities.arguments or abilities.parallel_calls:
        return fitting
    return _one_by_one(fitting)


def _fit_call(turn: ChatMessage, abilities: TemplateAbilities) -> Turns:
    if abilities.arguments is None:
        return [_calls_as_text(turn)]
    if turn.content and turn.reasoning and not abilities.reasoning_with_calls:
        # gpt-oss's template: both would be its thought, of which it takes one
        turn = _replace(turn, reasoning=f"{turn.reasoning}\n\n{turn.content}", content="")
    if turn.content and not abilities.text_with_calls and abilities.text_before_calls:
        return [_replace(turn, tool_calls=()), _replace(turn, content="", reasoning="")]
    return [turn]


def _calls_as_text(turn: ChatMessage) -> ChatMessage:
    """In the form that most models were taught."""
    written = [
        f'<tool_call>\n{{"name": {json.dumps(call.name)}, "arguments": {call.arguments.strip() or "{}"}}}\n</tool_call>'
        for call in turn.tool_calls
    ]
    return _replace(turn, content="\n".join(filter(None, (turn.content, *written))), tool_calls=())


def _result_as_text(turn: ChatMessage) -> ChatMessage:
    return ChatMessage("user", f"<tool_response>\n{turn.content}\n</tool_response>", images=turn.images)


def _one_by_one(turns: Turns) -> Turns:
    """Each call as a turn of its own, with its result."""
    single: Turns = []
    for starts_calls, group in itertools.groupby(turns, _Calls()):
        members = list(group)
        if starts_calls:
            called, *members = members
            first, *others = called.tool_calls
            alone = [_replace(called, tool_calls=(first,)), *(ChatMessage("assistant", "", (call,)) for call in others)]
            for turn in alone:
                results = [result for result in members if result.tool_call_id == turn.tool_calls[0].id]
                members = [member for member in members if member.tool_call_id != turn.tool_calls[0].id]
                single += [turn, *results]
        single += members
    return single


def _fit_system(turns: Turns, abilities: TemplateAbilities) -> Turns:
    """Leading instructions as one turn. Where the template takes none they go before what the user says first.

    Later ones become the user's where the template does not take them. The first system turn would be no place for
    them: what was said before would then read as said under them, and with every new one the model would have to read
    the whole conversation again.
    """
    count = next((at for at, turn in enumerate(turns) if turn.role != "system"), len(turns))
    leading, rest = joined_neighbours(turns[:count], "system"), turns[count:]
    if any(turn.role == "system" for turn in rest) and not abilities.later_system:
        rest = [_replace(turn, role="user") if turn.role == "system" else turn for turn in rest]
    if leading and not abilities.system:
        return _before_first_user(leading[0], rest)
    if not any(turn.role == "user" for turn in rest) and not abilities.without_user:
        return _before_first_user(leading[0] if leading else ChatMessage("user"), rest)
    return leading + rest


def _before_first_user(system: ChatMessage, rest: Turns) -> Turns:
    said = _replace(system, role="user")
    if rest and rest[0].role == "user":
        return [together(said, rest[0]), *rest[1:]]
    return [said, *rest]


def _fit_turns(turns: Turns, abilities: TemplateAbilities) -> Turns:
    """Neighbours of one role as one turn where the template wants strict turns, and the user first."""
    if _has_neighbours(turns) and not abilities.neighbours:
        turns = joined_neighbours(turns, "user", "assistant")
    first = next((turn.role for turn in turns if turn.role != "system"), None)
    if first == "assistant" and not abilities.assistant_first:
        at = sum(1 for turn in turns[:1] if turn.role == "system")
        turns = [*turns[:at], ChatMessage("user"), *turns[at:]]
    if any(_user_after_call(pair) for pair in itertools.pairwise(turns)) and not abilities.user_after_call:
        pairs = itertools.pairwise([*turns[:1], *turns])
        turns = [part for pair in pairs for part in ([_SILENT] if _user_after_call(pair) else []) + [pair[1]]]
    return turns


def _user_after_call(pair: tuple[ChatMessage, ChatMessage]) -> bool:
    return pair[1].role == "user" and (pair[0].role == "tool" or bool(pair[0].tool_calls))


def _has_neighbours(turns: Turns) -> bool:
    return any(one.role == two.role in ("user", "assistant") for one, two in itertools.pairwise(turns))


def _arguments(text: str, abilities: TemplateAbilities) -> Any:
    """A call's arguments in the form that the template wants; models and clients write more than JSON objects."""
    try:
        arguments = json.loads(text) if text.strip() not in _EMPTY else {}
    except ValueError:
        arguments = text
    if not (isinstance(arguments, dict) or abilities.odd_arguments):
        arguments = {"arguments": text}
    if abilities.arguments == "text" and not isinstance(arguments, str):
        return json.dumps(arguments, ensure_ascii=False)
    return arguments


def _id(name: str, abilities: TemplateAbilities) -> str:
    if not abilities.short_ids or (len(name) == 9 and name.isalnum()):
        return name
    return hashlib.sha256(name.encode()).hexdigest()[:9]
