"""Full collections wait for a rest, and do come."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from ominix_tui import garbage
from ominix_tui.garbage import IdleCollector


class Node:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def own_collections() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def old_garbage() -> weakref.ref[Node]:
    """A cycle that only a full collection finds."""
    node = Node()
    gc.collect(1)
    return weakref.ref(node)


def test_a_rest_collects_all() -> None:
    collector = IdleCollector()
    node = old_garbage()
    collector.look()
    assert node() is None


def test_work_is_not_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "RESTING_SHARE", 0.0)
    collector = IdleCollector()
    node = old_garbage()
    collector.look()
    assert node() is not None
