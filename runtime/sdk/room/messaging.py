"""Messages between participants, and who else is in the room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.errors import RoomError, RoomFull
from runtime.sdk.emitter import Emitter, Listener
from runtime.sdk.meter import meter
from runtime.sdk.room.exchange import RoomExchange
from runtime.sdk.room.participant import Participant, RemoteParticipant
from runtime.wire.room import Message

MAX_SENDING_COUNT = 1024

_log = logging.getLogger("room.messaging")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomMessage:
    """A message as it arrives: who sent it, its kind, its JSON, and bytes that came along."""

    from_participant_id: str
    type: str
    message: dict[str, Any] = field(default_factory=dict)
    attachment: bytes | None = None


class MessagingClient:
    """What ``room.messaging`` is.

    Nobody sees a participant, and it sees nobody, until it calls ``enable``.  Events for ``on``:
    ``message`` (message=RoomMessage), ``participant_added``, ``participant_removed``,
    ``participant_attributes_updated`` (participant=RemoteParticipant), ``messaging_enabled``.
    """

    def __init__(self, room: RoomExchange) -> None:
        self._room = room
        self._events = Emitter()
        self._participants: dict[str, RemoteParticipant] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._enabled = False
        room.on_push("messaging.send", self._received)

    @property
    def is_enabled(self) -> bool:
        """True between ``enable`` and ``disable``."""
        return self._enabled

    @property
    def remote_participants(self) -> list[RemoteParticipant]:
        """The others who enabled messaging, in order of arrival."""
        return list(self._participants.values())

    def get_participants(self) -> list[RemoteParticipant]:
        """The same as ``remote_participants``."""
        return self.remote_participants

    def get_participant(self, id: str) -> RemoteParticipant | None:
        """The participant of that id, None when it is not here."""
        return self._participants.get(id)

    def get_participant_by_name(self, name: str) -> RemoteParticipant | None:
        """The first participant of that name, None when there is none."""
        return next((one for one in self._participants.values() if one.name == name), None)

    def on(self, event_name: str, func: Listener) -> None:
        """Listen to an event; see the class."""
        self._events.on(event_name, func)

    def off(self, event_name: str, func: Listener) -> None:
        """Stop listening."""
        self._events.off(event_name, func)

    async def enable(self, *, on_stream_accept: Any = None) -> None:
        """Become visible.  When it returns, ``remote_participants`` is filled.

        Args:
            on_stream_accept: Accepted and unused: streams between clients are not offered.
        """
        await self._room.request("messaging.enable", {})
        self._enabled = True

    async def disable(self) -> None:
        """Become invisible again."""
        self._enabled = False
        await self._room.request("messaging.disable", {})
        self._participants.clear()

    async def send_message(
        self,
        *,
        to: Participant | str,
        type: str,
        message: Mapping[str, Any],
        attachment: bytes | None = None,
    ) -> None:
        """Send to one participant (or its id) and wait until the room has passed it on.

        Raises:
            RoomException: The addressee is not in the room.
        """
        header = {"to_participant_id": _id_of(to), "type": type, "message": dict(message)}
        await self._room.request("messaging.send", header, attachment or b"")

    def send_message_nowait(
        self,
        *,
        to: Participant | str,
        type: str,
        message: Mapping[str, Any],
        attachment: bytes | None = None,
    ) -> None:
        """The same without waiting; order is kept, a failure is logged.  Raises RoomFull at its bound."""
        if len(self._sending) >= MAX_SENDING_COUNT:
            raise RoomFull(
                f"{MAX_SENDING_COUNT} messages are still being sent", cure="await send_message instead"
            )
        task = asyncio.create_task(
            self.send_message(to=to, type=type, message=message, attachment=attachment), name="room:send"
        )
        self._sending.add(task)
        task.add_done_callback(self._sent)

    async def broadcast_message(
        self, *, type: str, message: Mapping[str, Any], attachment: bytes | None = None
    ) -> None:
        """Send to every other participant that enabled messaging."""
        await self._room.request(
            "messaging.broadcast", {"type": type, "message": dict(message)}, attachment or b""
        )

    async def cancel_listeners(self) -> None:
        """Called by the client when it leaves the room."""
        for task in list(self._sending):
            task.cancel()
        await self._events.cancel_all()

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("a message was not delivered: %s", error)

    # ---- what the room tells us

    def _received(self, push: Message) -> None:
        header = push.header
        kind = header.get("type")
        body = header.get("message")
        if not isinstance(kind, str) or not isinstance(body, dict):
            _log.warning("ignored a message without a type or a JSON object")
            return
        if "." not in kind:  # the others are the room's own, about who is there
            meter.add(messages=1)
        sender = str(header.get("from_participant_id", ""))
        match kind:
            case "messaging.enabled":
                self._listed(body)
            case "participant.enabled":
                self._arrived(body)
            case "participant.attributes":
                self._changed(sender, body)
            case "participant.disabled":
                self._left(body)
            case _:
                message = RoomMessage(
                    from_participant_id=sender, type=kind, message=body, attachment=push.data or None
                )
                self._events.emit("message", message=message)

    def _listed(self, body: dict[str, Any]) -> None:
        described = body.get("participants") or []
        self._participants = {one.id: one for one in map(_participant, described) if one is not None}
        self._events.emit("messaging_enabled")
        for participant in self.remote_participants:
            self._events.emit("participant_added", participant=participant)

    def _arrived(self, body: dict[str, Any]) -> None:
        participant = _participant(body)
        if participant is not None:
            self._participants[participant.id] = participant
            self._events.emit("participant_added", participant=participant)

    def _changed(self, sender: str, body: dict[str, Any]) -> None:
        participant = self._participants.get(sender)
        attributes = body.get("attributes")
        if participant is not None and isinstance(attributes, dict):
            participant.merge(attributes)
            self._events.emit("participant_attributes_updated", participant=participant)

    def _left(self, body: dict[str, Any]) -> None:
        participant = self._participants.pop(str(body.get("id", "")), None)
        if participant is not None:
            self._events.emit("participant_removed", participant=participant)


def _participant(described: Any) -> RemoteParticipant | None:
    if not isinstance(described, dict) or not isinstance(described.get("id"), str):
        return None
    attributes, role = described.get("attributes"), described.get("role")
    return RemoteParticipant(
        id=described["id"],
        role=role if isinstance(role, str) else None,
        attributes=attributes if isinstance(attributes, dict) else None,
    )


def _id_of(to: Participant | str) -> str:
    if isinstance(to, Participant):
        return to.id
    if isinstance(to, str) and to:
        return to
    raise RoomError(f"cannot send to {to!r}", cure="Give a participant of the room, or its id.")
