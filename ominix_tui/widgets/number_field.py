"""A labelled number on one line, which says what is wrong with it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Label


class NumberField(Horizontal):
    """A number from `minimum` to `maximum`; whole if `minimum` is an int.

    What is typed stays as it is, also when it is no such number: `problem` then says so, and the field shows it.
    """

    DEFAULT_CSS = """
    NumberField { width: auto; height: 1; }
    NumberField > Label { width: auto; padding-right: 1; color: $text-muted; }
    NumberField > Input { width: 10; }
    NumberField:focus-within > Label { color: $text-accent; }
    NumberField.-wrong > Label, NumberField.-wrong > Input { color: $text-error; }
    NumberField.-wrong > Input { background: $error 20%; }
    """

    def __init__(self, label: str, value: float, minimum: float, maximum: float, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._label = label
        self._initial = f"{value:g}"
        self._minimum = minimum
        self._maximum = maximum

    def compose(self) -> ComposeResult:
        yield Label(self._label, markup=False)
        yield Input(self._initial, compact=True, select_on_focus=True)

    @property
    def number(self) -> float | None:
        """What is typed, or None if it is no such number."""
        kind = int if isinstance(self._minimum, int) else float
        try:
            number = kind(self.query_one(Input).value)
        except ValueError:
            return None
        return number if self._minimum <= number <= self._maximum else None

    @property
    def problem(self) -> str | None:
        """What is wrong with what is typed, in a sentence, or None."""
        if self.number is not None:
            return None
        whole = "a whole number" if isinstance(self._minimum, int) else "a number"
        typed = self.query_one(Input).value.strip() or "nothing"
        return f"{self._label} must be {whole} from {self._minimum:,} to {self._maximum:,}, not {typed}."

    def check(self) -> str | None:
        """Show whether the field is wrong, and return its problem."""
        problem = self.problem
        self.set_class(problem is not None, "-wrong")
        return problem

    def focus_input(self) -> None:
        self.query_one(Input).focus()
