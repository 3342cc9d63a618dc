"""What becomes of ``service.run()``: in a process of ours it is reached, elsewhere it starts a server.

Theory: one program runs in several places.  Started by its author it is its own server.  In a zygote, and in
a worker with an interpreter of its own, whoever loads the program takes over where it comes to ``run``: the
program is not unwound, so all that it opened around that line stays open, and is closed by the program itself
when the session has ended.  Whatever else imports the program's file (a pool's child, a test) is told so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

from runtime.errors import BundleError, InvalidTransition
from runtime.sdk.program.call_site import CallSite


class Host(Protocol):
    """What serves: a `runtime.sdk.host.ServiceHost`."""

    name: str | None

    @property
    def endpoints(self) -> tuple[Any, ...]:
        """What it serves, in order of registration."""
        ...


Reached = Callable[[CallSite], Coroutine[Any, Any, None]]
"""Takes over where a program comes to ``run`` or ``start``.

It returns what the program awaits, or never returns: in a session's process it raises SystemExit once that
has ended.
"""

Refused = Callable[[BundleError], None]
"""Hears of a call of them that is refused, before the error is raised where the program may swallow it."""

_recorded: list[Host] = []
_reached: Reached | None = None
_refused: Refused | None = None
_is_worker = False


@contextmanager
def loading(reached: Reached, refused: Refused = lambda _: None) -> Iterator[None]:
    """While a bundle's program is run: hosts are recorded, and ``run`` and ``start`` are taken over.

    From here on this process is a bundle's: when the program has ended, ``run`` starts no server either.
    Not nestable.
    """
    global _reached, _refused, _is_worker
    if _reached is not None:
        raise InvalidTransition("a bundle is being loaded already")
    _reached, _refused, _is_worker = reached, refused, True
    _recorded.clear()
    try:
        yield
    finally:
        _reached = _refused = None


def record(host: Host) -> None:
    """Called by every host that is constructed."""
    if _reached is not None:
        _recorded.append(host)


def declared() -> tuple[Host, ...]:
    """Every host constructed since loading began, oldest first; also after it ended."""
    return tuple(_recorded)


def reached(frame: FrameType) -> Coroutine[Any, Any, None] | None:
    """What a host's ``run`` or ``start`` is to return instead of serving; None where it is to serve.

    Args:
        frame: Of whoever called it.

    Raises:
        BundleError: It was called where nobody must serve.
        SystemExit: The same, in a child of a pool, whose traceback would say nothing; or a session ended.
    """
    site = CallSite(frame)
    if _is_pool_child():
        raise SystemExit(f"error: {unguarded(site.where)}")
    if site.is_thread or site.is_import:
        error = _in_thread(site) if site.is_thread else _in_import(site)
        if _refused is not None:
            _refused(error)
        raise error
    if _reached is not None:
        return _reached(site)
    if _is_worker:
        raise not_the_start(site)
    return None


def not_the_start(site: CallSite) -> BundleError:
    """For a process that is a session's, or was made by one."""
    return BundleError(
        f"service.run() was called in a session's process ({site.where})",
        cure="It stands at the end of the program, once.",
    )


def _in_thread(site: CallSite) -> BundleError:
    return BundleError(
        f"service.run() was called in a thread ({site.where})",
        cure="Call it in the program's main thread, and start threads in an agent's start.",
    )


def _in_import(site: CallSite) -> BundleError:
    return BundleError(
        f"a module that is being imported came to service.run() ({site.where})",
        cure='Put that line under `if __name__ == "__main__":`, and start that file itself.',
    )


def unguarded(where: str) -> BundleError:
    """For a program that a pool of processes imports, and that would serve in each of them."""
    return BundleError(
        f"a process of a pool imports the program, and {where} starts the service there, too",
        cure='Put that line under `if __name__ == "__main__":`, as pools of processes need it.',
    )


def _is_pool_child() -> bool:
    """Whether a pool's process, or one like it, is importing the program to find its functions."""
    for library in ("multiprocessing", "multiprocess"):
        process = sys.modules.get(f"{library}.process")
        if getattr(getattr(process, "_current_process", None), "_inheriting", False):
            return True
    return False
