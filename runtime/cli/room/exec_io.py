"""A command in a container, with this terminal as its own, or with pipes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import RuntimeServiceError

if TYPE_CHECKING:
    from runtime.sdk.room.client import RoomClient

_STDIN, _STDERR, _RESIZE, _END = 1, 2, 4, 255
_PIECE_BYTES: Final = 1 << 15


async def executed(client: RoomClient, container: str, command: Sequence[str]) -> int:
    """Run a command, with what is typed or piped in; its exit code."""
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    request = uuid.uuid4().hex

    def written(message: Any) -> None:
        if message.header.get("request_id") != request:
            return
        channel = message.header.get("channel")
        stream = sys.stderr.buffer if channel == _STDERR else sys.stdout.buffer
        if channel in (1, _STDERR):
            stream.write(message.data)
            stream.flush()

    async def give(channel: int, data: bytes = b"", **more: int) -> None:
        head = {"request_id": request, "channel": channel, **more}
        with suppress(RuntimeServiceError):  # the command has ended meanwhile
            await client.request("containers.container_input", head, data)

    done = client.on_push("containers.run.output", written)
    with _raw(tty):
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()

        def resized() -> None:
            size = shutil.get_terminal_size()
            task = loop.create_task(give(_RESIZE, width=size.columns, height=size.lines))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        asked = {"request_id": request, "container_id": container, "tty": tty}
        asked |= {"command": list(command)} if command else {}
        running = asyncio.ensure_future(client.request("containers.exec", asked))
        typing = asyncio.create_task(_type(give))
        if tty:
            loop.add_signal_handler(signal.SIGWINCH, resized)
            resized()
        try:
            answer = await running
        finally:
            typing.cancel()
            await asyncio.gather(typing, *tasks, return_exceptions=True)
            if tty:
                loop.remove_signal_handler(signal.SIGWINCH)
            done()
    return int(getattr(answer, "json", {}).get("status", 1))


async def _type(give: Any) -> None:
    """Hand over what comes by standard input, until its end."""
    loop = asyncio.get_running_loop()
    fd = sys.stdin.fileno()
    came: asyncio.Queue[bytes] = asyncio.Queue()
    try:
        loop.add_reader(fd, lambda: came.put_nowait(os.read(fd, _PIECE_BYTES)))
    except OSError:  # a file, which is always ready
        while piece := await asyncio.to_thread(os.read, fd, _PIECE_BYTES):
            await give(_STDIN, piece)
        await give(_END)
        return
    try:
        while piece := await came.get():
            await give(_STDIN, piece)
        loop.remove_reader(fd)
        await give(_END)
    finally:
        loop.remove_reader(fd)


@contextmanager
def _raw(tty: bool) -> Iterator[None]:
    """Have every key go to the command."""
    if not tty:
        yield
        return
    import termios
    import tty as terminal

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        terminal.setraw(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
