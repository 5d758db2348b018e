"""The error codes: every stable name of a failure, with what it is over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

NO_RETRY: Mapping[str, str] = MappingProxyType({"x-should-retry": "false"})
"""The official clients would otherwise repeat a 409 or 5xx that cannot change."""
RETRY_SOON: Mapping[str, str] = MappingProxyType({"retry-after": "5"})

_TYPES = {401: "authentication_error", 403: "permission_error", 409: "conflict_error", 429: "rate_limit_error"}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


class ErrorCode(StrEnum):
    """A failure's name as clients get it in `code`: what a program can rely on.

    Attributes:
        status: Its HTTP status.
        param: The request parameter that is at fault, where the name itself tells.
        passes: Whether the same request may well be answered a few seconds later.
    """

    status: int
    param: str | None
    passes: bool

    def __new__(cls, code: str, status: int, param: str | None = None, passes: bool = False) -> ErrorCode:
        member = str.__new__(cls, code)
        member._value_ = code
        member.status = status
        member.param = param
        member.passes = passes
        return member

    # What is wrong with a request.
    INVALID_HTTP = "invalid_http", 400
    INVALID_JSON = "invalid_json", 400
    INVALID_BODY = "invalid_body", 400
    INVALID_FORM = "invalid_form", 400
    INVALID_VALUE = "invalid_value", 400
    INVALID_INPUT = "invalid_input", 400
    MISSING_REQUIRED_PARAMETER = "missing_required_parameter", 400
    UNSUPPORTED_PARAMETER = "unsupported_parameter", 400
    UNSUPPORTED_OPTION = "unsupported_option", 400
    TOO_MANY_ANSWERS = "too_many_answers", 400, "n"
    WRONG_KIND_OF_MODEL = "wrong_kind_of_model", 400, "model"

    # Conversations and prompts.
    INVALID_PROMPT = "invalid_prompt", 400
    INVALID_CONVERSATION = "invalid_conversation", 400
    INVALID_TEXT = "invalid_text", 400
    INVALID_TEMPLATE_OPTION = "invalid_template_option", 400, "chat_template_kwargs"
    INVALID_LOGIT_BIAS = "invalid_logit_bias", 400, "logit_bias"
    INVALID_RESPONSE_FORMAT = "invalid_response_format", 400
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded", 400
    NO_CHAT_TEMPLATE = "no_chat_template", 400
    NO_TOOL_CALLING = "no_tool_calling", 400
    UNSUPPORTED_TOOL_CHOICE = "unsupported_tool_choice", 400, "tool_choice"
    UNSUPPORTED_STRICT = "unsupported_strict", 400, "tools"

    # Images.
    INVALID_IMAGE = "invalid_image", 400
    INVALID_IMAGE_URL = "invalid_image_url", 400
    IMAGE_TOO_LARGE = "image_too_large", 413
    IMAGES_NOT_SUPPORTED = "images_not_supported", 400
    TOO_MANY_IMAGES = "too_many_images", 400
    UNSUPPORTED_SIZE = "unsupported_size", 400, "size"

    # Speech.
    NO_AUDIO = "no_audio", 400, "input"
    INVALID_VOICE = "invalid_voice", 400
    UNKNOWN_VOICE = "unknown_voice", 400, "voice"
    UNKNOWN_LANGUAGE = "unknown_language", 400, "language"
    UNSUPPORTED_LANGUAGE = "unsupported_language", 400, "language"
    UNSUPPORTED_VOICE = "unsupported_voice", 400, "voice"
    UNSUPPORTED_REFERENCE = "unsupported_reference", 400, "voice"
    UNSUPPORTED_SPEED = "unsupported_speed", 400, "speed"
    UNSUPPORTED_INSTRUCTIONS = "unsupported_instructions", 400, "instructions"
    UNSUPPORTED_TEMPERATURE = "unsupported_temperature", 400, "temperature"
    UNSUPPORTED_AUDIO_FORMAT = "unsupported_audio_format", 400, "response_format"

    # Who asks, and where.
    INVALID_API_KEY = "invalid_api_key", 401
    INSUFFICIENT_SCOPE = "insufficient_scope", 403
    ORIGIN_NOT_ALLOWED = "origin_not_allowed", 403
    WRONG_HOST = "wrong_host", 421
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded", 429, None, True
    TOO_MANY_REQUESTS = "too_many_requests", 429, None, True

    # What is not there.
    NOT_FOUND = "not_found", 404
    METHOD_NOT_ALLOWED = "method_not_allowed", 405
    MODEL_NOT_FOUND = "model_not_found", 404, "model"
    VOICE_NOT_FOUND = "voice_not_found", 404, "voice"
    DOWNLOAD_NOT_FOUND = "download_not_found", 404, "model"
    REQUEST_NOT_FOUND = "request_not_found", 404
    RESPONSE_NOT_FOUND = "response_not_found", 404
    ITEM_NOT_FOUND = "item_not_found", 404, "after"
    IMAGE_NOT_FOUND = "image_not_found", 404

    # The request and its connection.
    HEAD_TIMEOUT = "head_timeout", 408
    BODY_TIMEOUT = "body_timeout", 408
    BODY_TOO_LARGE = "body_too_large", 413
    CLIENT_GONE = "client_gone", 499
    CANCELLED = "cancelled", 409
    REQUEST_FAILED = "request_failed", 500
    INTERNAL_ERROR = "internal_error", 500

    # The models.
    MODEL_NOT_READY = "model_not_ready", 409
    FOREIGN_FILES = "foreign_files", 409
    MODEL_NOT_LOADED = "model_not_loaded", 503, "model"
    MODEL_STALLED = "model_stalled", 503, None, True
    LOAD_FAILED = "load_failed", 503
    INSUFFICIENT_MEMORY = "insufficient_memory", 503
    MISSING_LIBRARY = "missing_library", 503
    WORKER_GONE = "worker_gone", 503
    BUSY = "busy", 503, None, True
    KV_CACHE_FULL = "kv_cache_full", 503, None, True
    SERVER_STOPPING = "server_stopping", 503, None, True

    # What models come from, and where they go.
    DOWNLOAD_FAILED = "download_failed", 502
    REGISTRY_ERROR = "registry_error", 502
    ADDRESS_REFUSED = "address_refused", 502
    DISK_FULL = "disk_full", 507

    # This machine, mostly told by the programs on it.
    KEY_STORE_ERROR = "key_store_error", 503
    SETTINGS_ERROR = "settings_error", 500
    CHATS_ERROR = "chats_error", 500
    SERVER_ERROR = "server_error", 500
    SERVER_NOT_RUNNING = "server_not_running", 503
    SERVICE_ERROR = "service_error", 500
    NO_AUDIO_DEVICE = "no_audio_device", 503
    CONNECTION_LOST = "connection_lost", 502
    ACCESS_DENIED = "access_denied", 502

    @property
    def type(self) -> str:
        """OpenAI's kind of the failure."""
        return _TYPES.get(self.status) or ("server_error" if self.status >= 500 else "invalid_request_error")

    @property
    def anthropic_type(self) -> str:
        """Anthropic's kind of the failure, whose clients know other ones; "overloaded" is what passes by itself."""
        if self.status >= 500:
            return "overloaded_error" if self.passes else "api_error"
        return _ANTHROPIC_TYPES.get(self.status, "invalid_request_error")

    @property
    def headers(self) -> Mapping[str, str]:
        """What tells the official clients whether to try again; nothing where their own rule is right."""
        if self.passes:
            return RETRY_SOON
        by_itself = self.status >= 500 or self.status == 409  # what they would repeat
        return NO_RETRY if by_itself and self is not ErrorCode.INTERNAL_ERROR else MappingProxyType({})

    @classmethod
    def known(cls, code: str) -> ErrorCode:
        """The member of this name, or INTERNAL_ERROR for a name that is not in the table."""
        return next((each for each in cls if each == code), cls.INTERNAL_ERROR)
