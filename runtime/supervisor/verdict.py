"""Why a session ended, in a word and a sentence: from what it said, or from what its process left.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

import runtime
from runtime.session.exit_reasons import ExitReason, row_of
from runtime.session.native import threads_in, was_waiting
from runtime.session.record import Exit, Failure
from runtime.wire import bounds
from runtime.wire.control import PIPE_CUT_CODE, SYSTEM_SHORT_CODE, Ended, Failed

PIPE_CUT = "its pipe to the server was cut at its end: closed by its own code, or full"

_STAGES = {
    "import": (ExitReason.IMPORT_ERROR, "its bundle could not be imported"),
    "construct": (ExitReason.START_ERROR, "its constructor raised"),
    "join": (ExitReason.START_ERROR, "joining the room failed"),
    "start": (ExitReason.START_ERROR, "its start raised"),
    "run": (ExitReason.AGENT_ERROR, "a background task raised"),
    "stop": (ExitReason.AGENT_ERROR, "its stop raised"),
}

# What the system refuses to everybody, seen from inside.  A session's own limit of processes is kept by a
# cgroup, which is asked first, or by watching, which refuses nothing.
_REFUSED = {
    "[Errno 11]": "processes",
    "can't start new thread": "threads",
    "[Errno 23]": "open files",
    "[Errno 12]": "memory",
    "[Errno 28]": "disk space",
}
# A lock or a socket says the same as a fork, and means something else.
_AGAIN, _LAST_CALLS = "[Errno 11]", 600
_SHORT_AT_BIRTH = "the system had no more of what its process takes; what it printed says of what"

# What a limit that the kernel keeps looks like from inside, and in the status of the process.
_EXHAUSTED = {
    "[Errno 24]": (ExitReason.FILES, "it ran out of file descriptors"),
    "[Errno 27]": (ExitReason.FILES, "a file grew above its limit"),
}
_NOT_THEIRS = (f"{next(iter(runtime.__path__))}/", "/lib/python", "<frozen ")
_LIMIT_SIGNALS = {"SIGXFSZ": (ExitReason.FILES, "a file grew above its limit")}


def of_stop(reason: ExitReason) -> str:
    """The sentence for a session that was asked to end."""
    return reason.row.message or f"was stopped: {reason.value}"


def of_last_word(said: Ended) -> Exit:
    """The worker says that it is over; it may say anything, and is believed in what is its to say."""
    said = bounds.ended(said)
    row = row_of(said.reason)
    reason = ExitReason(said.reason) if row is not None and row.worker_says else ExitReason.FINISHED
    return Exit(reason=reason, message=said.message or reason.value)


def of_failure(said: Failed) -> Exit:
    """The worker says that user code raised, or that it could not enter the room."""
    said = bounds.failed(said)
    failure = Failure(
        stage=said.stage,
        kind=said.kind,
        message=said.message,
        where=said.where,
        traceback=said.traceback,
    )
    reason, what = _STAGES.get(said.stage, (ExitReason.AGENT_ERROR, "it raised"))
    if said.reason == ExitReason.ROOM_UNREACHABLE.value:
        return Exit(reason=ExitReason.ROOM_UNREACHABLE, message=said.message, failure=failure)
    if said.reason == ExitReason.ROOM_LOST.value:
        reason = ExitReason.ROOM_LOST
    elif said.kind == "MemoryError":
        reason, what = ExitReason.MEMORY, "it ran out of memory"
    else:
        for mark, (exhausted, sentence) in _EXHAUSTED.items():
            if said.message.startswith(mark):
                reason, what = exhausted, sentence
        for mark, lacked in _REFUSED.items():
            if said.message.startswith(mark) and (mark != _AGAIN or "fork" in said.traceback[-_LAST_CALLS:]):
                reason, what = ExitReason.SYSTEM_SHORT, f"the system had no more {lacked} for it"
    at = f" at {said.where}" if said.where else ""
    return Exit(reason=reason, message=f"{what}: {said.kind}: {said.message}{at}", failure=failure)


def of_status(status: int | None, signal_name: str, stack: str) -> Exit:
    """Nobody said anything: what the process's status tells.

    Args:
        status: Its exit code, or minus a signal; None when nobody could learn it.
        stack: What faulthandler wrote before the end; empty when nothing.
    """
    code, number = code_and_signal(status)
    if number is not None:
        # Only what was written because of this signal; older stacks were asked for by somebody.
        _, fatal, last = stack.rpartition("Fatal Python error")
        line = innermost_line(last) if fatal and not was_waiting(last) else ""
        at = f" at {line}" if line else ""
        named = f"{number} ({signal_name})" if signal_name else str(number)
        if signal_name in _LIMIT_SIGNALS:
            reason, what = _LIMIT_SIGNALS[signal_name]
            return Exit(reason=reason, message=f"{what}: signal {named}{at}")
        return Exit(reason=ExitReason.SIGNAL, message=f"ended by signal {named}{at}")
    if code == SYSTEM_SHORT_CODE:
        return Exit(reason=ExitReason.SYSTEM_SHORT, message=_SHORT_AT_BIRTH)
    if code == PIPE_CUT_CODE:
        return Exit(reason=ExitReason.PROTOCOL_ERROR, message=PIPE_CUT)
    if code is None:
        return Exit(reason=ExitReason.EXIT, message="ended; its exit status went with its zygote")
    return Exit(reason=ExitReason.EXIT, message=f"the program called exit: code {code}")


def code_and_signal(status: int | None) -> tuple[int | None, int | None]:
    """Take a status apart into exit code and signal, of which at most one is there."""
    if status is None:
        return None, None
    return (status, None) if status >= 0 else (None, -status)


def with_line(exit: Exit, stack: str) -> Exit:
    """Add where it was to the sentence of a limit that some line of its code ran into."""
    if not exit.reason.row.has_line or exit.failure is not None:
        return exit
    line = innermost_line(stack)
    return replace(exit, message=f"{exit.message} at {line}") if line else exit


def innermost_line(stack: str) -> str:
    """The innermost frame of user code in what faulthandler wrote: ``file:line in function``.

    Of the thread that was asked, which is the one with the event loop, before any other's.
    """
    for frames in threads_in(stack):
        for frame in frames:
            if frame.serves:
                break
            if not any(part in frame.file for part in _NOT_THEIRS):
                return frame.where
    return ""


def innermost_of(frames: Sequence[str]) -> str:
    """The innermost frame of user code among lines ``file:line in function``, outermost first; or empty."""
    theirs = (line for line in reversed(frames) if not any(part in line for part in _NOT_THEIRS))
    return next(theirs, "")
