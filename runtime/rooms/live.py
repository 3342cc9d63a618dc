"""A room with its connections: deliver pushes, report events.  Services act on this."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Literal

import msgspec

from runtime.clock import Clock
from runtime.errors import PermissionDenied, RoomFull
from runtime.rooms.connection import Peer
from runtime.rooms.holdings import Contents, Holdings
from runtime.rooms.limits import RoomLimits
from runtime.rooms.registry import Registry
from runtime.rooms.room import ParticipantId, Push, Room

EventKind = Literal[
    "room_opened",
    "room_closed",
    "participant_joined",
    "participant_left",
    "participant_attributes",
    "tool_called",
]


class RoomEvent(msgspec.Struct, frozen=True):
    """Something that happened in a room: names only, never what was said.

    Attributes:
        at: Seconds since the epoch.
        detail: For attributes the changed keys; for a tool call toolkit, tool and the host's name.
    """

    kind: EventKind
    room: str
    at: float
    participant_id: str | None = None
    participant_name: str | None = None
    role: str | None = None
    detail: Mapping[str, Any] = msgspec.field(default_factory=dict)


class ParticipantInfo(msgspec.Struct, frozen=True):
    """A participant as an operator sees it."""

    id: str
    name: str
    role: str
    visible: bool
    attributes: Mapping[str, Any]
    toolkits: tuple[str, ...]
    agents: tuple[str, ...]


class RoomInfo(msgspec.Struct, frozen=True):
    """An open room as an operator sees it.

    Attributes:
        opened_at: Seconds since the epoch.
        documents: Paths of the documents that are open.
        queues: Messages waiting, by queue name.
    """

    name: str
    session_id: str
    opened_at: float
    participants: tuple[ParticipantInfo, ...]
    documents: tuple[str, ...]
    queues: Mapping[str, int]


class LiveRoom:
    """The members of a room, their connections, and what they offer."""

    def __init__(
        self,
        name: str,
        *,
        limits: RoomLimits,
        clock: Clock,
        listener: Callable[[RoomEvent], None] | None,
        holdings: Holdings | None = None,
        contents: Contents | None = None,
    ) -> None:
        self.limits = limits
        self.holdings = holdings or Holdings(limits.max_held_bytes)
        self.contents = contents or Contents(limits.max_contents_bytes)
        self.clock = clock
        self.opened_at = clock.wall()
        self.members = Room(
            name,
            session_id=str(uuid.uuid4()),
            max_participants=limits.max_participants,
            max_attributes_bytes=limits.max_attributes_bytes,
        )
        self.registry = Registry(
            max_registrations=limits.max_registrations,
            max_registration_bytes=limits.max_registration_bytes,
            max_registry_bytes=limits.max_registry_bytes,
            contents=self.contents,
        )
        self.peers: dict[ParticipantId, Peer] = {}
        self._listener = listener

    @property
    def name(self) -> str:
        """The room's name."""
        return self.members.name

    def deliver(self, pushes: Iterable[Push]) -> None:
        """Put pushes into their recipients' outboxes, in order."""
        for push in pushes:
            peer = self.peers.get(push.to)
            if peer is not None:
                peer.push(push.type, push.header, push.data)

    def push_all(self, kind: str, header: dict[str, Any]) -> None:
        """Push the same to every connection."""
        for peer in list(self.peers.values()):
            peer.push(kind, header)

    def spawn(self, peer: Peer, work: Coroutine[Any, Any, None]) -> None:
        """Run slow work for a participant; it is cancelled when the participant leaves.

        Raises:
            RoomFull: The participant has as many requests in progress as it may.
        """
        if len(peer.tasks) >= self.limits.max_pending_requests:
            work.close()
            raise RoomFull(f"more than {self.limits.max_pending_requests} requests in progress")
        task = asyncio.get_running_loop().create_task(work)
        peer.tasks.add(task)
        task.add_done_callback(peer.tasks.discard)
        size_bytes = peer.arriving_bytes  # kept as long as somebody works on it
        peer.held.grow(size_bytes)
        task.add_done_callback(lambda _: peer.held.grow(-size_bytes))

    def need_free_name(self, name: str, asker: Peer) -> None:
        """A person in the room is nobody else, so whoever asks for a token of that name gets none.

        Raises:
            PermissionDenied: It is the name of a person who is here, and not the asker's.
        """
        if name != asker.participant.name and any(
            member.role == "user" for member in self.members.named(name)
        ):
            raise PermissionDenied(f"{name[:80]!r} is a person in this room", cure="Choose another name.")

    def emit(self, kind: EventKind, peer: Peer | None = None, **detail: object) -> None:
        """Tell the listener, if there is one."""
        if self._listener is None:
            return
        member = peer.participant if peer else None
        self._listener(
            RoomEvent(
                kind,
                self.name,
                self.clock.wall(),
                member.id if member else None,
                member.name if member else None,
                member.role if member else None,
                detail,
            )
        )
