"""Streams whose far end is the server itself: the newer dialect's uploads, downloads, documents and logs."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from runtime.errors import InvalidRequest, RoomFull, RuntimeServiceError
from runtime.rooms.connection import Peer
from runtime.rooms.request import Request, error_content
from runtime.wire.content import (
    CODE_FAILED,
    STATUS_OK,
    BinaryContent,
    Content,
    ControlContent,
    JsonContent,
)


class ServerStream:
    """One streamed call of a built-in tool: chunks in, chunks out.

    Args:
        max_bytes: What may wait unread, as it came; a caller that sends more gets its stream closed.

    Attributes:
        held_bytes: What is kept of the caller's chunks, see `hold`.
        received_bytes: The size of the chunk that was received last, as it came.
    """

    def __init__(
        self, request: Request, tool_call_id: str, *, max_bytes: int, max_chunks: int = 4096
    ) -> None:
        self._request = request
        self._tool_call_id = tool_call_id
        self._max_bytes = max_bytes
        self._max_chunks = max_chunks
        self._chunks: deque[tuple[Content, int]] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._input_ended = False
        self._overflowed = False
        self._finished = False
        self.held_bytes = self.received_bytes = 0
        self._accepted = False

    @property
    def peer(self) -> Peer:
        """Who called."""
        return self._request.peer

    @property
    def name(self) -> str:
        """Name of the tool, for errors."""
        return self._request.name

    def accept(self) -> None:
        """Answer the call with `open`; chunks may be sent from now on."""
        self._accepted = True
        self._request.answer(ControlContent("open"))

    def feed(self, chunk: Content, size: int) -> None:
        """Take a chunk of the caller, whose message had so many bytes."""
        if self._input_ended:
            return
        if isinstance(chunk, ControlContent):
            self._input_ended = chunk.method == "close"
        else:
            self._wait(size)
            if self._waiting_bytes > self._max_bytes or len(self._chunks) >= self._max_chunks:
                self._overflowed = self._input_ended = True
                self._chunks.clear()
            else:
                self._chunks.append((chunk, size))
        self._wake.set()

    async def receive(self) -> Content | None:
        """The next chunk, or None once the caller has closed its side.

        Raises:
            RoomFull: The caller sent faster than its chunks were used.
        """
        while not self._chunks:
            if self._overflowed:
                raise RoomFull("the stream's chunks came faster than they could be used")
            if self._input_ended:
                return None
            self._wake.clear()
            await self._wake.wait()
        chunk, self.received_bytes = self._chunks.popleft()
        self._wait(-self.received_bytes)
        return chunk

    async def receive_binary(self, *kinds: str) -> BinaryContent | None:
        """The next chunk, which must be binary and of one of these kinds.

        Raises:
            InvalidRequest: It is something else.
        """
        chunk = await self.receive()
        if chunk is None:
            return None
        if not isinstance(chunk, BinaryContent) or chunk.headers.get("kind") not in kinds:
            raise InvalidRequest(f"{self.name} expects binary chunks of kind {' or '.join(kinds)}")
        return chunk

    async def pulled(self, *, max_bytes: int, by_json: bool = False) -> AsyncIterator[Content]:
        """The chunks up to the close of the caller's side, each asked for, and held until the stream is over.

        Args:
            max_bytes: Of all of them.
            by_json: They are asked for by chunks of JSON.

        Raises:
            RoomFull: They have more.
        """
        while True:
            (self.send_json if by_json else self.send)({"kind": "pull"})
            chunk = await self.receive()
            if chunk is None:
                return
            self.hold(self.received_bytes)
            if self.held_bytes > max_bytes:
                raise RoomFull(
                    f"one request writes at most {max_bytes} bytes", cure="Send fewer rows at once."
                )
            yield chunk

    async def start(self) -> Request:
        """The first chunk, of kind ``start``, as a request of its own with the chunk's headers as arguments.

        Raises:
            InvalidRequest: The caller closed at once or sent something else.
        """
        chunk = await self.receive_binary("start")
        if chunk is None:
            raise InvalidRequest(f"{self.name} was closed before it began")
        return Request(self.peer, self._request.id, self.name, chunk.headers, is_tool=True)

    async def start_json(self) -> Request:
        """The first chunk of a stream of JSON, of kind ``start``, as a request with what it says.

        Raises:
            InvalidRequest: The caller closed at once or sent something else.
        """
        chunk = await self.receive()
        if not isinstance(chunk, JsonContent) or not isinstance(chunk.json, dict):
            raise InvalidRequest(f"{self.name} begins with a chunk of JSON")
        if chunk.json.get("kind") != "start":
            raise InvalidRequest(f"{self.name} begins with a chunk of kind 'start'")
        return self.request(chunk.json)

    def request(self, arguments: dict[str, Any]) -> Request:
        """What a chunk asks, as a request of this stream."""
        return Request(self.peer, self._request.id, self.name, arguments, is_tool=True)

    async def ended_within(self, seconds: float) -> bool:
        """Wait; whether the caller has closed its side meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._input_ended:
                    self._wake.clear()
                    await self._wake.wait()
        return self._input_ended

    def hold(self, count_bytes: int) -> None:
        """Account for what is kept of the caller's chunks until the stream is over."""
        self.held_bytes += count_bytes
        self.peer.held.grow(count_bytes)

    def let_go(self) -> None:
        """Nobody reads it any more."""
        self._chunks.clear()
        self._input_ended = True
        self._wait(-self._waiting_bytes)
        self.hold(-self.held_bytes)

    def _wait(self, count_bytes: int) -> None:
        self._waiting_bytes += count_bytes
        self.peer.held.grow(count_bytes)

    def send(self, headers: dict[str, Any], data: bytes = b"") -> None:
        """Send a binary chunk."""
        self._send(BinaryContent(headers, data))

    def send_json(self, value: dict[str, Any]) -> None:
        """Send a chunk of JSON."""
        self._send(JsonContent(value))

    def finish(self) -> None:
        """End the stream; ending twice is harmless."""
        if not self._finished:
            self._finished = True
            self._send(ControlContent("close", STATUS_OK))

    def fail(self, error: RuntimeServiceError) -> None:
        """End the stream with an error; before it was accepted, that is the answer of the call."""
        if not self._finished:
            self._finished = True
            if not self._accepted:
                self._request.answer(error_content(error))
                return
            self._send(error_content(error))
            self._send(ControlContent("close", CODE_FAILED, str(error)))

    def _send(self, chunk: Content) -> None:
        header = {"tool_call_id": self._tool_call_id, "chunk": chunk.to_header()}
        self.peer.push("room.tool_call_response_chunk", header, chunk.data)
