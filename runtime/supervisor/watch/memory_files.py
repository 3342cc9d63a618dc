"""What a session keeps in files that lie in memory, but for what its processes have mapped of them.

A process that writes to a ``memfd``, or a file of ``/dev/shm``, fills the machine's memory and is no larger
for it.  A file of ``/dev/shm`` that it only reads is somebody else's.  To look at descriptors is dear, and
few have such files: it is done when the machine has more shared memory than at the last look, and as long as
something was found.  Measured: 3 µs a look, 2.5 µs more for each descriptor where they are looked at, a few
milliseconds for a process that has such a file mapped.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable, Sequence
from typing import Final

from runtime.process import procfs
from runtime.process.procfs import Inode, Member

GROWN_BYTES: Final = 16 << 20
_LEAST_BYTES: Final = 8 << 20
_NAMED: Final = "/dev/shm/"
_IN_MEMORY: Final = ("/memfd:", _NAMED)
_MOST_LOOKED: Final = 32
"""Processes of which it is asked what they have mapped."""
_SYSINFO_BYTES: Final = 256
_SHARED_AT, _UNIT_AT = 48, 104
"""Of `struct sysinfo` where words have 64 bits."""
_libc = ctypes.CDLL(None, use_errno=True)


class MemoryFiles:
    """Those of one session.

    Args:
        began_at: When it did, in seconds since the epoch.

    Attributes:
        bytes: As they were counted last.
    """

    def __init__(self, began_at: float) -> None:
        self.bytes = 0
        self._began_at = began_at
        self._shared_bytes = shared_bytes()

    def look(self, members: Iterable[Member]) -> int:
        """Count what these processes keep, if it is worth it."""
        shared = shared_bytes()
        if not self.bytes and shared < self._shared_bytes + GROWN_BYTES:
            self._shared_bytes = min(self._shared_bytes, shared)
            return 0
        self._shared_bytes = shared
        self.bytes = held_bytes([one.pid for one in members], self._began_at)
        return self.bytes


def held_bytes(pids: Sequence[int], since: float) -> int:
    """What processes hold open in memory and have not mapped; a few megabytes are as good as nothing.

    Args:
        since: A file of ``/dev/shm`` counts if it was changed after that (seconds since the epoch), or has no
            name any more.
    """
    files = _opened(pids, since)
    shares, most = dict.fromkeys(files, 0), dict.fromkeys(files, 0)
    held = sum(files.values())
    for pid in pids[:_MOST_LOOKED]:
        if held < _LEAST_BYTES:
            break
        for one, (pss_bytes, rss_bytes) in procfs.mapped(pid, files).items():
            shares[one] += pss_bytes
            most[one] = max(most[one], rss_bytes)
        held = sum(max(0, size - max(shares[one], most[one])) for one, size in files.items())
    return held if held >= _LEAST_BYTES else 0


def _opened(pids: Iterable[int], since: float) -> dict[Inode, int]:
    """The files that count, and how large each is in memory."""
    found: dict[Inode, int] = {}
    for pid in pids:
        folder = f"/proc/{pid}/fd"
        try:
            numbers = os.listdir(folder)
        except OSError:
            continue
        for number in numbers:
            try:
                path = os.readlink(f"{folder}/{number}")
                if not path.startswith(_IN_MEMORY):
                    continue
                about = os.stat(f"{folder}/{number}")
            except OSError:
                continue
            if path.startswith(_NAMED) and about.st_nlink and about.st_ctime < since:
                continue
            found[Inode(about.st_dev, about.st_ino)] = about.st_blocks * 512
    return found


def shared_bytes() -> int:
    """Memory of the whole machine that lies in such files; 0 where the kernel does not tell."""
    about = ctypes.create_string_buffer(_SYSINFO_BYTES)
    if _libc.sysinfo(about) != 0 or struct.calcsize("L") != 8:
        return 0
    (pages,) = struct.unpack_from("=Q", about, _SHARED_AT)
    (unit,) = struct.unpack_from("=I", about, _UNIT_AT)
    return int(pages) * int(unit)
