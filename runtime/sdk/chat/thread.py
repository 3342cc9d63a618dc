"""A chat thread: a shared document that holds who takes part and what was said.

Theory: the document's root has two children, `<members>` with a `<member name>` each, and `<messages>` with a
`<message id text created_at author_name role>` each.  The room makes both when it makes the document; a
copy that lacks them is made whole.  Others write here too, at any time and badly: every read tolerates
missing attributes, wrong types and unknown tags.

Runs in: anywhere (pure).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import msgspec

from runtime.clock import iso
from runtime.sdk.context import cut
from runtime.sdk.room.document import Document, Element

MEMBERS = "members"
MESSAGES = "messages"
MESSAGE = "message"
MAX_TEXT_CHARS = 250_000
MAX_MEMBERS = 500
MAX_NAME_CHARS = 200


class ThreadMessage(msgspec.Struct, frozen=True):
    """One message, as it stands now."""

    id: str
    author_name: str
    text: str
    created_at: str = ""
    role: str = ""
    turn_id: str = ""


class MessageElement:
    """A message that is being written."""

    def __init__(self, element: Element) -> None:
        self._element = element

    @property
    def id(self) -> str:
        return self._element.get_text_attribute("id")

    @property
    def text(self) -> str:
        return self._element.get_text_attribute("text")

    def set_text(self, text: str) -> None:
        """Replace the text, cut at 250,000 characters; nothing when the message was cleared away."""
        text = cut(text, MAX_TEXT_CHARS)
        if self.is_there() and text != self.text:
            self._element.set_attribute("text", text)

    def end(self, how: str) -> None:
        """Say what became of it: ``done``, ``cancelled`` by somebody, or ``cut`` off."""
        if self.is_there():
            self._element.set_attribute("ended", how)

    def is_there(self) -> bool:
        """False once somebody has deleted it."""
        return self._element.is_attached()


class Thread:
    """A thread document, read and written by name.

    Args:
        document: Open, its first state applied.
        wall: The time that messages carry.
    """

    def __init__(self, document: Document, *, wall: Callable[[], float] = time.time) -> None:
        self.document = document
        self._wall = wall

    @property
    def members(self) -> list[str]:
        """The names of those who take part, each once."""
        listed = [member.get_text_attribute("name") for member in self._container(MEMBERS).get_children()]
        return list(dict.fromkeys(name for name in listed if name))[:MAX_MEMBERS]

    def add_member(self, name: str) -> None:
        """Make somebody a member; a no-op for one who is."""
        name = name[:MAX_NAME_CHARS]
        if name and name not in self.members:
            self._container(MEMBERS).append_child("member", {"name": name})

    @property
    def messages(self) -> list[ThreadMessage]:
        """What was said, oldest first, without what has no text (yet)."""
        found = [_read(element) for element in self._container(MESSAGES).get_children_by_tag_name(MESSAGE)]
        return [message for message in found if message.text]

    def tail(self, count: int) -> list[ThreadMessage]:
        """The last messages among the last `count` entries: cheap in a long thread."""
        entries = self._container(MESSAGES).get_last_children(count)
        found = [_read(element) for element in entries if element.tag == MESSAGE]
        return [message for message in found if message.text]

    def append_message(
        self,
        *,
        author_name: str,
        text: str,
        role: str = "user",
        turn_id: str = "",
        id: str = "",
        written_by: str = "",
    ) -> MessageElement:
        """Say something.

        Args:
            role: ``user`` or ``agent``.
            turn_id: Names the exchange that a message and its answer belong to.
            id: The message's id; a fresh one when empty.
            written_by: Participant id of who is still writing it.  When that one has left and `end` was
                never called, whoever reads it knows that it was cut off.
        """
        attributes = {
            "id": id or str(uuid.uuid4()),
            "author_name": author_name[:MAX_NAME_CHARS],
            "role": role,
            "text": cut(text, MAX_TEXT_CHARS),
            "created_at": iso(self._wall()),
        }
        if turn_id:
            attributes["turn_id"] = turn_id
        if written_by:
            attributes["written_by"] = written_by
        return MessageElement(self._container(MESSAGES).append_child(MESSAGE, attributes))

    def clear(self) -> None:
        """Forget everything that was said; the members stay."""
        self._container(MESSAGES).delete_children()

    def _container(self, tag: str) -> Element:
        return self.document.child(tag)


def _read(element: Element) -> ThreadMessage:
    return ThreadMessage(
        id=element.get_text_attribute("id") or element.id,
        author_name=element.get_text_attribute("author_name"),
        text=element.get_text_attribute("text"),
        created_at=element.get_text_attribute("created_at"),
        role=element.get_text_attribute("role"),
        turn_id=element.get_text_attribute("turn_id"),
    )
