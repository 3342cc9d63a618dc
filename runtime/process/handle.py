"""One process as its owner sees it: a pidfd to wait on and to signal, and its process group."""

from __future__ import annotations

import asyncio
import ctypes
import os
import select
import signal
import subprocess
from contextlib import suppress

from runtime.errors import RemoteProtocolError
from runtime.process import procfs

_STATUS_S = 5.0  # a zygote reports an exit within milliseconds; this is for one that hangs


_tgkill = getattr(ctypes.CDLL(None), "tgkill", None)  # a C library may have none
_held: set[int] = set()


def held() -> frozenset[int]:
    """Processes that somebody in this process has a handle on; any other child of ours is an orphan."""
    return frozenset(_held)


class ProcessHandle:
    """A process that somebody else may be the parent of.  Owns the pidfd.

    The pidfd, not the number, names the process: a number is used again.  The group is signalled by
    number, which is safe while the process is not reaped or the group has members.

    Args:
        has_group: The number is known to be this process's, so that its group may be signalled by it.

    Attributes:
        cpu_s: Processor time of the process and of the children it waited for; known once `status` is.
    """

    def __init__(self, pid: int, pidfd: int, *, has_group: bool = True) -> None:
        self.pid = pid
        self._has_group = has_group
        self.cpu_s = 0.0
        self._pidfd = pidfd
        self._exited = asyncio.Event()
        self._told: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(pidfd, self._ended)
        _held.add(pid)

    @classmethod
    def open(cls, popen: subprocess.Popen[bytes]) -> ProcessHandle:
        """Of a child of ours that leads its group.  One that cannot be held is ended, and reaped.

        Raises:
            OSError: There is no descriptor for it, or the event loop takes no more.
        """
        try:
            pidfd = os.pidfd_open(popen.pid)
            try:
                return cls(popen.pid, pidfd)
            except BaseException:
                os.close(pidfd)
                raise
        except BaseException:
            with suppress(OSError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.kill()
            popen.wait()
            raise

    @classmethod
    def of_child(cls, pid: int, pidfd: int, *, parent: int) -> ProcessHandle:
        """Of a process that somebody else forked, and named; what is said is not believed.

        Of one that was reaped already nobody can say which number it had: then no group is signalled by it.

        Raises:
            RemoteProtocolError: The pidfd is of another process, or of one that is not a child of `parent`;
                it is not closed.
            OSError: The event loop takes no more; it is not closed.
        """
        named = _process_of(pidfd)
        if named == -1:
            return cls(pid, pidfd, has_group=False)
        if named != pid:
            raise RemoteProtocolError("a worker's pidfd is of another process")
        if procfs.parent(pid) == parent:
            return cls(pid, pidfd)
        if _process_of(pidfd) != -1:
            raise RemoteProtocolError("a worker is another's child")
        return cls(pid, pidfd, has_group=False)

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self._exited.set()

    @property
    def has_exited(self) -> bool:
        """Asks the kernel: the loop may not have got round to telling us yet."""
        if not self._exited.is_set():
            poll = select.poll()  # not select(): that fails for descriptors above 1023
            poll.register(self._pidfd, select.POLLIN)
            if poll.poll(0):
                self._ended()
        return self._exited.is_set()

    async def wait(self) -> None:
        """Return once the process has exited; it may still be a zombie."""
        await self._exited.wait()

    async def status(self) -> int | None:
        """Wait for the exit; return the code, or minus the signal; None when nobody could learn it."""
        await self._exited.wait()
        if (status := self._reap()) is not None:
            return status
        try:
            async with asyncio.timeout(_STATUS_S):
                return await asyncio.shield(self._told)
        except TimeoutError:
            return None

    def tell(self, status: int | None, cpu_s: float = 0.0) -> None:
        """Its parent has reaped it, with this status."""
        self.cpu_s = max(self.cpu_s, cpu_s)
        if not self._told.done():
            self._told.set_result(status)

    def parent_lost(self) -> None:
        """Its parent is gone, so we are the parent now, if we are a subreaper."""
        if self._pidfd >= 0 and self.has_exited:  # one that was closed is for a sweep to reap
            self.tell(self._reap())

    def _reap(self) -> int | None:
        """Take the exit status if we are its parent."""
        if self.has_exited:
            self.cpu_s = max(self.cpu_s, procfs.final_cpu_s(self.pid))
        try:
            found = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        except (ChildProcessError, OSError):
            return None
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def send(self, number: signal.Signals) -> None:
        """Signal this process alone; nothing happens when it has exited."""
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except (ProcessLookupError, OSError):
            pass

    def send_main(self, number: signal.Signals) -> None:
        """Signal its main thread; nothing happens when it has exited.

        A signal to the process is taken by any thread while the main one has another signal before it: then
        no call of the main thread is interrupted, and Python runs no handler until it comes back by itself.
        """
        if self.has_exited:
            return
        if _tgkill is None:
            self.send(number)
        else:
            _tgkill(self.pid, self.pid, number)

    def send_group(self, number: signal.Signals) -> None:
        """Signal the process and all that stayed in its group; CONT follows, for a stopped one."""
        for each in (number, signal.SIGCONT) if self._has_group else ():
            try:
                os.killpg(self.pid, each)
            except ProcessLookupError:
                break
            except PermissionError:
                pass
            if number not in (signal.SIGTERM, signal.SIGKILL):
                break
        if not self._exited.is_set():
            self.send(number)

    def close(self) -> None:
        if self._pidfd >= 0:
            if not self._exited.is_set():
                asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
            _held.discard(self.pid)


def _process_of(pidfd: int) -> int:
    """The number of a pidfd's process; -1 when that was reaped, 0 when it is no pidfd."""
    for line in procfs.read(f"/proc/self/fdinfo/{pidfd}").splitlines():
        if line.startswith(b"Pid:"):
            return int(line.split()[1])
    return 0


def signal_name(status: int | None) -> str:
    """The name of the signal that ended a process; empty where none did, or it has no name."""
    if status is None or status >= 0:
        return ""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return ""
