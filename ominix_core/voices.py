"""The user's voices: clips to speak like, under names, in `OMINIX_HOME/voices/voices.json`.

The file has the form that OminiX gave it: `default_voice`, `models_base_path`, and `voices`, each with `ref_audio`,
`ref_text`, `codes_path`, `speed_factor` and `aliases`. What else it holds is kept as it is.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ominix_core import atomic
from ominix_core.media import FASTEST, SLOWEST, Abilities, SpeechRequest, VoiceReference
from ominix_core.paths import Home
from ominix_core.voice_clips import VoiceError, copy_clip

_NAME = re.compile(r"[^\W_][\w .-]{0,63}")
_FILE_NAME = "voices.json"


class UnknownVoiceError(VoiceError):
    """No voice of the user's has this name."""

    code = "voice_not_found"


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice.

    Attributes:
        path: The clip to speak like, where this program can read it.
        text: What is said in it; empty if unknown.
        speed_factor: The speed of every request with this voice is multiplied by it.
        is_default: Whether requests that name no voice use it, on models without voices of their own.
    """

    name: str
    path: Path | None = None
    text: str = ""
    aliases: tuple[str, ...] = ()
    speed_factor: float = 1.0
    is_default: bool = False


class Voices(Protocol):
    """The voices where the models are. Raises VoiceError, and UnknownVoiceError for a name that is none."""

    def all(self) -> list[Voice]: ...

    def add(self, name: str, clip: Path, text: str = "") -> Voice: ...

    def rename(self, name: str, new_name: str) -> Voice: ...

    def remove(self, name: str) -> None: ...

    def clip(self, name: str) -> bytes: ...


class VoiceBook:
    """The voices in a home. Any program may change the file; each call reads it anew.

    Args:
        write_down: Finds out what is said in a clip, or that nobody can tell.
    """

    def __init__(self, home: Home, write_down: Callable[[Path], str] = lambda _: "") -> None:
        self._write_down = write_down
        self._folder = home.voices
        self._file = home.voices / _FILE_NAME

    def all(self) -> list[Voice]:
        """Every voice, in the file's order. Raises VoiceError if the file cannot be read."""
        return list(self._voices(self._read()))

    def find(self, name: str) -> Voice:
        """The voice with this name or alias, in any case. Raises UnknownVoiceError."""
        voices = self.all()
        for names in (lambda voice: [voice.name], lambda voice: voice.aliases):
            for voice in voices:
                if name.casefold() in (each.casefold() for each in names(voice)):
                    return voice
        known = ", ".join(voice.name for voice in voices)
        has = f"Yours are: {known}." if known else "You have none yet: ominix voices add NAME CLIP"
        raise UnknownVoiceError(f"There is no voice '{name}'. {has}")

    def clip(self, name: str) -> bytes:
        """The clip of a voice as a WAV file. Raises VoiceError if it is gone."""
        return _clip_of(self.find(name)).read_bytes()

    def apply(self, request: SpeechRequest, abilities: Abilities | None) -> SpeechRequest:
        """The request with the user's voice that it names as its reference; one of the model's own stays a name.

        Raises VoiceError if the clip of the voice is gone.
        """
        if abilities is None or request.reference is not None or "reference" not in abilities.options:
            return request
        voice = self._meant(request.voice, abilities)
        if voice is None:
            return request
        reference = VoiceReference(str(_clip_of(voice)), voice.text or None)
        speed = request.speed
        if "speed" in abilities.options and voice.speed_factor != 1.0:
            speed = min(max(speed * voice.speed_factor, SLOWEST), FASTEST)
        return msgspec.structs.replace(request, voice=None, reference=reference, speed=speed)

    def _meant(self, name: str | None, abilities: Abilities) -> Voice | None:
        if name is None:
            default = [voice for voice in self.all() if voice.is_default]
            return default[0] if default and not abilities.voices else None
        if name.casefold() in (own.casefold() for own in abilities.voices):
            return None
        try:
            return self.find(name)
        except UnknownVoiceError:
            if abilities.voices:
                return None  # the model's own refusal names what it has
            raise

    # -- changes ------------------------------------------------------------------------------------------------

    def add(self, name: str, clip: Path, text: str = "") -> Voice:
        """Keep a copy of a clip of 3 to 10 seconds as a voice; `text` is what is said in it.

        Without `text` the loaded transcription model writes it down, which takes its time.
        Raises VoiceError if the name is taken or the clip is no good, RequestError if it cannot be transcribed.
        """
        name = _checked(name)
        with self._changing() as content:
            self._refuse_taken(content, name)
            self._folder.mkdir(parents=True, exist_ok=True)
            target = _free_file(self._folder, name)
            copy_clip(clip, target)
            try:
                text = text or self._write_down(target)
            except BaseException:
                target.unlink()
                raise
            path = str(target) if content.get("models_base_path") else target.name
            content.setdefault("voices", {})[name] = {"ref_audio": path, "ref_text": text}
        return self.find(name)

    def rename(self, name: str, new_name: str) -> Voice:
        """Give a voice another name. Raises VoiceError if that is taken."""
        voice, new_name = self.find(name), _checked(new_name)
        with self._changing() as content:
            if new_name.casefold() != voice.name.casefold():
                self._refuse_taken(content, new_name)
            voices = content["voices"]
            content["voices"] = {new_name if key == voice.name else key: value for key, value in voices.items()}
            if voice.is_default:
                content["default_voice"] = new_name
        return self.find(new_name)

    def remove(self, name: str) -> None:
        """Forget a voice, and delete its clip if it lies in Ominix's own folder. Raises UnknownVoiceError."""
        voice = self.find(name)
        with self._changing() as content:
            del content["voices"][voice.name]
            if voice.is_default:
                content["default_voice"] = None
        still_used = any(other.path == voice.path for other in self.all())
        if not still_used and voice.path is not None and voice.path.parent == self._folder:
            voice.path.unlink(missing_ok=True)

    # -- the file -----------------------------------------------------------------------------------------------

    def _voices(self, content: dict[str, Any]) -> Iterator[Voice]:
        base = Path(content["models_base_path"]).expanduser() if content.get("models_base_path") else self._folder
        default = str(content.get("default_voice") or "").casefold()
        for name, fields in content.get("voices", {}).items():
            if not isinstance(fields, dict) or not fields.get("ref_audio"):
                continue  # voices of other kinds, which speak with codes alone
            aliases = tuple(str(alias) for alias in fields.get("aliases") or ())
            yield Voice(
                name,
                base / Path(str(fields["ref_audio"])).expanduser(),
                str(fields.get("ref_text") or ""),
                aliases,
                _factor(fields.get("speed_factor")),
                is_default=default in (each.casefold() for each in (name, *aliases)),
            )

    def _refuse_taken(self, content: dict[str, Any], name: str) -> None:
        for voice in self._voices(content):
            if name.casefold() in (each.casefold() for each in (voice.name, *voice.aliases)):
                raise VoiceError(f"There is a voice '{voice.name}' already. Choose another name, or remove it first.")

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise VoiceError(f"{self._file} cannot be read: {error}. Mend or remove the file.") from error
        if not isinstance(content, dict) or not isinstance(content.get("voices", {}), dict):
            raise VoiceError(f"{self._file} is no list of voices. Mend or remove the file.")
        return content

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """The file's content, which is written when the block ends well; other programs wait meanwhile."""
        from filelock import FileLock

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._file}.lock"):
                content = self._read()
                yield content
                atomic.write(self._file, json.dumps(content, ensure_ascii=False, indent=2), private=True)
        except OSError as error:
            raise VoiceError(f"The voices in {self._folder} cannot be changed: {error.strerror}.") from error


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not _NAME.fullmatch(name):
        raise VoiceError(f"'{name[:80]}' is no name for a voice: up to 64 letters, digits, spaces, dots and dashes.")
    return name


def _clip_of(voice: Voice) -> Path:
    if voice.path is None or not voice.path.is_file():
        raise VoiceError(f"The clip of the voice '{voice.name}' is gone: {voice.path}. Add the voice again.")
    return voice.path


def _free_file(folder: Path, name: str) -> Path:
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "voice"
    numbered = (folder / f"{stem}-{number}.wav" for number in itertools.count(2))
    return next(path for path in itertools.chain([folder / f"{stem}.wav"], numbered) if not path.exists())


def _factor(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 0.25 <= value <= 4 else 1.0
