"""Event loops that a zygote leaves its children: each child gets their kernel objects anew.

A loop waits by an epoll object and is woken by a pair of sockets.  A fork shares both: what one child
registers all would see, and a wake-up of one could be read by another.  So a child puts objects of its own
under the same descriptors, with the same registrations.  uvloop's loops do it themselves when they are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import select
import selectors
import socket
import sys
from collections.abc import Callable
from typing import Any

_BITS = {selectors.EVENT_READ: select.EPOLLIN, selectors.EVENT_WRITE: select.EPOLLOUT}
Renew = Callable[[], None]


def renewals() -> list[Renew]:
    """What a child is to call for the loops that are open now, after it has closed what is not its own."""
    loops = [
        each
        for each in gc.get_objects()
        if issubclass(type(each), asyncio.AbstractEventLoop) and not each.is_closed()
    ]
    found = [_of_uvloop(loop) if type(loop).__module__ == "uvloop" else _of_asyncio(loop) for loop in loops]
    return [each for each in found if each is not None]


def _of_asyncio(loop: Any) -> Renew | None:
    selector: Any
    selector, receiver, sender = (getattr(loop, name, None) for name in ("_selector", "_ssock", "_csock"))
    epoll = getattr(selector, "_selector", None)
    if not (isinstance(epoll, select.epoll) and receiver is not None and sender is not None):
        return None
    poll_fd, receiver_fd, sender_fd = epoll.fileno(), receiver.fileno(), sender.fileno()
    registered = [(key.fd, key.events) for key in selector.get_map().values()]

    def renew() -> None:
        ours, theirs = socket.socketpair()
        for new, fd in ((ours, receiver_fd), (theirs, sender_fd)):
            new.setblocking(False)
            os.dup2(new.fileno(), fd, inheritable=False)
            new.close()
        fresh = select.epoll()
        for fd, events in registered:
            with contextlib.suppress(OSError):  # one that was closed since
                fresh.register(fd, sum(_BITS[bit] for bit in _BITS if events & bit))
        os.dup2(fresh.fileno(), poll_fd, inheritable=False)
        fresh.close()

    return renew


def _of_uvloop(loop: Any) -> Renew | None:
    module = sys.modules.get("uvloop.loop")
    try:
        library = ctypes.CDLL(module.__file__)  # type: ignore[union-attr]
        fork = library.uv_loop_fork
        prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
        pointer_of = prototype(("PyCapsule_GetPointer", ctypes.pythonapi))
        pointer = pointer_of(module.libuv_get_loop_t_ptr(loop), None)  # type: ignore[union-attr]
    except (AttributeError, OSError, TypeError, ValueError):
        return None  # a build that does not show it
    fork.argtypes, fork.restype = [ctypes.c_void_p], None
    return lambda: fork(pointer)
