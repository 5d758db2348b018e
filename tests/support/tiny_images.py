"""Tiny random image models in the layout that diffusers writes; every weight follows from its name alone."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ominix_core.mlx_setup import open_file_limit_kept, prepare
from tests.support.tiny_models import VOCABULARY, write_byte_tokenizer

TEXT_WIDTH = 32
_TEXT_ENCODER: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": VOCABULARY,
    "hidden_size": TEXT_WIDTH,
    "num_hidden_layers": 28,  # FLUX.2 reads what layers 9, 18 and 27 say
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "intermediate_size": 32,
    "max_position_embeddings": 1024,
    "rope_theta": 1000000.0,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
}
_FLUX2_TRANSFORMER: dict[str, Any] = {
    "_class_name": "Flux2Transformer2DModel",
    "patch_size": 1,
    "in_channels": 128,
    "num_layers": 1,
    "num_single_layers": 2,
    "attention_head_dim": 32,
    "num_attention_heads": 2,
    "joint_attention_dim": 3 * TEXT_WIDTH,
    "timestep_guidance_channels": 256,
    "mlp_ratio": 3.0,
    "axes_dims_rope": [8, 8, 8, 8],
    "rope_theta": 2000,
    "guidance_embeds": False,
}
_Z_IMAGE_TRANSFORMER: dict[str, Any] = {
    "_class_name": "ZImageTransformer2DModel",
    "all_patch_size": [2],
    "all_f_patch_size": [1],
    "in_channels": 16,
    "dim": 64,
    "n_layers": 2,
    "n_refiner_layers": 1,
    "n_heads": 2,
    "n_kv_heads": 2,
    "cap_feat_dim": TEXT_WIDTH,
    "rope_theta": 256.0,
    "t_scale": 1000.0,
    "axes_dims": [8, 12, 12],
    "axes_lens": [1536, 512, 512],
}
_CHANNELS = [32, 32, 32, 32]
_VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": _CHANNELS,
    "layers_per_block": 1,
    "norm_num_groups": 32,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}


def make_tiny_flux2(folder: Path, *, distilled: bool = True) -> Path:
    """A FLUX.2 klein of under 3 MB."""
    prepare()
    with open_file_limit_kept():
        from mlx_vlm.models.flux2.qwen.text_encoder import Qwen3TextEncoder
        from mlx_vlm.models.flux2.transformer import Flux2Transformer
        from mlx_vlm.models.flux2.vae import Flux2VAE

    from ominix_core.engines.diffusion.parts import arguments_for

    vae = _VAE | {"_class_name": "AutoencoderKLFlux2", "latent_channels": 32, "layers_per_block": 2}
    _write_part(
        folder / "transformer",
        Flux2Transformer(**arguments_for(Flux2Transformer, _FLUX2_TRANSFORMER)),
        _FLUX2_TRANSFORMER,
        lambda name: name.replace("time_guidance_embed.", "time_guidance_embed.timestep_embedder.").replace(
            "attn.to_out.", "attn.to_out.0." if name.startswith("transformer_blocks") else "attn.to_out."
        ),
    )
    _write_encoder(folder / "text_encoder", Qwen3TextEncoder(**arguments_for(Qwen3TextEncoder, _TEXT_ENCODER)))
    module = Flux2VAE(tuple(_CHANNELS), include_encoder=True, encoder_block_out_channels=tuple(_CHANNELS))
    _write_part(folder / "vae", module, vae, lambda name: name.replace(".to_out.", ".to_out.0."))
    _write_rest(folder, {"_class_name": "Flux2KleinPipeline", "is_distilled": distilled}, {"shift": 3.0})
    return folder


def make_tiny_z_image(folder: Path, *, shift: float = 3.0) -> Path:
    """A Z-Image of under 3 MB."""
    prepare()
    with open_file_limit_kept():
        from mlx_vlm.models.z_image.config import ZImageTextEncoderConfig, ZImageTransformerConfig, ZImageVAEConfig
        from mlx_vlm.models.z_image.text_encoder import ZImageTextEncoder
        from mlx_vlm.models.z_image.transformer import ZImageTransformer
        from mlx_vlm.models.z_image.vae import ZImageVAE

    vae = _VAE | {
        "_class_name": "AutoencoderKL",
        "latent_channels": 16,
        "layers_per_block": 2,
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
    }
    transformer = ZImageTransformer(ZImageTransformerConfig.from_dict(_Z_IMAGE_TRANSFORMER))
    _write_part(folder / "transformer", transformer, _Z_IMAGE_TRANSFORMER, _z_image_name)
    _write_encoder(folder / "text_encoder", ZImageTextEncoder(ZImageTextEncoderConfig.from_dict(_TEXT_ENCODER)))
    module = ZImageVAE(ZImageVAEConfig.from_dict(vae))
    _write_part(folder / "vae", module, vae, lambda name: name.replace(".to_out.", ".to_out.0."))
    _write_rest(folder, {"_class_name": "ZImagePipeline"}, {"shift": shift, "use_dynamic_shifting": False})
    return folder


def _z_image_name(name: str) -> str:
    name = name.replace("t_embedder.linear1.", "t_embedder.mlp.0.").replace("t_embedder.linear2.", "t_embedder.mlp.2.")
    if name.startswith("final_layer."):
        name = "all_final_layer.2-1." + name.removeprefix("final_layer.").replace("_modulation.0.", "_modulation.1.")
    return name.replace("x_embedder.", "all_x_embedder.2-1.", 1) if name.startswith("x_embedder.") else name


def _write_encoder(folder: Path, module: Any) -> None:
    _write_part(folder, module, _TEXT_ENCODER, lambda name: f"model.{name}")


def _write_part(folder: Path, module: Any, config: dict[str, Any], name_of: Any) -> None:
    """Weights of the shapes that `module` has, under the names and in the layout of diffusers."""
    from mlx.utils import tree_flatten
    from safetensors.numpy import save_file

    folder.mkdir(parents=True)
    weights = {}
    for name, array in tree_flatten(module.parameters()):
        if not name.endswith("inv_freq"):
            shape = array.shape if array.ndim != 4 else tuple(array.shape[axis] for axis in (0, 3, 1, 2))
            weights[name_of(name)] = _weight(name_of(name), shape)
    name = "model" if "model_type" in config else "diffusion_pytorch_model"
    save_file(weights, folder / f"{name}.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))


def _weight(name: str, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Noise that keeps activations near 1: matrices by their fan-in, norms around 1, biases small."""
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_var"):
        noise = 0.5 + np.abs(noise)
    elif len(shape) > 1:
        noise = noise / np.sqrt(np.prod(shape[1:])) if "embed_tokens" not in name else noise
    elif "norm" in name and name.endswith("weight"):
        noise = 1 + 0.1 * noise
    else:
        noise = 0.1 * noise
    return noise.astype(np.float32)


def _write_rest(folder: Path, index: dict[str, Any], scheduler: dict[str, Any]) -> None:
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "scheduler").mkdir()
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, **scheduler}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    (folder / "tokenizer").mkdir()
    write_byte_tokenizer(folder / "tokenizer")
