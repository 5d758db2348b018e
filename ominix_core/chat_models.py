"""Which models can answer in a conversation, and how a request reaches them."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ominix_core import providers
from ominix_core.errors import RequestError
from ominix_core.generation import ChatMessage, ChatRequest, Sampling
from ominix_core.registry.entry import Category
from ominix_core.states import Downloaded, Loaded, Loading, ModelState

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry
    from ominix_core.stream import Generation

LOCAL = "local"
CHATTING = (Category.LLM, Category.VLM)


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A model that can answer.

    Attributes:
        id: What a conversation keeps of it: the registry's id.
        badge: Where it runs: "local" for this machine, else the provider's name.
        state: Of a local model; None for the others, which are always ready.
        context: The longest conversation in tokens, if it is known.
        images: How many images it looks at in one conversation; None if only it or its provider knows.
    """

    id: str
    name: str
    badge: str = LOCAL
    state: ModelState | None = None
    context: int | None = None
    images: int | None = None

    @property
    def ready(self) -> bool:
        return self.state is None or isinstance(self.state, Loaded)

    def refusal(self, images: int) -> str:
        """Why it does not take so many images in one conversation, and what to do; empty if it does."""
        if self.images is None or images <= self.images:
            return ""
        if self.images == 0:
            return f"{self.name} reads text only; it cannot look at images. Choose another model."
        most = "1 image" if self.images == 1 else f"{self.images} images"
        return f"{self.name} looks at {most} in one conversation; this one has {images}. Begin another conversation."


class ChatModels:
    """The models of a Hub that can chat. Thread-safe; calls may wait for the disk, so make them on a thread."""

    def __init__(self, hub: HubFacade) -> None:
        self._hub = hub

    def available(self) -> list[ChatModel]:
        """The loaded ones first, then those on this machine, then those of providers."""
        remote = [ChatModel(f"{name}/{model}", model, name) for name, model in self._offered()]
        models = [self._local(entry) for entry in self._hub.registry.entries if entry.category in CHATTING]
        kinds = (Loaded, Loading, Downloaded)
        return [model for kind in kinds for model in models if isinstance(model.state, kind)] + remote

    def default(self) -> ChatModel | None:
        """The one that is chosen before the user chooses: the first that is ready, else the first."""
        models = self.available()
        return next((model for model in models if model.ready), models[0] if models else None)

    def find(self, model_id: str) -> ChatModel:
        """The model of this id; one that is gone from the registry keeps its id as its name."""
        name, _, model = model_id.partition("/")
        if (name, model) in self._offered():
            return ChatModel(model_id, model, name)
        entry = self._hub.registry.get(model_id)
        return self._local(entry) if entry else ChatModel(model_id, model_id, badge="gone")

    def load(self, model_id: str) -> Future[None]:
        """Make the model ready. Raises NotReadyError or UnknownModelError; the future raises LoadError or Cancelled."""
        return self._hub.load(model_id)

    def generate(self, model_id: str, messages: list[ChatMessage], sampling: Sampling | None = None) -> Generation:
        """Ask the model to continue a conversation.

        Args:
            sampling: For a model of this machine; None is what the registry recommends.

        Raises NotReadyError, BusyError or UnknownModelError, and RequestError for more images than the model looks at.
        """
        if refusal := self.find(model_id).refusal(sum(len(message.images) for message in messages)):
            raise RequestError(refusal, "too_many_images")
        name, _, model = model_id.partition("/")
        if provider := self._hub.settings.providers.get(name):
            return providers.generate(name, provider, model, messages)
        entry = self._hub.resolve(model_id)
        sampling = sampling or entry.defaults.sampling
        return self._hub.generate(entry.id, ChatRequest(messages=messages, max_tokens=None, sampling=sampling))

    def _offered(self) -> list[tuple[str, str]]:
        return [(name, model) for name, it in self._hub.settings.providers.items() for model in it.models]

    def _local(self, entry: RegistryEntry) -> ChatModel:
        state, abilities = self._hub.state(entry.id), self._hub.abilities(entry.id)
        images = abilities.images if abilities else None if entry.category == Category.VLM else 0
        return ChatModel(entry.id, entry.name, state=state, context=entry.runtime.context, images=images)
