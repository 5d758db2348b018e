"""The API's description, and the page that shows it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, JSONResponse

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
def describe(request: Request) -> JSONResponse:
    """On a thread: putting it together, for the first who asks, takes half a second."""
    return JSONResponse(request.app.openapi())


@router.get("/docs")
async def page() -> HTMLResponse:
    return get_swagger_ui_html(openapi_url="/openapi.json", title="Ominix")
