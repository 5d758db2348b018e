"""What every request and response body shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _valid_unicode(text: str) -> str:
    try:
        if not text.isascii():  # which is known without looking, and most of what is large is
            text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half a surrogate pair, which is no character") from error
    return text


Text = Annotated[str, AfterValidator(_valid_unicode)]
"""Text that a tokenizer can take; JSON escapes can also spell what is no text."""

INT64 = 2**63


def _fit_to_travel(value: dict[str, Any]) -> dict[str, Any]:
    pending: list[Any] = [value]
    while pending:
        match pending.pop():
            case str() as text:
                _valid_unicode(text)
            case int() as number if not -INT64 <= number < INT64:
                raise ValueError("holds a number of more than 64 bits")
            case list() as items:
                pending += items
            case dict() as fields:
                pending += [*fields, *fields.values()]
    return value


Json = Annotated[dict[str, Any], AfterValidator(_fit_to_travel)]
"""Any JSON object that can be passed on, which JSON itself does not ensure."""

Count = Annotated[int, Field(ge=1, lt=INT64)]

MOST_ITEMS = 10_000
"""How many turns a conversation, and how many parts a turn may have: more than fit into any context."""

Neutral = Mapping[str, tuple[Any, ...]]


class ApiRequest(BaseModel):
    """A request body: strict types, and a parameter that is not supported is refused by its name.

    Attributes:
        neutral: Parameters that are not supported, with the values that ask for nothing; many clients always send
            them, so at these values (or null) they are accepted.
    """

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())
    neutral: ClassVar[Neutral] = {}

    @model_validator(mode="before")
    @classmethod
    def _without_what_asks_for_nothing(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        return {name: value for name, value in body.items() if not cls._asks_for_nothing(name, value)}

    @classmethod
    def _asks_for_nothing(cls, name: str, value: Any) -> bool:
        if name in cls.neutral:
            return value is None or value in cls.neutral[name]
        return value is None and name in cls.model_fields


class FormRequest(ApiRequest):
    """The fields of a form, which are all text: what a number or a switch is meant to be is read out of it."""

    model_config = ConfigDict(strict=False)


class ApiObject(BaseModel):
    """A response body."""

    model_config = ConfigDict(protected_namespaces=())


class ErrorDetail(ApiObject):
    """What went wrong; `param` is the parameter at fault, `code` a name that programs can rely on."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(ApiObject):
    """Every failure's body."""

    error: ErrorDetail
