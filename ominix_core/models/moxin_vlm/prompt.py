"""How the model was taught to converse, and how it wants its image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ominix_core.errors import RequestError
from ominix_core.generation import ChatMessage
from ominix_core.turns import joined_neighbours

if TYPE_CHECKING:
    import mlx.core as mx
    from PIL.Image import Image

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def lay_out(messages: list[ChatMessage], *, goes_on: bool = False) -> str:
    """The conversation as text. There is no system turn: instructions go before what the user says next.

    Args:
        goes_on: Whether the answer continues the last turn, which is the assistant's.
    """
    instructions, text = "", ""
    for message in joined_neighbours(messages, "user", "assistant"):
        said = message.content.replace("<image>", "").strip()
        if message.role == "system":
            instructions += f"{said}\n"
        elif message.role == "user":
            text += f"In: {instructions}{said}\nOut: "
            instructions = ""
        elif message.role == "assistant":
            text += f"{said or ' '}</s>"
        else:
            raise RequestError("This model cannot call tools, so it cannot read their results.", "no_tool_calling")
    return text.removesuffix("</s>") if goes_on else text.rstrip()


def prepare_image(image: Image, side: int) -> mx.array:
    """(2, side, side, 3): the image stretched to a square and normalised for DINOv2, and for SigLIP."""
    import mlx.core as mx
    import numpy as np
    from PIL.Image import Resampling

    pixels = np.asarray(image.resize((side, side), Resampling.BICUBIC), dtype=np.float32) / 255
    dino = (pixels - np.array(_IMAGENET_MEAN, np.float32)) / np.array(_IMAGENET_STD, np.float32)
    siglip = (pixels - 0.5) / 0.5
    return mx.array(np.stack([dino, siglip]).astype(np.float32))
