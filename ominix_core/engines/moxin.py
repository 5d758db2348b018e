"""The engine of Moxin-7B-VLM: the vision engine with a model, a prompt and an image preparation of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.engines.ends import ends_of
from ominix_core.engines.load_errors import explained
from ominix_core.engines.loading import kv_group, refuse_code, refuse_settings
from ominix_core.engines.prompt import Prompt, encode_text
from ominix_core.engines.vision import VisionEngine
from ominix_core.engines.vision_loading import VisionModel, remember_images, warm_up
from ominix_core.engines.vision_prompt import images_of
from ominix_core.errors import RequestError
from ominix_core.generation import ChatRequest, TextRequest
from ominix_core.images import open_image
from ominix_core.memory import kv_cache_of, read_config, text_config
from ominix_core.mlx_setup import open_file_limit_kept, prepare


class MoxinEngine(VisionEngine):
    """One Moxin-VLM, and the batch of requests that it is answering."""

    _side: int
    _image_token: int

    def _read_files(self, folder: Path, options: LoadOptions, report: LoadReport) -> VisionModel:
        refuse_code(folder, options)
        refuse_settings(folder, options, "draft_folder", "adapter_folder", "bits")
        prepare()
        import mlx.core as mx

        with open_file_limit_kept():
            from ominix_core.models.moxin_vlm import loading

        report("reading")
        with explained(folder, options, "mlx"):
            model = loading.load(folder, options.variant)
            tokenizer = loading.load_tokenizer(folder)
            tokenizer.eos_token_ids = ends_of(folder, tokenizer)
        warm_up(model, report)
        remember_images(model)
        self._side, self._image_token = loading.image_size(folder), loading.image_token(folder)
        config = read_config(folder)
        kv_cache = kv_cache_of(config, 2 if mx.metal.is_available() else 4)
        group = kv_group(text_config(config), folder, options)
        return VisionModel(model, None, tokenizer, loading.longest_context(folder), kv_cache, group)

    def _most_images(self) -> int:
        return 1

    def _encode(self, request: TextRequest) -> Prompt:
        if not isinstance(request, ChatRequest):
            return encode_text(self._tokenizer, request)
        if request.tools:
            raise RequestError("This model cannot call tools: it was not taught to.", "no_tool_calling")
        # Those of reasoning efforts are for models that think; others ignore them.
        if unknown := sorted(request.template_options.keys() - {"enable_thinking", "reasoning_effort"}):
            raise RequestError(
                f"This model has no chat template: 'chat_template_kwargs' cannot set '{unknown[0]}'.",
                "invalid_template_option",
            )
        from ominix_core.models.moxin_vlm.prompt import lay_out, prepare_image

        images = images_of(request, self.abilities.images)
        first, *rest = self._tokenizer.encode(lay_out(request.messages, goes_on=request.prefill))
        if not images:
            return Prompt([first, *rest])
        tokens = [first, *[self._image_token] * self._model.image_tokens, *rest]
        pixels = prepare_image(open_image(images[0]), self._side)
        digest = hashlib.blake2b(images[0], digest_size=16).hexdigest()
        return Prompt(tokens, images=(digest,), inputs={"pixel_values": pixels})
