"""A request of Ominix's own types with the file that it names, which lies on disk until its answer has ended."""

from __future__ import annotations

import msgspec
from starlette.datastructures import UploadFile

from ominix_core.generation import Request
from ominix_core.media import SpeechRequest, TranscriptionRequest
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError
from ominix_core.server.forms import Upload


class Uploads:
    """What was asked for: `request` names the uploaded file where it lies; `delete` removes that."""

    def __init__(self, asked: Request, file: UploadFile | None) -> None:
        self._file = file
        self._upload: Upload | None = None
        self.request = self._with_file(asked)

    def delete(self) -> None:
        if self._upload is not None:
            self._upload.delete()

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
            raise ApiError(ErrorCode.INVALID_VALUE, message, param=f"request.{param}")
        self._upload = Upload(self._file)
        return str(self._upload.path)
