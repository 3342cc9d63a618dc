"""Commands in running containers, with their input: three ways of saying the same.

The oldest releases have all output on channel 0; those after them have 1 and 2, and are told the start on −1;
the newest have a stream.  A command ends with the connection of who started it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Final

from runtime.containers.contract import Box, Boxes, Exec
from runtime.errors import Conflict, InvalidRequest, RoomFull
from runtime.rooms.built_in.containers.asked import exec_argv
from runtime.rooms.built_in.containers.early_input import EarlyInput, Input
from runtime.rooms.built_in.containers.logs import UNREAD_BYTES
from runtime.rooms.connection import Peer
from runtime.rooms.live import LiveRoom
from runtime.rooms.request import Outcome, Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import BinaryContent, EmptyContent, JsonContent

STDIN, RESIZE, KILL, END_OF_INPUT = 1, 4, 5, 255
_STARTED, _STATUS = -1, 3
_MAX_EXECS: Final = 64
_MAX_WAITING_BYTES: Final = 8 << 20
_LEAST_BYTES: Final = 64
"""Of anything that waits: what has no bytes of its own takes memory, too."""


class _Session:
    """A command that runs, and what is written to it in order.  `aclose` ends it."""

    def __init__(self, command: Exec, peer: Peer) -> None:
        self.command, self._peer = command, peer
        self._inputs: asyncio.Queue[Input] = asyncio.Queue()
        self._waiting_bytes = 0
        self._writing = asyncio.create_task(self._write())

    def take(self, given: Input) -> None:
        """Hand it input.

        Raises:
            RoomFull: It reads slower than is sent, and too much waits.
        """
        size = _LEAST_BYTES + len(given.data)
        if self._waiting_bytes + size > _MAX_WAITING_BYTES:
            raise RoomFull(f"the command does not read: {self._waiting_bytes} bytes wait for it")
        self._hold(size)
        self._inputs.put_nowait(given)

    async def written(self) -> None:
        """Return once all that was handed in is written."""
        await self._inputs.join()

    async def kill(self) -> None:
        await self.command.kill()

    async def aclose(self) -> None:
        self._writing.cancel()
        await asyncio.gather(self._writing, return_exceptions=True)
        self._hold(-self._waiting_bytes)
        while not self._inputs.empty():
            self._inputs.get_nowait()
            self._inputs.task_done()
        await self.command.aclose()

    async def _write(self) -> None:
        while True:
            given = await self._inputs.get()
            try:
                if given.channel == STDIN:
                    await self.command.write(given.data)
                elif given.channel == END_OF_INPUT:
                    await self.command.close_stdin()
                elif given.channel == RESIZE:
                    await self.command.resize(given.width, given.height)
            finally:
                self._hold(-_LEAST_BYTES - len(given.data))
                self._inputs.task_done()

    def _hold(self, count_bytes: int) -> None:
        self._waiting_bytes += count_bytes
        self._peer.held.grow(count_bytes)


class Execs:
    """Runs in: the front's event loop.

    Args:
        box: The container that a request names; raises what refuses it.
    """

    def __init__(self, live: LiveRoom, boxes: Callable[[], Boxes], box: Callable[[Request], Box]) -> None:
        self._live, self._boxes, self._box = live, boxes, box
        self._running: dict[tuple[str, str], _Session] = {}
        self._starting: set[tuple[str, str]] = set()
        self._early = EarlyInput(live.clock)

    # ---- the older dialects

    async def run(self, request: Request) -> Outcome:
        """``containers.exec``: answered with its status, when it has ended."""
        key = (request.peer.id, request.text("request_id"))
        if key in self._running or key in self._starting:
            raise Conflict("this request_id is in use")
        is_oldest = "detach" in request.arguments
        self._starting.add(key)
        try:
            session = await self._session(request)
        finally:
            self._starting.discard(key)
        peer, head = request.peer, {"request_id": key[1]}
        try:
            self._running[key] = session
            if not is_oldest:
                started = json.dumps({"started": True}).encode()
                peer.push("containers.run.output", {**head, "channel": _STARTED}, started)
            for given in self._early.take(key):
                await self._give(session, given)
            async for channel, data in session.command.chunks():
                await peer.outbox.settled(UNREAD_BYTES)
                peer.push("containers.run.output", {**head, "channel": 0 if is_oldest else channel}, data)
            return JsonContent({"status": await session.command.wait()})
        finally:
            self._running.pop(key, None)
            await session.aclose()

    async def input(self, request: Request) -> Outcome:
        """``containers.container_input``: answered when it is written; it may come before its exec."""
        key = (request.peer.id, request.text("request_id"))
        given = Input.of(request.arguments, request.data)
        session = self._running.get(key)
        if session is None:
            self._early.keep(key, given)
            return EmptyContent()
        await self._give(session, given)
        if given.channel == STDIN:
            await session.written()
        return EmptyContent()

    async def stop(self, request: Request) -> Outcome:
        """``containers.stop_exec``; stopping what is over is harmless."""
        session = self._running.get((request.peer.id, request.text("request_id")))
        if session is not None:
            await session.kill()
        return EmptyContent()

    # ---- the newer one

    async def stream(self, stream: ServerStream) -> None:
        """The tool ``containers.exec``."""
        start = await stream.start()
        session = await self._session(start)
        key = (start.peer.id, f"stream {id(stream)}")
        self._running[key] = session
        reading = asyncio.create_task(self._read(stream, session))
        try:
            stream.accept()
            async for channel, data in session.command.chunks():
                await start.peer.outbox.settled(UNREAD_BYTES)
                stream.send({"channel": channel}, data)
            if reading.done() and not reading.cancelled() and (error := reading.exception()) is not None:
                raise error
            status = {"status": await session.command.wait()}
            stream.send({"channel": _STATUS}, json.dumps(status).encode())
        finally:
            self._running.pop(key, None)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await session.aclose()

    async def _read(self, stream: ServerStream, session: _Session) -> None:
        try:
            while (chunk := await stream.receive()) is not None:
                if not isinstance(chunk, BinaryContent) or chunk.headers.get("kind") != "input":
                    raise InvalidRequest(f"{stream.name} expects binary chunks of kind input")
                await self._give(session, Input.of(chunk.headers, chunk.data))
        finally:
            await session.kill()  # its caller has left, or sent what cannot be used

    # ---- both

    def leave(self, peer: Peer) -> None:
        """Forget what a participant sent too early; its commands end with its tasks."""
        self._early.forget(peer.id)

    async def _session(self, request: Request) -> _Session:
        box, mine = self._box(request), sum(1 for owner, _ in self._running if owner == request.peer.id)
        if mine + len(self._starting) > _MAX_EXECS:
            raise RoomFull(f"a participant may run {_MAX_EXECS} commands at once")
        tty = request.flag("tty")
        command = await self._boxes().exec(self._live.name, box.id, exec_argv(request), tty=tty)
        return _Session(command, request.peer)

    async def _give(self, session: _Session, given: Input) -> None:
        if given.channel == KILL:
            await session.kill()
        else:
            session.take(given)
