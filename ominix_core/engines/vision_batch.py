"""Requests with images in one running batch, on mlx-vlm's batch of answers.

mlx-vlm's own generator of batches knows one sampler for all and hands out no KV caches, so the queue and the reading of
prompts are here. It is used as a `Batch` is, so the engines treat both alike.
"""

from __future__ import annotations

import itertools
import logging
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ominix_core.engines.decoding import Decoded, Prefilled, StepStats
from ominix_core.engines.sampling import Sampler, choose
from ominix_core.engines.vision_caches import KVQuantization
from ominix_core.engines.vision_reading import Reader, Sequence
from ominix_core.generation import FinishReason

logger = logging.getLogger(__name__)


class _Samplers:
    """One sampler for mlx-vlm, which gives every row of the batch to the sampler of its request.

    It keeps what each token was drawn from until the token is handed over, a step later.
    """

    def __init__(self) -> None:
        self.uids: list[int] = []
        self.of: dict[int, Sampler] = {}
        self.drawn_from: dict[int, tuple[Any, int]] = {}

    def forget(self, uid: int) -> None:
        del self.of[uid]
        del self.drawn_from[uid]

    def __call__(self, logits: Any) -> Any:
        self.drawn_from |= {uid: (logits, row) for row, uid in enumerate(self.uids)}
        return choose([self.of[uid] for uid in self.uids], logits)


class VisionBatch:
    """Requests join at their next token and leave at any step.

    Args:
        model: With `get_input_embeddings` and `language_model`, as mlx-vlm's models are.
        stop_tokens: Ids that end an answer.
        quantization: Of the KV caches; quantized ones are decoded one by one, in turns.
    """

    def __init__(
        self, model: Any, stop_tokens: frozenset[int], quantization: KVQuantization = KVQuantization()
    ) -> None:
        self.prefill_step_size = 512
        self._model = model
        self._reader = Reader(model, quantization)
        self._stop_tokens = stop_tokens
        self._reading: deque[Sequence] = deque()
        self._decoding: dict[int, Sequence] = {}
        # More than one only where KV caches cannot be put together.
        self._batches: list[Any] = []
        self._samplers = _Samplers()
        self._uids = itertools.count()
        self._stats = StepStats()
        self.failed: list[tuple[int, Exception]] = []
        """The requests whose prompt could not be read, until somebody takes them from here."""

    def insert(
        self,
        prompt: list[int],
        *,
        max_tokens: int,
        cache: list[Any] | None,
        all_tokens: list[int],
        sampler: Any,
        logits_processors: list[Any],
        inputs: dict[str, Any],
    ) -> int:
        """Queue a request and return its id.

        Args:
            all_tokens: Those that `cache` holds already; they come before the prompt.
            inputs: `pixel_values`, `attention_mask` and whatever else the model's processor has made of both together.
        """
        uid = next(self._uids)
        own = cache if cache is not None else self._reader.new_cache()
        whole = all_tokens + prompt
        self._reading.append(
            Sequence(uid, whole, list(all_tokens), own, inputs, max_tokens, sampler, logits_processors)
        )
        return uid

    def remove(self, uid: int) -> tuple[list[Any], list[int]] | None:
        """Take a request out; returns its KV cache and the tokens in it, if it holds any."""
        for sequence in self._reading:
            if sequence.uid == uid:
                self._reading.remove(sequence)
                return (sequence.cache, sequence.tokens) if sequence.tokens else None
        batch = next(batch for batch in self._batches if uid in batch.uids)
        row = batch.uids.index(uid)
        kept = _row_of(batch, row), self._decoding[uid].tokens
        self._let_go(batch, [row])
        return kept

    @contextmanager
    def stats(self) -> Iterator[StepStats]:
        """Tells, once the block has run, what it read of prompts."""
        self._stats = StepStats()
        yield self._stats

    def next(self) -> tuple[list[Prefilled], list[Decoded]]:
        """Read of the prompts in turn, then decode a token of every answer that has begun."""
        prefilled = self._read()
        return prefilled, [token for batch in list(self._batches) for token in self._decode(batch)]

    # -- prompts ------------------------------------------------------------------------------------------------

    def _read(self) -> list[Prefilled]:
        """Do a piece of work on every prompt that waits, or on one image."""
        prefilled, looked = [], False
        for _ in range(len(self._reading)):
            if looked:  # nobody knows how long the next one takes
                break
            sequence = self._reading.popleft()
            looked = sequence.sees
            try:
                self._read_piece(sequence)
            except Exception as error:  # what is wrong with one prompt or image must not cost the others their answers
                logger.exception("reading a prompt failed")
                self.failed.append((sequence.uid, error))
                continue
            prefilled.append(Prefilled(sequence.uid, (len(sequence.tokens), len(sequence.prompt))))
        return prefilled

    def _read_piece(self, sequence: Sequence) -> None:
        if sequence.sees:
            self._reader.embed(sequence)
            self._reading.append(sequence)
            return
        if sequence.embeddings is None:
            self._reader.embed(sequence)
        started = time.perf_counter()
        # The last token is read apart, because only its logits are wanted.
        left = sequence.unread - 1
        size = min(self.prefill_step_size, left) if sequence.in_pieces else 0
        if size:
            self._reader.read(sequence, size, n_to_process=size)
        if sequence.in_pieces and size < left:
            self._reading.append(sequence)
        else:
            self._start(sequence)
        self._stats.prompt_tokens += size
        self._stats.prompt_time += time.perf_counter() - started

    def _start(self, sequence: Sequence) -> None:
        """Read what is left of the prompt, draw the first token, and join the answers."""
        import mlx.core as mx
        from mlx_vlm.generate.ar import GenerationBatch

        output = self._reader.read(sequence, sequence.unread)
        logits = getattr(output, "logits", output)[:, -1]
        for processor in sequence.processors:
            logits = processor(mx.array(sequence.prompt), logits)
        self._samplers.of[sequence.uid] = sequence.sampler
        self._samplers.uids = [sequence.uid]
        first = self._samplers(logits)
        batch = GenerationBatch(
            model=self._model,
            uids=[sequence.uid],
            inputs=first,
            prompt_cache=sequence.cache,
            sampler=self._samplers,
            stop_criteria=lambda token: False,  # who ends, and what becomes of the KV cache, is decided here
            max_tokens=[sys.maxsize],
            token_context=[sequence.prompt],
            logits_processors=[sequence.processors],
        )
        batch.compute_logprobs = False
        batch._rope_deltas = self._reader.rope_deltas(sequence)
        mx.eval(first, [part.state for part in sequence.cache])
        mx.clear_cache()
        sequence.embeddings, sequence.extras = None, {}
        self._decoding[sequence.uid] = sequence
        self._join(batch)

    def _join(self, batch: Any) -> None:
        mates = [other for other in self._batches if _can_batch(batch) and _can_batch(other)]
        if mates:
            mates[0].extend(batch)
        else:
            self._batches.append(batch)

    # -- answers ------------------------------------------------------------------------------------------------

    def _decode(self, batch: Any) -> list[Decoded]:
        self._samplers.uids = list(batch.uids)
        drawn_from = {uid: self._samplers.drawn_from[uid] for uid in batch.uids}
        decoded, ended = [], []
        for row, response in enumerate(batch.next()):
            sequence, (logits, drawn_row) = self._decoding[response.uid], drawn_from[response.uid]
            sequence.made += 1
            sequence.tokens.append(response.token)
            finish: FinishReason | None = None
            if response.token in self._stop_tokens:
                finish = "stop"
            elif sequence.made >= sequence.max_tokens:
                finish = "length"
            kept = (None, None) if finish is None else (_row_of(batch, row), sequence.tokens)
            decoded.append(Decoded(response.uid, response.token, logits[drawn_row], finish, *kept))
            if finish is not None:
                ended.append(row)
        self._let_go(batch, ended)
        return decoded

    def _let_go(self, batch: Any, rows: list[int]) -> None:
        """Take these rows out of the batch."""
        for row in rows:
            uid = batch.uids[row]
            del self._decoding[uid]
            self._samplers.forget(uid)
        if len(rows) == len(batch.uids):
            self._batches.remove(batch)
        elif rows:
            batch.filter([row for row in range(len(batch.uids)) if row not in rows])

    def close(self) -> None:
        self._reading.clear()
        self._batches.clear()
        self._decoding.clear()


def _can_batch(batch: Any) -> bool:
    """Whether the KV caches of this batch can be put beside those of another."""
    return all(_is_batched(part) or hasattr(type(part), "merge") for part in batch.prompt_cache)


def _is_batched(cache: Any) -> bool:
    return hasattr(cache, "filter") and hasattr(cache, "extend")


def _row_of(batch: Any, row: int) -> list[Any]:
    """The KV cache of one request of the batch."""
    import mlx.core as mx

    if not all(_is_batched(part) for part in batch.prompt_cache):
        return list(batch.prompt_cache)  # it is alone
    own = [part.extract(row) for part in batch.prompt_cache]
    mx.eval([part.state for part in own])  # else it would hold on to the memory of the whole batch
    return own
