"""A hub behind real websockets, and a raw client that speaks both dialects."""

from __future__ import annotations

import asyncio
import http
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Request, Response, Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from runtime.errors import NotFound, PermissionDenied, RoomFull, RuntimeServiceError
from runtime.rooms.hub import RoomHub
from runtime.rooms.limits import RoomLimits
from runtime.rooms.live import RoomEvent
from runtime.rooms.token import Claims
from runtime.wire.room import Assembler, Message, encode
from tests.patience import PATIENCE

STATUS = {PermissionDenied: 403, NotFound: 404, RoomFull: 503}
PATIENCE_S = 10.0 * PATIENCE


class RoomError(Exception):
    """An error answer."""

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header["text"])
        self.code = header.get("code")


class Socket:
    """A `websockets` server connection as the hub wants it."""

    def __init__(self, websocket: ServerConnection) -> None:
        self._websocket = websocket

    async def receive(self) -> bytes | None:
        try:
            message = await self._websocket.recv()
        except ConnectionClosed:
            return None
        return message if isinstance(message, bytes) else None

    async def send(self, packet: bytes) -> None:
        await self._websocket.send(packet)

    async def close(self, code: int = 1000) -> None:
        await self._websocket.close(code)


class Client:
    """A participant, byte by byte.  `pushes` holds what came unasked, in order, with the answers between."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._ids = 0
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self.log: list[Message] = []
        self.answers: set[int] = set()
        self.answered_twice = False
        self._arrived = asyncio.Event()
        self._taken: set[int] = set()
        self.id = ""
        self.close_code: int | None = None
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assembler = Assembler(max_message_bytes=2**31)
        try:
            async for packet in self._websocket:
                assert isinstance(packet, bytes)
                message = assembler.receive(packet)
                if message is None:
                    continue
                self.log.append(message)
                if message.type == "__response__":
                    self.answered_twice |= message.id in self.answers
                    self.answers.add(message.id)
                    future = self._waiting.pop(message.id, None)
                    if future is not None and not future.done():
                        future.set_result(message)
                self._arrived.set()
        except ConnectionClosed:
            pass
        self.close_code = self._websocket.close_code
        for future in self._waiting.values():
            future.cancel()
        self._arrived.set()

    async def send(
        self, kind: str, header: dict[str, Any], data: bytes = b"", *, id: int | None = None
    ) -> int:
        """A message that expects no answer; returns its id."""
        if id is None:
            self._ids += 1
            id = self._ids
        for packet in encode(Message(id, kind, header, data), slice_bytes=1024):
            await self._websocket.send(packet)
        return id

    async def start(self, kind: str, header: dict[str, Any], data: bytes = b"") -> asyncio.Future[Message]:
        """Send a request without waiting for its answer."""
        self._ids += 1
        future = self._waiting[self._ids] = asyncio.get_running_loop().create_future()
        await self.send(kind, header, data, id=self._ids)
        return future

    async def ask(self, kind: str, header: dict[str, Any] | None = None, data: bytes = b"") -> Message:
        """A request and its answer; raises RoomError for an error."""
        return await self.answer(await self.start(kind, header or {}, data))

    async def answer(self, future: asyncio.Future[Message]) -> Message:
        async with asyncio.timeout(PATIENCE_S):
            answer = await future
        if answer.header["type"] == "error":
            raise RoomError(answer.header)
        return answer

    async def json(self, kind: str, header: dict[str, Any] | None = None) -> Any:
        """A request whose answer is JSON."""
        answer = await self.ask(kind, header)
        assert answer.header["type"] == "json", answer.header
        return answer.header["json"]

    async def tool(self, name: str, arguments: dict[str, Any] | None = None) -> Message:
        """Call a tool as newer clients do."""
        return await self.answer(await self.start_tool(name, {"type": "json", "json": arguments or {}}))

    async def start_tool(
        self, name: str, content: dict[str, Any], data: bytes = b"", *, call_id: str | None = None
    ) -> asyncio.Future[Message]:
        toolkit, _, tool = name.partition(".")
        header = {
            "toolkit": toolkit,
            "tool": tool,
            "participant_id": None,
            "on_behalf_of_id": None,
            "arguments": content,
            "tool_call_id": call_id or uuid.uuid4().hex,
        }
        return await self.start("room.invoke_tool", header, data)

    async def stream(self, name: str) -> Stream:
        """Open a streamed tool of the server."""
        call_id = uuid.uuid4().hex
        content = {"type": "control", "method": "open"}
        answer = await self.answer(await self.start_tool(name, content, call_id=call_id))
        assert answer.header == content
        return Stream(self, call_id)

    async def push(self, kind: str, **wanted: Any) -> Message:
        """The next message of this type (and these header fields) that was not taken yet."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._arrived.clear()
                for index, message in enumerate(self.log):
                    if index in self._taken or message.type != kind:
                        continue
                    if all(message.header.get(key) == value for key, value in wanted.items()):
                        self._taken.add(index)
                        return message
                if self._reader.done():
                    raise AssertionError(f"closed without {kind}: {[m.type for m in self.log]}")
                await self._arrived.wait()

    async def message(self, kind: str) -> Message:
        """The next `messaging.send` of this inner type."""
        return await self.push("messaging.send", type=kind)

    async def settled(self) -> None:
        """Everything the server sent before this call has arrived."""
        await self.ask("developer.log", {"type": "fence", "data": {}})

    def types(self) -> list[str]:
        return [
            message.header["type"] if message.type == "messaging.send" else message.type
            for message in self.log
        ]

    async def raw(self, packet: bytes | str) -> None:
        await self._websocket.send(packet)

    async def closed(self) -> int | None:
        """Wait for the server to close; the code."""
        async with asyncio.timeout(PATIENCE_S):
            await self._reader
        return self.close_code

    async def leave(self) -> None:
        await self._websocket.close()
        await asyncio.gather(self._reader, return_exceptions=True)
        assert not self.answered_twice

    def cut(self) -> None:
        """Lose the connection without a word."""
        self._websocket.transport.abort()


class Stream:
    """A streamed call of one of the server's tools."""

    def __init__(self, client: Client, call_id: str) -> None:
        self._client = client
        self.call_id = call_id

    async def send(self, headers: dict[str, Any], data: bytes = b"") -> None:
        chunk = {"type": "binary", "headers": headers}
        header = {"tool_call_id": self.call_id, "chunk": chunk}
        await self._client.answer(await self._client.start("room.tool_call_request_chunk", header, data))

    async def close(self) -> None:
        chunk = {"type": "control", "method": "close", "status_code": 1000}
        await self._client.ask("room.tool_call_request_chunk", {"tool_call_id": self.call_id, "chunk": chunk})

    async def receive(self) -> tuple[dict[str, Any], bytes]:
        message = await self._client.push("room.tool_call_response_chunk", tool_call_id=self.call_id)
        return message.header["chunk"], message.data


class House:
    """A hub that serves on loopback."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.events: list[RoomEvent] = []
        self.calls: list[dict[str, Any]] = []
        self.failure: RuntimeServiceError | None = None
        self._stack = AsyncExitStack()
        self.url = ""
        self.hub: RoomHub
        self._happened = asyncio.Event()

    async def open(self, limits: RoomLimits, **settings: Any) -> None:
        self.limits = limits
        self.hub = RoomHub(limits, state_dir=self.state_dir, listener=self._note, caller=self, **settings)
        server: Server = await self._stack.enter_async_context(
            serve(
                self._serve,
                "127.0.0.1",
                0,
                process_request=self._admit,
                max_size=2**22,
                compression=None,
                close_timeout=0.3,
            )
        )
        self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def call(
        self,
        *,
        url: str,
        room: str,
        name: str,
        arguments: dict[str, Any],
        token: str,
        only_here: bool = False,
    ) -> None:
        self.calls.append({"url": url, "room": room, "name": name, "arguments": arguments, "token": token})
        if self.failure is not None:
            raise self.failure

    def _note(self, event: RoomEvent) -> None:
        self.events.append(event)
        self._happened.set()

    async def happened(self, kind: str, name: str | None = None) -> RoomEvent:
        """Wait until the hub has reported this."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._happened.clear()
                for event in self.events:
                    if event.kind == kind and name in (None, event.participant_name):
                        return event
                await self._happened.wait()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        token = (parse_qs(parts.query).get("token") or [""])[0]
        token = token or request.headers.get("Authorization", "").removeprefix("Bearer ")
        room = unquote(parts.path.removeprefix("/rooms/"))
        try:
            connection.admitted = (room, self.hub.admit(room, token))  # type: ignore[attr-defined]
        except RuntimeServiceError as error:
            status = STATUS[type(error)]
            return connection.respond(http.HTTPStatus(status), json.dumps({"detail": str(error)}))
        return None

    async def _serve(self, websocket: ServerConnection) -> None:
        admitted: tuple[str, Claims] = websocket.admitted  # type: ignore[attr-defined]
        room, claims = admitted
        try:
            await self.hub.serve(room, claims, Socket(websocket), room_url=f"{self.url}/rooms/{room}")
        except RoomFull:
            pass

    async def join(self, name: str, *, room: str = "lab", **token: Any) -> Client:
        """A participant, after its handshake."""
        jwt = token.pop("token", None) or self.hub.token(room, name, **token)
        websocket = await self._stack.enter_async_context(
            connect(f"{self.url}/rooms/{room}?v=0.7.1&token={jwt}", compression=None, max_size=2**24)
        )
        client = Client(websocket)
        self._stack.push_async_callback(client.leave)
        client.id = (await client.push("connected")).header["participantId"]
        return client

    async def visible(self, name: str, **how: Any) -> Client:
        """A participant that has enabled messaging."""
        client = await self.join(name, **how)
        await client.ask("messaging.enable")
        return client

    async def close(self) -> None:
        await self.hub.aclose()
        await self._stack.aclose()


Build = Callable[..., Awaitable[House]]


@pytest_asyncio.fixture
async def build(state_dir: Path) -> AsyncIterator[Build]:
    """Make houses with limits of one's own; all share one state folder."""
    houses: list[House] = []

    async def make(limits: RoomLimits | None = None, **settings: Any) -> House:
        house = House(state_dir)
        houses.append(house)
        await house.open(limits or RoomLimits(flush_s=0.01), **settings)
        return house

    yield make
    for house in houses:
        await house.close()


@pytest_asyncio.fixture
async def house(build: Build) -> House:
    return await build()
