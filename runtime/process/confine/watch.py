"""Hear of the calls that a bundle's processes wait for, in a thread of its own, and of who makes them.

The listener comes over a socket pair from the program that put the filter on: it is sent before anything of
the bundle runs (`runtime.process.confine.launch`), and nobody else has it.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from runtime.confinement.policy import Policy
from runtime.process.confine.notices import Listener, Notice, memory_of, socket_of

_MAX_ADDRESS_BYTES: Final = 128
_MAX_ANCESTORS: Final = 64

log = structlog.get_logger("confinement")


class Asked(msgspec.Struct, frozen=True):
    """A call that waits, and what was read of its caller while it did.

    Attributes:
        name: Of the call.
        pids: The process that makes it, then its parents upwards.
        address: Of a connect: where to, as the kernel would read it.
        fd: Of a connect: the number of its socket.
        flags: Of that socket: ``O_NONBLOCK``, ``O_CLOEXEC``.
        like: A copy of that socket, to be closed; None where the container's engine does not allow that.
    """

    notice: Notice
    name: str
    pids: tuple[int, ...]
    address: bytes = b""
    fd: int = -1
    flags: int = 0
    like: socket.socket | None = None


class Watch:
    """One bundle's, or one session's of an interpreter of its own.  Ends by itself with the last of them.

    Args:
        names: Of the calls that are heard of, by number.
        heard: Called for each in the thread; hands it on, and does not block.

    Attributes:
        policy: What all of them together may reach.
        listener: What they are answered by; None until it came.
    """

    def __init__(self, names: dict[int, str], policy: Policy, heard: Heard) -> None:
        self._names, self._heard = names, heard
        self.policy = policy
        self._ours, theirs = socket.socketpair()
        self._theirs: socket.socket | None = theirs
        self._wake_read, self._wake = os.pipe2(os.O_CLOEXEC)
        self._thread: threading.Thread | None = None
        self._is_closed = self._is_released = False
        self._lock = threading.Lock()
        self.listener: Listener | None = None

    @property
    def child_fd(self) -> int:
        """What the program that puts the filter on inherits."""
        assert self._theirs is not None
        return self._theirs.fileno()

    def begin(self) -> None:
        """The program is started: wait for its listener, then listen."""
        assert self._theirs is not None
        self._theirs.close()
        self._theirs = None
        self._thread = threading.Thread(target=self._run, name="confinement", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more; calls that wait fail.  Idempotent, does not block."""
        with self._lock:
            if self._is_closed or self._is_released:
                return
            self._is_closed = True
            if self._thread is not None:
                os.write(self._wake, b".")
                self._ours.shutdown(socket.SHUT_RDWR)
                return
        self._release()

    def _run(self) -> None:
        try:
            _, fds, _, _ = socket.recv_fds(self._ours, 1, 1)
            if not fds:
                return
            self.listener = Listener(fds[0])
            while (notice := self.listener.receive(self._wake_read)) is not None:
                asked = self._read(self.listener, notice)
                if asked is not None:
                    self._heard(self, asked)
        except Exception:
            log.exception("confinement.watch_failed")
        finally:
            self._release()

    def _read(self, listener: Listener, notice: Notice) -> Asked | None:
        """What is to be known of it; None when its caller is gone, or it is refused already."""
        name = self._names.get(notice.number, f"call {notice.number}")
        try:
            pids = _ancestors(notice.thread)
            if name != "connect":
                return Asked(notice, name, pids) if listener.is_valid(notice) else None
            fd, at, count = (argument & 0xFFFFFFFFFFFFFFFF for argument in notice.arguments[:3])
            fd &= 0xFFFFFFFF
            address = memory_of(notice.thread, at, min(count & 0xFFFFFFFF, _MAX_ADDRESS_BYTES))
            flags = _flags_of(notice.thread, fd)
        except OSError:
            listener.refuse(notice, 14)  # EFAULT: there is no such address, or nobody left to have one
            return None
        like = socket_of(pids[0], fd) if pids else None
        if listener.is_valid(notice):
            return Asked(notice, name, pids, address, fd, flags, like)
        if like is not None:
            like.close()
        return None

    def _release(self) -> None:
        with self._lock:
            if self._is_released:
                return
            self._is_released = True
        if self.listener is not None:
            self.listener.close()
        if self._theirs is not None:
            self._theirs.close()
        self._ours.close()
        for fd in (self._wake_read, self._wake):
            os.close(fd)


def _ancestors(thread: int) -> tuple[int, ...]:
    pids: list[int] = []
    at = thread
    while at > 1 and len(pids) < _MAX_ANCESTORS:
        group, parent = _status(at)
        if group == os.getpid():
            break
        pids.append(group)
        at = parent
    return tuple(pids)


def _status(pid: int) -> tuple[int, int]:
    group = parent = 0
    with open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(b"Tgid:"):
                group = int(line[5:])
            elif line.startswith(b"PPid:"):
                parent = int(line[5:])
                break
    return group, parent


def _flags_of(thread: int, fd: int) -> int:
    with open(f"/proc/{thread}/fdinfo/{fd}", "rb") as file:
        for line in file:
            if line.startswith(b"flags:"):
                return int(line[6:], 8)
    return 0


Heard = Callable[[Watch, Asked], None]
