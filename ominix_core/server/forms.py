"""Bodies that are forms with files (`multipart/form-data`)."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from ominix_core.server.errors import ApiError
from ominix_core.server.schemas.base import ApiRequest

Form = TypeVar("Form", bound=ApiRequest)

MOST_FIELDS = 50


async def read_form(request: Request, kind: type[Form], file_field: str) -> tuple[Form, list[bytes]]:
    """The form's fields as `kind`, and the files of `file_field`. Raises ApiError, or RequestValidationError."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ApiError(400, "The body must be a form, sent as multipart/form-data.", code="invalid_body")
    fields: dict[str, Any] = {}
    files: list[bytes] = []
    async with request.form(max_files=MOST_FIELDS, max_fields=MOST_FIELDS) as form:
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                fields[name] = value
            elif name.removesuffix("[]") == file_field:
                files.append(await value.read())
            else:
                fields[name] = value.filename  # so that it is refused by its name
    if not files:
        message = f"'{file_field}' is required, as a file."
        raise ApiError(400, message, code="missing_required_parameter", param=file_field)
    try:
        return kind.model_validate(fields), files
    except ValidationError as error:
        problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()]
        raise RequestValidationError(problems, body=fields) from error


def form_description(kind: type[ApiRequest], file_field: str) -> dict[str, Any]:
    """For the documentation of a route that takes such a form."""
    schema = kind.model_json_schema()
    schema["properties"] = {file_field: {"type": "string", "format": "binary"}, **schema["properties"]}
    schema["required"] = [file_field, *schema.get("required", ())]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
