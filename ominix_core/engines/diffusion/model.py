"""What the models of every family have in common: their parts, and the memory that these take."""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ominix_core.engines.diffusion.family import Limits, Plan, Work
from ominix_core.engines.loading import evaluate

if TYPE_CHECKING:
    import mlx.core as mx

    from ominix_core.engines.base import LoadReport

_REMEMBERED_PROMPTS = 8


class ImageModel(ABC):
    """A text encoder, a transformer and a VAE.

    Args:
        dtype: Of the weights; None leaves them as they are stored.
    """

    limits: Limits
    _tokenizer: Any
    _transformer: Any
    _vae: Any

    def __init__(self, folder: Path, dtype: mx.Dtype | None) -> None:
        self._folder = folder
        self._dtype = dtype
        self._bits = 0
        self._encoder: Any = None
        self._prompts: dict[Any, Any] = {}

    def load(self, bits: int, report: LoadReport) -> None:
        """Read the weights; `bits` quantizes what is not quantized yet, 0 does not. Raises LoadError."""
        self._bits = bits
        self._tokenizer = self._read_tokenizer()
        self._encoder = self._read_encoder()
        self._transformer = self._read_transformer()
        self._vae = self._read_vae()
        evaluate([self._encoder, self._transformer, self._vae], report)

    @abstractmethod
    def _read_tokenizer(self) -> Any: ...

    @abstractmethod
    def _read_encoder(self) -> Any: ...

    @abstractmethod
    def _read_transformer(self) -> Any: ...

    @abstractmethod
    def _read_vae(self) -> Any: ...

    @abstractmethod
    def make(self, plan: Plan) -> Work:
        """Make one image. Raises RequestError."""

    def _encoded(self, prompt: Any, encode: Callable[[Any], Any]) -> Any:
        """What `encode` makes of a prompt with the text encoder, which trying other seeds does not need again."""
        import mlx.core as mx

        if prompt not in self._prompts:
            if self._encoder is None:
                self._encoder = self._read_encoder()
            encoded = encode(self._encoder)
            mx.eval(encoded)
            self._prompts[prompt] = encoded
            while len(self._prompts) > _REMEMBERED_PROMPTS:
                del self._prompts[next(iter(self._prompts))]
        return self._prompts[prompt]

    def _drop_encoder(self) -> None:
        import mlx.core as mx

        self._encoder = None
        gc.collect()
        mx.clear_cache()

    def trim(self) -> None:
        """Give back memory that only saves time."""
        self._prompts.clear()
        self._drop_encoder()
