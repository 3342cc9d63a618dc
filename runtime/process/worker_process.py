"""A worker process together with everything that ties it to the front."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable
from typing import Any, Final

import msgspec

from runtime.confinement.ground import Ground
from runtime.confinement.policy import Policy
from runtime.errors import ChannelClosed, ProtocolError
from runtime.logs import get_logger
from runtime.process import tree
from runtime.process.channel import Channel
from runtime.process.confine.hold import Hold, Private
from runtime.process.handle import ProcessHandle
from runtime.process.logpipe import LogPipe
from runtime.process.plumbing import (
    INSISTING_SIGNAL,
    LAST_STACKS_SIGNAL,
    STACKS_SIGNAL,
    TASKS_SIGNAL,
    Box,
    Plumbing,
)
from runtime.process.procfs import copied, final_cpu_s, member
from runtime.process.program import priority
from runtime.process.program.command import Command
from runtime.process.traffic import Traffic
from runtime.process.zygote_client import ZygoteClient
from runtime.session.crash import LoadedCode
from runtime.session.info import MessageSeen
from runtime.session.native import waits_in_python
from runtime.settings import SupervisorSettings
from runtime.wire import bounds, control
from runtime.wire.room import Message
from runtime.wire.trace import TaskTrace, tasks_from_bytes

_log = get_logger("supervisor")
_STACKS_S = 2.0
_TASKS_S = 0.5
_WAITS = ("S", "D")
PRESS_S: Final = (0.1, 0.5)
"""What a process gets to write its stacks itself: one that waits in a call, and one that computes."""
_NOBODYS: Final = Private()


class Owner(msgspec.Struct, frozen=True):
    """Who is told what a worker does; all are called in the front's event loop and may not block."""

    on_message: Callable[[control.FromWorker], None]
    on_end: Callable[[ProtocolError | None], None]
    on_line: Callable[[str], None]


class WorkerProcess:
    """One process, waiting for its session (parked) until `adopt` gives it an owner.

    `close` must be called, after the process has exited; it releases every descriptor.

    Attributes:
        traffic: The last messages on its pipe.
        code: What it runs; None until its bundle says.
        policy: What its session may reach; its bundle says.
        upheld: By what it is held, as the API shows it; its bundle says.
        folder: Path of its private folder; empty when it has none.
        ground: What lies where, to explain what is refused; None where nothing is held back.
        on_imported: Takes the files that its session imported while it ran.
    """

    def __init__(self, process: ProcessHandle, plumbing: Plumbing, settings: SupervisorSettings) -> None:
        self.process = process
        self._plumbing = plumbing
        self._settings = settings
        self._channel: Channel[control.FromWorker] | None = None
        self._owner: Owner | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        self._waiting: list[control.FromWorker] = []
        self.traffic = Traffic()
        self.code: LoadedCode | None = None
        self.policy = Policy()
        self.upheld: dict[str, Any] = {}
        self.folder = ""
        self.ground: Ground | None = None
        self._private = _NOBODYS
        self._forked_from = 0
        self.on_imported: Callable[[list[str]], None] = lambda _: None
        self._pipe_error: ProtocolError | None = None
        self.pipe_ended = False
        self._logs = LogPipe(
            plumbing.release_log(),
            self._line,
            max_line_bytes=settings.log_line_bytes,
            lines_per_s=settings.log_lines_per_s,
            bytes_per_s=settings.log_bytes_per_s,
        )

    @classmethod
    async def fork(
        cls, zygote: ZygoteClient, settings: SupervisorSettings, *, parked: bool = False
    ) -> WorkerProcess:
        """Fork one from a zygote: for a session, or to be parked.  Raises SpawnFailed or ZygoteLost."""
        private, plumbing = _made(zygote.hold)
        try:
            user = private.user if private.users is not None else None
            process = await zygote.fork(plumbing, parked=parked, private=private.name, user=user)
        except BaseException:
            plumbing.close()
            private.leave()
            raise
        worker = await cls._connected(process, plumbing, settings, private)
        worker._forked_from = zygote.pid
        return worker

    @classmethod
    async def once(
        cls, command: Command, settings: SupervisorSettings, *, endpoint: str = ""
    ) -> WorkerProcess:
        """Start one as a fresh interpreter, for a bundle that cannot be forked from.  Raises SpawnFailed.

        Args:
            endpoint: What it is to serve, by which it is held.
        """
        private, plumbing = _made(command.hold)
        try:
            ends = plumbing.child_fds()
            argv = ["--once", ",".join(map(str, ends))]
            popen = command.spawn(argv, ends, ends[1], private=private, endpoint=endpoint)
        except BaseException:
            plumbing.close()
            private.leave()
            raise
        plumbing.release_child_ends()
        try:
            process = ProcessHandle.open(popen)
        except BaseException:
            plumbing.close()
            private.leave()
            raise
        priority.end_first(popen.pid)
        worker = await cls._connected(process, plumbing, settings, private)
        worker._popen = popen
        return worker

    @classmethod
    async def _connected(
        cls,
        process: ProcessHandle,
        plumbing: Plumbing,
        settings: SupervisorSettings,
        private: Private = _NOBODYS,
    ) -> WorkerProcess:
        try:
            worker = cls(process, plumbing, settings)
        except BaseException:
            process.send_group(signal.SIGKILL)
            process.close()
            plumbing.close()
            private.leave()
            raise
        worker._private, worker.folder = private, private.path
        try:
            worker._channel = await Channel.open(
                plumbing.control,
                control.from_worker,
                worker._message,
                worker._ended,
                max_frame_bytes=settings.max_frame_bytes,
            )
        except BaseException:
            # Whoever wanted it was cancelled: without a handle it is an orphan, and is reaped as one.
            process.send_group(signal.SIGKILL)
            worker.close()
            raise
        return worker

    def adopt(self, owner: Owner) -> None:
        """Give the process its owner; what it said before is told first."""
        self._owner = owner
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            owner.on_message(message)
        if self.pipe_ended:
            owner.on_end(self._pipe_error)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def user(self) -> int | None:
        """Number of the user that it runs as; None for ours."""
        return self._private.user

    def copied_bytes(self) -> int:
        """Memory that it was forked with and has alone since it wrote to it, if only counts of references.

        0 for a fresh interpreter, and when its zygote is gone.
        """
        return copied(self.pid, self._forked_from) if self._forked_from else 0

    @property
    def lines_dropped(self) -> int:
        return self._logs.dropped

    @property
    def log_bytes(self) -> int:
        return self._logs.read_bytes

    @property
    def floods(self) -> bool:
        """Whether it wrote more than may be read of it."""
        return self._logs.paused_count > 0

    def send(self, message: msgspec.Struct) -> bool:
        """Send to the worker; False when its pipe is closed or full."""
        try:
            assert self._channel is not None
            self._channel.send(message)
        except ChannelClosed:
            return False
        self.traffic.note("in", message)
        return True

    async def drain(self) -> None:
        """Wait until the worker has read enough for more; raises ChannelClosed."""
        assert self._channel is not None
        await self._channel.drain()

    def pause(self) -> None:
        """Read nothing more from the worker until `resume`."""
        assert self._channel is not None
        self._channel.pause_reading()

    def resume(self) -> None:
        assert self._channel is not None
        self._channel.resume_reading()

    @property
    def box(self) -> Box:
        """What it writes for us to read, whatever it likes."""
        return self._plumbing.box

    def room_messages(self) -> list[MessageSeen]:
        """The last messages between the session and its room, oldest first."""
        return self._plumbing.box.messages.last()

    def recorded(self) -> list[Message]:
        """The last messages that came, with what was in them; empty unless that was asked for."""
        return self._plumbing.box.recording.messages()

    def signal_tree(self, number: signal.Signals) -> None:
        """Signal the process group, at one blow: no member of it can fork in between.

        What left the group comes to us when the worker, a subreaper, is gone; see `runtime.process.orphans`.
        """
        self.process.send_group(number)

    def ask_for_stacks(self, *, at_last: bool = False) -> None:
        """Have every thread's stack and the asyncio tasks written to the box.

        They come while its main thread runs Python code, sleeps, or waits on several things; where it is
        elsewhere, `press_for_stacks` is to follow.

        Args:
            at_last: It is to be killed.  The stacks come at once, also while the interpreter is stuck in C;
                one look in twenty at threads that are busy ends the process instead.
        """
        self._plumbing.box.clear_text()
        self._plumbing.box.ask_for_tasks()
        if at_last:
            self.process.send_main(LAST_STACKS_SIGNAL)
        self.process.send_main(TASKS_SIGNAL)

    def press_for_stacks(self, waited_s: float) -> None:
        """Have the main thread's stack written from outside, where it did not write them itself.

        Args:
            waited_s: Seconds since `ask_for_stacks`.  One that waits in a call is pressed at once; one that
                computes may be about to answer, and must not be read while it moves.
        """
        if self._plumbing.box.fd < 0 or self.last_text():
            return
        main = member(self.pid)
        if main is not None and (main.state in _WAITS or waited_s >= PRESS_S[1]):
            self.process.send_main(STACKS_SIGNAL)

    def insist_on_tasks(self) -> None:
        """Have them written also where its main thread waits in a call that a signal has to end.

        A moment after `ask_for_stacks`: of signals that come together the first one decides what becomes
        of the call.
        """
        self.process.send(INSISTING_SIGNAL)

    async def stacks(self) -> tuple[str, list[TaskTrace] | None]:
        """Every thread's stack and the asyncio tasks now.

        Empty, and None, where the process did not come to write them within two seconds.
        """
        self.ask_for_stacks()
        waited_s, before, told_s = 0.0, "", 0.0
        while waited_s < _STACKS_S:
            # faulthandler has no way to tell that it is done: two equal readings 20 ms apart mean it is.
            await asyncio.sleep(0.02)
            waited_s += 0.02
            if self._plumbing.box.fd < 0:
                return "", None  # it ended meanwhile, and all of it was closed
            text = self.last_text()
            if waited_s >= PRESS_S[0] and not text:
                self.press_for_stacks(waited_s)
            if text and text == before:
                if not told_s and waits_in_python(text):
                    self.insist_on_tasks()
                told_s = told_s or waited_s
                if self.last_tasks() is not None or waited_s - told_s > _TASKS_S:
                    break
            before = text
        return before, self.last_tasks()

    def forget_stacks(self) -> None:
        """What was written is of no use any more; it must not be taken for the stacks of an end to come."""
        self._plumbing.box.clear_text()

    def last_tasks(self) -> list[TaskTrace] | None:
        """What the asyncio tasks were doing when they were asked last; None before there is an answer."""
        told = self._plumbing.box.told_tasks()
        return None if told is None else tasks_from_bytes(told)

    def last_text(self) -> str:
        """What faulthandler wrote last."""
        return self._plumbing.box.text()

    def measure(self, *, with_pss: bool = True) -> tree.TreeUse | None:
        """What its tree uses now; None once it has exited."""
        return None if self.process.has_exited else tree.measure(self.pid, with_pss=with_pss)

    async def exited(self) -> int | None:
        """Wait for the exit; return the code, or minus the signal, or None.

        When it returns, everything that the process said has been told to its owner.
        """
        if self._popen is not None:
            await self.process.wait()
            self.process.cpu_s = final_cpu_s(self.pid)
            status: int | None = self._popen.wait()
        else:
            status = await self.process.status()
        self.process.send_group(signal.SIGKILL)
        try:
            self._logs.drain()
            if self._channel is not None:
                await self._channel.read_rest()
        except Exception:  # noqa: BLE001 - its end is known, whatever becomes of the rest
            _log.exception("worker.rest_unread", pid=self.pid)
        return status

    def close(self) -> None:
        """Release everything; idempotent."""
        if self._channel is not None:
            self._channel.abort()
        self._logs.close()
        self.process.close()
        self._plumbing.close()
        self._private.leave()

    def _message(self, message: control.FromWorker) -> None:
        self.traffic.note("out", message)
        message = bounds.heard(message)
        if self._owner is not None:
            self._owner.on_message(message)
        elif isinstance(message, control.Failed | control.Exiting | control.Ended):
            self._waiting.append(message)  # at most a report of an import that failed, before its Start
            del self._waiting[:-8]

    def _ended(self, error: ProtocolError | None) -> None:
        self.pipe_ended, self._pipe_error = True, error
        if self._owner is not None:
            self._owner.on_end(error)

    def _line(self, line: str) -> None:
        if self._owner is not None:
            self._owner.on_line(line)


def _made(hold: Hold | None) -> tuple[Private, Plumbing]:
    private = Private.of(hold)
    try:
        return private, Plumbing(private.user)
    except BaseException:
        private.leave()
        raise
