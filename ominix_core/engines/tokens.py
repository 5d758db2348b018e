"""Tokens as text: those of an answer as they come, and the text and bytes of single ones for log probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ominix_core.generation import ChatRequest, TextRequest, TokenLogprob

if TYPE_CHECKING:
    import mlx.core as mx


def detokenizer_for(tokenizer: Any, request: TextRequest) -> Any:
    """What turns the tokens of the request's answer into text.

    mlx-lm's takes the space away that the first word begins with. Where the answer goes on from other text, that space
    is part of it, so the detokenizer is given a token before.
    """
    detokenizer = tokenizer.detokenizer
    goes_on = request.prefill if isinstance(request, ChatRequest) else True
    if goes_on and (before := tokenizer.encode("x", add_special_tokens=False)):
        detokenizer.add_token(before[-1])
        _ = detokenizer.last_segment
    return detokenizer


class TokenTexts:
    """Looks tokens up in one tokenizer's vocabulary."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._byte_level = type(tokenizer.detokenizer).__name__ == "BPEStreamingDetokenizer"

    def raw(self, token: int) -> bytes:
        """The token's own bytes, which may be part of a character."""
        text = self._tokenizer.convert_ids_to_tokens(token) if self._byte_level else None
        if text is not None:
            from mlx_lm.tokenizer_utils import _byte_decoder

            byte_of = _byte_decoder()
            if all(char in byte_of for char in text):
                return bytes(byte_of[char] for char in text)
        decoded: str = self._tokenizer.decode([token])
        return decoded.encode()

    def logprob(self, token: int, logits: mx.array, alternatives: int) -> TokenLogprob:
        """The token's log probability by `logits` (vocabulary,), with the likeliest `alternatives`."""
        import mlx.core as mx

        logprobs = logits - mx.logsumexp(logits)
        top: tuple[TokenLogprob, ...] = ()
        if alternatives:
            likeliest = mx.argpartition(-logprobs, alternatives - 1)[:alternatives]
            ids: Any = likeliest.tolist()
            values: Any = logprobs[likeliest].tolist()
            by_likelihood = sorted(zip(values, ids, strict=True), reverse=True)
            top = tuple(self._entry(other, value) for value, other in by_likelihood)
        own: Any = logprobs[token].item()
        return self._entry(token, own, top)

    def _entry(self, token: int, logprob: float, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
        raw = self.raw(token)
        # -9999 stands for "impossible" on the wire, where infinity and NaN are not allowed
        return TokenLogprob(raw.decode("utf-8", "replace"), raw, logprob if logprob > -9999 else -9999.0, top)
