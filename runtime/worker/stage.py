"""The front and the room of a rehearsal: just enough of both for a session to be started, joined and stopped.

Both are one event loop with the session that rehearses, and reach it as the real ones do: over the worker's
control pipe.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final

from runtime.errors import ChannelClosed, ProtocolError
from runtime.process.channel import Channel
from runtime.process.plumbing import Box, WorkerEnds
from runtime.wire import by_pipe, control
from runtime.wire.room import Message, encode

LONGEST_S: Final = 2.0
"""Of one rehearsal.  A part of it that is refused or hangs makes later sessions slower, not worse."""

_MAX_FRAME_BYTES: Final = 1 << 20

RunWorker = Callable[[WorkerEnds], Coroutine[Any, Any, int]]


def _greeting() -> list[bytes]:
    ready = Message(0, "room_ready", {"room_name": "", "room_url": "", "session_id": ""})
    header = {"type": "init", "participantId": "", "attributes": {"name": ""}}
    return [packet for message in (ready, Message(1, "connected", header)) for packet in encode(message)]


class Front:
    """Calls a session into a room and, once it is there, asks it to stop."""

    def __init__(self, start: control.Start) -> None:
        self._start = start
        self._channel: Channel[control.FromWorker] | None = None

    async def call(self, run: RunWorker) -> None:
        """Have one worker live its whole life; returns when it has ended."""
        ours, theirs = socket.socketpair()
        box = Box.create()
        # The worker closes its end of the pipe by its number, as it does in its own process.
        worker = asyncio.create_task(run(WorkerEnds(theirs.detach(), -1, -1, box.fd)))
        try:
            self._channel = await Channel.open(
                ours, control.from_worker, self._heard, self._ended, max_frame_bytes=_MAX_FRAME_BYTES
            )
            await worker
        finally:
            worker.cancel()
            if self._channel is not None:
                self._channel.abort()
            await asyncio.sleep(0)
            ours.close()
            box.close()

    def _heard(self, message: control.FromWorker) -> None:
        assert self._channel is not None
        try:
            match message:
                case control.Hello():
                    self._channel.send(self._start)
                case by_pipe.Dial():
                    for packet in _greeting():
                        self._channel.send(control.Packet(packet))
                case control.ReadyNow():
                    self._channel.send(control.Ping(0))
                case control.Pong():
                    self._channel.send(control.Stop("", 1.0))
        except ChannelClosed:
            pass

    def _ended(self, error: ProtocolError | None) -> None:
        pass
