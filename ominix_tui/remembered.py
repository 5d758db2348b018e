"""What the screen was like when the program ended, for its next start: one small file under `OMINIX_HOME`."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Self

from ominix_core import atomic

logger = logging.getLogger(__name__)

MOST_DRAFTS = 50


@dataclass
class Remembered:
    """Everything has a value that suits a first start, which a file that is missing or broken gives.

    Attributes:
        theme: Empty for the default.
        place: The screen, as `places` names it.
        model: The id of the model that was selected in the hub.
        folds: Whether a group of the list of models was open, by its name.
        drafts: What was typed and not sent, by the field; the newest last.
    """

    theme: str = ""
    place: str = ""
    model: str = ""
    folds: dict[str, bool] = field(default_factory=dict)
    drafts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What the file says, as far as it can be understood."""
        remembered = cls()
        try:
            values = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            return remembered
        if isinstance(values, dict):
            for each in fields(cls):
                if _fits(value := values.get(each.name), getattr(remembered, each.name), each.name):
                    setattr(remembered, each.name, value)
        return remembered

    def keep_draft(self, name: str, text: str) -> None:
        """Remember a draft, or forget it if it is empty."""
        self.drafts.pop(name, None)
        if text:
            self.drafts[name] = text
        for oldest in list(self.drafts)[:-MOST_DRAFTS]:
            del self.drafts[oldest]

    def text(self) -> str:
        """What the file is to hold."""
        return json.dumps(asdict(self), indent=1)


def save(path: Path, text: str) -> None:
    """Write the file, for its owner only: drafts are private. A failure costs the memory, nothing else."""
    try:
        atomic.write(path, text, private=True)
    except OSError as error:
        logger.warning("the state of the screen was not kept: %s", error)


def _fits(value: object, default: object, name: str) -> bool:
    if not isinstance(value, dict):
        return type(value) is type(default)
    kind = bool if name == "folds" else str
    return isinstance(default, dict) and all(isinstance(each, kind) for each in value.values())
