"""A labelled number on one line, which says what is wrong with it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Label


class NumberField(Horizontal):
    """A number from `minimum` to `maximum`; whole if `minimum` is an int.

    What is typed stays as it is, also when it is no such number: `problem` then says so, and the field shows it.

    Args:
        value: What the field starts with; None leaves it empty.
        when_empty: What an empty field means, shown in it. Without this the field must not be empty.
    """

    DEFAULT_CSS = """
    NumberField { width: auto; height: 1; }
    NumberField > Label { width: auto; padding-right: 1; color: $text-muted; }
    NumberField > Input { width: 10; }
    NumberField:focus-within > Label { color: $text-accent; }
    NumberField.-wrong > Label, NumberField.-wrong > Input { color: $text-error; }
    NumberField.-wrong > Input { background: $error 20%; }
    """

    def __init__(
        self,
        label: str,
        value: float | None,
        minimum: float,
        maximum: float,
        *,
        id: str,  # noqa: A002
        when_empty: str = "",
    ) -> None:
        super().__init__(id=id)
        self.label = label
        self._initial = "" if value is None else f"{value:g}"
        self._minimum = minimum
        self._maximum = maximum
        self._when_empty = when_empty

    def compose(self) -> ComposeResult:
        yield Label(self.label, markup=False)
        yield Input(self._initial, compact=True, select_on_focus=True, placeholder=self._when_empty)

    @property
    def typed(self) -> str:
        return self.query_one(Input).value.strip()

    @property
    def number(self) -> float | None:
        """What is typed, or None if it is no such number."""
        kind = int if isinstance(self._minimum, int) else float
        try:
            number = kind(self.typed)
        except ValueError:
            return None
        return number if self._minimum <= number <= self._maximum else None

    @property
    def problem(self) -> str | None:
        """What is wrong with what is typed, in a sentence, or None."""
        if self.number is not None or (self._when_empty and not self.typed):
            return None
        whole = "a whole number" if isinstance(self._minimum, int) else "a number"
        return (
            f"{self.label} must be {whole} from {self._minimum:,} to {self._maximum:,}, not {self.typed or 'nothing'}."
        )

    def check(self) -> str | None:
        """Show whether the field is wrong, and return its problem."""
        problem = self.problem
        self.set_class(problem is not None, "-wrong")
        return problem

    def focus_input(self) -> None:
        self.query_one(Input).focus()
