"""Speech models of mlx-audio behind one interface: what each family takes, and how it is asked."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ominix_core.engines.phonemes import LANGUAGES, phonemes
from ominix_core.errors import DamagedModelError, RequestError
from ominix_core.media import FASTEST, SLOWEST, Abilities, SpeechRequest

if TYPE_CHECKING:
    import mlx.core as mx

USUAL_RATE = 24_000

# What a family may call the field of a SpeechRequest, the first one that it takes is used.
_NAMES = {
    "speed": ("speed",),
    "language": ("lang_code", "language", "lang"),
    "instructions": ("instruct", "style"),
    "reference": ("ref_audio",),
    "temperature": ("temperature",),
}
# One class serves three kinds of checkpoints, each of which ignores what the others take.
_QWEN3_TTS = {
    "base": {"reference"},
    "custom_voice": {"instructions", "voice"},
    "voice_design": {"instructions"},
}


@dataclass(frozen=True, slots=True)
class Spoken:
    """A part of a spoken piece of text; `samples` is of any float type, mono or (channels, samples)."""

    samples: mx.array
    sample_rate: int
    tokens: int


class Speaker(Protocol):
    """A loaded speech model."""

    @property
    def abilities(self) -> Abilities: ...

    def speak(self, text: str, request: SpeechRequest) -> Iterator[Spoken]:
        """Speak one piece of the request's text; each item is one bounded piece of work. Raises RequestError."""
        ...


def speaker_for(model: Any, folder: Path) -> Speaker:
    """The speaker around a loaded model of mlx-audio."""
    family = type(model).__module__.split(".")[3]
    return KokoroSpeaker(model, folder) if family == "kokoro" else FamilySpeaker(model, folder)


class FamilySpeaker:
    """Any family, through its own `generate`."""

    def __init__(self, model: Any, folder: Path) -> None:
        self._model = model
        self._arguments = _read_arguments(model.generate)
        takes = {field for field, names in _NAMES.items() if self._arguments.intersection(names)}
        takes |= {"voice"} & self._arguments
        config = getattr(model, "config", None)
        self._takes = takes = _of_this_checkpoint(config, takes)
        self._designs_voices = getattr(config, "tts_model_type", "") == "voice_design"
        voices = _voices(model, folder) if "voice" in takes else ()
        languages = tuple(getattr(model, "supported_languages", ())) if "language" in takes else ()
        self.abilities = Abilities((*sorted(takes), "seed"), voices=voices, languages=languages)

    def speak(self, text: str, request: SpeechRequest) -> Iterator[Spoken]:
        if self._designs_voices and not request.instructions:
            raise RequestError(
                "This model makes up the voice that its instructions describe, and there are none.", "invalid_input"
            )
        for result in self._model.generate(**self._call(text, request)):
            yield Spoken(result.audio, int(result.sample_rate), int(result.token_count or 0))

    def _call(self, text: str, request: SpeechRequest) -> dict[str, Any]:
        reference = request.reference
        wanted = {
            "voice": request.voice or next(iter(self.abilities.voices), None),
            "speed": request.speed if request.speed != 1.0 else None,
            "language": request.language,
            "instructions": request.instructions,
            "reference": self._clip(reference.path) if reference else None,
            "temperature": request.temperature,
        }
        call: dict[str, Any] = {"text": text}
        for field, value in wanted.items():
            if value is not None and field in self._takes:
                call[self._name_of(field)] = value
        others = {
            "ref_text": reference.text if reference else None,
            "seed": request.seed,
            "stream": True,
            "verbose": False,
        }
        return call | {name: value for name, value in others.items() if value is not None and name in self._arguments}

    def _name_of(self, field: str) -> str:
        return next(name for name in _NAMES.get(field, (field,)) if name in self._arguments)

    def _clip(self, path: str) -> Any:
        """The reference clip as the family wants it."""
        if getattr(self._model, "preserve_ref_audio_path", False):
            return path
        from mlx_audio.utils import load_audio

        return load_audio(path, sample_rate=getattr(self._model, "sample_rate", USUAL_RATE))


class KokoroSpeaker:
    """Kokoro, asked directly: its own pipeline fetches language models and voices while it speaks."""

    LONGEST = 510
    """Phonemes that it takes at once."""

    def __init__(self, model: Any, folder: Path) -> None:
        """Raises LoadError if the model came without voices."""
        self._model = model
        self._folder = folder / "voices"
        self._voices: dict[str, mx.array] = {}
        names = sorted(path.stem for path in self._folder.glob("*.safetensors"))
        if not names:
            raise DamagedModelError(f"{folder.name} has no voices: its folder 'voices' is missing.")
        names.sort(key=lambda name: name != "af_heart")  # the one that it is known for comes first
        self.abilities = Abilities(
            options=("language", "seed", "speed", "voice"), voices=tuple(names), languages=tuple(sorted(LANGUAGES))
        )

    def speak(self, text: str, request: SpeechRequest) -> Iterator[Spoken]:
        voice = request.voice or self.abilities.voices[0]
        letter = LANGUAGES[request.language] if request.language else voice[0]
        if letter not in LANGUAGES.values():
            letter = "a"
        for part in self._parts(phonemes(text, letter)):
            style = self._voice(voice)[len(part) - 1]
            audio = self._model(part, style, request.speed, return_output=True).audio
            yield Spoken(audio[0], self._model.sample_rate, len(part))

    def _parts(self, text: str) -> Iterator[str]:
        known = "".join(sound for sound in text if sound in self._model.vocab).strip()
        while known:
            end = len(known) if len(known) <= self.LONGEST else known.rfind(" ", 0, self.LONGEST) + 1 or self.LONGEST
            yield known[:end].strip()
            known = known[end:].strip()

    def _voice(self, name: str) -> mx.array:
        import mlx.core as mx

        if name not in self._voices:
            tensors: Any = mx.load(str(self._folder / f"{name}.safetensors"))
            self._voices[name] = tensors["voice"].astype(mx.float32)
        return self._voices[name]


def _of_this_checkpoint(config: Any, takes: set[str]) -> set[str]:
    """What is left of the fields that the class takes."""
    kind = _QWEN3_TTS.get(getattr(config, "tts_model_type", ""))
    if kind is None:
        return takes
    ignored = {"reference", "instructions", "voice"} - kind
    if getattr(config, "tts_model_size", "") == "0b6":
        ignored.add("instructions")
    return takes - ignored


def _voices(model: Any, folder: Path) -> tuple[str, ...]:
    """The voices of a model by the two conventions that families follow; empty if this one follows neither."""
    if hasattr(model, "get_supported_speakers"):
        return tuple(model.get_supported_speakers())
    if isinstance(named := getattr(model, "voices", None), dict):
        return tuple(sorted(named))
    return tuple(sorted({path.stem for path in (folder / "voices").glob("*.*")}))


def _read_arguments(function: Callable[..., Any]) -> set[str]:
    """The parameters that a function really reads: many families only name those that they ignore."""
    code = inspect.unwrap(function).__code__
    read: set[str] = set(code.co_cellvars)
    for instruction in dis.get_instructions(code):
        if instruction.opname.startswith("LOAD_FAST"):
            loaded = instruction.argval
            read.update(loaded if isinstance(loaded, tuple) else (loaded,))
    return read.intersection(inspect.signature(function).parameters)


def checked(request: SpeechRequest, abilities: Abilities) -> SpeechRequest:
    """The request with names as the model spells them. Raises RequestError that names what the model cannot do."""
    asked = {
        "voice": request.voice is not None,
        "reference": request.reference is not None,
        "speed": request.speed != 1.0,
        "language": request.language is not None,
        "instructions": request.instructions is not None,
        "temperature": request.temperature is not None,
    }
    for field, wanted in asked.items():
        if wanted and field not in abilities.options:
            raise RequestError(*_CANNOT[field])
    if not SLOWEST <= request.speed <= FASTEST:
        raise RequestError(f"Speed goes from {SLOWEST:g} to {FASTEST:g}, not {request.speed:g}.", "unsupported_speed")
    return msgspec.structs.replace(
        request,
        voice=_known("voice", request.voice, abilities.voices),
        language=_known("language", request.language, abilities.languages),
    )


_CANNOT = {
    "voice": ("This model has no voices to choose from.", "unsupported_voice"),
    "reference": ("This model has voices of its own and cannot imitate another one.", "unsupported_reference"),
    "speed": ("This model has no speed to set: leave it at 1.", "unsupported_speed"),
    "language": ("This model takes no language: it goes by the text.", "unsupported_language"),
    "instructions": ("This model takes no instructions on how to speak.", "unsupported_instructions"),
    "temperature": ("This model has no temperature to set.", "unsupported_temperature"),
}


def _known(field: str, name: str | None, known: tuple[str, ...]) -> str | None:
    if name is None or not known:
        return name
    for each in known:
        if each.lower() == name.lower():
            return each
    most = ", ".join(known[:40]) + (" …" if len(known) > 40 else "")
    message = f"This model has no {field} '{name}'. It has: {most}."
    raise RequestError(message, "unknown_voice" if field == "voice" else "unknown_language")
