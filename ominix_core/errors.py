"""Errors that are written for people: what happened, to which model or file, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping


class OminixError(Exception):
    """A failure that a person can act on; its text is shown as it is, without a traceback.

    Attributes:
        code: A stable machine-readable name, used on the wire and in logs.
    """

    code = "internal_error"


class UnknownModelError(OminixError):
    """No registry entry has this id, API id or repository."""

    code = "model_not_found"

    def __init__(self, name: str, near: list[str]) -> None:
        self.name = name
        self.near = near
        hint = f" Did you mean {' or '.join(near)}?" if near else " `ominix list` shows every model."
        super().__init__(f"There is no model called '{name}'.{hint}")


class RegistryError(OminixError):
    """A registry file cannot be read as a whole."""

    code = "registry_error"


class DownloadError(OminixError):
    """A model could not be fetched, verified or converted."""

    code = "download_failed"


class ForeignFilesError(DownloadError):
    """A model's files are not Ominix's own, so they are left alone."""

    code = "foreign_files"


class LoadError(OminixError):
    """A model could not be loaded."""

    code = "load_failed"


class DamagedModelError(LoadError):
    """A model's files are not what they should be; getting them again may help."""


class InsufficientMemoryError(LoadError):
    """The memory guard refused a load; the text has its numbers and what would help."""

    code = "insufficient_memory"


class NotReadyError(OminixError):
    """The request needs a model in another state (not downloaded, not loaded, unsupported here)."""

    code = "model_not_ready"


class BusyError(OminixError):
    """The request cannot be taken now; a little later it can."""

    code = "busy"


class RequestError(OminixError):
    """A generation request that the model or its worker refused or could not finish."""

    code = "request_failed"

    def __init__(self, message: str, code: str = "request_failed") -> None:
        super().__init__(message)
        self.code = code


class Cancelled(OminixError):
    """The work was stopped on request."""

    code = "cancelled"


class SettingsError(OminixError):
    """`config.toml` or an `OMINIX_*` variable holds a value that cannot be used."""

    code = "settings_error"


class HubConnectionError(OminixError):
    """The server that the models are behind cannot be reached, or broke off."""

    code = "connection_lost"


class AccessError(OminixError):
    """The server that the models are behind refuses the API key, or it lets its bearer do less than this."""

    code = "access_denied"


_BY_CODE: Mapping[str, type[OminixError]] = {
    kind.code: kind
    for kind in (
        *(RegistryError, DownloadError, ForeignFilesError, LoadError, InsufficientMemoryError, NotReadyError),
        *(BusyError, Cancelled, SettingsError, HubConnectionError, AccessError),
    )
} | {"invalid_api_key": AccessError, "insufficient_scope": AccessError}


def error_of(code: str, message: str) -> OminixError:
    """The error that another program reports by its code, in that program's words."""
    if code == UnknownModelError.code:
        unknown = UnknownModelError("", [])
        unknown.args = (message,)
        return unknown
    error = _BY_CODE.get(code, OminixError)(message)
    error.code = code
    return error


def sentence_of(error: Exception) -> str:
    """What a library's exception says, as a sentence: its first line that says something, else its kind."""
    first_line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return first_line if first_line.endswith((".", "!", "?")) else f"{first_line}."
