"""Presence and messages between participants, in both dialects."""

from __future__ import annotations

import base64
import binascii
import json

from runtime.errors import InvalidRequest, RoomError
from runtime.rooms.live import LiveRoom
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.wire.content import EmptyContent, JsonContent
from runtime.wire.text import MOST_LISTS, holds_too_much

_SHOWN_KEYS, _SHOWN_CHARS = 50, 100  # of changed attributes, in events


class Messaging:
    """Requests ``messaging.*`` and ``set_attributes``, and the built-in toolkit ``messaging``."""

    def __init__(self, live: LiveRoom) -> None:
        self._live = live

    def requests(self) -> Handlers:
        """The older dialect's names."""
        return {
            "messaging.enable": self._enable,
            "messaging.disable": self._disable,
            "messaging.list": self._list,
            "messaging.send": self._send,
            "messaging.broadcast": self._broadcast,
        }

    def tools(self) -> Handlers:
        """The newer dialect's tools; delivery is the same for both."""
        return self.requests()

    def set_attributes(self, request: Request) -> None:
        """One-way; a change that is too large is dropped."""
        peer = request.peer
        try:
            pushes = self._live.members.set_attributes(peer.id, request.arguments)
        except RoomError:
            return
        self._live.deliver(pushes)
        keys = [key[:_SHOWN_CHARS] for key in list(request.arguments)[:_SHOWN_KEYS]]
        self._live.emit("participant_attributes", peer, keys=keys)

    def _enable(self, request: Request) -> Outcome:
        # The list goes out before the answer: clients read it as soon as the call returns.
        self._live.deliver(self._live.members.enable(request.peer.id))
        return EmptyContent()

    def _disable(self, request: Request) -> Outcome:
        self._live.deliver(self._live.members.disable(request.peer.id))
        return EmptyContent()

    def _list(self, request: Request) -> Outcome:
        others = [
            member.describe()
            for member in self._live.members
            if member.visible and member.id != request.peer.id
        ]
        return JsonContent({"participants": others})

    def _send(self, request: Request) -> Outcome:
        message, data = _payload(request)
        to, kind = request.optional_text("to_participant_id"), request.text("type")
        self._live.deliver(self._live.members.send(request.peer.id, to, kind, message, data))
        return EmptyContent()

    def _broadcast(self, request: Request) -> Outcome:
        message, data = _payload(request)
        kind = request.text("type")
        self._live.deliver(self._live.members.broadcast(request.peer.id, kind, message, data))
        return EmptyContent()


def _payload(request: Request) -> tuple[object, bytes]:
    if not request.is_tool:
        return request.arguments.get("message", {}), request.data
    text, attachment = request.optional_text("message_json"), request.optional_text("attachment_base64")
    if text is not None and holds_too_much(text):
        raise InvalidRequest(f"{request.name}: 'message_json' has at most {MOST_LISTS} lists and objects")
    try:
        message = {} if text is None else json.loads(text)
        data = b"" if attachment is None else base64.b64decode(attachment, validate=True)
        json.dumps(message, allow_nan=False)
    except (ValueError, RecursionError, binascii.Error) as error:
        raise InvalidRequest(f"{request.name}: message_json or attachment_base64 cannot be read") from error
    return message, data
