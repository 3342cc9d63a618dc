"""System calls that Python has no function for, by their number on this machine."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Final

from runtime.process.confine import calls
from runtime.worker.chaos.attack import NotHere

libc: Final = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.syscall.restype = ctypes.c_long


def call(name: str, *arguments: int | bytes | None) -> int:
    """Make a system call; raises OSError as those of `os` do, NotHere where its number is not known."""
    try:
        number = calls.of(None).number(name)
    except KeyError:
        number = None
    if number is None:
        raise NotHere(f"the number of {name} on {os.uname().machine} is not known here")
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return checked(int(libc.syscall(ctypes.c_long(number), *words)))


def checked(answer: int) -> int:
    """What a function of the C library returned; raises OSError where that was -1."""
    if answer == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer


def in_child(work: Callable[[], object]) -> None:
    """Do something that marks a process for good in a child that ends then; raises the OSError it met."""
    pid = os.fork()
    if pid == 0:
        number = 255
        try:
            work()
            number = 0
        except OSError as error:
            number = error.errno or 255
        finally:
            os._exit(number)
    _, status = os.waitpid(pid, 0)
    number = os.waitstatus_to_exitcode(status)
    if number:
        raise OSError(number, os.strerror(number) if number > 0 else f"ended by signal {-number}")
