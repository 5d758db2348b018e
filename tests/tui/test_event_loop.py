"""The event loop stays free while an answer streams: 200 tokens/s of every shape that has been slow."""

from __future__ import annotations

import pytest

from ominix_core.hub import Hub
from tests.bench.tui_streaming import DOCUMENTS, document, stream

LONGEST = 0.050
TOKENS = 500


@pytest.mark.parametrize("kind", DOCUMENTS)
async def test_streaming_never_blocks_the_loop(catalogue_hub: Hub, kind: str) -> None:
    probe = await stream(catalogue_hub, "qwen3-8b", document(kind, TOKENS))
    assert max(probe.busy) < LONGEST
