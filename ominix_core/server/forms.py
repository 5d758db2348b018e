"""Requests that come as forms with files: their fields checked like a JSON body, a file in a private folder."""

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

from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError
from ominix_core.server.schemas.base import ApiRequest

F = TypeVar("F", bound=ApiRequest)

MOST_FIELDS = 50
MOST_FILES = 20
LONGEST_NAME = 80


async def read_form(
    request: Request, kind: type[F], file_field: str = "file", *, most_files: int = 1
) -> tuple[F, list[UploadFile]]:
    """The fields of a form, and its files, at least one, which must be closed.

    Raises:
        ApiError: It is no form with so many files.
        RequestValidationError: A field is wrong or unknown.
    """
    if not is_form(request):
        message = "The body must be a form with a file, sent with `Content-Type: multipart/form-data`."
        raise ApiError(ErrorCode.INVALID_BODY, message)
    form = await received_form(request)
    try:
        return _fields(form, kind, file_field), _files(form, file_field, most_files)
    except BaseException:
        await form.close()
        raise


def is_form(request: Request) -> bool:
    """Whether the body says that it is a form with files."""
    return request.headers.get("content-type", "").startswith("multipart/form-data")


async def received_form(request: Request) -> FormData:
    """A form, which must be closed; its larger files lie on disk. Raises ApiError if it is no such thing."""
    try:
        return await request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS)
    except StarletteHTTPException as error:
        if isinstance(error, ApiError):
            raise
        raise ApiError(ErrorCode.INVALID_FORM, f"The form cannot be read: {error.detail}") from error


def only_file(form: FormData, field: str) -> UploadFile:
    """The form's file. Raises ApiError if there is none, or more than one."""
    (file,) = _files(form, field, 1)
    return file


def _files(form: FormData, field: str, most: int) -> list[UploadFile]:
    parts = [*form.getlist(field), *form.getlist(f"{field}[]")]
    files = [part for part in parts if isinstance(part, UploadFile)]
    if not parts:
        raise ApiError(ErrorCode.MISSING_REQUIRED_PARAMETER, f"'{field}' is required, as a file.", param=field)
    if len(files) < len(parts):
        raise ApiError(ErrorCode.MISSING_REQUIRED_PARAMETER, f"'{field}' must be a file.", param=field)
    if len(files) > most:
        allowed = "one" if most == 1 else str(most)
        raise ApiError(ErrorCode.INVALID_VALUE, f"Only {allowed} '{field}' can be taken at a time.", param=field)
    return files


def _fields(form: FormData, kind: type[F], file_field: str) -> F:
    body: dict[str, Any] = {}
    for key in form:
        name = key.removesuffix("[]")
        field = kind.model_fields.get(name)
        is_list = key != name or (field is not None and get_origin(field.annotation) is list)
        if name != file_field:
            values = [value.filename if isinstance(value, UploadFile) else value for value in form.getlist(key)]
            body[name] = [*body.get(name, ()), *values] if is_list else values[-1]
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()]
        raise RequestValidationError(problems, body=body) from error


def form_description(kind: type[ApiRequest], file_field: str = "file", *, several: bool = False) -> dict[str, Any]:
    """For the documentation of a route that takes such a form, with one file or several."""
    schema = kind.model_json_schema()
    file: dict[str, Any] = {"type": "string", "format": "binary"}
    schema["properties"] = {file_field: {"type": "array", "items": file} if several else file, **schema["properties"]}
    schema["required"] = [file_field, *schema.get("required", ())]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


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
