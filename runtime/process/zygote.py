"""The process that workers are forked from: one bundle, imported once, then still.

It is started by exec, so it shares nothing with the front.  It runs the bundle's program, tells the front
what it found, and forks a worker for each request.  It starts no thread and runs no event loop of its own,
because a fork copies one thread only.  The objects that exist after the import are frozen: a garbage
collection in a worker would otherwise touch, and so copy, every page shared with the zygote.

`multiprocess` does the forking, the exit of a child, and the reaping; what to run in the child is handed in.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import ctypes
import errno
import gc
import itertools
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

import msgspec
import multiprocess.context
from multiprocess import popen_fork, process, util

from runtime.errors import RemoteProtocolError, lacking
from runtime.logs import get_logger
from runtime.process.child import Inherited, prepare
from runtime.process.confine.inner import Entry, Inner
from runtime.process.fork import immortal, packing
from runtime.process.plumbing import CHILD_FDS, WorkerEnds
from runtime.process.procfs import final_cpu_s
from runtime.wire import control

log = get_logger("zygote")

_MAX_DATAGRAM = 192 << 10
_AGAIN_S = 0.05


class _Forked(BaseException):
    """Raised in a child: it has to come out of everything that was called to fork it."""


class Child(msgspec.Struct, frozen=True):
    """What a process that was just forked begins with.

    Attributes:
        parked: It is to wait for its session.
        entry: What it has to put itself below, at once; None where nothing is held back.
    """

    ends: WorkerEnds
    inherited: Inherited
    parked: bool
    entry: Entry | None = None


def report(
    front: socket.socket, message: control.Confined | control.Described | control.ImportFailed
) -> None:
    """Tell the front what holds it, or how the import went; a front that is gone already is told nothing."""
    payload = control.encode(message)
    if len(payload) > _MAX_DATAGRAM:
        told = "what the bundle declares does not fit into one message; shorten titles and descriptions"
        payload = control.encode(control.ImportFailed("BundleError", told))
    try:
        front.sendall(payload)
    except OSError:
        pass


class _Fork(popen_fork.Popen):  # type: ignore[misc]
    """A fork without the two pipes that tell parent and child of each other's end.

    A worker has its lifeline, and two descriptors for each session would be too many for a zygote.
    """

    def _launch(self, process_obj: _WorkerProcess) -> None:
        self.sentinel = -1
        self.pid = os.fork()
        if self.pid == 0:
            raise _Forked


class _WorkerProcess(multiprocess.context.ForkProcess):  # type: ignore[misc]
    """A child whose first steps are few: what the library would do to its streams, `child.settle` does."""

    @staticmethod
    def _Popen(process_obj: _WorkerProcess) -> _Fork:
        return _Fork(process_obj)

    def start(self) -> None:
        super().start()
        # Each start of another would ask for the end of all of these; the zygote hears of their ends itself.
        process._children.discard(self)

    def begin(self) -> None:
        """In the child: an agent may use the library itself; to it, this process is one of the library's."""
        process._current_process = self
        process._process_counter = itertools.count(1)
        process._children = set()
        util._finalizer_registry.clear()
        if util._afterfork_registry:
            util._run_after_forkers()


class Zygote:
    """Serve requests to fork until the front closes the socket.  Runs in: the zygote's only thread.

    Args:
        front: Datagram socket to the front.
        inner: Makes what keeps sessions from each other; None where nothing does.
        uncounted: Leave references to what sessions share uncounted, for the program of this folder; None
            for all of them counted.
    """

    def __init__(
        self, front: socket.socket, inner: Inner | None = None, uncounted: Path | None = None
    ) -> None:
        self._front = front
        self._inner = inner
        self._uncounted = uncounted
        self._children: dict[int, _WorkerProcess] = {}
        self._inherited = Inherited()

    def settle(self) -> None:
        """Make ready what all children share.  To be called once, while nobody waits for a fork."""
        # The first event loop of a process imports and builds a good deal; done here, no worker pays for it.
        asyncio.run(asyncio.sleep(0))
        gc.disable()
        gc.collect()  # what nobody refers to any more may hold descriptors
        if self._inner is not None:
            self._inner.forget()  # what it opened for its probe is not the program's, and no session's
        self._inherited = prepare({0, 1, 2, self._front.fileno()})
        settle_memory(self._uncounted)

    def serve(self) -> Child | None:
        """Fork on request.

        Returns:
            In each child what it begins with; in the zygote None, when the front is gone or done with this
            generation.
        """
        wake_read, wake_write = socket.socketpair()
        for end in (wake_read, wake_write):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, _woken)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        self._front.setblocking(False)
        self._prepare()
        poll = select.poll()
        poll.register(self._front, select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if wake_read.fileno() in ready:
                _swallow(wake_read)
                self._reap()
            if self._front.fileno() not in ready:
                continue
            answer = self._answer()
            if isinstance(answer, Child):
                for end in (wake_read, wake_write, self._front):
                    end.detach()  # `settle` closes them by number; another file may get it soon
                return answer
            if not answer:
                return None

    def _answer(self) -> Child | bool:
        """Take every request that waits: False once the front has closed; in a child what it begins with."""
        while True:
            try:
                data, ancillary, flags, _ = self._front.recvmsg(
                    _MAX_DATAGRAM,
                    socket.CMSG_SPACE(CHILD_FDS * array.array("i").itemsize),
                    socket.MSG_CMSG_CLOEXEC,
                )
            except BlockingIOError:
                return True
            except OSError as error:
                if lacking(error):  # it waits, and this one may be asked again
                    time.sleep(_AGAIN_S)
                    return True
                return False
            if not data:
                return False
            fds = _descriptors(ancillary)
            try:
                request = control.decode(control.to_zygote, data)
                if flags & socket.MSG_CTRUNC:  # no descriptor was free for what came with it
                    self._refuse(request, OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
                    _close(fds)
                    continue
                ends = WorkerEnds(*fds)
            except (RemoteProtocolError, TypeError) as error:
                # Only the front can write here, so this is our own bug: end, the front starts another.
                raise SystemExit(f"zygote: bad request: {error}") from error
            entry, is_child = self._fork(request)
            if is_child:
                return Child(ends, self._inherited, request.parked, entry)
            _close(fds)
            if entry is not None:
                entry.close()
                self._prepare()

    def _prepare(self) -> None:
        """For the next fork; what is in the way is told then."""
        if self._inner is not None:
            with contextlib.suppress(OSError):
                self._inner.prepare()

    def _fork(self, request: control.Fork) -> tuple[Entry | None, bool]:
        """What holds the child, and whether this is the child."""
        entry = None
        if self._inner is not None and request.private:
            try:
                entry = self._inner.entry(request.private, request.user)
            except OSError as error:
                told = f"{error.strerror}: it gets no folder of its own"
                self._send(control.ForkFailed(request.ticket, told, error.errno or 0))
                return None, False
        child = _WorkerProcess(name="worker")
        gc.freeze()  # what was made since the last fork: a collection in this child would write to all of it
        try:
            child.start()
        except _Forked:
            child.begin()
            return entry, True
        except (OSError, MemoryError) as error:
            self._refuse(request, error)
            return entry, False
        try:
            pidfd = os.pidfd_open(child.pid)  # ours to reap, so the number cannot be another process's yet
        except OSError as error:
            os.kill(child.pid, signal.SIGKILL)  # nobody was told of it, and nobody will be of its end
            self._refuse(request, error)
            return entry, False
        self._children[child.pid] = child
        try:
            self._send(control.Forked(request.ticket, child.pid), pidfd)
        finally:
            os.close(pidfd)
        return entry, False

    def _refuse(self, request: control.Fork, error: OSError | MemoryError) -> None:
        number = errno.ENOMEM if isinstance(error, MemoryError) else error.errno or 0
        self._send(
            control.ForkFailed(request.ticket, f"no process could be forked: {os.strerror(number)}", number)
        )

    def _reap(self) -> None:
        """Reap those that have ended, and nobody else is asked: there may be thousands."""
        while True:
            try:
                # Not reaped yet: the kernel's account of its processor time goes with it.
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            child = self._children.pop(found.si_pid, None)
            if child is None:
                os.waitid(os.P_PID, found.si_pid, os.WEXITED)  # a program that the bundle's import has left
                continue
            cpu_s = final_cpu_s(found.si_pid)
            status = child.exitcode  # reaps
            child.close()
            self._send(control.Reaped(found.si_pid, 1 if status is None else status, cpu_s))

    def _send(
        self, message: control.Forked | control.ForkFailed | control.Reaped, fd: int | None = None
    ) -> None:
        payload = control.encode(message)
        while True:
            try:
                if fd is None:
                    self._front.send(payload)
                else:
                    socket.send_fds(self._front, [payload], [fd])
                return
            except BlockingIOError:
                poll = select.poll()
                poll.register(self._front, select.POLLOUT)
                poll.poll()
            except OSError as error:
                if not lacking(error):
                    return  # the front is gone; the next read says so
                time.sleep(_AGAIN_S)


def code_of_forks() -> packing.Codes:
    """What a child runs of this module and of the library, before it is a worker."""
    return packing.code_of(sys.modules[__name__], process, popen_fork)


def settle_memory(uncounted: Path | None = None) -> None:
    """Put what workers share on few pages, then keep the collector, which is off, from all of it for good.

    Measured: an idle worker whose collector ran keeps 28 MB of its own without the freeze, 3 MB with it.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        pass  # a C library without it
    with contextlib.suppress(Exception):  # without it a session costs more, and that is all
        packing.fill_gaps()
    if uncounted is not None:
        try:
            why_not = immortal.settle(uncounted)
        except OSError as error:
            why_not = str(error)
        if why_not:
            log.warning("zygote.counts_kept", reason=why_not)
    gc.freeze()


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def _woken(*_: object) -> None:
    """A signal wakes the poll by the descriptor it is written to."""


def _swallow(wake: socket.socket) -> None:
    try:
        while wake.recv(4096):
            pass
    except BlockingIOError:
        pass
