"""Measures how long the event loop was kept from everybody else."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

STEP = 0.005


@dataclass
class LoopProbe:
    """Wakes every 5 ms and notes by how much it came late.

    Attributes:
        wall: Seconds late by the clock; other programs on the machine add to it.
        busy: Seconds that this thread computed between two wakes: what the program itself is to blame for.
    """

    wall: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Probe until cancelled."""
        while True:
            wall, busy = time.perf_counter(), time.thread_time()
            await asyncio.sleep(STEP)
            self.wall.append(time.perf_counter() - wall - STEP)
            self.busy.append(time.thread_time() - busy)


def quantile(values: list[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]
