"""What a webhook says: the envelope ``{"event": …, "data": {…}}`` and where in a request it stands.

Unknown keys are ignored, and so are unknown events: a newer caller must be able to talk to an older server.
What is known must be well formed; the error names the key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from runtime.errors import EnvelopeInvalid
from runtime.wire.room_name import ROOM_NAME_RULE, is_room_name

MAX_ROOM_CHARS: Final = 256
MAX_URL_CHARS: Final = 2048
MAX_TOKEN_CHARS: Final = 16_384
MAX_ID_CHARS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomCall:
    """Somebody calls the endpoint into a room.

    Attributes:
        room_url: Where to join; empty for this server's own room of that name.
        token: What to join with, a secret; empty lets this server mint one for its own room.
        arguments: What the caller passes to the agent.
    """

    room_name: str
    room_url: str = ""
    token: str = field(default="", repr=False)
    arguments: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises EnvelopeInvalid: JSON says more than can be handed to a process."""
        try:
            msgspec.msgpack.encode(self.arguments)
        except (UnicodeEncodeError, OverflowError, RecursionError) as error:
            raise EnvelopeInvalid(
                f"'data.arguments' cannot be passed on: {_brief(error)}",
                cure="Send valid Unicode (no half of a surrogate pair) and integers of 64 bits at most.",
            ) from error


class RoomStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A room came to life; nothing is asked."""

    room_name: str
    room_url: str = ""


class RoomEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A room is over: its sessions have nothing left to do."""

    room_name: str


class UnknownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that this version does not know; answered as done and counted."""

    name: str


Webhook = RoomCall | RoomStarted | RoomEnded | UnknownEvent


def payload_of(headers: Mapping[str, str], body: bytes) -> bytes:
    """The bytes that hold (and sign) the envelope.

    A ``Meshagent-Webhook`` header that says something wins over the body, for any method.  A body counts when
    its type is JSON, or when it claims no type of its own: none at all, or the form type that ``curl -d``
    sends by default.  Any other type stands for an empty envelope.

    Args:
        headers: Names in lower case.
    """
    if headers.get("meshagent-webhook"):
        # HTTP servers hand header values over as Latin-1; the sender wrote UTF-8.
        return headers["meshagent-webhook"].encode("latin-1", "replace")
    return b"{}" if unread_type(headers) else body


def unread_type(headers: Mapping[str, str]) -> str:
    """The type for whose sake `payload_of` leaves the body alone; empty when the body counts."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("", "application/json", "application/x-www-form-urlencoded") or kind.endswith("+json"):
        return ""
    return "" if headers.get("meshagent-webhook") else kind[:100]


def parse(payload: bytes, *, unread: str = "") -> Webhook:
    """Read an envelope.

    Args:
        unread: What `unread_type` says of the request, so that the error can name it.

    Raises:
        EnvelopeInvalid: Not JSON, not an envelope, or a known event with data that cannot be meant.
    """
    try:
        envelope = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise EnvelopeInvalid(f"the webhook is not JSON: {_brief(error)}", cure=_EXAMPLE) from error
    if not isinstance(envelope, dict):
        raise EnvelopeInvalid("the webhook is not a JSON object", cure=_EXAMPLE)
    event = envelope.get("event")
    if unread and not event:
        raise EnvelopeInvalid(
            f"the body's content-type {unread!r} is not JSON, so it was not read", cure=_EXAMPLE
        )
    if not isinstance(event, str) or not event:
        raise EnvelopeInvalid("the webhook has no 'event'", cure=_EXAMPLE)
    if event not in ("room.call", "room.started", "room.ended"):
        return UnknownEvent(name=event[:100])
    data = envelope.get("data")
    if not isinstance(data, dict):
        raise EnvelopeInvalid(f"{event}: 'data' is not an object", cure=_EXAMPLE)
    room = _text(data, "room_name", MAX_ROOM_CHARS)
    if not room:
        raise EnvelopeInvalid(f"{event}: 'data.room_name' is missing", cure=_EXAMPLE)
    if event == "room.ended":
        return RoomEnded(room_name=room)
    room_url = _text(data, "room_url", MAX_URL_CHARS)
    if room_url:
        _check_url(room_url)
    if event == "room.started":
        return RoomStarted(room_name=room, room_url=room_url)
    arguments = data.get("arguments")
    if isinstance(arguments, str):  # MeshAgent's command line sends what was typed
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            arguments = ()  # no object either
    if arguments is not None and not isinstance(arguments, dict):
        raise EnvelopeInvalid("'data.arguments' is not an object", cure="Send an object, or leave it out.")
    token = _text(data, "token", MAX_TOKEN_CHARS)
    return RoomCall(room_name=room, room_url=room_url, token=token, arguments=arguments or {})


def check_own_room(call: RoomCall) -> None:
    """EnvelopeInvalid when the call is into a room of this server that there cannot be."""
    if not call.room_url and not is_room_name(call.room_name):
        raise EnvelopeInvalid(f"{call.room_name!r} cannot be a room of this server", cure=ROOM_NAME_RULE)


def encode(event: str, data: Mapping[str, Any]) -> bytes:
    """Write an envelope in the one form that every receiver hashes alike (see `runtime.wire.signature`)."""
    return json.dumps({"event": event, "data": data}).encode()


def check_id(webhook_id: str) -> str:
    """A caller's id of its call, as it may be remembered and stored; EnvelopeInvalid when it may not."""
    if len(webhook_id) > MAX_ID_CHARS or not webhook_id.isprintable():
        raise EnvelopeInvalid(
            f"the webhook's id is longer than {MAX_ID_CHARS} characters or not printable",
            cure="Send a shorter webhook-id or Idempotency-Key, such as a UUID.",
        )
    return webhook_id


_EXAMPLE: Final = 'Send {"event":"room.call","data":{"room_name":"myroom"}} as application/json.'


def _text(data: dict[str, Any], key: str, max_chars: int) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise EnvelopeInvalid(f"'data.{key}' is not a text", cure=_EXAMPLE)
    # isprintable is also false for lone surrogates, which JSON can carry and UTF-8 cannot.
    if len(value) > max_chars or not value.isprintable():
        raise EnvelopeInvalid(f"'data.{key}' is longer than {max_chars} characters or not printable")
    return value


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("ws", "wss", "http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        raise EnvelopeInvalid(
            "'data.room_url' is not a ws://, wss://, http:// or https:// address",
            cure="Leave it out for this server's own rooms.",
        )


def _brief(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
