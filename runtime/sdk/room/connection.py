"""A connection to a room as messages: requests with their answers, one-way messages, pushes.

Theory: one task reads, one writes.  The reader never waits for anybody's code: an answer completes the
future of the request it belongs to, a push goes to its handlers, and a handler that returns a coroutine
gets a task of its own.  When either task ends, the connection is over: every pending request fails at
once with RoomLost.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Any

from runtime.errors import ProtocolError, RoomLost, RuntimeServiceError
from runtime.sdk.emitter import Emitter, Listener
from runtime.sdk.room.outbox import Outbox
from runtime.sdk.room.room_exception import RoomException, failure_of
from runtime.sdk.room.transport import Transport
from runtime.wire.content import Content, ErrorContent, from_header
from runtime.wire.room import Assembler, Message

FLUSH_TIMEOUT_S = 2.0
MAX_PENDING_COUNT = 4096
_CALLS = ("agent.ask", "agent.invoke_tool", "room.invoke_tool")


class RoomConnection:
    """See the module.  Used by one RoomClient, for one transport.

    Args:
        ended: Called once with the reason when the connection is over.
    """

    def __init__(self, *, ended: Callable[[str], None]) -> None:
        self.closed = asyncio.Event()
        self.close_reason = ""
        self.was_lost = False
        self.takes_cancel = False
        """The room wants to hear of calls whose answer is not waited for any more; others do not know it."""
        self._ended = ended
        self._outbox = Outbox()
        self._callbacks = Emitter()
        self._handlers: dict[str, list[Listener]] = {}
        self._expected: dict[str, tuple[tuple[str, ...], asyncio.Future[dict[str, Any]]]] = {}
        self._pending: dict[int, asyncio.Future[Content]] = {}
        self._ids = itertools.count(1)
        self._transport: Transport | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    def start(self, transport: Transport) -> None:
        """Begin to read and write.  The transport is closed with the connection."""
        self._transport = transport
        self._reader = asyncio.create_task(self._read(transport), name="room:read")
        self._writer = asyncio.create_task(self._write(transport), name="room:write")

    def expect(self, type: str, *, needs: tuple[str, ...]) -> asyncio.Future[dict[str, Any]]:
        """The header of the next push of this type; RoomException when it lacks one of the ``needs``."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._expected[type] = (needs, future)
        return future

    async def request(self, type: str, header: dict[str, Any], data: bytes) -> Content:
        """Send a request and return its answer; see RoomClient.request."""
        if self.closed.is_set():
            raise RoomLost(f"{type!r} was not sent: {self.close_reason}")
        if len(self._pending) >= MAX_PENDING_COUNT:
            raise RoomException(
                f"{type!r} was not sent: {MAX_PENDING_COUNT} requests wait for an answer",
                cure="await earlier requests first",
            )
        message = Message(next(self._ids), type, header, data)
        future: asyncio.Future[Content] = asyncio.get_running_loop().create_future()
        self._pending[message.id] = future
        try:
            await self._outbox.put(message)
            content = await future
        except asyncio.CancelledError:
            self._cancel(message)
            raise
        finally:
            self._pending.pop(message.id, None)
        if isinstance(content, ErrorContent):
            raise failure_of(content.text, content.code)
        return content

    def _cancel(self, message: Message) -> None:
        """Somebody may be at work for an answer that nobody will take."""
        if self.takes_cancel and message.type in _CALLS and not self.closed.is_set():
            with contextlib.suppress(RuntimeServiceError):  # what waits to be written is full: it is not told
                header = {"request_id": message.id}
                self._outbox.put_nowait(Message(next(self._ids), "room.cancel_request", header))

    def send_nowait(self, type: str, header: dict[str, Any], data: bytes, message_id: int | None) -> None:
        """Queue a one-way message; see RoomClient.send_nowait."""
        number = next(self._ids) if message_id is None else message_id
        self._outbox.put_nowait(Message(number, type, header, data))

    def on_push(self, type: str, handler: Callable[[Message], Any]) -> Callable[[], None]:
        """Call ``handler`` for pushes of this type; see RoomClient.on_push."""
        handlers = self._handlers.setdefault(type, [])
        handlers.append(handler)

        def unsubscribe() -> None:
            if handler in handlers:
                handlers.remove(handler)

        return unsubscribe

    async def flush(self) -> None:
        """Take no more messages, and return when what waits is written, after two seconds at most."""
        self._outbox.close()
        if self._writer is not None and not self.closed.is_set():
            await asyncio.wait([self._writer], timeout=FLUSH_TIMEOUT_S)

    async def shut(self, reason: str) -> None:
        """End it: fail what is pending, cancel handlers that still run, close the transport."""
        self._over(reason)
        tasks = [task for task in (self._reader, self._writer) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._callbacks.cancel_all()
        if self._transport is not None:
            await self._transport.close()

    async def _read(self, transport: Transport) -> None:
        assembler = Assembler()
        reason, lost = "the room closed the connection", False
        try:
            while (packet := await transport.receive()) is not None:
                message = assembler.receive(packet)
                if message is not None:
                    self._dispatch(message)
        except asyncio.CancelledError:
            self._over("the event loop of its owner ended")  # with all tasks: no answer will be read
            raise
        except Exception as error:  # noqa: BLE001 - the edge of the connection, whoever made it
            # After a packet that breaks the format the rest of the stream means nothing: leave.
            reason, lost = f"the connection to the room broke: {error}", True
        self._over(reason, lost=lost)

    async def _write(self, transport: Transport) -> None:
        try:
            await self._outbox.run(transport)
        except Exception as error:  # noqa: BLE001 - the edge of the connection, whoever made it
            self._over(f"the connection to the room broke: {error}", lost=True)

    def _dispatch(self, message: Message) -> None:
        # By type first: an answer and a push may carry the same number.
        if message.type == "__response__":
            self._answered(message)
            return
        if message.type in self._expected:
            self._settle(message)
        for pattern, handlers in list(self._handlers.items()):
            if message.type == pattern or (pattern.endswith(".") and message.type.startswith(pattern)):
                for handler in list(handlers):
                    self._callbacks.call(handler, message.type, message)

    def _answered(self, message: Message) -> None:
        future = self._pending.get(message.id)
        if future is None or future.done():
            return  # its asker was cancelled
        try:
            future.set_result(from_header(message.header, message.data))
        except ProtocolError as error:
            future.set_exception(RoomException(f"the room's answer makes no sense: {error}"))

    def _settle(self, message: Message) -> None:
        needs, future = self._expected.pop(message.type)
        missing = [name for name in needs if name not in message.header]
        if future.done():
            return
        if missing:
            future.set_exception(RoomException(f"the room's {message.type} lacks {', '.join(missing)}"))
        else:
            future.set_result(message.header)

    def _over(self, reason: str, *, lost: bool = False) -> None:
        if self.closed.is_set():
            return
        self.close_reason, self.was_lost = reason, lost
        self.closed.set()
        self._outbox.close()
        error = RoomLost(reason, cure="the agent's session ends with it; call it in again")
        waiting: list[asyncio.Future[Any]] = [
            *self._pending.values(),
            *(future for _, future in self._expected.values()),
        ]
        for future in waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()  # marks it as seen: not every asker is still there
        self._ended(reason)
