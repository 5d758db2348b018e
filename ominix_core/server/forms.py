"""Requests that come as forms with a file: their fields checked like a JSON body, their file in a private folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException as StarletteHTTPException

from ominix_core.server.errors import ApiError
from ominix_core.server.schemas.base import FormRequest

F = TypeVar("F", bound=FormRequest)

MOST_FIELDS = 50
LONGEST_NAME = 80


async def read_form(request: Request, kind: type[F]) -> tuple[F, UploadFile]:
    """The fields of a form, and its `file`, which must be closed.

    Raises:
        ApiError: It is no form with a file.
        RequestValidationError: A field is wrong or unknown.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        message = "The body must be a form with a file, sent with `Content-Type: multipart/form-data`."
        raise ApiError(400, message, code="invalid_body")
    try:
        form = await request.form(max_files=1, max_fields=MOST_FIELDS)
    except StarletteHTTPException as error:
        if isinstance(error, ApiError):
            raise
        raise ApiError(400, f"The form cannot be read: {error.detail}", code="invalid_form") from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            message = "'file' is required, as a file of the form." if file is None else "'file' must be a file."
            raise ApiError(400, message, code="missing_required_parameter", param="file")
        return _fields(form, kind), file
    except BaseException:
        await form.close()
        raise


def _fields(form: FormData, kind: type[F]) -> F:
    body: dict[str, Any] = {}
    for key in form:
        name = key.removesuffix("[]")
        field = kind.model_fields.get(name)
        is_list = key != name or (field is not None and get_origin(field.annotation) is list)
        if name != "file":
            body[name] = [*body.get(name, ()), *form.getlist(key)] if is_list else form[key]
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()]
        raise RequestValidationError(problems, body=body) from error


class Upload:
    """An uploaded file under its own name in a private temporary folder, until it is deleted."""

    def __init__(self, file: UploadFile) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ominix-upload-")
        self.path = Path(self._folder.name, _plain_name(file.filename or ""))
        try:
            with self.path.open("wb") as target:
                shutil.copyfileobj(file.file, target)
        except BaseException:
            self.delete()
            raise

    def delete(self) -> None:
        self._folder.cleanup()


def _plain_name(name: str) -> str:
    """The last part of a name that came from outside, fit for a file of ours and for an error's text."""
    last = PurePosixPath(name.replace("\\", "/")).name
    plain = "".join(char for char in last if char.isprintable())[-LONGEST_NAME:]
    while len(plain.encode(errors="replace")) > 2 * LONGEST_NAME:
        plain = plain[1:]
    return plain if plain.strip(". ") else "audio"
