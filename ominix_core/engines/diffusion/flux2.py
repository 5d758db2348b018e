"""FLUX.2 klein on mlx-vlm's modules: text to image, and what becomes of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ominix_core.engines.diffusion import ominix_names
from ominix_core.engines.diffusion.family import (
    PROMPT_TOKENS,
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
from ominix_core.engines.diffusion.parts import arguments_for, fill, part_config, read_weights, renamed
from ominix_core.errors import LoadError

if TYPE_CHECKING:
    import mlx.core as mx

_COMMON = ("width", "height", "steps", "seed", "count", "previews")
_ENCODER_NAMES = ("embed_tokens.", "layers.", "norm.")
# Pixels along each side of a packed latent.
_LATENT_PIXELS = 16
# How far apart reference images stand on the transformer's time axis, at whose 0 is the image to make.
_REFERENCE_TIME = 10
# As many as the model was made for.
_MOST_REFERENCES = 4


class Flux2(ImageModel):
    """A FLUX.2 klein model.

    Args:
        variant: One of mlx-vlm's names for it, such as "klein-4b" or "klein-base-4b".
    """

    _dtype: mx.Dtype

    def __init__(self, folder: Path, variant: str, dtype: mx.Dtype) -> None:
        from mlx_vlm.models.flux2.config import get_variant
        from mlx_vlm.models.flux2.constants import ModelConfig

        super().__init__(folder, dtype)
        ModelConfig.precision = dtype  # its modules cast to this
        try:
            self._variant = get_variant(variant or "klein-4b")
        except ValueError as error:
            raise LoadError(f"There is no variant '{variant}' of FLUX.2. Correct the registry entry.") from error
        options = [*_COMMON]
        if self._variant.default_guidance > 1:  # a distilled one works without
            options += ["guidance", "negative_prompt"]
        edits = not self._variant.uses_reference_kv_cache  # those edit in a way of their own
        if edits:
            options.append("sources")
        self.limits = Limits(
            tuple(options),
            self._variant.default_steps,
            self._variant.default_guidance,
            sources=_MOST_REFERENCES if edits else 0,
            own_sizes=True,
        )

    def _read_tokenizer(self) -> Any:
        from mlx_vlm.models.flux2.tokenizer import Flux2Tokenizer

        return Flux2Tokenizer(self._folder)

    def _read_encoder(self) -> Any:
        from mlx_vlm.models.flux2.qwen.text_encoder import Qwen3TextEncoder

        folder = self._folder / "text_encoder"
        weights = renamed(read_weights(folder), lambda name: name.removeprefix("model."))
        weights = {name: array for name, array in weights.items() if name.startswith(_ENCODER_NAMES)}
        overrides = self._variant.text_encoder_overrides | arguments_for(Qwen3TextEncoder, part_config(folder))
        return fill(Qwen3TextEncoder(**overrides), weights, self._dtype, self._bits)

    def _read_transformer(self) -> Any:
        from mlx_vlm.models.flux2.transformer import Flux2Transformer

        folder = self._folder / "transformer"
        weights = read_weights(folder)
        if any(map(ominix_names.is_ominix_name, weights)):
            weights = renamed(weights, ominix_names.common_name)
        weights = renamed(
            weights,
            lambda name: name.replace("time_guidance_embed.timestep_embedder.", "time_guidance_embed.").replace(
                ".to_out.0.", ".to_out."
            ),
        )
        overrides = self._variant.transformer_overrides | arguments_for(Flux2Transformer, part_config(folder))
        return fill(Flux2Transformer(**overrides), weights, self._dtype, self._bits)

    def _read_vae(self) -> Any:
        from mlx_vlm.models.flux2.vae import Flux2VAE
        from mlx_vlm.models.flux2.weights import FULL_DECODER_CHANNELS

        folder = self._folder / "vae"
        channels = tuple(part_config(folder).get("block_out_channels") or FULL_DECODER_CHANNELS)
        weights = renamed(read_weights(folder), lambda name: name.replace(".to_out.0.", ".to_out."))
        weights = {name: array for name, array in weights.items() if not name.endswith(".num_batches_tracked")}
        vae = Flux2VAE(channels, include_encoder=True, encoder_block_out_channels=channels)
        return fill(vae, weights, self._dtype)

    # -- making an image ----------------------------------------------------------------------------------------

    def make(self, plan: Plan) -> Work:
        import mlx.core as mx
        from mlx_vlm.models.flux2.latent import prepare_packed_latents
        from mlx_vlm.models.flux2.scheduler import FlowMatchEulerDiscreteScheduler

        guided = plan.guidance > 1
        length = self._prompt_length(plan, [plan.prompt, plan.negative_prompt] if guided else [plan.prompt])
        positive = self._encode(plan.prompt, length)
        yield None
        negative = None
        if guided:
            negative = self._encode(plan.negative_prompt, length)
            yield None
        if not plan.keep_encoder:
            self._drop_encoder()
        references = []
        for index, source in enumerate(plan.sources):
            references.append(self._reference(source, _REFERENCE_TIME * (index + 1)))
            yield None
        latents, ids, rows, columns = prepare_packed_latents(seed=plan.seed, height=plan.height, width=plan.width)
        scheduler = FlowMatchEulerDiscreteScheduler(image_seq_len=rows * columns, num_inference_steps=plan.steps)
        for index in range(plan.steps):
            time = scheduler.timesteps[index]
            noise = self._predict(latents, ids, positive, references, time)
            if negative is not None:
                without = self._predict(latents, ids, negative, references, time)
                noise = without + plan.guidance * (noise - without)
            latents = scheduler.step(noise=noise, step_index=index, latents=latents)
            mx.eval(latents)
            preview = None
            if plan.previews and index + 1 < plan.steps:
                clean = latents - scheduler.sigmas[index + 1].astype(latents.dtype) * noise
                preview = self._decode(pooled(_grid(clean, rows, columns), _LATENT_PIXELS))
            yield Step(index + 1, plan.steps, preview)
        return self._decode(_grid(latents, rows, columns), tiled=plan.tiled)

    def _prompt_length(self, plan: Plan, prompts: list[str]) -> int:
        """To how many tokens the prompts are padded: as few as mlx-vlm's lengths allow, for edits all."""
        from mlx_vlm.models.flux2.prompt import DEFAULT_SEQ_LEN_BUCKETS

        tokens: int = max(map(self._tokenizer.count_tokens, prompts))
        check_prompt_length(tokens)
        if plan.sources:
            return PROMPT_TOKENS
        lengths: tuple[int, ...] = DEFAULT_SEQ_LEN_BUCKETS
        return next(length for length in lengths if length >= tokens)

    def _encode(self, prompt: str, length: int) -> tuple[mx.array, mx.array]:
        """The prompt's embeddings and position ids."""
        from mlx_vlm.models.flux2.prompt import encode_prompt

        def encode(encoder: Any) -> Any:
            return encode_prompt(
                prompt=prompt,
                tokenizer=self._tokenizer,
                text_encoder=encoder,
                max_sequence_length=length,
                bucketed=False,
            )

        encoded: tuple[mx.array, mx.array] = self._encoded((prompt, length), encode)
        return encoded

    def _reference(self, source: Any, time: int) -> tuple[mx.array, mx.array]:
        """The packed latents of an image to start from, and their position ids."""
        import mlx.core as mx
        from mlx_vlm.models.flux2.latent import pack_latents, patchify_latents, prepare_grid_ids

        latents = patchify_latents(self._vae.encode(from_pixels(source).astype(self._dtype)))
        norm = self._vae.bn
        deviation = mx.sqrt(norm.running_var + norm.eps).reshape(1, -1, 1, 1)
        latents = (latents - norm.running_mean.reshape(1, -1, 1, 1)) / deviation
        packed, ids = pack_latents(latents), prepare_grid_ids(latents, t_coord=time)
        mx.eval(packed, ids)
        return packed, ids

    def _predict(
        self,
        latents: mx.array,
        ids: mx.array,
        prompt: tuple[mx.array, mx.array],
        references: list[tuple[mx.array, mx.array]],
        timestep: mx.array,
    ) -> mx.array:
        import mlx.core as mx

        noise: mx.array = self._transformer(
            hidden_states=mx.concatenate([latents, *(packed for packed, _ in references)], axis=1),
            encoder_hidden_states=prompt[0],
            timestep=timestep,
            img_ids=mx.concatenate([ids, *(reference_ids for _, reference_ids in references)], axis=1),
            txt_ids=prompt[1],
        )
        return noise[:, : latents.shape[1]]

    def _decode(self, latents: mx.array, *, tiled: bool = False) -> mx.array:
        """Pixels of packed latents (1, channels, rows, columns)."""
        from mlx_vlm.models.flux2.tiling import TilingConfig

        tiling = TilingConfig(vae_decode_tile_size=TILE, vae_decode_overlap=TILE_OVERLAP // self._vae.spatial_scale)
        return as_pixels(self._vae.decode_packed_latents(latents, tiling if tiled else None))


def _grid(packed: mx.array, rows: int, columns: int) -> mx.array:
    """Packed latents (1, rows * columns, channels) as (1, channels, rows, columns)."""
    return packed.reshape(1, rows, columns, -1).transpose(0, 3, 1, 2)
