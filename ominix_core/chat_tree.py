"""What a kept conversation is: its messages as a tree, in which every edit or new answer opens a branch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ominix_core.generation import ChatMessage, Sampling, Usage

if TYPE_CHECKING:
    from ominix_core.chat_images import KeptImage
    from ominix_core.images import NamedImage

TITLE_LENGTH = 60

Ending = Literal["", "length", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class Conversation:
    """The head data of a conversation.

    Attributes:
        model_id: The model that answers, as `ominix_core.chat_models` names it; empty before one was chosen.
        head: The last message of the branch that is shown; None while there is no message.
        created: Seconds since 1970, as is `updated`, the time of the newest message.
        sampling: How a model of this machine chooses its tokens; None as the registry recommends.
    """

    id: int
    title: str
    system_prompt: str
    model_id: str
    head: int | None
    created: float
    updated: float
    sampling: Sampling | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model has answered.

    Attributes:
        ending: Why it is not complete, or empty.
    """

    text: str
    model_id: str = ""
    reasoning: str = ""
    ending: Ending = ""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer from elsewhere, with which a conversation can begin."""

    question: str
    answer: Answer
    system_prompt: str = ""
    images: tuple[NamedImage, ...] = ()
    sampling: Sampling | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the user or a model.

    Attributes:
        parent: The message that it follows; None for the first of a branch.
        ending: Why an answer is not complete, or empty.
        usage: Token counts and speed of an answer, if they are known.
    """

    id: int
    parent: int | None
    role: Literal["user", "assistant"]
    content: str
    created: float
    model_id: str = ""
    reasoning: str = ""
    ending: Ending = ""
    usage: Usage | None = None
    images: tuple[KeptImage, ...] = ()


class Chat:
    """A conversation with all its messages, which are in the order of their ids."""

    def __init__(self, conversation: Conversation, messages: Sequence[Message]) -> None:
        self.conversation = conversation
        self.messages = {message.id: message for message in messages}
        self._children: dict[int | None, list[Message]] = defaultdict(list)
        for message in messages:
            self._children[message.parent].append(message)

    @property
    def branch(self) -> list[Message]:
        """The messages that are shown, the first one first."""
        return self.branch_to(self.conversation.head)

    def branch_to(self, message_id: int | None) -> list[Message]:
        """The messages from the first one to this one."""
        branch: list[Message] = []
        while message_id is not None:
            branch.append(self.messages[message_id])
            message_id = branch[-1].parent
        return branch[::-1]

    def alternatives(self, message: Message) -> Sequence[Message]:
        """The messages in the same place of the tree, oldest first; `message` is one of them."""
        return self._children[message.parent]

    def end_below(self, message: Message) -> Message:
        """The end of the newest branch that goes through `message`."""
        while children := self._children.get(message.id):
            message = children[-1]
        return message

    def request_messages(self, head: int | None, images: Mapping[str, bytes] | None = None) -> list[ChatMessage]:
        """What a model is given to continue the branch that ends with `head`.

        Args:
            images: The bytes of the branch's images by their digests; an image that is not among them is left out.
        """
        data = images or {}
        system = self.conversation.system_prompt.strip()
        turns = [
            ChatMessage(
                message.role,
                message.content,
                images=tuple(data[image.digest] for image in message.images if image.digest in data),
                reasoning=message.reasoning,
            )
            for message in self.branch_to(head)
        ]
        return [ChatMessage("system", system), *turns] if system else turns

    def images_to(self, head: int | None) -> list[KeptImage]:
        """The images of the branch that ends with `head`."""
        return [image for message in self.branch_to(head) for image in message.images]


def title_from(text: str) -> str:
    """A title for a conversation that begins with this text: the first words of its first paragraph, on one line."""
    words = " ".join(text.lstrip()[: 10 * TITLE_LENGTH].partition("\n\n")[0].split())
    if len(words) <= TITLE_LENGTH:
        return words
    return words[: TITLE_LENGTH - 1].rsplit(" ", 1)[0].rstrip(",.;:") + "…"
