"""How much prompt to read between two decoding steps, measured instead of guessed."""

from __future__ import annotations

FIRST_CHUNK_TOKENS = 64
SMALLEST_CHUNK_TOKENS = 32
LARGEST_CHUNK_TOKENS = 2048
# How long running answers may stand still while another prompt is read, in seconds.
STALL_WHILE_DECODING = 0.2
# How long a cancel may take to be noticed when nobody else waits, in seconds.
STALL_ALONE = 0.5


class PrefillPace:
    """Turns the measured prefill speed into chunk sizes that keep to those times."""

    def __init__(self) -> None:
        self._tokens_per_second: float | None = None

    def chunk(self, prompts: int, *, decoding: bool) -> int:
        """Tokens to read of each of `prompts` prompts in the next step."""
        if self._tokens_per_second is None:
            return FIRST_CHUNK_TOKENS
        seconds = STALL_WHILE_DECODING if decoding else STALL_ALONE
        tokens = int(self._tokens_per_second * seconds / max(1, prompts))
        tokens -= tokens % SMALLEST_CHUNK_TOKENS
        return max(SMALLEST_CHUNK_TOKENS, min(LARGEST_CHUNK_TOKENS, tokens))

    def measured(self, tokens: int, seconds: float) -> None:
        """Learn from a step that read `tokens` in `seconds`; steps too small to tell are ignored."""
        if tokens < SMALLEST_CHUNK_TOKENS or seconds <= 0:
            return
        speed = tokens / seconds
        known = self._tokens_per_second
        self._tokens_per_second = speed if known is None else 0.5 * known + 0.5 * speed
