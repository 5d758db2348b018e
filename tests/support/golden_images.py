"""Makes `golden_images.npz`: what diffusers makes of the tiny image models, from the same noise.

Two steps, because the reference needs torch and this project does not:

    python -m tests.support.golden_images prepare WORK      (with the project's Python)
    python golden_images.py reference WORK OUT.npz          (with torch 2.13 CPU and diffusers 0.42.1, no project)
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

PROMPT = "A red fox in the snow"
NEGATIVE = "blurry"
SEED = 7
WIDTH, HEIGHT = 96, 64
FLUX2_STEPS, Z_IMAGE_STEPS = 4, 5
BASE_GUIDANCE = 4.0
# The prompt's tokens, one a byte, with those of the chat template, go into the next of mlx-vlm's prompt lengths.
PROMPT_LENGTH = 64
EDIT_PROMPT_LENGTH = 512


def source_picture() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The image that the edit starts from."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([columns * 2, rows * 3, (rows + columns) % 256], axis=-1).astype(np.uint8)


def further_pictures() -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """What is combined with it: images of other sizes, of which models cannot read every edge."""
    pictures = []
    for height, width in ((70, 90), (137, 64)):
        rows, columns = np.mgrid[0:height, 0:width]
        pictures.append(np.stack([(rows * columns) % 256, rows, 255 - columns], axis=-1).astype(np.uint8))
    return pictures


def prepare(work: Path) -> None:
    from tests.support.tiny_images import make_tiny_flux2, make_tiny_z_image

    make_tiny_flux2(work / "flux2")
    make_tiny_z_image(work / "z-image")
    import mlx.core as mx

    flux2 = mx.random.normal((1, 128, HEIGHT // 16, WIDTH // 16), key=mx.random.key(SEED))
    z_image = mx.random.normal((1, 16, HEIGHT // 8, WIDTH // 8), key=mx.random.key(SEED))
    np.savez(work / "noise.npz", flux2=np.array(flux2), z_image=np.array(z_image))


def reference(work: Path, out: Path) -> None:
    noise = np.load(work / "noise.npz")
    results = {f"noise_{name}": noise[name] for name in noise}
    results |= _flux2(work / "flux2", noise["flux2"]) | _z_image(work / "z-image", noise["z_image"])
    np.savez_compressed(out, **{name: array.astype(np.float32) for name, array in results.items()})
    for name, array in results.items():
        print(f"{name}: {array.shape}, {array.min():.3f} to {array.max():.3f}")  # noqa: T201


def _flux2(folder: Path, noise: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    torch, diffusers, transformers = map(import_module, ("torch", "diffusers", "transformers"))
    pillow = import_module("PIL.Image")
    parts = {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, use_dynamic_shifting=True),
        "vae": diffusers.AutoencoderKLFlux2.from_pretrained(folder / "vae", variant=None, use_safetensors=True),
        "transformer": diffusers.Flux2Transformer2DModel.from_pretrained(folder / "transformer"),
        "text_encoder": transformers.Qwen3ForCausalLM.from_pretrained(folder / "text_encoder"),
        "tokenizer": transformers.AutoTokenizer.from_pretrained(folder / "tokenizer"),
    }
    latents = torch.from_numpy(noise)

    def run(*, distilled: bool, **asked: Any) -> np.ndarray[Any, Any]:
        pipeline = diffusers.Flux2KleinPipeline(**parts, is_distilled=distilled)
        settings = {
            "prompt": PROMPT,
            "width": WIDTH,
            "height": HEIGHT,
            "num_inference_steps": FLUX2_STEPS,
            "guidance_scale": 1.0,
            "latents": latents.clone(),
            "max_sequence_length": PROMPT_LENGTH,
            "output_type": "np",
        }
        image: np.ndarray[Any, Any] = pipeline(**(settings | asked)).images[0]
        return image

    return {
        "flux2": run(distilled=True),
        "flux2_base": run(distilled=False, guidance_scale=BASE_GUIDANCE),
        "flux2_edit": run(
            distilled=True, image=pillow.fromarray(source_picture()), max_sequence_length=EDIT_PROMPT_LENGTH
        ),
        "flux2_combined": run(
            distilled=True,
            image=[pillow.fromarray(each) for each in (source_picture(), *further_pictures())],
            max_sequence_length=EDIT_PROMPT_LENGTH,
        ),
    }


def _z_image(folder: Path, noise: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    torch, diffusers, transformers = map(import_module, ("torch", "diffusers", "transformers"))
    pipeline = diffusers.ZImagePipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler.from_pretrained(folder / "scheduler"),
        vae=diffusers.AutoencoderKL.from_pretrained(folder / "vae"),
        transformer=diffusers.ZImageTransformer2DModel.from_pretrained(folder / "transformer"),
        text_encoder=transformers.Qwen3ForCausalLM.from_pretrained(folder / "text_encoder"),
        tokenizer=transformers.AutoTokenizer.from_pretrained(folder / "tokenizer"),
    )

    def run(**asked: Any) -> np.ndarray[Any, Any]:
        settings = {"prompt": PROMPT, "width": WIDTH, "height": HEIGHT, "num_inference_steps": Z_IMAGE_STEPS}
        latents = torch.from_numpy(noise).clone()
        image: np.ndarray[Any, Any] = pipeline(**settings, latents=latents, output_type="np", **asked).images[0]
        return image

    return {
        "z_image": run(guidance_scale=0.0),
        "z_image_base": run(guidance_scale=BASE_GUIDANCE, negative_prompt=NEGATIVE),
    }


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]))
    else:
        reference(Path(sys.argv[2]), Path(sys.argv[3]))
