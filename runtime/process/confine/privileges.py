"""What root can do beyond its files: given up for good, by a process and all that it starts.

A server that runs as root needs none of it for its agents, and two of them undo what Landlock keeps: with
CAP_PERFMON or CAP_SYS_ADMIN alone the environment of other processes stays readable.
"""

from __future__ import annotations

import ctypes
import os
import struct

_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_PR_SET_SECUREBITS = 28
_VERSION_3 = 0x20080522
_HEADER = struct.Struct("=Ii")
_SETS = struct.Struct("=6I")  # effective, permitted, inheritable: the first 32 of each, then the others
_SECURE = 0b1111 | 0b11 << 6  # an exec as root gives nothing back, and neither does a change of user; locked

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, *arguments: int) -> int:
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return int(_libc.prctl(ctypes.c_int(option), *map(ctypes.c_ulong, padded)))


def drop() -> None:
    """Give all of them up.  Does nothing where there are none.

    Raises:
        OSError: The kernel does not let us, though we have some.
    """
    bounding = 0
    while _prctl(_PR_CAPBSET_READ, bounding) >= 0:
        _prctl(_PR_CAPBSET_DROP, bounding)  # only with CAP_SETPCAP; without, exec gains none
        bounding += 1
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _prctl(_PR_SET_SECUREBITS, _SECURE)
    header = _HEADER.pack(_VERSION_3, 0)
    if _libc.capset(ctypes.c_char_p(header), ctypes.c_char_p(_SETS.pack(0, 0, 0, 0, 0, 0))) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def held() -> int:
    """Those that this process has, a bit each."""
    header = _HEADER.pack(_VERSION_3, 0)
    found = ctypes.create_string_buffer(_SETS.size)
    if _libc.capget(ctypes.c_char_p(header), found) < 0:
        return 0
    sets = _SETS.unpack(found.raw)
    return int(sets[0] | sets[1] | (sets[3] | sets[4]) << 32)
