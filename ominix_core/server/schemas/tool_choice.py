"""Whether an answer may or must call tools, and which: what the APIs' several ways to write it have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from typing import Any, Literal, TypeVar, get_args

from ominix_core.server.schemas.base import ApiRequest, Text

Mode = Literal["none", "auto", "required"]


class ToolChoice(ApiRequest):
    """One way to write it."""

    @property
    @abstractmethod
    def mode(self) -> Mode:
        """Whether the answer must be a call, may be one, or may not."""

    @property
    def only(self) -> tuple[str, ...] | None:
        """Names of the tools that may be called; None is every one."""
        return None

    def offered(self, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of the tools, as OpenAI describes them, that the model is shown."""
        return [] if self.mode == "none" else tools

    def must_call(self, tools: list[dict[str, Any]]) -> tuple[str, ...]:
        """Names of the functions of which the answer must call one."""
        if self.mode != "required":
            return ()
        return self.only or tuple(tool["function"]["name"] for tool in tools)


class ModeChoice(ToolChoice):
    """Whether at all: by one word in the requests of OpenAI's clients."""

    type: Mode

    @property
    def mode(self) -> Mode:
        return self.type


class SomeTools(ToolChoice):
    """Only some of the request's tools may be called; the model is shown no others."""

    def offered(self, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [tool for tool in tools if tool["function"]["name"] in (self.only or ())]


class NamedFunction(ApiRequest):
    """The name of one of the request's tools."""

    name: Text


class OneTool(NamedFunction, ToolChoice):
    """The tool of this name must be called."""

    @property
    def mode(self) -> Mode:
        return "required"

    @property
    def only(self) -> tuple[str, ...]:
        return (self.name,)


C = TypeVar("C", bound=ToolChoice)


def checked(choice: C, tools: Collection[str]) -> C:
    """`choice`, if it fits the names of the request's tools. Raises ValueError."""
    if choice.mode == "required" and not tools:
        raise ValueError("needs tools")
    for name in choice.only or ():
        if name not in tools:
            raise ValueError(f"names '{name}', which is not among the tools")
    return choice


def spelled_out(choice: Any) -> Any:
    """A choice that is one word as an object."""
    if not isinstance(choice, str):
        return choice
    if choice not in get_args(Mode):
        raise ValueError("should be 'none', 'auto' or 'required', or an object that names tools")
    return {"type": choice}
