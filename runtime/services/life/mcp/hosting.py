"""A toolkit in a room, hosted by a participant of this server's own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from runtime.errors import NotFound, RemoteProtocolError, RoomError, RoomLost, RuntimeServiceError
from runtime.logs import get_logger
from runtime.tasks import Tasks
from runtime.wire.content import (
    CODE_FAILED,
    CODE_NOT_FOUND,
    Content,
    EmptyContent,
    ErrorContent,
    JsonContent,
    from_header,
)
from runtime.wire.room import Assembler, Message, encode

ENTER_S: Final = 30.0
MAX_CALLS: Final = 64
"""At once; more are answered with an error."""
_READ_AT_ONCE_BYTES: Final = 64 << 10
_log = get_logger("mcp")

CallTool = Callable[[str, dict[str, Any]], Awaitable[Content]]
"""Calls a tool by its name; what it raises is told to who called."""


class Port(Protocol):
    """A connection to a room, in packets."""

    async def receive(self) -> bytes | None:
        """The next packet; None when the room closed the connection."""
        ...

    async def send(self, packet: bytes) -> None:
        """Send one packet; may wait for the room to read."""
        ...

    async def close(self) -> None:
        """Leave; a second time does nothing."""
        ...


class HostedToolkit:
    """Runs in: the front's event loop.

    Args:
        described: The toolkit as it is registered.

    Attributes:
        described: The same, as it is now.
    """

    def __init__(self, port: Port, described: Mapping[str, Any], call: CallTool) -> None:
        self._port, self.described, self._call = port, described, call
        self._name = str(described["name"])
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._registrations: list[str] = []  # the newest last; those before it are to be taken away
        self._tasks = Tasks(_log, "mcp.failed")
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._writing = asyncio.Lock()

    async def start(self) -> None:
        """Enter and register.

        Raises:
            RoomError: The room does not let it in, or does not take the toolkit.
        """
        self._tasks.spawn(self._read(), "mcp:room")
        await self._register(self.described)

    async def change(self, described: Mapping[str, Any]) -> None:
        """Register it as it is now, of the same name; calls that are in progress go on.

        What it was before is taken away, or with the next change where the room does not do that now.

        Raises:
            RoomError: The room does not take it; it stays as it was.
        """
        await self._register(described)
        self.described = described
        try:
            while len(self._registrations) > 1:
                with suppress(NotFound):  # done by a try that was not answered
                    await self._ask("agent.unregister_toolkit", {"id": self._registrations[0]})
                del self._registrations[0]
        except RoomError as error:
            _log.warning("mcp.former_toolkit_left", toolkit=self._name, error=str(error))

    async def aclose(self) -> None:
        """Leave the room; who waits for an answer is told by the room."""
        await self._port.close()
        await self._tasks.aclose()

    async def _register(self, described: Mapping[str, Any]) -> None:
        header = await self._ask("agent.register_toolkit", described)
        found = header.get("json")
        self._registrations.append(str(found.get("id")) if isinstance(found, dict) else "")

    async def _ask(self, kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What the room answers."""
        number = next(self._numbers)
        answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = answered
        try:
            async with asyncio.timeout(ENTER_S):
                await self._send(Message(number, kind, dict(arguments)))
                return await answered
        except TimeoutError:
            raise RoomError(f"the room did not take toolkit {self._name!r} within {ENTER_S:g} s") from None
        finally:
            del self._asked[number]

    async def _send(self, message: Message) -> None:
        packets = encode(message)
        async with self._writing:
            for packet in packets:
                await self._port.send(packet)

    async def _read(self) -> None:
        assembler = Assembler()
        error: RoomError = RoomLost("the room closed the connection")
        try:
            while (packet := await self._port.receive()) is not None:
                if (unread := assembler.take(packet)) is not None:
                    is_large = len(unread.header) > _READ_AT_ONCE_BYTES
                    self._take(await asyncio.to_thread(unread.read) if is_large else unread.read())
        except RoomError as refused:
            error = refused
        except RemoteProtocolError as strange:
            error = RoomLost(str(strange))
        finally:
            for answered in self._asked.values():
                if not answered.done():
                    answered.set_exception(error)
                    answered.exception()  # it may be that nobody waits any more
            for task in self._calls.values():
                task.cancel()

    def _take(self, message: Message) -> None:
        header = message.header
        if message.type == "__response__":
            answered = self._asked.get(message.id)
            if answered is not None and not answered.done():
                if header.get("type") == "error":
                    kind = NotFound if header.get("code") == CODE_NOT_FOUND else RoomError
                    answered.set_exception(kind(str(header.get("text"))))
                else:
                    answered.set_result(header)
        elif message.type == f"agent.tool_call.{self._name}":
            call_id = str(header.get("tool_call_id") or message.id)
            task = self._tasks.spawn(self._answer(message), "mcp:call")
            self._calls[call_id] = task
            task.add_done_callback(lambda _: self._calls.pop(call_id, None))
        elif message.type == f"agent.cancel_tool_call.{self._name}":
            ongoing = self._calls.get(str(header.get("tool_call_id")))
            if ongoing is not None:
                ongoing.cancel()

    async def _answer(self, message: Message) -> None:
        try:
            content = await self._content(message)
            await self._send(_answered(message, content))
        except RuntimeServiceError as error:
            await self._send(_answered(message, ErrorContent(str(error), CODE_FAILED)))
        except Exception:
            await self._send(_answered(message, ErrorContent("the server made a mistake", CODE_FAILED)))
            raise

    async def _content(self, message: Message) -> Content:
        if len(self._calls) > MAX_CALLS:
            raise RoomError(f"toolkit {self._name!r} is busy", cure="Try again later.")
        given = from_header(message.header.get("arguments") or {"type": "empty"}, message.data)
        match given:
            case JsonContent(json=dict() as arguments):
                pass
            case EmptyContent():
                arguments = {}
            case _:
                raise RoomError("a tool takes a JSON object as its arguments")
        return await self._call(str(message.header.get("name")), arguments)


def _answered(message: Message, content: Content) -> Message:
    return Message(message.id, "agent.tool_call_response", content.to_header(), content.data)
