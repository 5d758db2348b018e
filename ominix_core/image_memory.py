"""What the making of an image takes in memory, beside the model's weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ominix_core.memory import WEIGHTS_FACTOR, Need, number_in, read_config, weight_bytes

DEFAULT_SIDE = 1024
_PROMPT_TOKENS = 512
# Of the usual models, whose folders may not say.
_HEADS, _HEAD_WIDTH = 24, 128
_TOKEN_PIXELS = 16 * 16
# A transformer block holds this many vectors of its width for each token at its worst: queries, keys and values, the
# gated MLP and their float32 copies.
_VECTORS_PER_TOKEN = 30
# The widest layer of the VAE at full resolution, and the bytes that it takes for each channel of a pixel, by those of a
# number: on a GPU its input, output and their transforms; on a CPU, where a convolution is a matrix, as measured.
_DECODER_CHANNELS = 256
_FLOAT32 = 4
_DECODING_BYTES = {2: 16, _FLOAT32: 160}
_TILE = 512
# What the scale and bias of each group of 64 add to the bits of a quantized weight.
_SCALE_BITS = 0.5
_LONGEST_HEADER = 64 << 20


@dataclass(frozen=True, slots=True)
class ImageMemory:
    """The sizes of a model that decide how much its images take.

    Attributes:
        width: Of the transformer's vectors.
        heads: Of its attention.
        number_bytes: Of one number in its computations: 2, or 4 on a CPU.
        encoder: Bytes of the text encoder, which can be dropped while an image is made.
        decoder_channels: Of the VAE's widest layer at full resolution.
    """

    width: int = _HEADS * _HEAD_WIDTH
    heads: int = _HEADS
    number_bytes: int = 2
    encoder: int = 0
    decoder_channels: int = _DECODER_CHANNELS

    @classmethod
    def of(cls, folder: Path, bits: int = 0, *, dense_float32: bool) -> ImageMemory:
        """From the configurations in a model's folder, or what the usual models have where it has none."""
        transformer, vae = read_config(folder / "transformer"), read_config(folder / "vae")
        heads = number_in(transformer, "num_attention_heads") or number_in(transformer, "n_heads") or _HEADS
        width = number_in(transformer, "dim") or heads * (number_in(transformer, "attention_head_dim") or _HEAD_WIDTH)
        match vae.get("block_out_channels"):
            case [_, int(channels), *_]:
                pass
            case _:
                channels = _DECODER_CHANNELS
        encoder = int(_loaded_bytes(folder / "text_encoder", bits, dense_float32))
        return cls(width, heads, 4 if dense_float32 else 2, encoder, channels)

    def bytes_for(self, width: int, height: int, *, sources: Sequence[int] = (), tiled: bool = False) -> int:
        """What one image of this size takes at the worst moment.

        Args:
            sources: The pixels of each image that it starts from.
            tiled: It is decoded in pieces.
        """
        tokens = (width * height + sum(sources)) // _TOKEN_PIXELS + _PROMPT_TOKENS
        denoising = tokens * self.width * self.number_bytes * _VECTORS_PER_TOKEN
        decoded = min(width, _TILE) * min(height, _TILE) if tiled else width * height
        # The VAE's encoder is half as wide as its decoder.
        coded = max(decoded, max(sources, default=0) // 2)
        coding = coded * self.decoder_channels * _DECODING_BYTES[self.number_bytes]
        if self.number_bytes == _FLOAT32:  # a CPU writes the scores of attention out
            denoising += 2 * self.heads * tokens * tokens * _FLOAT32
        return max(denoising, coding)

    def largest_square(self, room: int) -> int:
        """The side of the largest usual square image that fits into `room`; 0 if none does."""
        sides = (2048, 1536, 1024, 768, 512, 256)
        return next((side for side in sides if self.bytes_for(side, side, tiled=True) <= room), 0)


def is_image_model(folder: Path) -> bool:
    """Whether this is the tree of a pipeline that makes images."""
    return (folder / "transformer").is_dir() and (folder / "vae").is_dir()


def need_of_images(folder: Path, bits: int, *, dense_float32: bool, floor: int = 0) -> Need:
    """What the image model in `folder` takes, with room for one image of the usual size.

    Args:
        bits: What weights in half precision are quantized to when they are loaded; 0 does not.
        dense_float32: Weights in half precision become float32, as on a CPU.
        floor: What the registry says it takes; never believed if it is less than the measured need.
    """
    making = ImageMemory.of(folder, dense_float32=dense_float32).bytes_for(DEFAULT_SIDE, DEFAULT_SIDE)
    parts = [path for path in folder.iterdir() if path.is_dir()]
    sizes = [_loaded_bytes(part, 0 if part.name == "vae" else bits, dense_float32) for part in parts]
    return Need(max(int(sum(sizes) * WEIGHTS_FACTOR), floor - making), making, 0)


def _loaded_bytes(part: Path, bits: int, dense_float32: bool) -> float:
    """The size of a part's weights in memory."""
    stored, types = weight_bytes(part), _number_types(part)
    if "U32" in types or not types & {"BF16", "F16"}:
        return stored
    if bits:
        return stored * (bits + _SCALE_BITS) / 16
    return stored * 2.0 if dense_float32 else stored


def _number_types(part: Path) -> set[str]:
    """The types of numbers in the part's first file of weights, by its header."""
    for path in sorted(part.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), _LONGEST_HEADER)))
            return {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return set()
    return set()
