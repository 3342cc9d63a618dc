"""Who is in a room, who sees whom, and what each of them must be told.

Pure: every change returns the pushes to deliver, in order.  A participant sees others, and is seen by them,
only after it has enabled messaging; tool hosts and task runners never do, yet direct messages reach them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NewType

import msgspec

from runtime.errors import InvalidRequest, NotFound, PermissionDenied, RoomFull
from runtime.rooms.token import Claims

ParticipantId = NewType("ParticipantId", str)

SERVER_ONLY: Final = frozenset(
    {"messaging.enabled", "participant.enabled", "participant.disabled", "participant.attributes"}
)
"""Message types that only the server may send: from a participant they would be forged presence."""

DISMISS: Final = "dismiss"


class Push(msgspec.Struct, frozen=True):
    """A message for one participant that answers nothing."""

    to: ParticipantId
    type: str
    header: dict[str, Any]
    data: bytes = b""


class Participant(msgspec.Struct):
    """One connection's member of the room.

    Attributes:
        visible: It has enabled messaging.
        dismissed: It was asked to leave; it is not asked twice.
    """

    id: ParticipantId
    claims: Claims
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)
    visible: bool = False
    dismissed: bool = False

    @property
    def name(self) -> str:
        """The token's name, which cannot be changed by setting attributes."""
        return self.claims.name

    @property
    def role(self) -> str:
        """agent, tool or user, from the token."""
        return self.claims.role

    def describe(self) -> dict[str, Any]:
        """The participant as the others see it."""
        return {"id": self.id, "role": self.role, "attributes": dict(self.attributes)}


class Room:
    """The members of one run of one room.

    Args:
        session_id: Identifies this run; the same for everyone in it.
        max_participants: Bound of members.
        max_attributes_bytes: Bound of one member's attributes as JSON.
    """

    def __init__(
        self, name: str, *, session_id: str, max_participants: int, max_attributes_bytes: int = 262_144
    ) -> None:
        self.name = name
        self.session_id = session_id
        self._max_participants = max_participants
        self._max_attributes_bytes = max_attributes_bytes
        self._members: dict[ParticipantId, Participant] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Participant]:
        return iter(list(self._members.values()))

    @property
    def is_full(self) -> bool:
        """No further participant fits."""
        return len(self._members) >= self._max_participants

    def get(self, participant_id: str | None) -> Participant | None:
        """The member of that id, or None."""
        return self._members.get(ParticipantId(participant_id)) if participant_id else None

    def named(self, name: str) -> list[Participant]:
        """Members of that name; names are not unique."""
        return [member for member in self._members.values() if member.name == name]

    def join(self, participant_id: ParticipantId, claims: Claims, *, room_url: str) -> list[Push]:
        """Take a participant in and greet it.  Nobody else is told until it enables messaging.

        Raises:
            RoomFull: The room has as many participants as it may.
        """
        if self.is_full:
            raise RoomFull(f"room {self.name!r} is full: {self._max_participants} participants")
        self._members[participant_id] = Participant(participant_id, claims, {"name": claims.name})
        ready = {
            "room_name": self.name,
            "room_url": room_url,
            "session_id": self.session_id,
            "takes_cancel": True,  # a client that waits for an answer no more may say so
        }
        connected = {"type": "init", "participantId": participant_id, "attributes": {"name": claims.name}}
        return [Push(participant_id, "room_ready", ready), Push(participant_id, "connected", connected)]

    def leave(self, participant_id: ParticipantId) -> list[Push]:
        """Let a participant go; unknown ids are no error."""
        pushes = self.disable(participant_id)
        self._members.pop(participant_id, None)
        return pushes

    def enable(self, participant_id: ParticipantId) -> list[Push]:
        """Make a participant visible: it gets the list of the others first, then they hear of it."""
        member = self._member(participant_id)
        others = self._others(participant_id)
        listing = {"participants": [other.describe() for other in others]}
        pushes = [_message(participant_id, participant_id, "messaging.enabled", listing)]
        if not member.visible:
            member.visible = True
            seen = member.describe()
            pushes += [_message(other.id, participant_id, "participant.enabled", seen) for other in others]
        return pushes

    def disable(self, participant_id: ParticipantId) -> list[Push]:
        """Make a participant invisible and tell those who saw it."""
        member = self._members.get(participant_id)
        if member is None or not member.visible:
            return []
        member.visible = False
        gone = {"id": participant_id}
        return [
            _message(other.id, participant_id, "participant.disabled", gone)
            for other in self._others(participant_id)
        ]

    def set_attributes(self, participant_id: ParticipantId, changes: Mapping[str, Any]) -> list[Push]:
        """Merge attributes and tell the others the change alone.

        The name stays the token's: others take it for an identity.

        Raises:
            RoomFull: The attributes would be larger than allowed; nothing is changed.
        """
        member = self._member(participant_id)
        changed = {key: value for key, value in changes.items() if key != "name"}
        if not changed:
            return []
        merged = {**member.attributes, **changed}
        if len(json.dumps(merged)) > self._max_attributes_bytes:
            raise RoomFull(f"attributes of {member.name!r} exceed {self._max_attributes_bytes} bytes")
        member.attributes = merged
        if not member.visible:
            return []
        return [
            _message(other.id, participant_id, "participant.attributes", {"attributes": changed})
            for other in self._others(participant_id)
        ]

    def send(
        self, sender_id: ParticipantId, to: str | None, kind: str, message: Any, data: bytes = b""
    ) -> list[Push]:
        """Deliver a direct message.

        Raises:
            NotFound: The recipient is not in the room.
            PermissionDenied: The token does not allow it, or not this kind.
        """
        sender, recipient = self._member(sender_id), self.get(to)
        if not sender.claims.allows_messaging("send"):
            raise PermissionDenied("the token does not allow sending messages")
        self._refuse_forged(kind)
        if recipient is None:
            raise NotFound("the recipient is not in the room")
        if kind == DISMISS:
            self._check_dismiss(sender, recipient)
            if recipient.dismissed:
                return []
            recipient.dismissed = True
        return [_message(recipient.id, sender_id, kind, message, data)]

    def broadcast(self, sender_id: ParticipantId, kind: str, message: Any, data: bytes = b"") -> list[Push]:
        """Deliver a message to every other visible participant.

        Raises:
            PermissionDenied: The token does not allow it, or not this kind.
            InvalidRequest: Dismissal is addressed to one participant at a time.
        """
        sender = self._member(sender_id)
        if not sender.claims.allows_messaging("broadcast"):
            raise PermissionDenied("the token does not allow broadcasting")
        self._refuse_forged(kind)
        if kind == DISMISS:
            raise InvalidRequest("dismiss is sent to one participant, not broadcast")
        return [_message(other.id, sender_id, kind, message, data) for other in self._others(sender_id)]

    def dismiss(self, name: str) -> list[Push]:
        """Ask everybody of that name to leave, as the server; those asked before are not asked again."""
        pushes = []
        for member in self.named(name):
            if not member.dismissed:
                member.dismissed = True
                pushes.append(_message(member.id, member.id, DISMISS, {}))
        return pushes

    def _check_dismiss(self, sender: Participant, recipient: Participant) -> None:
        if sender is recipient:
            return
        if not sender.claims.allows_dismiss():
            raise PermissionDenied(
                "agents and tools may not dismiss others", cure="It takes the admin grant."
            )
        if recipient.role == "user" and not sender.claims.is_admin:
            raise PermissionDenied("people are not dismissed", cure="It takes the admin grant.")

    def _refuse_forged(self, kind: str) -> None:
        if kind in SERVER_ONLY:
            raise PermissionDenied(f"messages of type {kind!r} come from the server only")

    def _member(self, participant_id: ParticipantId) -> Participant:
        member = self._members.get(participant_id)
        if member is None:
            raise NotFound("this participant is not in the room")
        return member

    def _others(self, participant_id: ParticipantId) -> list[Participant]:
        return [member for member in self._members.values() if member.visible and member.id != participant_id]


def _message(to: ParticipantId, sender: ParticipantId, kind: str, message: Any, data: bytes = b"") -> Push:
    header = {"from_participant_id": sender, "type": kind, "message": message}
    return Push(to, "messaging.send", header, data)
