"""Z-Image on mlx-vlm's modules: text to image, and starting from an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ominix_core.engines.diffusion.family import (
    TILE,
    TILE_OVERLAP,
    Limits,
    Plan,
    Step,
    Work,
    as_pixels,
    check_prompt_length,
    from_pixels,
    pooled,
)
from ominix_core.engines.diffusion.model import ImageModel
from ominix_core.engines.diffusion.parts import fill, read_weights
from ominix_core.errors import LoadError

if TYPE_CHECKING:
    import mlx.core as mx

_COMMON = ("width", "height", "steps", "seed", "count", "sources", "strength", "previews")
_VARIANTS = {
    "turbo": Limits(_COMMON, steps=8, guidance=0.0, strength=0.6, sources=1),
    "base": Limits((*_COMMON, "guidance", "negative_prompt"), steps=50, guidance=4.0, strength=0.6, sources=1),
}
_LATENT_PIXELS = 8


class ZImage(ImageModel):
    """A Z-Image model.

    Args:
        variant: "turbo" or "base".
        dtype: Of the weights; None leaves them as they are stored.
    """

    def __init__(self, folder: Path, variant: str, dtype: mx.Dtype | None) -> None:
        from mlx_vlm.models.z_image.config import ZImageConfig

        super().__init__(folder, dtype)
        try:
            self.limits = _VARIANTS[variant or "turbo"]
        except KeyError as error:
            raise LoadError(f"There is no variant '{variant}' of Z-Image. Correct the registry entry.") from error
        try:
            self._config = ZImageConfig.from_model_path(folder)
        except FileNotFoundError:  # some conversions leave the configurations out; there is only one size
            self._config = ZImageConfig()

    def _read_tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(str(self._folder / "tokenizer"), local_files_only=True)

    def _read_encoder(self) -> Any:
        from mlx_vlm.models.z_image.text_encoder import ZImageTextEncoder, sanitize_text_encoder_weights

        weights = sanitize_text_encoder_weights(read_weights(self._folder / "text_encoder"))
        return fill(ZImageTextEncoder(self._config.text_encoder), weights, self._dtype, self._bits)

    def _read_transformer(self) -> Any:
        from mlx_vlm.models.z_image.transformer import ZImageTransformer, sanitize_transformer_weights

        weights = sanitize_transformer_weights(read_weights(self._folder / "transformer"))
        return fill(ZImageTransformer(self._config.transformer), weights, self._dtype, self._bits)

    def _read_vae(self) -> Any:
        from mlx_vlm.models.z_image.vae import ZImageVAE, sanitize_vae_weights

        weights = sanitize_vae_weights(read_weights(self._folder / "vae"), source_layout=False)
        return fill(ZImageVAE(self._config.vae), weights, self._dtype)

    # -- making an image ----------------------------------------------------------------------------------------

    def make(self, plan: Plan) -> Work:
        import mlx.core as mx
        from mlx_vlm.models.mage_flow.scheduler import FlowMatchEulerDiscreteScheduler

        positive = self._encode(plan.prompt)
        yield None
        negative = None
        if plan.guidance > 1:
            negative = self._encode(plan.negative_prompt)
            yield None
        if not plan.keep_encoder:
            self._drop_encoder()
        steps, first = plan.steps, 0
        if plan.sources:  # the first steps would only make of noise what the source is already
            first = min(int(steps - steps * plan.strength), steps - 1)
        scheduler = FlowMatchEulerDiscreteScheduler(num_inference_steps=steps, shift=self._config.scheduler_shift)
        shape = (1, 16, 1, plan.height // _LATENT_PIXELS, plan.width // _LATENT_PIXELS)
        latents = mx.random.normal(shape, key=mx.random.key(plan.seed))
        if plan.sources:
            sigma = scheduler.sigmas[first]
            latents = (1 - sigma) * self._source_latents(plan.sources[0]) + sigma * latents
            mx.eval(latents)
            yield None
        for index in range(first, steps):
            time = (1 - scheduler.sigmas[index]).reshape(1)
            prediction = self._transformer(latents, time, positive)
            if negative is not None:
                prediction = prediction + plan.guidance * (prediction - self._transformer(latents, time, negative))
            latents = scheduler.step(velocity=-prediction, step_index=index, latents=latents)
            mx.eval(latents)
            preview = None
            if plan.previews and index + 1 < steps:
                clean = latents + scheduler.sigmas[index + 1] * prediction
                preview = self._decode(pooled(clean[:, :, 0], _LATENT_PIXELS))
            yield Step(index + 1 - first, steps - first, preview)
        return self._decode(latents[:, :, 0], tiled=plan.tiled)

    def _encode(self, prompt: str) -> mx.array:
        """The prompt's features (1, tokens, hidden)."""
        import mlx.core as mx

        text = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=True
        )
        tokens: list[int] = self._tokenizer(text)["input_ids"]
        check_prompt_length(len(tokens))
        features: mx.array = self._encoded(
            prompt, lambda encoder: encoder(mx.array(tokens)[None], output_penultimate=True)
        )
        return features

    def _source_latents(self, source: Any) -> mx.array:
        vae = self._config.vae
        encoded = self._vae.encode(from_pixels(source).transpose(0, 2, 3, 1))
        latents: mx.array = (encoded - vae.shift_factor) * vae.scaling_factor
        return latents.transpose(0, 3, 1, 2)[:, :, None]

    def _decode(self, latents: mx.array, *, tiled: bool = False) -> mx.array:
        """Pixels of latents (1, 16, height, width)."""
        from mlx_vlm.models.flux2.tiling import decode_image_tiled

        vae = self._config.vae
        latents = latents / vae.scaling_factor + vae.shift_factor
        if tiled:
            sizes: dict[str, Any] = {"tile_size": (TILE, TILE), "tile_overlap": (TILE_OVERLAP, TILE_OVERLAP)}
            return as_pixels(decode_image_tiled(latent=latents[:, :, None], decode_fn=self._decode_piece, **sizes))
        return as_pixels(self._decode_piece(latents[:, :, None]))

    def _decode_piece(self, latents: mx.array) -> mx.array:
        """(1, 3, height, width) of latents (1, 16, 1, height, width)."""
        decoded: mx.array = self._vae.decode(latents[:, :, 0].transpose(0, 2, 3, 1))
        return decoded.transpose(0, 3, 1, 2)
