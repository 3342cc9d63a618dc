"""A command of a box as its caller has it: pipes or a terminal, read no faster than somebody asks."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from runtime.containers.contract import STDERR, STDOUT

_READ_BYTES: Final = 1 << 16
_END_OF_INPUT: Final = b"\x04"


class Ends:
    """The descriptors of a command: ours, and those that it is given.  Both are closed by `close`."""

    def __init__(self, *, tty: bool) -> None:
        self.tty = tty
        if tty:
            ours, theirs = os.openpty()
            self.input, self.outputs, self.theirs = ours, {STDOUT: ours}, [theirs]
        else:
            (stdin, ours_in), (ours_out, stdout), (ours_err, stderr) = os.pipe(), os.pipe(), os.pipe()
            self.input, self.outputs = ours_in, {STDOUT: ours_out, STDERR: ours_err}
            self.theirs = [stdin, stdout, stderr]
        for fd in {self.input, *self.outputs.values()}:
            os.set_blocking(fd, False)

    def given(self) -> list[int]:
        """As standard input, output and error."""
        return self.theirs * 3 if self.tty else self.theirs

    def let_go(self) -> None:
        """The command has its own copies now."""
        for fd in self.theirs:
            os.close(fd)
        self.theirs = []

    def close(self) -> None:
        self.let_go()
        for fd in {self.input, *self.outputs.values()} - {-1}:
            os.close(fd)
        self.input, self.outputs = -1, {}


class Command:
    """See `Exec`.

    Args:
        status: Becomes its status.
        kill: Kills it.
    """

    def __init__(self, ends: Ends, status: asyncio.Future[int], kill: Callable[[], None]) -> None:
        self._ends, self._status, self._kill = ends, status, kill
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and self._ends.input >= 0 and not self._status.done():
            try:
                rest = rest[os.write(self._ends.input, rest) :]
            except BlockingIOError:
                await self._first_of(_ready(self._ends.input, writing=True))
            except OSError:
                return  # it has closed its input

    async def close_stdin(self) -> None:
        if self._ends.tty:
            await self.write(_END_OF_INPUT)
        elif self._ends.input >= 0:
            os.close(self._ends.input)
            self._ends.input = -1

    async def resize(self, columns: int, rows: int) -> None:
        if self._ends.tty and self._ends.input >= 0:
            with suppress(OSError):
                fcntl.ioctl(self._ends.input, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    async def kill(self) -> None:
        self._kill()

    async def chunks(self) -> AsyncIterator[tuple[int, bytes]]:
        queue: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue(1)
        running = 0
        for channel, fd in self._ends.outputs.items():
            task = asyncio.create_task(self._pump(channel, fd, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            running += 1
        while running:
            chunk = await queue.get()
            if chunk is None:
                running -= 1
            else:
                yield chunk

    async def wait(self) -> int:
        return await asyncio.shield(self._status)

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if not self._status.done():
            self._kill()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ends.close()

    async def _pump(self, channel: int, fd: int, queue: asyncio.Queue[tuple[int, bytes] | None]) -> None:
        while (data := await self._read(fd)) is not None:
            await queue.put((channel, data))
        await queue.put(None)

    async def _read(self, fd: int) -> bytes | None:
        """Some output, as soon as there is any; None when there will be no more."""
        while True:
            over = self._status.done()  # before reading: what it wrote is there by now
            try:
                return os.read(fd, _READ_BYTES) or None
            except BlockingIOError:
                if over:
                    return None  # something that it left behind holds the other end
                await self._first_of(_ready(fd))
            except OSError:
                return None  # a terminal that nobody has open any more

    async def _first_of(self, ready: Awaitable[None]) -> None:
        """Wait for a descriptor, or for the command's end."""
        waiting: asyncio.Future[None] = asyncio.ensure_future(ready)
        both: set[asyncio.Future[Any]] = {waiting, self._status}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


class NeverStarted:
    """What stands for a command that cannot be run: it says so like a shell, and has a shell's status."""

    def __init__(self, name: str, reason: str, status: int) -> None:
        self._text, self._status = f"{name}: {reason}\n", status

    async def write(self, data: bytes) -> None:
        return None

    async def close_stdin(self) -> None:
        return None

    async def resize(self, columns: int, rows: int) -> None:
        return None

    async def kill(self) -> None:
        return None

    async def chunks(self) -> AsyncIterator[tuple[int, bytes]]:
        yield STDERR, self._text.encode("utf-8", "replace")

    async def wait(self) -> int:
        return self._status

    async def aclose(self) -> None:
        return None


async def _ready(fd: int, *, writing: bool = False) -> None:
    """Return once something can be read from a descriptor, or written to it."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)

    def told() -> None:
        if not ready.done():
            ready.set_result(None)

    add(fd, told)
    try:
        await ready
    finally:
        remove(fd)
