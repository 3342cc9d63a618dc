"""What the front tells its init without a message: that its loop turns, and where it stands when it does not.

A pipe carries the beats, a file in memory takes the stacks that faulthandler writes, also while the
interpreter is stuck in C.  Both are made by the init and inherited by the front, which hands neither on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

PULSE_VARIABLE: Final = "BULKHEAD_INTERNAL_PULSE"
"""Names the front's ends in its environment: ``<pipe>,<file>``."""
BEAT_S: Final = 1.0
MAX_STACK_BYTES: Final = 64 << 10
_BEAT = b".\n"


class PulseReader:
    """The init's ends, for one front."""

    def __init__(self) -> None:
        self.fd, self._write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._stacks_fd = os.memfd_create("front stacks", os.MFD_CLOEXEC)
        self._rest = b""

    @property
    def inherited(self) -> tuple[int, int]:
        """The descriptors that the front gets."""
        return self._write_fd, self._stacks_fd

    def started(self) -> None:
        """The front has them: only its end keeps the pipe open from now on."""
        os.close(self._write_fd)

    def read(self) -> tuple[dict[str, float], int] | None:
        """What it said of itself and how many beats came since the last call; None when it has gone."""
        try:
            came = os.read(self.fd, 4096)
        except BlockingIOError:
            return {}, 0
        if not came:
            return None
        *lines, self._rest = (self._rest + came)[-8192:].split(b"\n")
        told: dict[str, float] = {}
        for line in lines:
            for word in line.decode("ascii", "replace").split():
                name, is_pair, value = word.partition("=")
                if is_pair:
                    with suppress(ValueError):
                        told[name] = float(value)
        return told, len(lines)

    def forget_stacks(self) -> None:
        """Empty the file, before it is asked to write into it."""
        os.lseek(self._stacks_fd, 0, os.SEEK_SET)
        os.ftruncate(self._stacks_fd, 0)

    def stacks(self) -> str:
        """What it wrote since then."""
        return os.pread(self._stacks_fd, MAX_STACK_BYTES, 0).decode("utf-8", "replace").strip()

    def close(self) -> None:
        """The front is gone."""
        os.close(self.fd)
        os.close(self._stacks_fd)


class Pulse:
    """The front's ends.

    Attributes:
        stacks_fd: Where faulthandler is to write.
    """

    def __init__(self, write_fd: int, stacks_fd: int) -> None:
        self._fd, self.stacks_fd = write_fd, stacks_fd

    @classmethod
    def inherited(cls, env: Mapping[str, str]) -> Pulse | None:
        """The ends this process was started with; None without an init that wants to hear it."""
        try:
            write_fd, stacks_fd = (int(word) for word in env.get(PULSE_VARIABLE, "").split(","))
            for fd in (write_fd, stacks_fd):
                os.set_inheritable(fd, False)  # what the front starts must not beat in its name
        except (ValueError, OSError):
            return None
        return cls(write_fd, stacks_fd)

    def introduce(self, *, hang_s: float, drain_s: float) -> None:
        """Say how long silence is to be borne, and how long sessions get to end; in seconds."""
        self._write(b"hang=%.3f drain=%.3f\n" % (hang_s, drain_s))

    def beat(self) -> None:
        """The loop turns.  Never waits."""
        self._write(_BEAT)

    def _write(self, line: bytes) -> None:
        with suppress(OSError):  # an init that does not read, or is gone: the front ends with that by itself
            os.write(self._fd, line)
