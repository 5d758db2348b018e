"""Files that come with a request: they lie in a private temporary folder until its answer has ended."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import msgspec

from ominix_core.generation import Request
from ominix_core.media import SpeechRequest, TranscriptionRequest
from ominix_core.server.errors import ApiError

LONGEST_SUFFIX = 8


class Uploads:
    """The folder of one request's files. `request` names them there; `delete` removes them."""

    def __init__(self, asked: Request, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        try:
            self.request = self._with_files(asked)
        except BaseException:
            self.delete()
            raise

    def delete(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def _with_files(self, asked: Request) -> Request:
        """`asked` with a file of ours in each place where its sender named an upload."""
        match asked:
            case TranscriptionRequest():
                return msgspec.structs.replace(asked, path=self._file(asked.path, "path"))
            case SpeechRequest(reference=reference) if reference is not None:
                path = self._file(reference.path, "reference.path")
                return msgspec.structs.replace(asked, reference=msgspec.structs.replace(reference, path=path))
        return asked

    def _file(self, name: str, param: str) -> str:
        content = self._files.get(name)
        if content is None:
            message = f"'request.{param}' must be the name of one of the request's 'files'; paths are not taken."
            raise ApiError(400, message, code="invalid_value", param=f"request.{param}")
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="ominix-upload-")
        path = Path(self._folder.name, f"{param}{_suffix(name)}")
        path.write_bytes(content)
        return str(path)


def _suffix(name: str) -> str:
    """The ending of a name, by which decoders know a format, if it is a plain one."""
    suffix = PurePosixPath(name).suffix
    return suffix if suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) <= LONGEST_SUFFIX else ""
