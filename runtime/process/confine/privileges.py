"""What root can do beyond its files: given up for good, by a process and all that it starts.

A server that runs as root needs none of it for its agents, and two of them undo what Landlock keeps: with
CAP_PERFMON or CAP_SYS_ADMIN alone the environment of other processes stays readable.
"""

from __future__ import annotations

import ctypes
import os
import struct

_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 2, 4
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECUREBITS = 3, 4, 8, 28
_CAP_SETUID = 7
_SETUID, _SETPCAP = 1 << _CAP_SETUID, 1 << 8
_VERSION_3 = 0x20080522
_HEADER = struct.Struct("=Ii")
_SETS = struct.Struct("=6I")  # effective, permitted, inheritable: the first 32 of each, then the others
_SECURE = 0b1111 | 0b11 << 6  # an exec as root gives nothing back, and neither does a change of user; locked

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, *arguments: int) -> int:
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return int(_libc.prctl(ctypes.c_int(option), *map(ctypes.c_ulong, padded)))


def drop(*, but_users: bool = False) -> None:
    """Give all of them up.  Does nothing where there are none.

    Args:
        but_users: Keep the one to become other users, also over an exec; until `keep_to_itself`.

    Raises:
        OSError: The kernel does not let us, though we have some.
    """
    bounding = 0
    while _prctl(_PR_CAPBSET_READ, bounding) >= 0:
        if not but_users or bounding != _CAP_SETUID:
            _prctl(_PR_CAPBSET_DROP, bounding)  # only with CAP_SETPCAP; without, exec gains none
        bounding += 1
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    if but_users:
        _set(_SETUID | held() & _SETPCAP, inheritable=_SETUID)
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_SETUID)
    _prctl(_PR_SET_SECUREBITS, _SECURE)
    _set(_SETUID if but_users else 0, inheritable=_SETUID if but_users else 0)


def keep_out_others() -> bool:
    """Let no process of our user read our memory, environment and descriptors, or trace us; root still may.

    It holds until the next exec.  False where the kernel would then keep our own figures from us as well, in
    which case nothing is changed.
    """
    before = _prctl(_PR_GET_DUMPABLE)
    _prctl(_PR_SET_DUMPABLE, 0)
    try:
        os.listdir("/proc/self/fd")
        os.listdir("/proc/self/fdinfo")  # kernels before 5.14 refuse it
    except OSError:
        _prctl(_PR_SET_DUMPABLE, before)
        return False
    return True


def keep_to_itself() -> None:
    """What this process starts from here on has none of what it kept."""
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _set(held() & _SETUID)


def become(user: int, group: int | None = None, *, keeping: bool = False) -> None:
    """Be another user from here on.

    Args:
        group: The one group of it; None leaves the groups as they are.
        keeping: Keep what privileges there are; they are to be dropped afterwards.

    Raises:
        OSError: It must not be that user.
    """
    if group is not None:
        os.setgroups([])
        os.setresgid(group, group, group)
    if keeping:
        _prctl(_PR_SET_KEEPCAPS, 1)
    os.setresuid(user, user, user)
    if keeping:
        _use_all()
    else:
        _set(0)
    _prctl(_PR_SET_DUMPABLE, 1)  # a change of user takes it away, and with it what is its own in /proc


def held() -> int:
    """Those that this process has, a bit each."""
    header = _HEADER.pack(_VERSION_3, 0)
    found = ctypes.create_string_buffer(_SETS.size)
    if _libc.capget(ctypes.c_char_p(header), found) < 0:
        return 0
    sets = _SETS.unpack(found.raw)
    return int(sets[0] | sets[1] | (sets[3] | sets[4]) << 32)


def _use_all() -> None:
    """What is permitted is in force again."""
    header = _HEADER.pack(_VERSION_3, 0)
    found = ctypes.create_string_buffer(_SETS.size)
    if _libc.capget(ctypes.c_char_p(header), found) == 0:
        _, low, given, _, high, given_high = _SETS.unpack(found.raw)
        sets = _SETS.pack(low, low, given, high, high, given_high)
        _libc.capset(ctypes.c_char_p(header), ctypes.c_char_p(sets))


def _set(wanted: int, *, inheritable: int = 0) -> None:
    """Have just these; of the first 32."""
    header = _HEADER.pack(_VERSION_3, 0)
    sets = _SETS.pack(wanted, wanted, inheritable, 0, 0, 0)
    if _libc.capset(ctypes.c_char_p(header), ctypes.c_char_p(sets)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
