"""The lesser options of sampling, folded away: what stays empty is the engine's own choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, ItemGrid, Vertical
from textual.widgets import Input, Label

from ominix_core.generation import Sampling
from ominix_tui.text import one_line
from ominix_tui.widgets.fold_line import FoldLine
from ominix_tui.widgets.number_field import NumberField

if TYPE_CHECKING:
    from ominix_core.registry.entry import Defaults

TITLE = "More options"
BIGGEST_SEED = 2**63 - 1
FIELDS: Mapping[str, tuple[str, float, float, str]] = {
    "top_p": ("Top p", 0.01, 1.0, "1"),
    "top_k": ("Top k", 0, 1_000_000, "0"),
    "min_p": ("Min p", 0.0, 1.0, "0"),
    "repetition_penalty": ("Repetition", 0.01, 10.0, "1"),
    "presence_penalty": ("Presence", -2.0, 2.0, "0"),
    "frequency_penalty": ("Frequency", -2.0, 2.0, "0"),
    "seed": ("Seed", 0, BIGGEST_SEED, "random"),
}
"""Label, smallest and largest value, and the words for an empty field, by the names that `Sampling` uses."""


class SamplingOptions(Vertical):
    """A line that unfolds the fields; it tells what is set, so that nothing works unseen.

    Args:
        defaults: What the registry recommends for the model; nothing else is filled in.
    """

    DEFAULT_CSS = """
    SamplingOptions {
        height: auto;
        #options { height: auto; }
        ItemGrid { height: auto; grid-gutter: 0 2; }
        NumberField { width: 1fr; }
        NumberField > Label { width: 11; }
        NumberField > Input { width: 1fr; }
        #stop-row { height: 1; }
        #stop-row > Label { width: 11; color: $text-muted; }
        #stop-row:focus-within > Label { color: $text-accent; }
        #stop { width: 1fr; }
    }
    """

    def __init__(self, defaults: Defaults) -> None:
        super().__init__(id="more")
        presets = {name: within(getattr(defaults, name), least, most) for name, (_, least, most, _) in FIELDS.items()}
        self._presets = {name: value for name, value in presets.items() if value is not None}
        self._options = Vertical(id="options")
        self.line = FoldLine(TITLE, self._options, id="more-line")

    def compose(self) -> ComposeResult:
        yield self.line
        yield self._options

    def on_mount(self) -> None:
        self._tell_what_is_set()

    @on(FoldLine.Toggled)
    async def _fill(self) -> None:
        """Make the fields when they are first seen: twenty widgets that most panels never show."""
        if self._options.children:
            return
        fields = (
            NumberField(label, self._presets.get(name), least, most, id=_id(name), when_empty=empty)
            for name, (label, least, most, empty) in FIELDS.items()
        )
        stop = Input(placeholder="ends the answer; several by commas, \\n is a new line", compact=True, id="stop")
        await self._options.mount(
            ItemGrid(*fields, min_column_width=22), Horizontal(Label("Stop"), stop, id="stop-row")
        )

    @property
    def fields(self) -> list[NumberField]:
        return list(self.query(NumberField))

    @property
    def chosen(self) -> dict[str, float]:
        """The numbers that are filled in, by their names in `Sampling`."""
        if not self.fields:
            return self._presets
        numbers = {name: self.query_one(f"#{_id(name)}", NumberField).number for name in FIELDS}
        return {name: number for name, number in numbers.items() if number is not None}

    @property
    def stop(self) -> tuple[str, ...]:
        """The strings that end an answer."""
        typed = "".join(field.value for field in self.query("#stop").results(Input))
        parts = typed.replace("\\n", "\n").split(",")
        return tuple(part.strip(" ") for part in parts if part.strip(" "))

    def sampling(self, temperature: float) -> Sampling:
        """What is asked for, as the engines take it."""
        return Sampling(temperature=temperature, **self.chosen)  # type: ignore[arg-type]

    @on(Input.Changed)
    def _tell_what_is_set(self) -> None:
        words = [f"{FIELDS[name][0].lower()} {number:g}" for name, number in self.chosen.items()]
        words += [f"stop {text!r}" for text in self.stop]
        self.line.title = one_line(" · ".join([TITLE, *words]))


def sampling_words(sampling: Sampling) -> list[str]:
    """What a sampling asks for: its temperature, and whatever is not the engines' own choice."""
    words = [f"temperature {sampling.temperature:g}"]
    for name, (label, *_) in FIELDS.items():
        value = getattr(sampling, name)
        if value != getattr(Sampling(), name):
            words.append(f"{label.lower()} {value:g}")
    return words


def within(value: float | None, least: float, most: float) -> float | None:
    """What the registry recommends, if a field with these limits takes it."""
    return value if value is not None and least <= value <= most else None


def _id(name: str) -> str:
    return name.replace("_", "-")
