"""The two towers that look at an image, as timm builds them: pre-norm vision transformers with exact GELU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn

# Both published towers have so many; weights do not tell.
HEADS = 16
_EPS = 1e-6


@dataclass(frozen=True)
class TowerShape:
    """The dimensions of a tower.

    Attributes:
        depth: Blocks that are run; the last one of the published tower is not.
        patches: Patches of one image.
        registers: Tokens before the patches, the class token included.
        scaled: Whether branches have a learned scale (LayerScale).
    """

    width: int
    depth: int
    hidden: int
    patch: int
    patches: int
    registers: int
    scaled: bool

    @classmethod
    def of(cls, weights: Mapping[str, mx.array], prefix: str) -> TowerShape:
        """Read off the published weights under `prefix`. Raises KeyError if there is no tower."""
        width, patch, _, _ = weights[f"{prefix}.patch_embed.proj.weight"].shape
        blocks = {
            int(name.removeprefix(f"{prefix}.blocks.").partition(".")[0]) for name in weights if _in(name, prefix)
        }
        return cls(
            width=width,
            depth=max(blocks),
            hidden=weights[f"{prefix}.blocks.0.mlp.fc1.weight"].shape[0],
            patch=patch,
            patches=weights[f"{prefix}.pos_embed"].shape[1],
            registers=sum(weights[name].shape[1] for name in _prefix_tokens(prefix) if name in weights),
            scaled=f"{prefix}.blocks.0.ls1.gamma" in weights,
        )


def _in(name: str, prefix: str) -> bool:
    return name.startswith(f"{prefix}.blocks.")


def _prefix_tokens(prefix: str) -> tuple[str, str]:
    return f"{prefix}.cls_token", f"{prefix}.reg_token"


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def __call__(self, x: mx.array) -> mx.array:
        images, tokens, width = x.shape
        split = self.qkv(x).reshape(images, tokens, 3, HEADS, width // HEADS).transpose(2, 0, 3, 1, 4)
        seen = mx.fast.scaled_dot_product_attention(*split, scale=(width // HEADS) ** -0.5, mask=None)
        out: mx.array = self.proj(seen.transpose(0, 2, 1, 3).reshape(images, tokens, width))
        return out


class _MLP(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def __call__(self, x: mx.array) -> mx.array:
        out: mx.array = self.fc2(nn.gelu(self.fc1(x)))
        return out


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = mx.ones((width,))

    def __call__(self, x: mx.array) -> mx.array:
        return x * self.gamma


class _Block(nn.Module):
    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width, eps=_EPS)
        self.attn = _Attention(shape.width)
        self.norm2 = nn.LayerNorm(shape.width, eps=_EPS)
        self.mlp = _MLP(shape.width, shape.hidden)
        self.ls1 = _Scale(shape.width) if shape.scaled else nn.Identity()
        self.ls2 = _Scale(shape.width) if shape.scaled else nn.Identity()

    def __call__(self, x: mx.array) -> mx.array:
        x = x + self.ls1(self.attn(self.norm1(x)))
        out: mx.array = x + self.ls2(self.mlp(self.norm2(x)))
        return out


class _PatchEmbed(nn.Module):
    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, shape.width, shape.patch, stride=shape.patch)


class Tower(nn.Module):
    """Turns images into one feature vector for each patch."""

    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.patch_embed = _PatchEmbed(shape)
        self.pos_embed = mx.zeros((1, shape.patches, shape.width))
        if shape.registers:
            self.cls_token = mx.zeros((1, 1, shape.width))
            self.reg_token = mx.zeros((1, shape.registers - 1, shape.width))
        self.blocks = [_Block(shape) for _ in range(shape.depth)]
        self._registers = shape.registers

    def __call__(self, pixels: mx.array) -> mx.array:
        """(images, height, width, 3) to (images, patches, width)."""
        patches = self.patch_embed.proj(pixels)
        x = patches.reshape(len(pixels), -1, patches.shape[-1]) + self.pos_embed
        if self._registers:
            front = [mx.broadcast_to(part, (len(x), *part.shape[1:])) for part in (self.cls_token, self.reg_token)]
            x = mx.concatenate([*front, x], axis=1)
        for block in self.blocks:
            x = block(x)
        seen: mx.array = x[:, self._registers :]
        return seen


class Towers(nn.Module):
    """Both towers, one after the other in every feature vector."""

    def __init__(self, dino: TowerShape, siglip: TowerShape) -> None:
        super().__init__()
        self.featurizer = Tower(dino)
        self.fused_featurizer = Tower(siglip)

    def __call__(self, pixels: mx.array) -> mx.array:
        """(2, height, width, 3), an image prepared for each tower, to (1, patches, both widths)."""
        return mx.concatenate([self.featurizer(pixels[:1]), self.fused_featurizer(pixels[1:])], axis=-1)
