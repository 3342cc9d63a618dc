"""A zygote as the front sees it: start it, hear what it found, ask it for workers, lose it."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Callable

from runtime.errors import (
    BundleImportFailed,
    EnvironmentUnusable,
    RemoteProtocolError,
    SpawnFailed,
    ZygoteLost,
)
from runtime.logs import get_logger
from runtime.process.handle import ProcessHandle
from runtime.process.plumbing import Plumbing
from runtime.process.program import priority
from runtime.process.program.command import Command
from runtime.process.program.import_error import import_error
from runtime.wire import bounds, control

_MAX_DATAGRAM = 192 << 10
_MAX_AT_ONCE = 64  # datagrams; what is left makes the loop come back, after everybody else had a turn
_log = get_logger("supervisor")

_SIGNAL_NAMES = {one.value: one.name for one in signal.Signals}


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
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._sending = asyncio.Lock()
        with theirs:
            try:
                fd = theirs.fileno()
                self._popen = command.spawn(["--front-fd", str(fd), "--fork", fork], [fd], log_fd)
                self.pid = self._popen.pid
                self._process = ProcessHandle(self.pid, os.pidfd_open(self.pid))
            except BaseException:
                self._socket.close()  # of which what was started already ends
                self.described.cancel()
                raise
        self._loop.add_reader(self._socket, self._readable)

    async def fork(
        self, plumbing: Plumbing, *, parked: bool = False, private: str = "", user: int | None = None
    ) -> ProcessHandle:
        """Have a worker forked around `plumbing`, whose child ends are closed here; the caller owns it.

        Args:
            private: The name of its private folder, which the zygote makes unless it is there.
            user: Whom it is to run as, if not as its zygote.

        Raises:
            SpawnFailed: The system allows no more processes.
            ZygoteLost: The zygote is, or goes, away.
        """
        if self.is_gone:
            raise ZygoteLost("the zygote is gone")
        self._has_forked = True
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

    async def forked(self, timeout_s: float) -> None:
        """Return when nobody waits for a fork, or after `timeout_s`."""
        if self._forks:
            await asyncio.wait(self._forks.values(), timeout=timeout_s)

    def close(self) -> None:
        """Let the zygote end; its workers live on, and we become their parent.  Forks under way are lost."""
        if not self.is_gone:
            self.is_gone = True
            self._loop.remove_reader(self._socket)
            self._socket.close()
        if not self.described.done():
            self.described.set_exception(ZygoteLost("the zygote was closed"))
            self.described.exception()
        for future in self._forks.values():
            if not future.done():
                future.set_exception(ZygoteLost("the zygote is gone"))

    async def wait(self, timeout_s: float) -> None:
        """Wait for the zygote to end, kill it after `timeout_s`, reap it.  Call after `close`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._process.wait()
        except TimeoutError:
            self._process.send_group(signal.SIGKILL)
            await self._process.wait()
            self._died_early = False  # it lived, and was ended by us
        if not self._has_forked:  # then all in its group is what the program's import left
            self._process.send_group(signal.SIGKILL)
        self._popen.wait()
        self._process.close()
        # Its living workers are our children now.
        for worker in self._workers.values():
            worker.parent_lost()
        self._workers.clear()
        self._on_reaped()

    def early_death(self) -> BundleImportFailed | None:
        """How it ended, if that was before it said how the import went; known after `wait`."""
        status = self._popen.returncode
        if not self._died_early or status is None:
            return None
        how, cure = f"with exit code {status}", "Do not end the process while the program is imported."
        if status < 0:
            how = f"by signal {-status} ({_SIGNAL_NAMES.get(-status, 'unknown')})"
            cure = "A native package that it imports is broken, or built for another machine."
        if status == -signal.SIGKILL:
            cure = "If nobody killed it, the kernel ran out of memory."
        return BundleImportFailed(
            f"its interpreter ended before the program was imported, {how}",
            cure=f"{self._own_cure() or cure} See what it printed, in the log above.",
        )

    # ---- what the zygote says

    def _readable(self) -> None:
        for _ in range(_MAX_AT_ONCE):
            try:
                data, fds, _, _ = socket.recv_fds(self._socket, _MAX_DATAGRAM, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                self._gone()
                return
            try:
                self._heard(bounds.told(control.decode(control.from_zygote, data)), fds)
            except RemoteProtocolError as error:
                # The bundle's program runs in the zygote and can write what it likes; then it is of no use.
                _log.warning(
                    "zygote.refused", bundle=self._command.source.stem, pid=self.pid, error=str(error)
                )
                for fd in fds:
                    os.close(fd)
                self._process.send_group(signal.SIGKILL)
                self._gone()
                return

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
                    self.described.set_exception(import_error(message, self._own_cure()))
                    self.described.exception()
            case control.ForkFailed():
                future = self._forks.get(message.ticket)
                if future is not None and not future.done():
                    future.set_exception(SpawnFailed(message.message, cure="Raise the process limit."))
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

    def _abandon(self, worker: ProcessHandle) -> None:
        """Whoever asked for it has gone: nobody else would ever end this process."""
        worker.send_group(signal.SIGKILL)  # its end will be told like any other's
        worker.close()

    def _gone(self) -> None:
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
        self.close()
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
                    raise ZygoteLost("the zygote is gone") from error

    async def _until_writable(self) -> None:
        writable = asyncio.Event()
        self._loop.add_writer(self._socket, writable.set)
        try:
            await writable.wait()
        finally:
            if not self.is_gone:
                self._loop.remove_writer(self._socket)
