"""A command that runs as a child of this process for a while, with what it says.

It leads a group of its own, which ends with whoever runs it, and is held: a child that nobody holds is taken
for the orphan of an ended session, and killed with the next one that ends.
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.process import descriptors
from runtime.process.handle import ProcessHandle


class Running:
    """One such command; `running` makes it."""

    def __init__(self, process: ProcessHandle, said: asyncio.StreamReader) -> None:
        self._process, self._said = process, said
        self._status = asyncio.ensure_future(process.status())  # which can be learnt once

    async def read(self, most_bytes: int) -> bytes:
        """What it said next, on either of its streams; empty once all of them are closed."""
        return await self._said.read(most_bytes)

    async def status(self) -> int | None:
        """Wait for its end: the exit code, or minus the signal; None when nobody could learn it."""
        return await asyncio.shield(self._status)

    def interrupt(self) -> None:
        """Ask it and its group to end, as Ctrl-C does."""
        self._process.send_group(signal.SIGINT)


@asynccontextmanager
async def running(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> AsyncIterator[Running]:
    """Run a command without input for the time of the ``async with``; nothing of its group is left then.

    Raises:
        OSError: It cannot be started.
    """
    process, reading = _started(argv, env, cwd)
    said = asyncio.StreamReader()
    command = Running(process, said)
    open_end: io.FileIO | asyncio.ReadTransport = reading
    try:
        open_end, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(said), reading
        )
        yield command
    finally:
        process.send_group(signal.SIGKILL)
        open_end.close()
        try:
            await command.status()
        finally:
            process.close()


def _started(
    argv: Sequence[str], env: Mapping[str, str] | None, cwd: Path | None
) -> tuple[ProcessHandle, io.FileIO]:
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    reading = io.FileIO(ours, "rb")
    try:
        popen = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )
        descriptors.give_back(popen.pid)
        process = ProcessHandle.open(popen)
    except BaseException:
        reading.close()
        raise
    finally:
        os.close(theirs)
    popen.returncode = 0  # the handle's business from here on
    return process, reading
