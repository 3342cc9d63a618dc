"""Mail of rooms: addresses, as MeshAgent's accounts API has them, and messages that this server keeps."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runtime.front.openapi.shapes.shape import Shape, Time
from runtime.rooms.built_in.mail.mailboxes import MAX_QUEUE_CHARS
from runtime.wire.internet.smtp import MAX_ADDRESS_CHARS

Address = Annotated[str, Meta(max_length=MAX_ADDRESS_CHARS, examples=["support@example.com"])]
Public = Annotated[
    bool, Meta(description="Mail is taken from everybody, and not only from mail.members where that is set")
]
Queue = Annotated[str, Meta(min_length=1, max_length=MAX_QUEUE_CHARS)]


class KeptMailbox(Shape, frozen=True, kw_only=True):
    """An address, and where its mail goes."""

    address: Address
    room: str
    room_id: str
    queue: str
    public: bool
    annotations: dict[str, str]


class KeptMailboxes(Shape, frozen=True, kw_only=True):
    """The addresses of this server, or of a room."""

    mailboxes: list[KeptMailbox]


class OneMailbox(Shape, frozen=True, kw_only=True):
    """One address."""

    mailbox: KeptMailbox


class MailboxPlace(Shape, frozen=True, kw_only=True):
    """Where mail is to go."""

    room: str
    queue: Queue
    public: Public = False
    annotations: dict[str, str] | None = None


class NewMailbox(Shape, frozen=True, kw_only=True):
    """An address, and where its mail is to go."""

    address: Address
    room: str
    queue: Queue
    public: Public = False
    annotations: dict[str, str] | None = None


class Letter(Shape, frozen=True, kw_only=True):
    """A message that this server keeps."""

    id: str
    place: Annotated[str, Meta(description="waiting, sent (and nowhere further: no relay is set) or failed")]
    sender: str
    recipients: list[str]
    at: Time
    size_bytes: int
    tries: int
    why: Annotated[str, Meta(description="What was in the way last")]


class Letters(Shape, frozen=True, kw_only=True):
    """The newest of each place."""

    letters: list[Letter]


class SenderQuery(Shape, frozen=True, kw_only=True):
    """What the envelope said, where who posts knows it."""

    sender: Annotated[str, Meta(max_length=MAX_ADDRESS_CHARS)] = ""


class Accepted(Shape, frozen=True, kw_only=True):
    """The message is kept."""

    ok: bool = True
