"""How a session's process ends: as the interpreter would end it, within a bound.

The program that was loaded is still around ``service.run()``: its ``finally`` blocks, context managers and
task groups end by SystemExit, then the functions run that it gave to `atexit`.  All of it happens in this one
process, once.  What takes too long is cut, because its supervisor waits for the end.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
from typing import Final, NoReturn

TEARDOWN_S: Final = 5.0
"""Seconds from the end of a session to the end of its process."""


def bound(code: int) -> None:
    """From now on the process ends by itself within `TEARDOWN_S`, with this exit code."""
    threading.Thread(target=_cut, args=(code,), name="bulkhead: teardown", daemon=True).start()


def leave(code: int) -> NoReturn:
    """End the process: wait for its threads, run what `atexit` has, write out what is buffered."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    finally:
        _flush()
        os._exit(code)


def at_once(code: int) -> NoReturn:
    """End the process without running anything of the program's."""
    _flush()
    os._exit(code)


def code_of(error: BaseException) -> int:
    """The exit code of a program that ended by this exception, which is shown as the interpreter would."""
    if not isinstance(error, SystemExit):
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
            trace = trace.tb_next
        sys.excepthook(type(error), error, trace or error.__traceback__)
        return 1
    if not (error.code is None or isinstance(error.code, int)):
        print(error.code, file=sys.stderr)
    return number(error.code)


def number(code: object) -> int:
    """The exit code of a process that is given this by `exit`."""
    return code if isinstance(code, int) else 0 if code is None else 1


def _cut(code: int) -> None:
    time.sleep(TEARDOWN_S)
    with contextlib.suppress(Exception):
        told = f"the program did not end within {TEARDOWN_S:g} s after its session and was cut"
        print(f"bulkhead: {told}", file=sys.stderr, flush=True)
    os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # whatever the program has put there
            stream.flush()


_OURS: Final = os.path.abspath(__file__).removesuffix("worker/program/leaving.py")
