"""The descriptors between the front and one worker.

| descriptor | front's end | worker's end |
|---|---|---|
| control | stream socket, messages of `runtime.wire.control` | the other end |
| log | reads | stdout and stderr |
| lifeline | holds the write end, never writes | `runtime.process.lifeline` |
| box | reads | heartbeat slot, last room messages, and the stacks that faulthandler writes |

The box is one sealed piece of shared memory: heartbeat and messages in its first page, then what the asyncio
tasks were doing when somebody asked, a recording, a profile, and text.  Both sides share the file offset, so
the front rewinds it before it asks for stacks and faulthandler, which may not allocate or seek, just writes
on.  The seal bounds it, whatever a worker does.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
import socket
import struct
import sys
from contextlib import ExitStack

import msgspec

from runtime.errors import SystemShort
from runtime.process import descriptors
from runtime.process.box.message_ring import RING_BYTES, MessageRing
from runtime.process.box.profile_slot import SLOT_BYTES, ProfileSlot
from runtime.process.box.recording import RECORDING_BYTES, Recording

_PAGE_BYTES = 4096
_RING_AT = _PAGE_BYTES - RING_BYTES
_TASKS_AT = _PAGE_BYTES
_TASKS_BYTES = 64 << 10
_RECORDING_AT = _TASKS_AT + _TASKS_BYTES
_PROFILE_AT = -(-(_RECORDING_AT + RECORDING_BYTES) // _PAGE_BYTES) * _PAGE_BYTES
_TEXT_AT = _PROFILE_AT + SLOT_BYTES  # last: it grows up to the seal
_TEXT_BYTES = 128 << 10
# Monotonic nanoseconds of the last beat, lag in microseconds, nanoseconds since when it waits, or 0.  Native:
# each is written at once, and read while it may be written.
_SLOT = struct.Struct("@QQQ")
_ACTIVE = struct.Struct("<Q")  # monotonic nanoseconds of the last message
_ACTIVE_AT = _SLOT.size
_ASKED = struct.Struct("<Q")  # number of the last question for tasks
_ASKED_AT = _ACTIVE_AT + _ACTIVE.size
_PROFILE_ASKED_AT = _ASKED_AT + _ASKED.size
_TOLD = struct.Struct("<QI")  # number of the question that is answered, bytes of the answer
CHILD_FDS = 4
MAX_TASKS_BYTES = _TASKS_BYTES - _TOLD.size
STACKS_SIGNAL = signal.SIGUSR1
"""Has the stack of the thread that gets it written down, in C, at once.

Only for a thread that stands still: what faulthandler reads while it moves may be gone, and that ends the
process.  Of the stacks of all threads this is so almost always, hence `LAST_STACKS_SIGNAL`.
"""
LAST_STACKS_SIGNAL = signal.SIGRTMAX
"""Has every thread's stack written down, in C, at once: for a process that is to end anyway."""
TASKS_SIGNAL = signal.SIGURG
"""Has stacks and asyncio tasks written down, by Python code between two instructions of the main thread.

Of the signals that do nothing where nobody handles them the one that nobody uses: a worker whose agent took
it, or that has not come to install its handler, is not hurt by it.  A call that it interrupts is restarted.
"""
INSISTING_SIGNAL = signal.SIGWINCH
"""The same, and a call that it interrupts ends with EINTR: Python's own calls run the handler then and go on;
for a C library it may be an error, so this is for those who wait in Python, and for the end."""


class Heartbeat(msgspec.Struct, frozen=True):
    """The last beat of a worker's event loop.

    Attributes:
        at: Monotonic seconds (one clock for all processes of a machine).
        lag_s: How long something that came lately had to wait for the loop, at most.
        asleep_at: Since when the loop waits for something to do, in the same seconds, as it says itself; None
            while it does something.
    """

    at: float
    lag_s: float
    asleep_at: float | None = None


class Box:
    """Shared memory of one worker; the same class at both ends.  Owns its descriptor.

    Attributes:
        messages: The last messages of its room.
        recording: The last of them with what was in them; empty unless it was asked for.
        profile: Where the time goes, when somebody asked.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = _mapped(fd)
        self.messages = MessageRing(self._map, _RING_AT)
        self.recording = Recording(fd, _RECORDING_AT)
        self.profile = ProfileSlot(self._map, _PROFILE_ASKED_AT, fd, _PROFILE_AT)
        self._asked = 0

    @classmethod
    def create(cls) -> Box:
        fd = os.memfd_create("bulkhead-box", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, _TEXT_AT + _TEXT_BYTES)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
            os.lseek(fd, _TEXT_AT, os.SEEK_SET)
            return cls(fd)
        except BaseException:
            os.close(fd)
            raise

    def beat(self, now_s: float, lag_s: float, asleep_at: float = 0.0) -> None:
        """Worker: the loop turned at `now_s` (monotonic seconds), and waits since `asleep_at` if not 0."""
        _SLOT.pack_into(self._map, 0, int(now_s * 1e9), int(max(lag_s, 0.0) * 1e6), int(asleep_at * 1e9))

    def heartbeat(self) -> Heartbeat | None:
        """Front: the last beat; None before the first."""
        at_ns, lag_us, asleep_ns = _SLOT.unpack_from(self._map, 0)
        if not at_ns:
            return None
        return Heartbeat(at_ns / 1e9, lag_us / 1e6, asleep_ns / 1e9 if asleep_ns else None)

    def active(self, now_s: float) -> None:
        """Worker: a message came or went at `now_s`."""
        _ACTIVE.pack_into(self._map, _ACTIVE_AT, int(now_s * 1e9))

    def active_at(self) -> float | None:
        """Front: monotonic seconds of the last message; None before the first."""
        (at_ns,) = _ACTIVE.unpack_from(self._map, _ACTIVE_AT)
        return at_ns / 1e9 if at_ns else None

    def write_text(self, text: str) -> None:
        """Worker: the stacks, as the fault handler would write them; nothing where it has done so already."""
        if os.pread(self.fd, 1, _TEXT_AT) == b"\0":
            # Not at a place: what the fault handler writes next follows it.
            os.write(self.fd, text.encode("utf-8", "replace")[: _TEXT_BYTES // 2])

    def ask_for_tasks(self) -> None:
        """Front: what was told before is no answer any more; `TASKS_SIGNAL` is to follow."""
        self._asked += 1
        _ASKED.pack_into(self._map, _ASKED_AT, self._asked)

    def wants_tasks(self) -> bool:
        """Worker: whether the last question for tasks has no answer yet."""
        (number,) = _ASKED.unpack_from(self._map, _ASKED_AT)
        return bool(number != _TOLD.unpack(os.pread(self.fd, _TOLD.size, _TASKS_AT))[0])

    def tell_tasks(self, raw: bytes) -> None:
        """Worker: the answer; at most `MAX_TASKS_BYTES`."""
        (number,) = _ASKED.unpack_from(self._map, _ASKED_AT)
        os.pwrite(self.fd, raw[:MAX_TASKS_BYTES], _TASKS_AT + _TOLD.size)
        os.pwrite(self.fd, _TOLD.pack(number, len(raw)), _TASKS_AT)

    def told_tasks(self) -> bytes | None:
        """Front: the answer to the last question; None before it is there."""
        number, count = _TOLD.unpack(os.pread(self.fd, _TOLD.size, _TASKS_AT))
        if number != self._asked or not number:
            return None
        return os.pread(self.fd, min(count, MAX_TASKS_BYTES), _TASKS_AT + _TOLD.size)

    def clear_text(self) -> None:
        """Front: forget what was written, so that the next dump starts at the beginning."""
        os.pwrite(self.fd, b"\0" * _TEXT_BYTES, _TEXT_AT)
        os.lseek(self.fd, _TEXT_AT, os.SEEK_SET)

    def text(self) -> str:
        """Front: what faulthandler has written, as far as it has come."""
        raw = os.pread(self.fd, _TEXT_BYTES, _TEXT_AT)
        return raw.split(b"\0", 1)[0].decode("utf-8", "replace")

    def unmap(self) -> None:
        """Share no memory any more; the descriptor is another's to close."""
        self._map.close()

    def close(self) -> None:
        if self.fd >= 0:
            self._map.close()
            os.close(self.fd)
            self.fd = -1


class Plumbing:
    """Both ends of everything, until the worker has its own; then the front's ends alone.

    `close` is idempotent and closes whatever the front still holds.  One that cannot be made leaves nothing.

    Args:
        user: Whom the worker runs as; None for ourselves.

    Raises:
        SystemShort: It would take descriptors that are held back for what is at work already.
        OSError: The system refused a piece of it.
    """

    def __init__(self, user: int | None = None) -> None:
        with ExitStack() as made:  # all of it, or nothing
            self.control, self._child_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            made.callback(self.control.close)
            made.callback(self._child_control.close)
            self.log_fd, child_log = _pipe(made)
            if user is not None:
                own_pipe(child_log, user)
            child_lifeline, self._lifeline_fd = _pipe(made)
            self.box = Box.create()
            made.callback(self.box.close)
            if descriptors.is_last(self.box.fd, for_session=True):
                raise SystemShort("open files", "the server has no open files left for another session")
            made.pop_all()
        self._child_fds = [child_log, child_lifeline]

    def child_fds(self) -> list[int]:
        """The worker's ends, in the order `WorkerEnds` takes them."""
        return [self._child_control.fileno(), *self._child_fds, self.box.fd]

    def release_child_ends(self) -> None:
        """The worker has them (or never will): close ours."""
        self._child_control.close()
        for fd in self._child_fds:
            os.close(fd)
        self._child_fds = []

    def release_log(self) -> int:
        """Hand the log's read end to its reader, which closes it."""
        fd, self.log_fd = self.log_fd, -1
        return fd

    def close(self) -> None:
        self.release_child_ends()
        self.control.close()
        for fd in (self.log_fd, self._lifeline_fd):
            if fd >= 0:
                os.close(fd)
        self.log_fd = self._lifeline_fd = -1
        self.box.close()


def _mapped(fd: int) -> mmap.mmap:
    """The first page of a box, without a descriptor of its own where Python can do that."""
    if sys.version_info >= (3, 13):
        return mmap.mmap(fd, _PAGE_BYTES, trackfd=False)
    return mmap.mmap(fd, _PAGE_BYTES)


def own_pipe(fd: int, user: int) -> None:
    """Let a user open a pipe anew, as a program does that writes to ``/dev/stderr``."""
    os.fchown(fd, user, user)


def _pipe(made: ExitStack) -> tuple[int, int]:
    ends = os.pipe2(os.O_CLOEXEC)
    for fd in ends:
        made.callback(os.close, fd)
    return ends


class WorkerEnds(msgspec.Struct):
    """The worker's ends of its plumbing, as they arrive with a request to fork."""

    control_fd: int
    log_fd: int
    lifeline_fd: int
    box_fd: int

    def fds(self) -> list[int]:
        return [self.control_fd, self.log_fd, self.lifeline_fd, self.box_fd]
