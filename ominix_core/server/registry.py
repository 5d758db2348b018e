"""Every model that the hub knows, on this machine or not."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Depends

from ominix_core import wire
from ominix_core.registry.entry import RegistryEntry
from ominix_core.registry.entry_json import all_fields
from ominix_core.registry.update import Update
from ominix_core.server.auth import may_manage
from ominix_core.server.dependencies import TheHub
from ominix_core.server.schemas.base import ApiObject

router = APIRouter(tags=["models"])


class RegistryModel(ApiObject):
    """An entry of the registry; `entry` is it whole, less what is private to this machine."""

    id: str
    object: Literal["registry.model"] = "registry.model"
    status: wire.Status
    entry: dict[str, Any]


class RegistryList(ApiObject):
    """The registry."""

    object: Literal["list"] = "list"
    data: list[RegistryModel]


@router.get("/v1/registry")
def list_registry(hub: TheHub, category: str | None = None) -> RegistryList:
    """All models, or those of one category, in the registry's order."""
    hub.look()
    entries = [entry for entry in hub.registry.entries if category in (None, entry.category)]
    return RegistryList(
        data=[
            RegistryModel(id=entry.id, status=wire.STATUS[type(hub.state(entry.id))], entry=_public(entry))
            for entry in entries
        ]
    )


@router.post("/v1/registry/update", dependencies=[Depends(may_manage)])
async def update_registry(hub: TheHub) -> Update:
    """Fetch a newer registry; answers when it is in use."""
    return await asyncio.wrap_future(hub.update_registry())


def _public(entry: RegistryEntry) -> dict[str, Any]:
    fields = all_fields(entry)
    if fields["source"]["type"] == "Local":
        fields["source"] = {"type": "Local"}
    return fields
