"""From a request with images to what a model of mlx-vlm reads."""

from __future__ import annotations

import hashlib
from typing import Any

from ominix_core.engines.chat_templates import chosen
from ominix_core.engines.prompt import Prompt, encode_text, laid_out, opens_reasoning, rendered
from ominix_core.engines.template_abilities import ChatTemplate, Turn
from ominix_core.engines.vision_loading import VisionModel
from ominix_core.errors import RequestError
from ominix_core.generation import ChatRequest, TextRequest
from ominix_core.images import open_image

# No conversation is refused for so many images; the context ends earlier.
MOST_IMAGES = 64


def most_images(model_type: str) -> int:
    """How many images one conversation with a model of this family may hold."""
    from mlx_vlm.prompt_utils import MODEL_CONFIG, SINGLE_IMAGE_ONLY_MODELS

    if model_type not in MODEL_CONFIG:
        return 0
    return 1 if model_type in SINGLE_IMAGE_ONLY_MODELS else MOST_IMAGES


def encode_with_images(loaded: VisionModel, template: ChatTemplate, request: TextRequest, most: int) -> Prompt:
    """Decode the images and lay out the conversation. Raises RequestError for what the model cannot take.

    Args:
        most: How many images the model takes.
    """
    if not isinstance(request, ChatRequest):
        return encode_text(loaded.tokenizer, request)
    images = images_of(request, most)
    text = rendered(template, request, *laid_out(loaded.tokenizer, template, request))
    inputs = _process(loaded, text, [open_image(image) for image in images])
    tokens: list[int] = inputs.pop("input_ids").reshape(-1).tolist()
    if not images and _image_tokens(loaded.model.config) & set(tokens):
        raise RequestError(
            "The text holds the mark that stands for an image, but no image comes with it.", "invalid_conversation"
        )
    digests = tuple(hashlib.blake2b(image, digest_size=16).hexdigest() for image in images)
    return Prompt(tokens, opens_reasoning(loaded.tokenizer, tokens), digests, inputs)


def _image_tokens(config: Any) -> set[int]:
    """What stands for images in a prompt. Written by hand it would spoil the cached prefix of a real image."""
    names = ("image_token_index", "image_token_id")
    return {token for name in names if isinstance(token := getattr(config, name, None), int)}


def images_of(request: ChatRequest, most: int) -> list[bytes]:
    """The images of a conversation in their order. Raises RequestError if they are too many or out of place."""
    if any(message.images for message in request.messages if message.role != "user"):
        raise RequestError("Images belong to what the user says, not to other turns.", "invalid_conversation")
    images = [image for message in request.messages for image in message.images]
    if images and not most:
        raise RequestError("This model reads text only; it cannot look at images.", "images_not_supported")
    if len(images) > most:
        allowed = "one image" if most == 1 else f"{most} images"
        raise RequestError(
            f"This model takes {allowed} in a conversation, but there are {len(images)}. Start a new one.",
            "too_many_images",
        )
    return images


def vision_template(loaded: VisionModel) -> ChatTemplate:
    """The template of the processor, or of its tokenizer, behind what mlx-vlm does for the model's family."""

    def render(turns: list[Turn], options: dict[str, Any]) -> str:
        from mlx_vlm.prompt_utils import apply_chat_template, get_chat_template

        processor: Any = loaded.processor
        templated: Any
        options = {"add_generation_prompt": True, **options}
        messages: Any = apply_chat_template(processor, loaded.model.config, turns, return_messages=True)
        if isinstance(messages[-1], str):  # a family that answers a bare prompt
            return _only(messages)
        messages = [_with_what_was_dropped(*pair) for pair in zip(messages, turns, strict=True)]
        for templated in (processor, getattr(processor, "tokenizer", None)):
            if getattr(templated, "chat_template", None):
                if template := chosen(templated.chat_template, options.get("tools")):
                    options["chat_template"] = template
                return str(templated.apply_chat_template(messages, tokenize=False, **options))
        return str(get_chat_template(processor, messages, add_generation_prompt=options["add_generation_prompt"]))

    return ChatTemplate(render)


def _with_what_was_dropped(message: Any, turn: Turn) -> Any:
    """mlx-vlm keeps only role and content of a turn without calls."""
    more = {name: turn[name] for name in ("name", "reasoning_content") if name in turn}
    return {**message, **more} if isinstance(message, dict) else message


def _only(prompts: list[str]) -> str:
    if len(prompts) > 1:
        raise RequestError(
            "This model answers single questions: it takes nothing that was said before. Start a new conversation.",
            "invalid_conversation",
        )
    return prompts[0]


def _process(loaded: VisionModel, text: str, images: list[Any]) -> dict[str, Any]:
    from mlx_vlm.utils import prepare_inputs, should_add_special_tokens

    config = loaded.model.config
    try:
        return dict(
            prepare_inputs(
                loaded.processor,
                images=images or None,
                prompts=text,
                image_token_index=getattr(config, "image_token_index", None),
                add_special_tokens=should_add_special_tokens(config.model_type, loaded.processor),
            )
        )
    except Exception as error:  # processors raise whatever they stumble over, such as an image that is far too narrow
        what = "this conversation" if not images else "this image" if len(images) == 1 else "these images"
        raise RequestError(f"The model cannot take {what}: {str(error).strip()}", "invalid_image") from error
