"""Reasons of failed loads, for people: which file of which model, why, and the step that helps."""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from ominix_core.engines.base import LoadOptions
from ominix_core.errors import DamagedModelError, LoadError
from ominix_core.model_files import Fault, fault_in, missing_shards, other_weights

logger = logging.getLogger(__name__)

LONGEST_REASON = 240
_UNKNOWN_TYPE = re.compile(r"Model type '?([^\s']+?)'? (?:is )?not supported")
_MISFITS = re.compile(r"(Missing|Received) (\d+) parameters(?: not in model)?:?\s*([\w.]*\w)")
_ASKED_FOR = re.compile(r"/api/models/([\w.-]+/[\w.-]+)/")
_WRONG_VALUE = re.compile(r"Validation error for field '(\w+)'")
_LACKS = re.compile(r"__init__\(\) missing (\d+) required positional arguments?: '(\w+)'")
_CONVERTED = re.compile(r"(mlx-(?:lm|vlm|audio)) version \W*(\d+(?:\.\d+)+)")
# Which library runs what, and where its models are.
_MODULES = {"mlx-lm": "mlx_lm.models", "mlx-vlm": "mlx_vlm.models"}
_CATEGORIES = {"mlx-lm": "LLM", "mlx-vlm": "VLM"}


@contextmanager
def explained(folder: Path, options: LoadOptions, library: str) -> Iterator[None]:
    """Whatever is raised while the files of the model in `folder` are read becomes a LoadError that says what helps.

    Args:
        library: The package that reads them, as its distribution is called.
    """
    try:
        if fault := missing_shards(folder):  # libraries leave out what is missing, or name every array in it
            raise DamagedModelError(fault.text)
        yield
    except DamagedModelError as error:
        raise LoadError(_advised(fault_in(folder) or Fault(str(error), True), options)) from error
    except LoadError:
        raise
    except Exception as error:  # a model library may raise anything; the log has the rest
        logger.exception("reading %s failed", folder)
        raise LoadError(_advised(_fault(folder, error, library), options)) from error


def _advised(fault: Fault, options: LoadOptions) -> str:
    again = " Get the model again." if fault.fetch_again and not options.local else ""
    return f"{fault.text}{again}"


def _fault(folder: Path, error: Exception, library: str) -> Fault:
    if found := fault_in(folder):
        return found
    text = str(error)
    if unknown := _UNKNOWN_TYPE.search(text):
        return Fault(_cannot_run(folder, unknown[1], library))
    if isinstance(error, KeyError) and error.args == ("model_type",):
        return Fault(f"config.json of {folder.name} names no model_type, without which nobody can tell what it is.")
    if "config.json" in text.lower() and isinstance(error, FileNotFoundError) and not (folder / "config.json").exists():
        return Fault(f"config.json of {folder.name} is missing.", True)
    if isinstance(error, FileNotFoundError) and "safetensors" in text:
        return _no_weights(folder)
    if wrong := _WRONG_VALUE.search(text):
        return Fault(f"config.json of {folder.name} has a value for '{wrong[1]}' that cannot be. Correct it there.")
    if isinstance(error, TypeError) and (lacks := _LACKS.search(text)):
        more = "" if lacks[1] == "1" else " and more"
        return Fault(f"config.json of {folder.name} lacks '{lacks[2]}'{more}, which its architecture needs.")
    if repository := _wanted_repository(error):
        return Fault(
            f"{folder.name} needs files of another repository, {repository}, which are not on this machine. "
            f"Get them: hf download {repository}"
        )
    if misfit := _MISFITS.search(text):
        what = "lack" if misfit[1] == "Missing" else "have, beyond what it asks for,"
        count = f"{misfit[2]} arrays, such as" if misfit[2] != "1" else "one array:"
        return Fault(f"The weights of {folder.name} do not fit its config.json: they {what} {count} {misfit[3]}.", True)
    return Fault(f"The files of {folder.name} cannot be read: {reason_of(error, folder)}", True)


def _wanted_repository(error: BaseException | None) -> str:
    """What a library has asked the Hub for in vain, since a load fetches nothing; empty if nothing."""
    while error is not None:
        if found := _ASKED_FOR.search(str(error)):
            return found[1]
        error = error.__cause__ or error.__context__
    return ""


def _cannot_run(folder: Path, model_type: str, library: str) -> str:
    """Of an architecture that the library does not know: who does, or which version may."""
    installed = metadata.version(library)
    what = f"This version of Ominix ({library} {installed}) cannot run '{model_type}', the architecture of"
    what = f"{what} {folder.name}."
    for other, module in _MODULES.items():
        if other != library and model_type.isidentifier() and importlib.util.find_spec(f"{module}.{model_type}"):
            return f"{what} {other} can: let its entry in the registry be of the category {_CATEGORIES[other]}."
    try:
        card = (folder / "README.md").read_text("utf-8", "replace")
    except OSError:
        card = ""
    if (made := _CONVERTED.search(card)) and made[1] == library and _parts(made[2]) > _parts(installed):
        return f"{what} It was made with {library} {made[2]}: update Ominix to a version that has it."
    return f"{what} A later one may: update Ominix."


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:3]]


def _no_weights(folder: Path) -> Fault:
    others = other_weights(folder)
    if not others:
        return Fault(f"{folder.name} has no weights: there is no file of them in its folder.", True)
    if all(name.endswith(".safetensors") for name in others):
        names = ", ".join(others[:2]) + (" and others" if len(others) > 2 else "")
        return Fault(
            f"The weights of {folder.name} are called {names}, but only names like model*.safetensors are read. "
            "Rename them, or get a newer conversion of the model."
        )
    return Fault(
        f"{folder.name} has no weights for MLX, which are in files called model*.safetensors; it has {others[0]}. "
        "Convert the model, or get a conversion for MLX."
    )


def reason_of(error: Exception, folder: Path) -> str:
    """What a library's exception says, in one line of bounded length, without where the folder lies."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text.replace(f"{folder}/", "").replace(str(folder), folder.name).rstrip(".")
    if len(text) > LONGEST_REASON:
        text = text[:LONGEST_REASON].rpartition(" ")[0].rstrip(",.;:") + " …"
    return text if text.endswith(("!", "?", "…")) else f"{text}."
