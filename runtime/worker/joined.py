"""The room of a session once it is entered, whoever's client entered it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

from runtime.compat import overlay
from runtime.errors import RoomLost
from runtime.process.environment import MAIL_DOOR
from runtime.sdk import otel
from runtime.sdk.endpoint import portable
from runtime.sdk.llm import by_pipe
from runtime.sdk.room.client import ClientProtocol, RoomClient, WebSocketClientProtocol
from runtime.wire import control
from runtime.wire.room import Message
from runtime.worker.activity import ActiveProtocol, ActiveTransport, Activity
from runtime.worker.by_pipe.relay import RelayProtocol, RelayTransport
from runtime.worker.telling import tracing


class Joined(Protocol):
    """What a session needs of its room.

    Attributes:
        client: What the agent's ``start`` gets.
        participant_id: Who we are in the room.
    """

    client: Any
    participant_id: str

    def watch(self, dismissed: Callable[[], None], closed: Callable[[str, str], None]) -> None:
        """Tell when somebody sends us away, and when the room is over.

        Args:
            closed: Called with ``room_ended`` or ``room_lost``, and with the reason in words; at once
                when it is over already.
        """
        ...

    def excuses(self, error: BaseException | None) -> bool:
        """Whether an error of the agent's ``stop`` only says that the room is gone."""
        ...

    async def close(self) -> None:
        """Leave; bounded in time, and without complaint about a connection that is gone."""
        ...


async def join(start: control.Start, relay: RelayTransport | None, activity: Activity) -> Joined:
    """Enter the room of the call, with the client that the agent's classes belong to.

    Args:
        activity: Notes each packet.

    Raises:
        RoomError: It is unreachable, refuses the token, or is lost on the way.
    """
    if overlay.is_active():
        from runtime.worker import upstream

        return await upstream.join(start, relay, activity)
    if relay is not None and not start.dial:
        room = RoomClient(None, transport=ActiveTransport(relay, activity), connect_timeout_s=start.join_s)
    else:
        protocol: ClientProtocol = WebSocketClientProtocol(url=start.room_url, token=start.token)
        if relay is not None:
            protocol = RelayProtocol(relay, url=start.room_url, token=start.token)
        room = RoomClient(ActiveProtocol(protocol, activity), connect_timeout_s=start.join_s)
    return _OurRoom(await room.__aenter__())


def hosted(instance: Any) -> Any:
    """What the session starts and stops for an instance of the endpoint's class.  Raises BundleError."""
    if overlay.is_active():
        from runtime.worker import upstream

        return upstream.hosted(instance)
    return portable(instance)


def prepare(start: control.Start) -> None:
    """Set up what the process was asked for before it was forked, and where an SDK looks for its server."""
    if not start.session_id:
        return  # a rehearsal: the session that telemetry is to name is not known yet
    host, found, port = os.environ.get(MAIL_DOOR, "").rpartition(":")
    if found and "SMTP_HOSTNAME" not in os.environ:  # else the program has a server of its own
        os.environ["SMTP_HOSTNAME"] = host
        os.environ.setdefault("SMTP_PORT", port)
    if overlay.is_active():
        address = urlsplit(start.room_url)
        if address.netloc:
            scheme = {"ws": "http", "wss": "https"}.get(address.scheme, address.scheme)
            os.environ.setdefault("MESHAGENT_API_URL", f"{scheme}://{address.netloc}")
    if start.traces not in ("", tracing.STEPS):  # what is measured is told to the server, which sends it
        overlay.hand_over_otel()
        otel.apply_level()
        tracing.hear_program(start.identity)
        return
    if overlay.is_active():
        overlay.apply_otel()
    otel.apply()


def use_model(start: control.Start, model: by_pipe.Asks) -> None:
    """Have agents reach their model over the pipe, whoever's adapter they ask it with."""
    by_pipe.use(model, room_url=start.room_url, is_alone=start.confinement.get("network") == "none")


async def flush() -> None:
    """Send what telemetry still holds."""
    if otel.is_exporting():
        await asyncio.to_thread(otel.shutdown)
    elif overlay.is_exporting():
        await asyncio.to_thread(overlay.shutdown_otel)


class _OurRoom:
    def __init__(self, client: RoomClient) -> None:
        self.client: Any = client
        self._client = client
        self.participant_id = client.local_participant.id

    def watch(self, dismissed: Callable[[], None], closed: Callable[[str, str], None]) -> None:
        client = self._client

        def pushed(message: Message) -> None:
            if message.header.get("type") == "dismiss":
                dismissed()

        def over(reason: str = "") -> None:
            closed("room_lost" if client.was_lost else "room_ended", reason)

        client.on_push("messaging.send", pushed)
        client.on("close", over)
        if client.is_closed:
            over(client.close_reason)

    def excuses(self, error: BaseException | None) -> bool:
        return isinstance(error, RoomLost)

    async def close(self) -> None:
        await self._client.close()
