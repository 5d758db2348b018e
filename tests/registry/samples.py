"""Registry files in every dialect that is in use, as small as they can be and still have each dialect's traits."""

from __future__ import annotations

from typing import Any

PLAN: dict[str, Any] = {
    "version": "1.0.0",
    "models": [
        {
            "id": "qwen3-8b",
            "name": "Qwen3 8B",
            "description": "Multilingual chat model",
            "category": "LLM",
            "subcategory": "Chat",
            "size_bytes": 8589934592,
            "tags": ["multilingual", "code"],
            "source": {
                "type": "HuggingFace",
                "repo": "mlx-community/Qwen3-8B-8bit",
                "files": ["*.safetensors", "tokenizer*", "config.json"],
                "backup_urls": [],
            },
            "storage": {
                "local_path": "~/.ominix/models/qwen3-8b",
                "expected_files": ["model.safetensors", "tokenizer.json"],
            },
            "runtime": {
                "api_type": "chat_completions",
                "model_id_for_api": "qwen3-8b",
                "memory_gb": 9.5,
                "platforms": ["apple_silicon"],
                "load_endpoint": "/v1/models/qwen3-8b/load",
                "unload_endpoint": "/v1/models/qwen3-8b/unload",
            },
            "ui": {"panel_type": "LLMChat", "color": "#6366f1", "icon": "chat"},
        },
        {
            "id": "moxin-7b-vlm",
            "name": "Moxin-7B VLM",
            "category": "VLM",
            "source": {"type": "HuggingFace", "repo": "moxin-org/moxin-vlm-7b-mlx"},
            "runtime": {"api_type": "chat_completions", "supports_images": True},
            "ui": {"panel_type": "VLMChat", "color": "#8b5cf6"},
        },
        {
            "id": "funasr-paraformer",
            "name": "Paraformer ASR",
            "category": "ASR",
            "runtime": {"api_type": "audio_transcription", "model_id_for_api": "paraformer-large"},
            "ui": {"panel_type": "ASRTranscription", "color": "#10b981"},
        },
        {
            "id": "gpt-sovits",
            "name": "GPT-SoVITS TTS",
            "category": "TTS",
            "runtime": {"api_type": "audio_speech", "model_id_for_api": "gpt-sovits"},
            "ui": {"panel_type": "TTSSynthesis", "color": "#f59e0b"},
        },
        {
            "id": "flux-klein",
            "name": "FLUX.2-klein",
            "category": "ImageGen",
            "runtime": {"api_type": "image_generation", "model_id_for_api": "flux-klein"},
            "ui": {"panel_type": "ImageGeneration", "color": "#ec4899"},
        },
    ],
}

LLAMA4: dict[str, Any] = {
    "id": "llama4-scout-17b",
    "name": "Llama 4 Scout 17B",
    "category": "LLM",
    "source": {"type": "HuggingFace", "repo": "mlx-community/Llama-4-Scout-17B-8bit"},
    "runtime": {"api_type": "ChatCompletions", "model_id_for_api": "llama4-scout-17b", "memory_gb": 18.0},
    "ui": {"panel_type": "LLMChat", "color": "#3b82f6"},
}


def _studio(
    model_id: str, category: str, api: str, panel: str, quantization: str, repo: str = "", url: str = "", **fields: Any
) -> dict[str, Any]:
    source = {"kind": "hugging_face", "repo_id": repo} if repo else {"kind": "direct_url", "url": url}
    return {
        "id": model_id,
        "name": model_id.upper(),
        "description": f"A model — {quantization}",
        "category": category,
        "subfolder": "Family",
        "tags": [category],
        "source": {**source, "revision": "main"},
        "storage": {"local_path": f"~/.OminiX/models/{model_id}", "size_bytes": 5_000_000, "size_display": "~5 MB"},
        "runtime": {
            "api_type": api,
            "api_model_id": model_id,
            "memory_gb": 3.0,
            "platforms": ["apple_silicon"],
            "supports_images": category == "vlm",
            "supports_streaming": category == "llm",
            "quantization": quantization,
            **fields.pop("runtime", {}),
        },
        "ui": {"panel_type": panel, "icon": "chat"},
        **fields,
    }


_GGUF = "https://huggingface.co/owner/model-GGUF/resolve/main/model-Q4_K_M.gguf"
_VAE = {
    "source": {"kind": "direct_url", "url": "https://huggingface.co/owner/model/resolve/main/vae.safetensors"},
    "storage": {"local_path": "~/.OminiX/models/wan2.2-5b-q4km/VAE", "size_bytes": 0, "size_display": ""},
}
_LLM_SIZES = ("qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b", "qwen3-32b", "qwen3.5-9b", "qwen3.5-27b")

STUDIO: dict[str, Any] = {
    "version": "1.0.0",
    "models": [
        *(
            _studio(f"{size}-{short}", "llm", "chat_completions", "llm_chat", quantization, repo="unsloth/Model-GGUF")
            for size in (*_LLM_SIZES, "qwen3.5-35b-a3b", "glm4.7-flash")
            for short, quantization in (("q4km", "Q4_K_M"), ("q8", "Q8"))
        ),
        *(
            _studio(name, "vlm", "chat_completions", "vlm_chat", "8bit", repo=f"mlx-community/{name}")
            for name in ("moxin-7b-vlm", "qwen3-vl-4b", "qwen3-vl-8b", "qwen3-vl-30b")
        ),
        _studio("qwen3-tts", "tts", "audio_speech", "tts_synthesis", "8bit", repo="mlx-community/Qwen3-TTS-8bit"),
        _studio("qwen3-tts-base", "tts", "audio_speech", "tts_synthesis", "8bit", repo="mlx-community/Qwen3-TTS-B"),
        _studio("qwen3-asr", "asr", "audio_transcription", "asr_transcription", "8bit", repo="mlx-community/Q-ASR"),
        *(
            _studio(name, "video_gen", "video_generation", "video_generation", "Q8", url=_GGUF, extra_sources=[_VAE])
            for name in ("wan2.2-5b-q4km", "wan2.2-5b-q8")
        ),
        _studio("flux-klein-4b-8bit", "image_gen", "image_generation", "image_generation", "8bit", repo="owner/FLUX.2"),
        _studio("qwen-image-4bit", "image_gen", "image_generation", "image_generation", "4bit", repo="owner/Qwen-Im"),
        *(
            _studio(
                name,
                "image_gen",
                "image_generation",
                panel,
                "Q4_0",
                url=_GGUF,
                extra_sources=[_VAE],
                runtime={"inference_engine": "pymlx"},
            )
            for name, panel in (
                ("qwen-image-edit", "image_edit"),
                ("qwen-image-gguf", "image_generation"),
                ("flux-gguf", "image_generation"),
                ("cosmos-gguf", "image_generation"),
            )
        ),
    ],
}

RUST_ENUMS: dict[str, Any] = {
    "version": "1.0.0",
    "models": [
        {
            "id": "glm",
            "name": "GLM",
            "category": "LLM",
            "source": {"HuggingFace": {"repo": "owner/glm", "revision": "v1"}},
            "runtime": {"api_type": "ChatCompletions"},
            "ui": {"panel_type": "LLMChat"},
        },
        {
            "id": "whisper",
            "name": "Whisper",
            "category": "ASR",
            "source": {"type": "ModelScope", "repo": "owner/whisper"},
            "runtime": {"api_type": "AudioTranscription"},
            "ui": {"panel_type": "ASRTranscription"},
        },
    ],
}

ADDING_MODELS: list[dict[str, Any]] = [
    {
        "id": "asr",
        "category": "asr",
        "repo_id": "owner/asr",
        "api_type": "speech_recognition",
        "panel_type": "asr",
    },
    {"id": "tts", "category": "tts", "repo_id": "owner/tts", "api_type": "text_to_speech", "panel_type": "tts"},
    {"id": "image", "category": "image_gen", "repo_id": "owner/z-image", "panel_type": "image_gen", "size_gb": 6.5},
]

API_CATALOGUE: dict[str, Any] = {
    "models": [
        {
            "id": "zimage",
            "name": "Z-Image",
            "category": "image",
            "source": {
                "primary_url": "https://huggingface.co/owner/z-image",
                "backup_urls": [],
                "source_type": "huggingface",
                "revision": "",
            },
            "storage": {"local_path": "/x", "total_size_bytes": 12_900_000_000, "total_size_display": "12.9 GB"},
            "runtime": {"memory_required_mb": 14_000, "quantization": "4bit", "inference_engine": "mlx"},
        },
        {
            "id": "paraformer",
            "name": "Paraformer",
            "category": "asr",
            "source": {"primary_url": "https://modelscope.cn/models/damo/paraformer", "source_type": "modelscope"},
            "runtime": {"memory_required_mb": 1500, "inference_engine": "funasr-mlx"},
        },
    ]
}
