"""mlx-lm's batch of running answers, without what hardly any request asks for.

mlx-lm turns the logits of every step into log-probabilities over the whole vocabulary: 5 ms of a step of 90 ms for
eight answers of SmolLM2. Samplers here take logits, and log-probabilities are made of those rows that somebody wants.
"""

from __future__ import annotations

from typing import cast

import mlx.core as mx
from mlx_lm.generate import GenerationBatch

from ominix_core.engines.sampling import choose


class LogitsBatch(GenerationBatch):
    """Its answers carry their logits, shape (vocabulary,), as `logprobs`; normalized or not."""

    _next_tokens: mx.array
    _next_logprobs: list[mx.array]

    def _step(self) -> tuple[list[int], list[mx.array]]:
        """Start on the next tokens, and return those that were chosen before, with what they were chosen from."""
        self._current_tokens, self._current_logprobs = self._next_tokens, self._next_logprobs
        logits = self.model(self._current_tokens[:, None], cache=self.prompt_cache)[:, -1, :]
        logits, contexts = self._processed(logits)
        self._next_tokens, self._next_logprobs = choose(self.samplers, logits), list(logits)
        mx.async_eval(self._next_tokens, self._next_logprobs, contexts)  # type: ignore[no-untyped-call]
        tokens = cast("list[int]", self._current_tokens.tolist())
        for held, token in zip(self.tokens, tokens, strict=True):
            held.append(token)
        return tokens, self._current_logprobs

    def _processed(self, logits: mx.array) -> tuple[mx.array, list[mx.array]]:
        """The logits as each request's processors want them, and the tokens that those have looked at."""
        if not any(self.logits_processors):
            return logits, []
        rows, contexts = [], []
        for index, processors in enumerate(self.logits_processors):
            row = logits[index : index + 1]
            if processors:
                context = self._token_context[index].update_and_fetch(self._current_tokens[index : index + 1])
                contexts.append(context)
                for processor in processors:
                    row = processor(context, row)
            rows.append(row)
        return mx.concatenate(rows, axis=0), contexts
