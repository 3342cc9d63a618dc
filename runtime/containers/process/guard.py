"""One box from the server's side: its first process, its commands, what they use, and the end of all."""

from __future__ import annotations

import asyncio
import json
import marshal
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from runtime.containers.errors import EngineFailed
from runtime.containers.process import shim
from runtime.errors import InvalidRequest
from runtime.process import descriptors, procfs
from runtime.process.child import become_subreaper
from runtime.process.environment import BUNDLE_MARK
from runtime.process.handle import ProcessHandle, held
from runtime.process.orphans import Orphans
from runtime.process.tree import TreeUse, measure, signal_all

_SHIM: Final = str(Path(shim.__file__).resolve())
_GONE_S: Final = 3.0
_START_S: Final = 20.0
_AGAIN_S: Final = 0.05
_MAX_TOLD_BYTES: Final = 4096
_KILLED: Final = 137


class Program(msgspec.Struct, frozen=True):
    """What is to be run in a box; `env` is all of its environment."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str


class Ran(msgspec.Struct, frozen=True):
    """A command that runs.

    Attributes:
        pid: As who runs it says, which may be wrong.
        status: Becomes its status.
    """

    number: int
    pid: int
    status: asyncio.Future[int]


class _Command(msgspec.Struct, eq=False):
    started: asyncio.Future[int]  # 0, or the number of the error
    status: asyncio.Future[int]
    pid: int = 0


class Guard:
    """Runs in: the front's event loop.  `end` must be called; afterwards nothing of the box is left."""

    def __init__(self, popen: subprocess.Popen[bytes], control: socket.socket) -> None:
        self._process, self._popen, self._control = ProcessHandle.open(popen), popen, control
        self._commands: dict[int, _Command] = {}
        self._last = shim.MAIN - 1
        self._ending: asyncio.Task[None] | None = None
        asyncio.get_running_loop().add_reader(control.fileno(), self._readable)

    @classmethod
    def start(cls, held_fd: int | None) -> Guard:
        """Start the first process, held by what the descriptor tells.  Raises EngineFailed."""
        become_subreaper()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        for one in (ours, theirs):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * shim.MAX_ORDER_BYTES)
        fds = [theirs.fileno(), *(() if held_fd is None else (held_fd,))]
        try:
            popen = subprocess.Popen(
                [sys.executable, "-I", "-S", _SHIM, *map(str, fds)],
                stdin=subprocess.DEVNULL,
                env={BUNDLE_MARK: "1", "PATH": os.defpath},
                pass_fds=fds,
                cwd="/",
                start_new_session=True,
            )
            descriptors.give_back(popen.pid)
            return cls(popen, ours)
        except OSError as error:
            ours.close()
            raise EngineFailed(f"no process could be started: {error.strerror}") from error
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        """Of the first process."""
        return self._process.pid

    async def run(self, program: Program, fds: Sequence[int], *, tty: bool) -> Ran:
        """Run a command with these descriptors.

        Raises:
            InvalidRequest: Its arguments and variables are too long.
            OSError: It cannot be run.
            EngineFailed: The box is gone, or does not answer.
        """
        loop = asyncio.get_running_loop()
        self._last += 1
        number = self._last
        order = {
            "do": "start",
            "id": number,
            "argv": list(program.argv),
            "env": dict(program.env),
            "cwd": program.cwd,
            "tty": tty,
        }
        data = marshal.dumps(order, 2)
        if len(data) > shim.MAX_ORDER_BYTES:
            raise InvalidRequest(
                f"arguments and variables come to {len(data)} bytes, at most {shim.MAX_ORDER_BYTES}",
                cure="Hand over a file instead.",
            )
        command = self._commands[number] = _Command(loop.create_future(), loop.create_future())
        try:
            socket.send_fds(self._control, [data], list(fds))
        except OSError as error:
            del self._commands[number]
            raise EngineFailed("the container is gone") from error
        try:
            async with asyncio.timeout(_START_S):
                failed = await asyncio.shield(command.started)
        except TimeoutError:  # what runs in there has stopped it, or the machine is very busy
            raise EngineFailed(f"the container did not start a command within {_START_S:g} s") from None
        if failed:
            raise OSError(failed, os.strerror(failed))
        return Ran(number, command.pid, command.status)

    def strike(self, number: int, signal_number: signal.Signals) -> None:
        """Signal a command."""
        order = {"do": "signal", "id": number, "signal": int(signal_number)}
        with suppress(OSError):
            self._control.send(marshal.dumps(order, 2))

    def use(self) -> TreeUse | None:
        """What is used now, and by whom; None when it is over."""
        return measure(self.pid, with_pss=False, with_fds=False)

    async def end(self, *, at_once: bool = False) -> None:
        """Kill everything in it; return when it is gone.  A second caller waits for the same.

        Args:
            at_once: Do not leave it to its first process: what multiplies is stopped first.
        """
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(0.0 if at_once else _GONE_S))
        await asyncio.shield(self._ending)

    async def _end(self, by_itself_s: float) -> None:
        self._hang_up()
        with suppress(TimeoutError):
            async with asyncio.timeout(by_itself_s):
                await self._process.wait()
        while not self._process.has_exited:  # stopped, or worse: it is ended from outside
            members = procfs.tree(self.pid)
            signal_all(members, signal.SIGSTOP)
            signal_all([*members, *procfs.tree(self.pid)], signal.SIGKILL)
            await asyncio.sleep(_AGAIN_S)
        status = await self._process.status()
        self._popen.returncode = status if status is not None else 0  # reaped, by its descriptor
        self._process.close()
        # Of one whose first process was killed: what was below it is our child now.
        orphans = Orphans(BUNDLE_MARK)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GONE_S):
                while orphans.strike(held()).left:  # noqa: ASYNC110 - nobody tells us
                    await asyncio.sleep(_AGAIN_S / 10)

    def _hang_up(self) -> None:
        if self._control.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
        for command in self._commands.values():
            _settle(command.started, 3)  # ESRCH
            _settle(command.status, _KILLED)
        self._commands.clear()

    def _readable(self) -> None:
        try:
            data = self._control.recv(_MAX_TOLD_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up()
            return
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            self._told(json.loads(data))

    def _told(self, said: Mapping[str, Any]) -> None:
        number = said["id"]
        command = self._commands.get(number)
        if command is None:
            return
        if "started" in said:
            command.pid = int(said["started"])
            _settle(command.started, 0)
        elif "errno" in said:
            del self._commands[number]
            _settle(command.started, int(said["errno"]) or 1)
        elif "code" in said:
            del self._commands[number]
            _settle(command.status, int(said["code"]) & 0xFF)


def _settle(future: asyncio.Future[int], value: int) -> None:
    if not future.done():
        future.set_result(value)
