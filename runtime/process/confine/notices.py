"""Calls that wait to be answered for: the other end of a filter whose rules notify.

Theory: whoever holds the listener of a filter is told of each such call, by number: who makes it, and its
arguments as they stand in registers.  What they point to is read from the caller's memory; it may change at
any time, so it is read once, and what is done is done with what was read, never by letting the call go on.
The caller may die, and its number be another's: whether the notice still holds is asked after reading.

Source: https://docs.kernel.org/userspace-api/seccomp_filter.html#userspace-notification.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import socket
import struct
from typing import Final

import msgspec

_NOTICE: Final = struct.Struct("=QIIiIQ6Q")
_ANSWER: Final = struct.Struct("=QqiI")
_PLACE: Final = struct.Struct("=QIIII")
_ID: Final = struct.Struct("=Q")
_RECEIVE, _SEND, _IS_VALID, _ADD_FD = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103
_AT_NUMBER: Final = 1
_PIDFD_GETFD: Final = 438  # of every architecture
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


class Notice(msgspec.Struct, frozen=True):
    """A call that waits.

    Attributes:
        id: Of the notice.
        thread: Who made the call.
        number: Of the call.
        arguments: All six.
    """

    id: int
    thread: int
    number: int
    arguments: tuple[int, ...]


class Listener:
    """Owns its descriptor.  `receive` waits and is for a thread of its own; the others return at once."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def receive(self, wake_fd: int) -> Notice | None:
        """The next notice; None when nobody is left below the filter, or something is written to `wake_fd`.

        Raises:
            OSError: The notices cannot be had any more.
        """
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.register(wake_fd, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if wake_fd in ready or not ready.get(self.fd, 0) & select.POLLIN:
                return None
            notice = bytearray(_NOTICE.size)
            try:
                fcntl.ioctl(self.fd, _RECEIVE, notice, True)
            except FileNotFoundError:
                continue  # who made it was killed meanwhile
            identity, thread, _, number, _, _, *arguments = _NOTICE.unpack(notice)
            return Notice(identity, thread, number, tuple(arguments))

    def is_valid(self, notice: Notice) -> bool:
        """Whether its caller still waits: what was read of it was the caller's."""
        try:
            fcntl.ioctl(self.fd, _IS_VALID, _ID.pack(notice.id))
        except OSError:
            return False
        return True

    def refuse(self, notice: Notice, error: int) -> None:
        """Let the call fail with this error number.  A caller that is gone is no error."""
        self._answer(notice, 0, -error)

    def succeed(self, notice: Notice, value: int = 0) -> None:
        """Let the call return this."""
        self._answer(notice, value, 0)

    def place(self, notice: Notice, fd: int, number: int, *, is_closed_on_exec: bool) -> None:
        """Put a copy of our descriptor in the place of the caller's one of this number.

        Raises:
            OSError: The caller is gone, or has no such descriptor free.
        """
        kept = os.O_CLOEXEC if is_closed_on_exec else 0
        fcntl.ioctl(self.fd, _ADD_FD, _PLACE.pack(notice.id, _AT_NUMBER, fd, number, kept))

    def close(self) -> None:
        """Calls that wait, and all that come, fail from now on as if the kernel had none such."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _answer(self, notice: Notice, value: int, error: int) -> None:
        try:
            fcntl.ioctl(self.fd, _SEND, _ANSWER.pack(notice.id, value, error, 0))
        except OSError:
            pass


def memory_of(thread: int, address: int, count: int) -> bytes:
    """What stands in a process's memory; may be less than was asked for.

    Raises:
        OSError: It is gone, or not ours to read, or there is nothing at that address.
    """
    fd = os.open(f"/proc/{thread}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, count, address)
    finally:
        os.close(fd)


def socket_of(pid: int, number: int) -> socket.socket | None:
    """A copy of a process's socket; None where there is none of that number, or it cannot be had.

    Engines of containers may not allow it.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return None
    try:
        fd = int(
            _syscall(ctypes.c_long(_PIDFD_GETFD), ctypes.c_int(pidfd), ctypes.c_int(number), ctypes.c_uint(0))
        )
    finally:
        os.close(pidfd)
    if fd < 0:
        return None
    try:
        return socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        return None
