"""A websocket with a bounded inbox, whose end is something one reads rather than a cancellation.

Quart keeps what a peer sends in a queue without bound and cancels the handler the moment the peer is gone,
with everything unread.  Here the queue is bounded, in messages and bytes, so a peer that sends faster than it
is read is slowed down by its own socket; and after the last message comes None.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, WebsocketScope
from quart import websocket as current_websocket
from quart.asgi import ASGIWebsocketConnection
from quart.utils import cancel_tasks, raise_task_exceptions
from quart.wrappers import Websocket

if TYPE_CHECKING:
    from quart import Quart

MAX_WAITING_COUNT: Final = 16
MAX_WAITING_BYTES: Final = 4 << 20
MAX_PACKET_BYTES: Final = 4 << 20
GOODBYE_S: Final = 5.0
"""Time a handler gets to notice that its peer is gone before it is cancelled."""


class Inbox(asyncio.Queue[bytes | str | None]):
    """What a peer sent and nobody has read: so many messages, and so many bytes and one message more."""

    waiting_bytes = 0

    def full(self) -> bool:
        return super().full() or self.waiting_bytes >= MAX_WAITING_BYTES

    def _put(self, item: bytes | str | None) -> None:
        self.waiting_bytes += len(item or b"")
        super()._put(item)

    def _get(self) -> bytes | str | None:
        item: bytes | str | None = super()._get()
        self.waiting_bytes -= len(item or b"")
        return item


class BoundedConnection(ASGIWebsocketConnection):
    """What an app uses as its `asgi_websocket_class`."""

    def __init__(self, app: Quart, scope: WebsocketScope) -> None:
        super().__init__(app, scope)
        self.queue: asyncio.Queue[bytes | str | None] = Inbox(MAX_WAITING_COUNT)

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        socket = self._create_websocket_from_scope(send)
        # Quart 0.22 reads a queue of the connection, 0.23 a buffer of the websocket; either way it is ours.
        socket.receive = self.queue.get  # type: ignore[method-assign,assignment]
        receiver = asyncio.ensure_future(self._fill(receive))
        handler = asyncio.ensure_future(self.handle_websocket(socket, send))
        try:
            await asyncio.wait([handler, receiver], return_when=asyncio.FIRST_COMPLETED)
            if not handler.done():
                await asyncio.wait([handler], timeout=GOODBYE_S)
        finally:
            done = {task for task in (handler, receiver) if task.done()}
            await cancel_tasks({handler, receiver} - done)
            raise_task_exceptions(done)

    async def _fill(self, receive: ASGIReceiveCallable) -> None:
        while True:
            event: Any = await receive()
            if event["type"] == "websocket.receive":
                data = event.get("bytes")
                await self.queue.put(event["text"] if data is None else data)
            elif event["type"] == "websocket.disconnect":
                await self.queue.put(None)
                return


class PacketSocket:
    """An upgraded websocket that carries binary packets, for a room or for a relay.

    Reading is for one task, writing for one other.
    """

    def __init__(self, websocket: Websocket) -> None:
        self._websocket = websocket
        self._closed = False

    @classmethod
    def current(cls) -> PacketSocket:
        """Of the websocket being handled; itself, so that tasks of any context can use it."""
        proxy: Any = current_websocket
        return cls(proxy._get_current_object())

    async def receive(self) -> bytes | None:
        """The next packet; None once the socket is closed.  A text message breaks the protocol: it closes."""
        if self._closed:
            return None
        data: Any = await self._websocket.receive()
        if isinstance(data, bytes):
            return data
        if data is not None:
            await self.close(1003)
        self._closed = True
        return None

    async def send(self, packet: bytes) -> None:
        """Send one packet; waits while the peer does not read.  After the end it is dropped."""
        if not self._closed:
            await self._websocket.send(packet)

    async def close(self, code: int = 1000) -> None:
        """Close the socket; closing twice is harmless."""
        if not self._closed:
            self._closed = True
            await self._websocket.close(code)
