"""A store of conversations in this test's home."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ominix_core.chats import ChatStore
from ominix_core.paths import Home


@pytest.fixture
def chats(home: Home) -> Iterator[ChatStore]:
    with ChatStore(home) as chats:
        yield chats
