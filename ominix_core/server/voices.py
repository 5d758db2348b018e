"""The user's voices: list, add, rename, remove. No path of this machine goes in or out."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Form, UploadFile
from starlette.responses import Response

from ominix_core.hub import Hub
from ominix_core.registry.entry import Category
from ominix_core.server.auth import may_manage
from ominix_core.server.dependencies import TheHub
from ominix_core.server.forms import Upload
from ominix_core.server.schemas.voices import RemovedVoice, Voice, VoiceChange, VoiceList

router = APIRouter(tags=["audio"])


@router.get("/v1/voices")
def list_voices(hub: TheHub) -> VoiceList:
    """Every voice that can be asked for now."""
    voices = [Voice.of(voice) for voice in hub.voices.all()]
    if (entry := hub.loaded(Category.TTS)) and (abilities := hub.abilities(entry.id)):
        voices += [Voice(id=name, model=entry.id) for name in abilities.voices]
    return VoiceList(data=voices)


@router.post("/v1/voices", dependencies=[Depends(may_manage)], status_code=201)
async def add_voice(
    hub: TheHub, name: Annotated[str, Form()], file: UploadFile, text: Annotated[str, Form()] = ""
) -> Voice:
    """Keep a clip of 3 to 10 seconds as a voice. Without `text` the loaded transcription model writes it down."""
    return await asyncio.to_thread(_add, hub, name, file, text)


@router.get("/v1/voices/{voice}/clip", response_class=Response, responses={200: {"content": {"audio/wav": {}}}})
def get_clip(voice: str, hub: TheHub) -> Response:
    """The clip of one of the user's voices."""
    return Response(hub.voices.clip(voice), media_type="audio/wav")


@router.patch("/v1/voices/{voice}", dependencies=[Depends(may_manage)])
def rename_voice(voice: str, body: VoiceChange, hub: TheHub) -> Voice:
    """Give a voice another name."""
    return Voice.of(hub.voices.rename(voice, body.name))


@router.delete("/v1/voices/{voice}", dependencies=[Depends(may_manage)])
def remove_voice(voice: str, hub: TheHub) -> RemovedVoice:
    """Forget a voice and delete its clip."""
    name = hub.voices.find(voice).name
    hub.voices.remove(name)
    return RemovedVoice(id=name)


def _add(hub: Hub, name: str, file: UploadFile, text: str) -> Voice:
    upload = Upload(file)
    try:
        return Voice.of(hub.voices.add(name, upload.path, text))
    finally:
        upload.delete()
