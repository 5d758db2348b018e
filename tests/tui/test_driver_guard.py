"""A terminal that vanishes while the program draws."""

from __future__ import annotations

import io
import threading

from ominix_tui.driver_guard import PatientWriter


class Vanished(io.StringIO):
    """What a terminal's file becomes when the line to it is lost."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


def test_drawing_goes_on_without_a_terminal() -> None:
    writer = PatientWriter(Vanished())
    writer.start()

    def draw() -> None:
        for number in range(100):
            writer.write(f"frame {number}")
        writer.stop()

    drawing = threading.Thread(target=draw, daemon=True)
    drawing.start()
    drawing.join(30)
    assert not drawing.is_alive()
