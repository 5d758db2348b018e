"""Commands on the registry: what is in it and why, the user's own entries, updates, and publishing one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ominix_core.errors import OminixError, RegistryError
from ominix_core.paths import Home

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.registry.catalogue import Registry
    from ominix_core.registry.entry import RegistryEntry
    from ominix_core.states import ModelState

registry_app = typer.Typer(help="See, check and change which models there are.", no_args_is_help=True)

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="Its id, API id or repository.")]
RegistryFile = Annotated[Path, typer.Argument(metavar="FILE", help="A registry file.")]


def list_models(
    context: typer.Context,
    category: Annotated[str, typer.Option(help="Only LLM, VLM, ASR, TTS or ImageGen.")] = "",
    state: Annotated[str, typer.Option(help="Only models in this state, such as downloaded or unsupported.")] = "",
    search: Annotated[str, typer.Option(help="Only models that match these words, the likeliest first.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every field of the entries.")] = False,
) -> None:
    """Every model of the registry, with its state. The exit code is 1 if a registry file has faults."""
    from ominix_core.registry.dialects import canonical_category
    from ominix_tui.commands.session import open_chosen_hub

    with open_chosen_hub(context) as hub:
        found = hub.registry.search(search, limit=len(hub.registry.entries))
        rows = [(entry, hub.state(entry.id)) for entry in found]
        rows = [row for row in rows if not category or row[0].category == canonical_category(category)]
        rows = [row for row in rows if not state or _state_name(row[1]) == _known_state(state)]
        if as_json:
            typer.echo(json.dumps([_row(*row) for row in rows], indent=2, ensure_ascii=False))
        elif rows:
            _print_table(rows)
        else:
            typer.echo("No model matches.", err=True)
        _complain_of_problems(hub)
        if hub.registry.problems:  # the rest is listed all the same
            raise typer.Exit(1)


@registry_app.command()
def show(
    model: ModelName,
    origin: Annotated[bool, typer.Option("--origin", help="Say of each value which layer it comes from.")] = False,
) -> None:
    """Print a model's entry, as the layers make it."""
    from ominix_core.registry.entry_json import said_fields

    registry = _registry()
    entry = registry.resolve(model)
    value = said_fields(entry)
    if not origin:
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    for path, layer in registry.origin(entry.id).items():
        leaf: Any = value
        for name in path.split("."):
            leaf = leaf[name]
        typer.echo(f"{layer:8} {path} = {json.dumps(leaf, ensure_ascii=False)}")


@registry_app.command()
def validate(file: RegistryFile) -> None:
    """Check a registry file; every fault is printed with its line. The exit code is 1 if there is one."""
    from ominix_core.registry.catalogue import Registry
    from ominix_core.registry.locate import line_of, lines_of

    try:
        registry = Registry.from_file(file)
        lines = lines_of(file.read_text("utf-8-sig")) if registry.problems else {}
    except OSError as error:
        raise RegistryError(f"Cannot read {file}: {error.strerror}") from error
    for problem in registry.problems:
        where = " ".join(part for part in (problem.model_id, problem.where) if part)
        typer.echo(f"{file}:{line_of(lines, problem.where)}: {where}: {problem.reason}")
    for entry in registry.entries:
        if reason := entry.unsupported_reason("apple_silicon"):
            typer.echo(f"note: {entry.id} is listed as unsupported: {reason}", err=True)
    faults = len(registry.problems)
    typer.echo(f"{len(registry.entries)} models, {faults} {'fault' if faults == 1 else 'faults'}", err=True)
    if faults:
        raise typer.Exit(1)


@registry_app.command()
def add(
    repository: Annotated[
        str, typer.Argument(metavar="REPO", help="owner/name on the Hugging Face hub, or its address.")
    ],
    revision: Annotated[str, typer.Option(help="Branch, tag or commit (default: main).")] = "",
    model_id: Annotated[str, typer.Option("--id", help="The id to give it (default: from the repository).")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write the entry without asking.")] = False,
) -> None:
    """Add a model: read its repository, show the entry that follows, and write it to your own registry file."""
    from ominix_core.registry import override
    from ominix_core.registry.entry_json import read_entry
    from ominix_core.registry.repository import draft_entry, inspect, runs_code

    found = inspect(*_chosen(repository, revision))
    entry = draft_entry(found)
    if model_id:
        entry["id"] = model_id
    checked = read_entry(entry)
    home = Home.from_environment()
    typer.echo(json.dumps(entry, indent=2, ensure_ascii=False))
    if runs_code(found.config):
        typer.echo("note: the repository holds Python of its own, which Ominix does not fetch.", err=True)
    if reason := checked.unsupported_reason():
        typer.echo(f"note: it will be listed as unsupported: {reason}", err=True)
    if _registry().get(checked.id):
        typer.echo(f"note: there is a model '{checked.id}' already; this changes it. --id gives another.", err=True)
    if not yes and not _agreed(f"Write this to {home.registry_override}?"):
        raise OminixError("Nothing was written. With --yes it is, without asking.")
    override.put(home, entry)
    typer.echo(f"{checked.name} was added. Get it: ominix pull {checked.id}", err=True)


def _chosen(repository: str, revision: str) -> tuple[str, str]:
    """The repository and revision that were given, as a name or as an address. Raises RegistryError."""
    from ominix_core.registry import pasted
    from ominix_core.registry.repository import endpoint

    given = pasted.read(repository, endpoint())
    if given.is_modelscope:
        source = json.dumps({"type": "ModelScope", "repo": given.repo})
        raise RegistryError(
            f"{given.repo} is on ModelScope, which `add` does not read. Write its entry by hand, with the source "
            f"{source}; the registry's README shows how."
        )
    if given.revision and revision not in ("", given.revision):
        raise RegistryError(
            f"The address names the revision {given.revision}, --revision {revision}. Give one of them."
        )
    if given.folder:
        typer.echo(f"note: the whole of {given.repo} is looked at, not its folder {given.folder} alone.", err=True)
    return given.repo, revision or given.revision or "main"


@registry_app.command()
def remove(model: ModelName) -> None:
    """Remove your own entry for a model, or hide a model that comes with Ominix. Its files stay."""
    from ominix_core.registry import override

    home = Home.from_environment()
    registry = _registry()
    if model in registry.hidden:
        raise OminixError(f"'{model}' is hidden already. To see it again, delete it from {home.registry_override}.")
    own = registry.layer("user")
    model_id = model if own is not None and model in own.entries else registry.resolve(model).id
    if override.remove(home, model_id):
        kept = " The registry's own entry is in use again." if _registry().get(model_id) else ""
        typer.echo(f"Your entry for {model_id} was removed.{kept}", err=True)
    else:
        override.hide(home, model_id)
        typer.echo(f"{model_id} is hidden now. To see it again, delete it from {home.registry_override}.", err=True)


@registry_app.command()
def update() -> None:
    """Fetch a newer registry."""
    from ominix_core.registry.update import difference
    from ominix_core.registry.update import update as fetch
    from ominix_core.settings import Settings

    home = Home.from_environment()
    settings = Settings.load(home)
    before = _registry()
    outcome = fetch(home, settings.registry_url, settings.registry_key)
    now = _registry()
    for warning in dict.fromkeys((*outcome.warnings, *map(str, now.problems))):
        typer.echo(f"warning: {warning}", err=True)
    change = difference(before, now)
    for sign, ids in (("+", change.added), ("~", change.changed), ("-", change.removed)):
        for model_id in ids:
            typer.echo(f"{sign} {model_id}")
    signed = "signed" if outcome.signed else "unsigned"
    news = "updated" if outcome.changed else "up to date"
    typer.echo(f"The registry is {news} ({signed}, serial {outcome.serial}).", err=True)


@registry_app.command()
def diff() -> None:
    """What fetched and own entries change in the registry that ships with Ominix."""
    from ominix_core.registry.catalogue import Registry
    from ominix_core.registry.entry_json import all_fields
    from ominix_core.registry.update import difference

    bundled, now = Registry.bundled(), _registry()
    change = difference(bundled, now)
    for model_id in change.added:
        typer.echo(f"+ {model_id} ({now.origin(model_id)['id']})")
    for model_id in change.changed:
        old, new = all_fields(bundled.resolve(model_id)), all_fields(now.resolve(model_id))
        for path, layer in now.origin(model_id).items():
            new_value, old_value = _at(new, path), _at(old, path)
            if new_value != old_value:
                typer.echo(f"~ {model_id} {path}: {_short(old_value)} → {_short(new_value)} ({layer})")
    for model_id in change.removed:
        typer.echo(f"- {model_id} (hidden)")


@registry_app.command()
def keygen(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes, such as publisher.key.")],
) -> None:
    """Make a key pair for publishing a registry: FILE stays secret, FILE with .pub is for everybody."""
    from ominix_core.registry.signing import generate_key

    public = generate_key(file)
    typer.echo(f"Private key: {file} (keep it secret, keep a copy). Public key: {public}", err=True)
    typer.echo(public.read_text().splitlines()[-1])


@registry_app.command()
def sign(
    file: RegistryFile,
    key: Annotated[Path, typer.Option(help="The private key that keygen made.")],
) -> None:
    """Sign a registry file for publishing; the signature goes beside it as FILE.sig."""
    from ominix_core.registry.catalogue import Registry
    from ominix_core.registry.signing import sign as signature_of

    try:
        registry = Registry.from_file(file)
        data = file.read_bytes()
        if registry.problems:
            raise RegistryError(f"{file} has faults; `ominix registry validate {file}` lists them. It was not signed.")
        target = file.with_name(file.name + ".sig")
        target.write_bytes(signature_of(data, key))
    except OSError as error:
        raise RegistryError(f"Cannot sign {file}: {error.strerror}") from error
    document = registry.layer("user")
    serial = document.serial if document else 0
    typer.echo(f"Signed {len(registry.entries)} models, serial {serial}: {target}", err=True)


def _registry() -> Registry:
    from ominix_core.registry.catalogue import Registry
    from ominix_core.settings import Settings

    home = Home.from_environment()
    return Registry.load(home, Settings.load(home).registry_key)


def _agreed(question: str) -> bool:
    return sys.stdin.isatty() and typer.confirm(question, err=True)


def _state_name(state: ModelState) -> str:
    return type(state).__name__.lower()


def _known_state(wanted: str) -> str:
    """The state that a person calls "not downloaded", "not-downloaded" or "NotDownloaded"."""
    from typing import get_args

    from ominix_core import states

    names = [kind.__name__.lower() for kind in get_args(states.ModelState)]
    name = "".join(letter for letter in wanted.lower() if letter.isalpha())
    if name not in names:
        raise OminixError(f"There is no state '{wanted}'. The states: {', '.join(names)}.")
    return name


def _row(entry: RegistryEntry, state: ModelState) -> dict[str, Any]:
    from ominix_core.registry.entry_json import said_fields
    from ominix_core.states import describe

    reason = getattr(state, "reason", None) or getattr(state, "message", None)
    row = {**said_fields(entry), "state": describe(state)}
    return {**row, "reason": reason} if reason else row


def _print_table(rows: list[tuple[RegistryEntry, ModelState]]) -> None:
    from ominix_core.states import describe
    from ominix_core.system import file_size
    from ominix_tui.commands.tables import print_table

    print_table(
        ("ID", "NAME", "CATEGORY", "SIZE", "STATE"),
        [
            (
                entry.id,
                entry.name,
                entry.category,
                file_size(entry.size_bytes) if entry.size_bytes else "",
                describe(state),
            )
            for entry, state in rows
        ],
    )


def _complain_of_problems(hub: HubFacade) -> None:
    for problem in hub.registry.problems:
        typer.echo(f"warning: {problem}", err=True)


def _at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
