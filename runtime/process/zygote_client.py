"""A zygote as the front sees it: start it, hear what it found, ask it for workers, lose it.

Whatever it is asked for has an end.  An import is waited for by whoever asked for it; a fork is answered, or
refused, or the zygote has said nothing for `SILENT_S` and is ended, which ends all that it was asked for.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Final

from runtime.errors import (
    BundleImportFailed,
    EnvironmentUnusable,
    RemoteProtocolError,
    SpawnFailed,
    SystemShort,
    ZygoteLost,
    ZygoteSilent,
    lacking,
)
from runtime.logs import get_logger
from runtime.process import descriptors, procfs
from runtime.process.handle import ProcessHandle
from runtime.process.plumbing import Plumbing
from runtime.process.program import priority
from runtime.process.program.command import Command
from runtime.process.program.import_error import cure_of_refusal, died_early, import_error
from runtime.wire import bounds, control

SILENT_S: Final = 10.0
"""A zygote that owes an answer and says nothing for so long hangs: it is ended, and another comes."""

_STARVED: Final = 3.0  # one that is running, or waits for a processor, gets so many times as long
_LOOK_S: Final = 0.5
_AGAIN_S: Final = 0.05
_UNKILLABLE_S: Final = 5.0
_MAX_DATAGRAM = 192 << 10
_MAX_AT_ONCE = 64  # datagrams; what is left makes the loop come back, after everybody else had a turn
_log = get_logger("supervisor")


class ZygoteClient:
    """One running zygote.  Runs in: the front's event loop.

    Args:
        fork: What its bundle says of being forked from; see `Fork`.
        on_lost: Called once when the zygote is gone without having been closed.
        on_reaped: Called once by `wait`, when nothing more will be written to `log_fd`.

    Attributes:
        imported: The files that the program's import read or looked for, once it has said how that went.
        confined: What holds it, said before it ran a line of the program; None where nothing does.
        is_gone: It has ended, or was closed.
    """

    def __init__(
        self,
        command: Command,
        *,
        log_fd: int,
        fork: str = "auto",
        on_lost: Callable[[], None],
        on_reaped: Callable[[], None] = lambda: None,
    ) -> None:
        self._command = command
        self.hold = command.hold
        self._on_lost = on_lost
        self._on_reaped = on_reaped
        self._loop = asyncio.get_running_loop()
        self.is_gone = self._died_early = self._has_forked = False
        self._tickets = itertools.count(1)
        self._forks: dict[int, asyncio.Future[ProcessHandle]] = {}
        self._workers: dict[int, ProcessHandle] = {}
        self.imported: list[str] = []
        self.confined: control.Confined | None = None
        self.described: asyncio.Future[control.Described] = self._loop.create_future()
        self._sending = asyncio.Lock()
        self._heard_at = 0.0
        self._looking: asyncio.TimerHandle | None = None
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ExitStack() as made, theirs:
            made.callback(self.described.cancel)
            made.callback(self._socket.close)
            self._socket.setblocking(False)
            self._spare = descriptors.Spare()
            made.callback(self._spare.close)
            self._loop.add_reader(self._socket, self._readable)
            made.callback(self._loop.remove_reader, self._socket)
            fd = theirs.fileno()
            self._popen = command.spawn(["--front-fd", str(fd), "--fork", fork], [fd], log_fd)
            self.pid = self._popen.pid
            self._process = ProcessHandle.open(self._popen)
            made.pop_all()

    async def fork(
        self, plumbing: Plumbing, *, parked: bool = False, private: str = "", user: int | None = None
    ) -> ProcessHandle:
        """Have a worker forked around `plumbing`, whose child ends are closed here; the caller owns it.

        Args:
            private: The name of its private folder, which the zygote makes unless it is there.
            user: Whom it is to run as, if not as its zygote.

        Raises:
            SystemShort: The system has no more processes, or of something else that this takes.
            SpawnFailed: The zygote could not fork for another reason.
            ZygoteLost: The zygote is, or goes, away; as `ZygoteSilent` because it did not answer.
        """
        if self.is_gone:
            raise ZygoteLost("the zygote is gone")
        self._has_forked = True
        self._spare.hold()
        if not self._forks:
            self._heard_at = self._loop.time()
            self._look_later()
        ticket = next(self._tickets)
        future: asyncio.Future[ProcessHandle] = self._loop.create_future()
        self._forks[ticket] = future
        try:
            await self._send(control.Fork(ticket, parked, private, user or 0), plumbing.child_fds())
            plumbing.release_child_ends()
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._abandon(future.result())
            raise
        finally:
            self._forks.pop(ticket, None)
            if future.done() and not future.cancelled():
                future.exception()  # told already, where the request was not even sent

    async def forked(self, timeout_s: float) -> None:
        """Return when nobody waits for a fork, or after `timeout_s`."""
        if self._forks:
            await asyncio.wait(self._forks.values(), timeout=timeout_s)

    def close(self, why: ZygoteLost | None = None) -> None:
        """Let the zygote end; its workers live on, and we become their parent.  Forks under way are lost.

        Args:
            why: What they are told.
        """
        if not self.is_gone:
            self.is_gone = True
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._spare.close()
        if self._looking is not None:
            self._looking.cancel()
        if not self.described.done():
            self.described.set_exception(ZygoteLost("the zygote was closed"))
            self.described.exception()
        for future in self._forks.values():
            if not future.done():
                future.set_exception(why or ZygoteLost("the zygote is gone"))

    async def wait(self, timeout_s: float) -> None:
        """Wait for the zygote to end, kill it after `timeout_s`, reap it.  Call after `close`.

        One that even that does not end, because it is stuck in the kernel, is left to whoever sweeps up.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._process.wait()
        except TimeoutError:
            self._kill()
            with suppress(TimeoutError):
                async with asyncio.timeout(_UNKILLABLE_S):
                    await self._process.wait()
            self._died_early = False  # it lived, and was ended by us
        if not self._has_forked:  # then all in its group is what the program's import left
            self._process.send_group(signal.SIGKILL)
        if self._process.has_exited:
            self._popen.wait()
        else:
            _log.error("zygote.unkillable", bundle=self._command.source.stem, pid=self.pid)
        self._process.close()
        # Its living workers are our children now.
        for worker in self._workers.values():
            worker.parent_lost()
        self._workers.clear()
        self._on_reaped()

    def early_death(self) -> BundleImportFailed | None:
        """How it ended, if that was before it said how the import went; known after `wait`."""
        status = self._popen.returncode
        return None if not self._died_early or status is None else died_early(status, self._own_cure())

    # ---- what the zygote says

    def _readable(self) -> None:
        for _ in range(_MAX_AT_ONCE):
            try:
                data, fds, flags, _ = socket.recv_fds(self._socket, _MAX_DATAGRAM, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError as error:
                if lacking(error):  # what was said waits
                    self._loop.remove_reader(self._socket)
                    self._loop.call_later(_AGAIN_S, self._read_again)
                    return
                data, fds, flags = b"", [], 0
            if not data:
                self._gone(ZygoteLost("the zygote is gone"))
                return
            self._heard_at = self._loop.time()
            try:
                message = bounds.told(control.decode(control.from_zygote, data))
                if isinstance(message, control.Forked) and not fds and flags & socket.MSG_CTRUNC:
                    self._forked_unseen(message)
                    continue
                self._heard(message, fds)
            except (RemoteProtocolError, OSError) as error:
                # The bundle's program runs in the zygote and can write what it likes; then it is of no use.
                _log.warning(
                    "zygote.refused", bundle=self._command.source.stem, pid=self.pid, error=str(error)
                )
                for fd in fds:
                    os.close(fd)
                self._give_up(ZygoteLost(f"the zygote was ended: {error}"))
                return

    def _read_again(self) -> None:
        if self.is_gone:
            return
        try:
            self._loop.add_reader(self._socket, self._readable)
        except OSError:
            self._loop.call_later(_AGAIN_S, self._read_again)

    def _heard(self, message: control.FromZygote, fds: list[int]) -> None:
        match message:
            case control.Forked():
                if len(fds) != 1:
                    raise RemoteProtocolError("a worker without its pidfd")
                self._forked(message, fds[0])
                return
            case control.Confined():
                if self.confined is not None or self.described.done():
                    raise RemoteProtocolError("it says too late what holds it")
                self.confined = message
            case control.Described() | control.ImportFailed():
                if self.described.done():
                    raise RemoteProtocolError("it says a second time how the import went")
                self.imported = control.paths_of(message.files)
                if isinstance(message, control.Described):
                    self.described.set_result(message)
                else:
                    refused = cure_of_refusal(message, self._command)
                    self.described.set_exception(import_error(message, self._own_cure(), refused))
                    self.described.exception()
            case control.ForkFailed():
                future = self._forks.get(message.ticket)
                if future is not None and not future.done():
                    lacks = lacking(OSError(message.errno, message.message))
                    failed = SystemShort(lacks, message.message) if lacks else SpawnFailed(message.message)
                    future.set_exception(failed)
            case control.Reaped():
                if (worker := self._workers.pop(message.pid, None)) is None:
                    raise RemoteProtocolError("the end of a worker that it has not forked")
                worker.tell(message.status, message.cpu_s)
        for fd in fds:
            os.close(fd)

    def _forked(self, message: control.Forked, pidfd: int) -> None:
        worker = ProcessHandle.of_child(message.pid, pidfd, parent=self.pid)
        self._workers[message.pid] = worker
        priority.end_first(message.pid)
        future = self._forks.get(message.ticket)
        if future is None or future.done():
            self._abandon(worker)
        else:
            future.set_result(worker)

    def _forked_unseen(self, message: control.Forked) -> None:
        """There is a worker, and no descriptor was free to hold it by: it is ended."""
        with suppress(OSError), self._spare.lent():
            pidfd = os.pidfd_open(message.pid)
            try:
                worker = ProcessHandle.of_child(message.pid, pidfd, parent=self.pid)
            except BaseException:
                os.close(pidfd)
                raise
            self._workers[message.pid] = worker
            self._abandon(worker)
        if (future := self._forks.get(message.ticket)) is not None and not future.done():
            told = "the server has no open files left for another session"
            future.set_exception(SystemShort("open files", told))

    def _abandon(self, worker: ProcessHandle) -> None:
        """Whoever asked for it has gone: nobody else would ever end this process."""
        worker.send_group(signal.SIGKILL)  # its end will be told like any other's
        worker.close()

    def _look_later(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        self._looking = self._loop.call_later(_LOOK_S, self._look, self._loop.time() + _LOOK_S)

    def _look(self, due_at: float) -> None:
        """Whether a zygote that owes an answer still works."""
        self._looking = None
        if not self.is_gone:
            self._readable()  # what it said while this process was kept from running
        if self.is_gone or not self._forks:
            return
        now = self._loop.time()
        self._heard_at += max(0.0, now - due_at - _LOOK_S)  # nor could it have been heard then
        silent_s = now - self._heard_at
        if silent_s >= SILENT_S:
            found = procfs.member(self.pid)
            state = "Z" if found is None else found.state
            if state != "R" or silent_s >= _STARVED * SILENT_S:
                _log.warning(
                    "zygote.silent",
                    bundle=self._command.source.stem,
                    pid=self.pid,
                    state=state,
                    silent_s=round(silent_s, 1),
                )
                self._give_up(ZygoteSilent(f"the zygote did not fork within {silent_s:.0f} s"))
                return
        self._look_later()

    def _give_up(self, why: ZygoteLost) -> None:
        """It is gone, or of no use any more, whatever it does."""
        self._kill()
        self._gone(why)

    def _kill(self) -> None:
        # A child that was forked this moment is in its group yet, and may be somebody's session.
        if self._process.has_exited:
            return
        if self._has_forked:
            self._process.send(signal.SIGKILL)
        else:
            self._process.send_group(signal.SIGKILL)

    def _gone(self, why: ZygoteLost) -> None:
        if self.is_gone:
            return
        if not self.described.done():
            self._died_early = True
            cure = self._own_cure()
            self.described.set_exception(
                BundleImportFailed(
                    "its interpreter ended before the program was imported",
                    cure=cure or "See what it printed, in the log above.",
                )
            )
            self.described.exception()
        self.close(why)
        self._on_lost()

    def _own_cure(self) -> str:
        try:
            own = self._command.own(self._command.env)
        except EnvironmentUnusable as error:
            return error.cure
        return "" if own is None else own.cure

    async def _send(self, message: control.Fork, fds: list[int]) -> None:
        payload = control.encode(message)
        async with self._sending:
            while True:
                try:
                    socket.send_fds(self._socket, [payload], fds)
                    return
                except BlockingIOError:
                    await self._until_writable()
                except OSError as error:
                    if lacks := lacking(error):
                        told = f"the zygote could not be asked to fork: {error.strerror}"
                        raise SystemShort(lacks, told) from error
                    lost = ZygoteLost("the zygote is gone")
                    self._give_up(lost)
                    raise lost from error

    async def _until_writable(self) -> None:
        writable = asyncio.Event()
        self._loop.add_writer(self._socket, writable.set)
        try:
            await writable.wait()
        finally:
            if not self.is_gone:
                self._loop.remove_writer(self._socket)
