"""A command in a container of an engine."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from aiodocker.containers import DockerContainer
from aiodocker.execs import Exec as DockerExec
from aiodocker.stream import Stream

from runtime.containers.contract import STDERR, STDOUT
from runtime.containers.docker.client import told
from runtime.containers.errors import ContainerNotFound, EngineFailed

MARK: Final = "BULKHEAD_EXEC"
_END_OF_INPUT: Final = b"\x04"
_KILL: Final = """\
found=1
while [ $found = 1 ]; do
  found=0
  for p in /proc/[0-9]*; do
    tr '\\0' '\\n' <$p/environ 2>/dev/null | grep -qx {mark} && kill -9 ${{p#/proc/}} && found=1
  done
done
"""
_AGAIN_S: Final = 0.05
_ENDED_S: Final = 10.0


class Command:
    """See `Exec`.

    An engine has no way to end a command: what carries its mark in the environment is killed by another
    command, or where there is no shell, by its number, if it is on this machine.
    """

    def __init__(
        self, container: DockerContainer, command: DockerExec, stream: Stream, *, mark: str, tty: bool
    ) -> None:
        self._container, self._command, self._stream = container, command, stream
        self._mark, self._tty = mark, tty
        self._ended = False

    async def write(self, data: bytes) -> None:
        with suppress(RuntimeError, AssertionError, ConnectionError, OSError):  # it is over
            await self._stream.write_in(data)

    async def close_stdin(self) -> None:
        if self._tty:
            await self.write(_END_OF_INPUT)
            return
        # There is no public way to close one direction alone.
        response = self._stream._resp
        transport = response.connection.transport if response is not None and response.connection else None
        if transport is not None and transport.can_write_eof():
            transport.write_eof()

    async def resize(self, columns: int, rows: int) -> None:
        if self._tty:
            with suppress(EngineFailed, ContainerNotFound):  # it may have ended
                async with told("resize a terminal"):
                    await self._command.resize(h=rows, w=columns)

    async def kill(self) -> None:
        if self._ended:
            return
        with suppress(EngineFailed, ContainerNotFound):
            async with told("end a command", timeout_s=_ENDED_S):
                script = _KILL.format(mark=f"{MARK}={self._mark}")
                killer = await self._container.exec(["sh", "-c", script], stdout=True, stderr=True)
                async with killer.start(detach=False) as output:
                    while await output.read_out() is not None:
                        pass
                if (await killer.inspect()).get("ExitCode") not in (126, 127):
                    return
                pid = int((await self._command.inspect()).get("Pid") or 0)
            if pid and await asyncio.to_thread(_is_in, pid, self._container.id):
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    async def chunks(self) -> AsyncIterator[tuple[int, bytes]]:
        while True:
            async with told("pass on the output of a command"):
                message = await self._stream.read_out()
            if message is None:
                return
            yield STDERR if message.stream == STDERR and not self._tty else STDOUT, message.data

    async def wait(self) -> int:
        async with told("say how a command ended", timeout_s=_ENDED_S):
            while True:
                found = await self._command.inspect()
                if not found.get("Running"):
                    self._ended = True
                    return int(found.get("ExitCode") or 0)
                await asyncio.sleep(_AGAIN_S)  # its output ends a moment before it does

    async def aclose(self) -> None:
        try:
            if not self._ended:
                await self.kill()
        finally:
            with suppress(AssertionError, OSError):
                await self._stream.close()


def _is_in(pid: int, container: str) -> bool:
    """Whether a process of this machine is one of the container: the engine may be elsewhere."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="ascii", errors="replace") as file:
            return container in file.read()
    except OSError:
        return False
