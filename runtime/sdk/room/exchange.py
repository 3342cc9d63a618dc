"""A room as the families of requests see it: what they need of the client that makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from runtime.wire.content import Content
from runtime.wire.room import Message


class RoomExchange(Protocol):
    """Requests out, pushes in; `RoomClient` is one."""

    @property
    def is_closed(self) -> bool:
        """True once the connection is over."""
        ...

    async def request(self, type: str, header: dict[str, Any], data: bytes = b"") -> Content:
        """Send a request and return its answer; raises RoomException, RoomLost and LocalProtocolError."""
        ...

    def on_push(self, type: str, handler: Callable[[Message], Any]) -> Callable[[], None]:
        """Call `handler` for each message of this type; returns a function that unsubscribes."""
        ...
