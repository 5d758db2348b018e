"""Addresses of models as people paste them: from a browser, a README or another program."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ominix_core.errors import RegistryError
from ominix_core.registry import rules

_HUGGINGFACE = frozenset({"huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"})
_MODELSCOPE = frozenset({"modelscope.cn", "www.modelscope.cn", "modelscope.ai", "www.modelscope.ai"})
_NOT_MODELS = {"datasets": "a data set", "spaces": "a space", "collections": "a collection", "papers": "a paper"}
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_WITH_PATH = re.compile(r"([^/]+/[^/@]+(?:@(?:refs/(?:pr|convert)/)?[^/]+)?)/.*")
# Pages of a repository whose address goes on with a revision, and then with a file or folder.
_PAGES_OF_REVISIONS = frozenset({"tree", "blob", "resolve", "raw", "blame", "commit", "commits"})


@dataclass(frozen=True, slots=True)
class Pasted:
    """A repository, and what else its address names.

    Attributes:
        revision: Branch, tag or commit; empty if the address names none.
        folder: The folder that it shows; empty for the whole repository, or for a file in it.
    """

    repo: str
    revision: str = ""
    folder: str = ""
    is_modelscope: bool = False

    @property
    def address(self) -> str:
        """As `read` takes it."""
        return f"{self.repo}@{self.revision}" if self.revision else self.repo


def read(text: str, endpoint: str) -> Pasted:
    """The repository that `text` names: `owner/name`, `owner/name@revision`, or the address of one of its pages.

    Args:
        endpoint: The address of the Hugging Face hub or its mirror, which is known beside the hub's own names.

    Raises:
        RegistryError: It names none; the text says why.
    """
    plain = rules.clean_text(text).strip().strip("<>\"'`").strip()
    scheme = _SCHEME.match(plain)
    if scheme is not None and scheme[1].lower() == "hf":
        return _named(text, plain[len(scheme[0]) :], has_path=True)
    try:
        parts, mirror = urlsplit(plain if scheme else f"https://{plain}"), urlsplit(endpoint)
        host, at_mirror = parts.hostname or "", scheme is not None and parts.hostname == mirror.hostname
    except ValueError as error:
        raise _refusal(text) from error
    if host in _MODELSCOPE:
        return _on_page(text, parts.path.removeprefix("/models"), is_modelscope=True)
    if host in _HUGGINGFACE or at_mirror:
        path = parts.path.removeprefix(mirror.path.rstrip("/")) if at_mirror else parts.path
        return _on_page(text, path.removeprefix("/api/models"))
    if scheme is not None:
        raise _refusal(text)
    return _named(text, plain)


def _on_page(text: str, path: str, *, is_modelscope: bool = False) -> Pasted:
    """What the path of a page names: /owner/name/tree/revision/folder."""
    owner, name, page, revision, *rest = [*filter(None, path.split("/")), "", "", "", ""]
    if owner in _NOT_MODELS:
        raise RegistryError(f"'{_shown(text)}' is {_NOT_MODELS[owner]}, not a model.")
    if page not in _PAGES_OF_REVISIONS:
        revision, rest = "", []
    folder = "/".join(filter(None, map(unquote, rest))) if page == "tree" else ""
    return _checked(text, Pasted(f"{owner}/{name.removesuffix('.git')}", unquote(revision), folder, is_modelscope))


def _named(text: str, plain: str, *, has_path: bool = False) -> Pasted:
    """What `owner/name@revision` names; in `hf://` addresses a folder or file may follow."""
    kind = plain.partition("/")[0]
    if kind in _NOT_MODELS:
        raise RegistryError(f"'{_shown(text)}' is {_NOT_MODELS[kind]}, not a model.")
    if has_path:
        plain = plain.removeprefix("models/") if plain.count("/") > 1 else plain
        plain = _WITH_PATH.sub(r"\1", plain)
    repo, _, revision = plain.partition("@")
    return _checked(text, Pasted(repo.rstrip("/"), unquote(revision)))


def _checked(text: str, pasted: Pasted) -> Pasted:
    try:
        rules.check_repo(pasted.repo)
        if pasted.revision:
            rules.check_revision(pasted.revision)
    except ValueError as error:
        raise RegistryError(f"'{_shown(text)}' cannot be added: {error}.") from error
    return pasted


def _refusal(text: str) -> RegistryError:
    return RegistryError(
        f"'{_shown(text)}' is no address of a model on the Hugging Face hub. Give a repository as owner/name, "
        "for example mlx-community/Qwen3-8B-8bit."
    )


def _shown(text: str) -> str:
    """What was pasted, short and without a password or token in it."""
    plain = re.sub(r"//[^/@]*@", "//", rules.clean_text(text))
    return plain if len(plain) <= 100 else plain[:99] + "…"
