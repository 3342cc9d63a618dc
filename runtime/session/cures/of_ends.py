"""What happened, in a sentence, and what to do about it, in a line: for every end of a session.  Pure.

The row of a reason (`runtime.session.exit_reasons`) says what holds for all its ends.  For an exception the
rules of `runtime.session.cures.of_errors` know better than the row, for a signal `_SIGNALS` does.
"""

from __future__ import annotations

from typing import Final

import msgspec

from runtime.session.cures.of_errors import cure_of_error
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What a cure is chosen by.

    Attributes:
        kind: Class name of the exception; empty when there was none.
        bases: Full names of that class and its bases.
        library: The package whose native code was on top of the stack when a signal came.
        was_waiting: The thread that got the signal only waited for something to do.
        missing: The module that could not be imported.
        near: The file of the author's whose name is most like it.
        shared: The module's package is one whose parts come from several distributions.
        variable: The environment variable that was not set.
        source: The line of the agent that was running.
        refused: What its confinement refused, and how to allow it, when the exception came of that.
    """

    reason: ExitReason
    said: str = ""
    code: int | None = None
    signal: int | None = None
    stage: str = ""
    kind: str = ""
    message: str = ""
    where: str = ""
    bases: tuple[str, ...] = ()
    library: str = ""
    was_waiting: bool = False
    missing: str = ""
    near: str = ""
    shared: bool = False
    variable: str = ""
    source: str = ""
    refused: str = ""
    limits: dict[str, float] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, exit: Exit) -> Case:
        """What the exit alone tells."""
        failure = exit.failure
        told = Case(reason=exit.reason, said=exit.message, code=exit.code, signal=exit.signal)
        if failure is None:
            return told
        return cls(
            reason=exit.reason,
            said=exit.message,
            code=exit.code,
            signal=exit.signal,
            stage=failure.stage,
            kind=failure.kind,
            message=failure.message,
            where=failure.where,
        )


_SIGNALS: Final[dict[int, tuple[str, str]]] = {
    4: (
        "It ran an instruction that this processor does not have (signal 4, SIGILL).",
        "A native package was built for another processor: install its plain build.",
    ),
    6: (
        "Native code aborted (signal 6, SIGABRT).",
        "A C library gave up; its last words stand in the log above.",
    ),
    7: (
        "Native code touched memory that is not there (signal 7, SIGBUS).",
        "Often a file that was cut while it was mapped, or a full /dev/shm: look at the line above.",
    ),
    8: (
        "Native code divided by zero (signal 8, SIGFPE).",
        "Check the values given to the native function above.",
    ),
    9: (
        "It was killed from outside (signal 9, SIGKILL).",
        "If nobody did, the kernel ran out of memory (see `dmesg`): add some, or set Limits(memory=…).",
    ),
    11: (
        "Segmentation fault in native code (signal 11, SIGSEGV).",
        "A C extension failed at the line above: update it, or call it in a process of its own.",
    ),
    15: (
        "It was told to end from outside (signal 15, SIGTERM).",
        "End sessions with `bulkhead stop`, so that the agent can say goodbye.",
    ),
    24: (
        "It used more processor time than its limit (signal 24, SIGXCPU).",
        "Look for a loop without end at the line above, or raise Limits(cpu=…).",
    ),
    25: (
        "It wrote a file larger than its limit (signal 25, SIGXFSZ).",
        "Write less, or in several files.",
    ),
    31: (
        "It made a system call that is forbidden here (signal 31, SIGSYS).",
        "A sandbox of the container forbids it: allow the call, or do without.",
    ),
}

_FAULTS: Final = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV"}
"""What a processor or a C library raises, and anybody can send."""

_BLOCKING: Final = {
    "time.sleep": "await asyncio.sleep(…)",
    "requests.": "an asynchronous client (httpx.AsyncClient), or await asyncio.to_thread(requests.…)",
    "urllib.request": "await asyncio.to_thread(…)",
    "subprocess.run": "await asyncio.create_subprocess_exec(…)",
    "subprocess.call": "await asyncio.create_subprocess_exec(…)",
    "subprocess.check_": "await asyncio.create_subprocess_exec(…)",
    "input(": "a message of the room; a session has no keyboard",
    ".join(": "await asyncio.to_thread(…) where that is a thread's or a process's join",
    ".acquire(": "asyncio.Lock, or await asyncio.to_thread(lock.acquire)",
    ".result(": "await asyncio.wrap_future(…)",
}
"""What blocks, by how it is written, and what to write instead."""


COPIES: Final = "copies of what was made while its program was imported"
"""Stands in what is said of a session that has much memory of its own by reading."""


IN_ITS_START: Final = "in its constructor or start"
"""Stands in what is said of a session that was silent before it was ready."""


def sentence_for(case: Case) -> str:
    """What happened, for people."""
    if _came_while_waiting(case):
        named = f"{_FAULTS[case.signal or 0]} (signal {case.signal})"
        return f"{named} came while it waited for messages: most likely sent from outside."
    if case.reason is ExitReason.SIGNAL and case.signal in _SIGNALS:
        what = _SIGNALS[case.signal][0]
        return f"{what[:-1]}, below {case.library}." if case.library and case.signal in _FAULTS else what
    if case.reason is ExitReason.EXIT and case.code is not None:
        return f"Its program ended the process with exit code {case.code}."
    general = case.reason.row.sentence
    said = case.said.strip()
    if case.where:
        said = said.removesuffix(f" at {case.where}")
    if said and case.reason.row.says_all:
        return f"{said[0].upper()}{said[1:]}"
    return f"{general[:-1]}: {said}" if said else general


def _came_while_waiting(case: Case) -> bool:
    return case.reason is ExitReason.SIGNAL and case.was_waiting and case.signal in _FAULTS


def cure_for(case: Case) -> str:
    """What to do about it."""
    if _came_while_waiting(case):
        return "Look for who sent it (kill, pkill); if nobody did, a native package's own thread is broken."
    if COPIES in case.said:
        return (
            "No leak: reading a Python object writes to it (its count of references), which copies its page. "
            "Keep large data in arrays, bytes or a file (numpy, mmap, SQLite), or raise Limits(memory=…)."
        )
    if case.reason is ExitReason.HANG and IN_ITS_START in case.said:
        return (
            "What takes long is done at the top of the module, once for all sessions, or beside the event "
            "loop: await asyncio.to_thread(…) in start(). supervisor.hang_kill_s gives it more time."
        )
    if case.reason.row.by_source:
        for written, instead in _BLOCKING.items():
            if written in case.source:
                call = written.rstrip("(._") + ("()" if written.endswith("(") else "")
                return f"{call.lstrip('.')} blocks the event loop: use {instead}."
    if case.reason is ExitReason.SIGNAL and case.signal in _SIGNALS:
        cure = _SIGNALS[case.signal][1]
        return cure.replace("A C extension", f"The native code of {case.library}") if case.library else cure
    if case.reason is ExitReason.EXIT and not case.where and not case.kind and case.code not in (0, None):
        return "os._exit, or a library that ends the process: " + case.reason.row.cure
    if case.refused and case.reason.row.by_exception:
        return case.refused
    if case.kind and case.reason.row.by_exception:
        known = cure_of_error(
            case.kind,
            case.bases,
            case.message,
            stage=case.stage,
            missing=case.missing,
            near=case.near,
            shared=case.shared,
            variable=case.variable,
        )
        if known:
            return known
    return case.reason.row.cure
