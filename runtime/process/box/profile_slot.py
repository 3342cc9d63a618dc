"""Where the front asks for a profile, and where the worker leaves it.

Asked in the mapped page, because a signal's handler reads it; left in a part of the box of its own, which has
no page of memory before it is written, and none after it was read.
"""

from __future__ import annotations

import ctypes
import os
import struct
from mmap import mmap
from typing import Final

import msgspec

from runtime.wire.looking.profile import MAX_PROFILE_BYTES

_ASKED: Final = struct.Struct("<QIIB")  # number, milliseconds, samples a second, whether of memory
_TOLD: Final = struct.Struct("<QQI")  # number that began, number that is done, bytes of the answer
SLOT_BYTES: Final = (_TOLD.size + MAX_PROFILE_BYTES + 4095) // 4096 * 4096
_KEEP_SIZE, _PUNCH_HOLE = 0x01, 0x02


class Wanted(msgspec.Struct, frozen=True):
    """A profile to be made.

    Attributes:
        number: Of the question.
        rate: Samples a second.
        memory: What is allocated, instead of where the time goes.
    """

    number: int
    seconds: float
    rate: int
    memory: bool = False


class ProfileSlot:
    """The same class at both ends.

    Args:
        page: The mapped page, with 17 bytes of its own at `asked_at`.
        fd: The box, with `SLOT_BYTES` at `at`.
    """

    def __init__(self, page: mmap, asked_at: int, fd: int, at: int) -> None:
        self._page, self._asked_at, self._fd, self._at = page, asked_at, fd, at
        self._number = 0

    def ask(self, seconds: float, rate: int, *, memory: bool = False) -> None:
        """Front: what is asked from now on; `TASKS_SIGNAL` is to follow."""
        self._number += 1
        _ASKED.pack_into(self._page, self._asked_at, self._number, int(seconds * 1000), rate, memory)

    def withdraw(self) -> None:
        """Front: nobody waits for it any more."""
        _ASKED.pack_into(self._page, self._asked_at, self._number, 0, 0, 0)

    def begun(self) -> bool:
        """Front: whether the last question was taken up."""
        return bool(_TOLD.unpack(os.pread(self._fd, _TOLD.size, self._at))[0] == self._number)

    def answer(self) -> bytes | None:
        """Front: the answer to the last question, once; None before it is there."""
        _, done, count = _TOLD.unpack(os.pread(self._fd, _TOLD.size, self._at))
        if done != self._number or not done:
            return None
        raw = os.pread(self._fd, min(count, MAX_PROFILE_BYTES), self._at + _TOLD.size)
        _let_go(self._fd, self._at, SLOT_BYTES)
        return raw

    def wanted(self) -> Wanted | None:
        """Worker: the last question; None where it was withdrawn, or nothing was ever asked."""
        number, ms, rate, memory = _ASKED.unpack_from(self._page, self._asked_at)
        return Wanted(number, ms / 1000, rate, bool(memory)) if number and ms else None

    def begin(self, number: int) -> None:
        """Worker: that question is being answered."""
        os.pwrite(self._fd, _TOLD.pack(number, 0, 0), self._at)

    def tell(self, number: int, raw: bytes) -> None:
        """Worker: the answer; at most `MAX_PROFILE_BYTES`."""
        os.pwrite(self._fd, raw, self._at + _TOLD.size)
        os.pwrite(self._fd, _TOLD.pack(number, number, len(raw)), self._at)


def _let_go(fd: int, at: int, count: int) -> None:
    """Give the memory of a part back; where that is not possible it stays."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate(fd, _KEEP_SIZE | _PUNCH_HOLE, ctypes.c_long(at), ctypes.c_long(count))
