"""What happened, in a sentence, and what to do about it, in a line: for every end of a session.  Pure.

`REASONS` has a row for each word of `ExitReason`; a test holds the two together.  For an exception the rules
of `runtime.session.cures_of_errors` know better than the row, for a signal `_SIGNALS` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from runtime.session.cures_of_errors import cure_of_error
from runtime.session.record import Exit, ExitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a cure is chosen by.

    Attributes:
        kind: Class name of the exception; empty when there was none.
        bases: Full names of that class and its bases.
        library: The package whose native code was on top of the stack when a signal came.
        was_waiting: The thread that got the signal only waited for something to do.
        missing: The package that could not be imported.
        variable: The environment variable that was not set.
        source: The line of the agent that was running.
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
    variable: str = ""
    source: str = ""
    limits: dict[str, float] = field(default_factory=dict)

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


REASONS: Final[dict[ExitReason, tuple[str, str]]] = {
    ExitReason.FINISHED: ("It finished by itself.", "Nothing to do."),
    ExitReason.DISMISSED: ("A dismiss message asked it to leave the room.", "Nothing to do."),
    ExitReason.ROOM_ENDED: ("Its room ended.", "Nothing to do."),
    ExitReason.ROOM_LOST: (
        "The connection to its room broke.",
        "Look at the room server and the network between; call the agent again to rejoin.",
    ),
    ExitReason.ROOM_UNREACHABLE: (
        "It could not enter its room.",
        "Check room_url and token of the call: leave both out to use this server's own room.",
    ),
    ExitReason.STOPPED: ("An operator stopped it.", "Nothing to do."),
    ExitReason.DEADLINE: (
        "It ran longer than its time limit.",
        'Let it end sooner, or give it longer: Limits(timeout="2h").',
    ),
    ExitReason.IDLE: (
        "It had nothing to do for its idle limit.",
        "Nothing to do; a new call starts it again.",
    ),
    ExitReason.DRAINED: ("The server was shut down.", "Nothing to do."),
    ExitReason.HANG: (
        "It stopped responding.",
        "Run blocking work beside the event loop: await asyncio.to_thread(function, …).",
    ),
    ExitReason.MEMORY: (
        "It used more memory than its limit.",
        'Look at the curve: a steady rise is a leak; else raise it: Limits(memory="1GiB").',
    ),
    ExitReason.CPU: (
        "It used more processor time than its limit.",
        "Look for a loop without an await at the line above, or raise Limits(cpu=…).",
    ),
    ExitReason.PIDS: (
        "It started more processes or threads than its limit.",
        "Wait for what is started (a bounded pool), or raise Limits(pids=…).",
    ),
    ExitReason.FILES: (
        "It opened more files, or wrote a larger one, than its limit.",
        "Close what is opened (with …:, async with …:), or raise Limits(files=…).",
    ),
    ExitReason.IMPORT_ERROR: (
        "Its program could not be imported.",
        "Mend the line above and save; it is loaded again.",
    ),
    ExitReason.START_ERROR: (
        "It failed while it started.",
        "Mend the line above; the next call uses the saved code.",
    ),
    ExitReason.AGENT_ERROR: (
        "It failed while it ran.",
        "Catch what may fail at the line above, or mend it; the next call uses the saved code.",
    ),
    ExitReason.EXIT: (
        "Its program ended the process.",
        "Return from start (and stop) instead of calling exit(); raise to say that something failed.",
    ),
    ExitReason.SIGNAL: (
        "A signal ended its process.",
        "Run it alone with `bulkhead service run` and look at what it does at the line above.",
    ),
    ExitReason.PROTOCOL_ERROR: (
        "It broke its control pipe.",
        "Leave descriptors alone that the agent did not open: os.closerange and raw writes are suspects.",
    ),
    ExitReason.FRONT_LOST: (
        "The server ended while it ran.",
        "Look at why the server ended (its log, the kernel's log for out of memory); call the agent again.",
    ),
    ExitReason.NODE_LOST: (
        "The machine it ran on was lost.",
        "Look at that machine; call the agent again to run it elsewhere.",
    ),
    ExitReason.QUARANTINED: (
        "The same call ended its session several times and is not tried again.",
        "Mend what the reports of its attempts show, then send the call again.",
    ),
}
"""Per reason: what happened, and the cure where nothing more is known."""

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
    general = REASONS[case.reason][0]
    said = case.said.strip()
    if case.where:
        said = said.removesuffix(f" at {case.where}")
    if said and case.reason in _SAID:
        return f"{said[0].upper()}{said[1:]}"
    return f"{general[:-1]}: {said}" if said else general


def _came_while_waiting(case: Case) -> bool:
    return case.reason is ExitReason.SIGNAL and case.was_waiting and case.signal in _FAULTS


def cure_for(case: Case) -> str:
    """What to do about it."""
    if _came_while_waiting(case):
        return "Look for who sent it (kill, pkill); if nobody did, a native package's own thread is broken."
    if case.reason in (ExitReason.HANG, ExitReason.CPU):
        for written, instead in _BLOCKING.items():
            if written in case.source:
                call = written.rstrip("(._") + ("()" if written.endswith("(") else "")
                return f"{call.lstrip('.')} blocks the event loop: use {instead}."
    if case.reason is ExitReason.SIGNAL and case.signal in _SIGNALS:
        cure = _SIGNALS[case.signal][1]
        return cure.replace("A C extension", f"The native code of {case.library}") if case.library else cure
    if case.reason is ExitReason.EXIT and not case.where and not case.kind and case.code not in (0, None):
        return "os._exit, or a library that ends the process: " + REASONS[case.reason][1]
    if case.kind and case.reason in _BY_EXCEPTION:
        known = cure_of_error(
            case.kind,
            case.bases,
            case.message,
            stage=case.stage,
            missing=case.missing,
            variable=case.variable,
        )
        if known:
            return known
    return REASONS[case.reason][1]


_SAID: Final = frozenset(
    {
        ExitReason.IMPORT_ERROR,
        ExitReason.START_ERROR,
        ExitReason.AGENT_ERROR,
        ExitReason.PROTOCOL_ERROR,
        ExitReason.FRONT_LOST,
    }
)
"""Reasons whose message says all that the general sentence does, and more."""

_BY_EXCEPTION: Final = frozenset(
    {
        ExitReason.IMPORT_ERROR,
        ExitReason.START_ERROR,
        ExitReason.AGENT_ERROR,
        ExitReason.MEMORY,
        ExitReason.FILES,
    }
)
