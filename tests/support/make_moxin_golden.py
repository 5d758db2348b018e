"""Makes tests/vision/golden/moxin.npz with timm and transformers, in double precision, from the tiny model's weights.

python -m venv /tmp/golden && /tmp/golden/bin/pip install torch torchvision timm transformers pillow
PYTHONPATH=. /tmp/golden/bin/python tests/support/make_moxin_golden.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.support.tiny_moxin import (
    DINO,
    PATCH,
    SIDE,
    SIGLIP,
    TEXT,
    checkpoint,
    image_pixels,
    photo_pixels,
    prompt_tokens,
)

NEW_TOKENS = 12


def let_torchvision_import() -> torch.library.Library:
    """Its compiled operators may not fit this torch. Nothing here calls them, but they must exist."""
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def tower(weights: dict[str, torch.Tensor], part: str, pixels: torch.Tensor, **options: Any) -> torch.Tensor:
    from timm.models.vision_transformer import VisionTransformer

    model = VisionTransformer(img_size=SIDE, patch_size=PATCH, num_heads=16, num_classes=0, **options).double().eval()
    names = {name.replace("scale_factor", "gamma"): array for name, array in own(weights, part).items()}
    missing, unexpected = model.load_state_dict(names, strict=False)
    assert all(name.startswith(("attn_pool", "fc_norm")) for name in (*missing, *unexpected)), (missing, unexpected)
    (features,) = model.get_intermediate_layers(pixels, n={len(model.blocks) - 2})
    return features


def own(weights: dict[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(f"{part}."): array for name, array in weights.items() if name.startswith(f"{part}.")}


def projector(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    layers = own(weights, "projector")
    for name in ("fc1", "fc2", "fc3"):
        x = torch.nn.functional.linear(x, layers[f"{name}.weight"], layers[f"{name}.bias"])
        x = x if name == "fc3" else torch.nn.functional.gelu(x)
    return x


def language_model(weights: dict[str, torch.Tensor]) -> Any:
    from transformers import MistralConfig, MistralForCausalLM

    rope = {"rope_type": "default", "rope_theta": TEXT["rope_theta"]}
    text = {name: value for name, value in TEXT.items() if name != "rope_theta"}
    config = MistralConfig(**text, sliding_window=None, tie_word_embeddings=False, rope_parameters=rope)
    model = MistralForCausalLM(config).double().eval()
    model.load_state_dict(own(weights, "language_model"))
    return model


def prepared_photo() -> np.ndarray:
    """As torchvision's transforms do it: stretched, bicubic with antialias, then normalised."""
    from PIL import Image
    from torchvision.transforms import Compose, InterpolationMode, Normalize, Resize, ToTensor

    resize = [Resize((SIDE, SIDE), interpolation=InterpolationMode.BICUBIC, antialias=True), ToTensor()]
    dino = Compose([*resize, Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
    siglip = Compose([*resize, Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
    photo = Image.fromarray(photo_pixels())
    return np.stack([dino(photo).numpy(), siglip(photo).numpy()]).transpose(0, 2, 3, 1)


@torch.no_grad()
def main() -> None:
    operators = let_torchvision_import()
    weights = {name: torch.from_numpy(array).double() for name, array in checkpoint().items()}
    pixels = torch.from_numpy(image_pixels()).double()
    dino = tower(
        weights,
        "vision_backbone.featurizer",
        pixels[:1],
        depth=DINO["depth"],
        embed_dim=DINO["width"],
        init_values=1e-5,
        reg_tokens=4,
        no_embed_class=True,
    )
    siglip = tower(
        weights,
        "vision_backbone.fused_featurizer",
        pixels[1:],
        depth=SIGLIP["depth"],
        embed_dim=SIGLIP["width"],
        mlp_ratio=3.7362,
        class_token=False,
        global_pool="map",
    )
    image = projector(weights, torch.cat([dino, siglip], dim=2))
    model = language_model(weights)
    words = model.get_input_embeddings()(torch.tensor([prompt_tokens()]))
    spliced = torch.cat([words[:, :1], image, words[:, 1:]], dim=1)
    said = model.generate(
        inputs_embeds=spliced,
        attention_mask=torch.ones(spliced.shape[:2], dtype=torch.long),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    np.savez_compressed(
        Path(__file__).parents[1] / "vision" / "golden" / "moxin.npz",
        dino=dino.float().numpy(),
        siglip=siglip.float().numpy(),
        projector=image.float().numpy(),
        logits=model(inputs_embeds=spliced).logits.float().numpy(),
        greedy=said[0].numpy(),
        photo=prepared_photo().astype(np.float32),
    )
    del operators


if __name__ == "__main__":
    main()
