"""Files that come with a request: they lie in a private temporary folder until its answer has ended."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath

import msgspec
from starlette.datastructures import UploadFile

from ominix_core.generation import Request
from ominix_core.media import SpeechRequest, TranscriptionRequest
from ominix_core.server.errors import ApiError

LONGEST_SUFFIX = 8


class Uploads:
    """The folder of one request's file. `request` names it there; `delete` removes it."""

    def __init__(self, asked: Request, file: UploadFile | None) -> None:
        self._file = file
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        try:
            self.request = self._with_file(asked)
        except BaseException:
            self.delete()
            raise

    def delete(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def _with_file(self, asked: Request) -> Request:
        """`asked` with a file of ours in the place where its sender named an upload."""
        match asked:
            case TranscriptionRequest():
                return msgspec.structs.replace(asked, path=self._kept(asked.path, "path"))
            case SpeechRequest(reference=reference) if reference is not None:
                path = self._kept(reference.path, "reference.path")
                return msgspec.structs.replace(asked, reference=msgspec.structs.replace(reference, path=path))
        return asked

    def _kept(self, name: str, param: str) -> str:
        if self._file is None or self._file.filename != name:
            message = f"'request.{param}' must be the name of the form's 'file'; paths are not taken."
            raise ApiError(400, message, code="invalid_value", param=f"request.{param}")
        self._folder = tempfile.TemporaryDirectory(prefix="ominix-upload-")
        path = Path(self._folder.name, f"{param}{_suffix(name)}")
        with path.open("wb") as target:
            shutil.copyfileobj(self._file.file, target)
        return str(path)


def _suffix(name: str) -> str:
    """The ending of a name, by which decoders know a format, if it is a plain one."""
    suffix = PurePosixPath(name).suffix
    return suffix if suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) <= LONGEST_SUFFIX else ""
