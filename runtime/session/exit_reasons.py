"""Why sessions end: one row per reason, with all that follows from it.  Pure.

Whoever treats reasons differently reads a column here; nobody keeps a set of reasons of its own.  A new
reason is a word of `ExitReason` and a row of `EXIT_REASONS`: the type checker misses a column, a test misses
the row.
What Studio knows of them is generated: ``ui/exit_reasons.py`` writes ``ui/src/core/exit_reasons.js``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

import msgspec


class ExitReason(StrEnum):
    """Why a session ended; exactly one per generation of a session."""

    FINISHED = "finished"
    DISMISSED = "dismissed"
    ROOM_ENDED = "room_ended"
    ROOM_LOST = "room_lost"
    ROOM_UNREACHABLE = "room_unreachable"
    STOPPED = "stopped"
    DEADLINE = "deadline"
    IDLE = "idle"
    DRAINED = "drained"
    MOVED = "moved"
    HANG = "hang"
    MEMORY = "memory"
    CPU = "cpu"
    PIDS = "pids"
    FILES = "files"
    DISK = "disk"
    NOT_STARTED = "not_started"
    SYSTEM_SHORT = "system_short"
    HOSTILE = "hostile"
    IMPORT_ERROR = "import_error"
    START_ERROR = "start_error"
    AGENT_ERROR = "agent_error"
    EXIT = "exit"
    SIGNAL = "signal"
    PROTOCOL_ERROR = "protocol_error"
    FRONT_LOST = "front_lost"
    NODE_LOST = "node_lost"
    QUARANTINED = "quarantined"

    @property
    def row(self) -> ReasonRow:
        """All that follows from it."""
        return EXIT_REASONS[self]

    @property
    def is_clean(self) -> bool:
        """Nothing went wrong: the session ended because it was meant to."""
        return self.row.is_clean


class ReasonRow(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a reason.  Every column is asked for: a default would be an opinion nobody had.

    Attributes:
        whose: Who brought it about.  What the ``server`` did, it did to all its sessions at once.  What the
            ``machine`` did, it does to whoever asks it for more.
        is_clean: Nothing went wrong: no report is written, and the input counts as survived.
        restart: Which policies start the session again: none; only ``always``, for a life that was used up;
            all but ``never`` once the server is back, for what ended ``with_server``; the same at once, and
            without counting, for what was ``moved``;
            every one that restarts ``failure``s; the same ``patiently``, without counting, as long as its
            room is out of reach; the same for what is ``passing``, for as long as it takes; and every one for
            a session that is ``owed``, because nothing of it has run.
        is_death: It may have been the input: so many of them park it.
        limit: How a session that passes this limit is ended: ``asked`` like any other stop, killed once its
            stacks were ``looked`` at, or killed ``at_once``.  None: it is no limit.
        has_line: The line that its code was at belongs into the message.
        worker_says: The worker is believed when it gives this as its last word.
        message: What the end of a session that the server asked to end says; empty: it is never asked so.
        says_all: The message of an end says what `sentence` does, and more; it is told instead of it.
        by_exception: An exception's own cure is better than `cure`.
        by_source: A call that blocks, on the line that was running, is a better cure than `cure`.
        sentence: What happened, for people.
        cure: What to do about it, where nothing more is known.
        brief: Two or three words for a table on a terminal.
        word: One or two words for a badge in Studio.
        tone: The colour and the shape beside them.
        aftermath: What Studio says below a report when it was the session's last end.
    """

    whose: Literal["agent", "limit", "input", "room", "operator", "server", "machine"]
    is_clean: bool
    restart: Literal["never", "always", "failure", "patiently", "passing", "owed", "with_server", "moved"]
    is_death: bool
    limit: Literal["asked", "looked", "at_once"] | None
    has_line: bool
    worker_says: bool
    message: str
    says_all: bool
    by_exception: bool
    by_source: bool
    sentence: str
    cure: str
    brief: str
    word: str
    tone: Literal["idle", "warn", "bad"]
    aftermath: str


def row_of(word: str) -> ReasonRow | None:
    """The row of a reason as another process wrote it; None for a word that this version does not know."""
    try:
        return ExitReason(word).row
    except ValueError:
        return None


_CALL_AGAIN: Final = "It was not started again; a new call starts another session."
_NOTHING: Final = "Nothing to do."
_PARKED: Final = (
    "Its input is parked: it killed its sessions again and again. It can be released on the page of crashes."
)

# fmt: off
EXIT_REASONS: Final[Mapping[ExitReason, ReasonRow]] = {
    ExitReason.FINISHED: ReasonRow(
        whose="agent", is_clean=True, restart="never", is_death=False, limit=None,
        has_line=False, worker_says=True, says_all=False, by_exception=False,
        by_source=False, message="", brief="finished",
        word="finished", tone="idle", aftermath=_CALL_AGAIN,
        sentence="It finished by itself.",
        cure=_NOTHING,
    ),
    ExitReason.DISMISSED: ReasonRow(
        whose="room", is_clean=True, restart="never", is_death=False, limit=None,
        has_line=False, worker_says=True, says_all=False, by_exception=False,
        by_source=False, message="", brief="dismissed",
        word="dismissed", tone="idle", aftermath=_CALL_AGAIN,
        sentence="A dismiss message asked it to leave the room.",
        cure=_NOTHING,
    ),
    ExitReason.ROOM_ENDED: ReasonRow(
        whose="room", is_clean=True, restart="never", is_death=False, limit=None,
        has_line=False, worker_says=True, says_all=False, by_exception=False,
        by_source=False, message="its room ended", brief="room ended",
        word="room ended", tone="idle", aftermath=_CALL_AGAIN,
        sentence="Its room ended.",
        cure=_NOTHING,
    ),
    ExitReason.ROOM_LOST: ReasonRow(
        whose="room", is_clean=False, restart="failure", is_death=False, limit=None,
        has_line=False, worker_says=True, says_all=False, by_exception=False,
        by_source=False, message="", brief="room lost",
        word="lost its room", tone="bad", aftermath=_CALL_AGAIN,
        sentence="The connection to its room broke.",
        cure="Look at the room server and the network between; call the agent again to rejoin.",
    ),
    ExitReason.ROOM_UNREACHABLE: ReasonRow(
        whose="room", is_clean=False, restart="patiently", is_death=False, limit=None,
        has_line=False, worker_says=False, says_all=False, by_exception=False,
        by_source=False, message="", brief="room unreachable",
        word="found no room", tone="bad", aftermath=_CALL_AGAIN,
        sentence="It could not enter its room.",
        cure="Check room_url and token of the call: leave both out to use this server's own room.",
    ),
    ExitReason.STOPPED: ReasonRow(
        whose="operator", is_clean=True, restart="never", is_death=False, limit=None,
        has_line=False, worker_says=False, says_all=False, by_exception=False,
        by_source=False, message="stopped by an operator", brief="stopped",
        word="stopped", tone="idle", aftermath=_CALL_AGAIN,
        sentence="An operator stopped it.",
        cure=_NOTHING,
    ),
    ExitReason.DEADLINE: ReasonRow(
        whose="limit", is_clean=False, restart="always", is_death=False, limit="asked",
        has_line=False, worker_says=False, says_all=False, by_exception=False,
        by_source=False, message="", brief="deadline",
        word="timed out", tone="bad", aftermath=_CALL_AGAIN,
        sentence="It ran longer than its time limit.",
        cure='Let it end sooner, or give it longer: Limits(timeout="2h").',
    ),
    ExitReason.IDLE: ReasonRow(
        whose="limit", is_clean=True, restart="never", is_death=False, limit="asked",
        has_line=False, worker_says=False, says_all=False, by_exception=False,
        by_source=False, message="", brief="idle",
        word="idle", tone="idle", aftermath=_CALL_AGAIN,
        sentence="It had nothing to do for its idle limit.",
        cure="Nothing to do; a new call starts it again.",
    ),
    ExitReason.DRAINED: ReasonRow(
        whose="server", is_clean=True, restart="with_server", is_death=False, limit=None,
        has_line=False, worker_says=False, says_all=False, by_exception=False,
        by_source=False, message="ended because the server was shut down", brief="drained",
        word="drained", tone="idle", aftermath=_CALL_AGAIN,
        sentence="The server was shut down.",
        cure=_NOTHING,
    ),
    ExitReason.MOVED: ReasonRow(
        whose="server", is_clean=True, restart="moved", is_death=False, limit=None,
        has_line=False, worker_says=False, says_all=False, by_exception=False,
        by_source=False, message="ended because its machine is being emptied", brief="moved",
        word="moved", tone="idle", aftermath=_CALL_AGAIN,
        sentence="Its machine was emptied.",
        cure="Nothing to do: it goes on at another machine, unless its restart policy is never.",
    ),
    ExitReason.HANG: ReasonRow(
        whose="agent", is_clean=False, restart="failure", is_death=True, limit=None,
        has_line=False, worker_says=False, says_all=False, by_exception=False,
        by_source=True, message="", brief="hung, killed",
        word="hung", tone="bad", aftermath=_CALL_AGAIN,
        sentence="It stopped responding.",
        cure="Run blocking work beside the event loop: await asyncio.to_thread(function, …).",
    ),
    ExitReason.MEMORY: ReasonRow(
        whose="limit", is_clean=False, restart="failure", is_death=True, limit="looked",
        has_line=True, worker_says=False, says_all=False, by_exception=True,
        by_source=False, message="", brief="out of memory, killed",
        word="crashed", tone="bad", aftermath=_CALL_AGAIN,
        sentence="It used more memory than its limit.",
        cure='Look at the curve: a steady rise is a leak; else raise it: Limits(memory="1GiB").',
    ),
    ExitReason.CPU: ReasonRow(
        whose="limit", is_clean=False, restart="always", is_death=False, limit="looked",
        has_line=True, worker_says=False, says_all=False, by_exception=False,
        by_source=True, message="", brief="cpu",
        word="crashed", tone="bad", aftermath=_CALL_AGAIN,
        sentence="It used more processor time than its limit.",
        cure="Look for a loop without an await at the line above, or raise Limits(cpu=…).",
    ),
    ExitReason.PIDS: ReasonRow(
        whose="limit", is_clean=False, restart="failure", is_death=True, limit="at_once",
        has_line=False, worker_says=False, says_all=False, by_exception=False,
        by_source=False, message="", brief="process limit, killed",
        word="crashed", tone="bad", aftermath=_CALL_AGAIN,
        sentence="It started more processes or threads than its limit.",
        cure="Wait for what is started (a bounded pool), or raise Limits(pids=…).",
    ),
    ExitReason.FILES: ReasonRow(
        whose="limit", is_clean=False, restart="failure", is_death=True, limit="looked",
        has_line=False, worker_says=False, says_all=False, by_exception=True,
        by_source=False, message="", brief="file limit",
        word="crashed", tone="bad", aftermath=_CALL_AGAIN,
        sentence="It opened more files, or wrote a larger one, than its limit.",
        cure="Close what is opened (with …:, async with …:), or raise Limits(files=…).",
    ),
    ExitReason.DISK: ReasonRow(
        whose="limit", is_clean=False, restart="failure", is_death=True, limit="looked",
        has_line=True, worker_says=False, says_all=False, by_exception=True,
        by_source=False, message="", brief="disk limit, killed",
        word="crashed", tone="bad", aftermath=_CALL_AGAIN,
        sentence="It kept more on the disk than its limit.",
        cure='Remove what is done with, or raise it: Limits(disk="4GiB").',
    ),
    ExitReason.NOT_STARTED: ReasonRow(
        whose="machine", is_clean=False, restart="owed", is_death=False, limit=None,
        has_line=False, worker_says=False, says_all=True, by_exception=False,
        by_source=False, message="", brief="no process",
        word="not started", tone="bad", aftermath=_CALL_AGAIN,
        sentence="The server could not start it: nothing of it has run.",
        cure="Look at what the message names; it is tried again until it starts.",
    ),
    ExitReason.SYSTEM_SHORT: ReasonRow(
        whose="machine", is_clean=False, restart="passing", is_death=False, limit=None,
        has_line=False, worker_says=False, says_all=True, by_exception=False,
        by_source=False, message="", brief="system short",
        word="went short", tone="bad", aftermath=_CALL_AGAIN,
        sentence="The system had no more of what it asked for.",
        cure="Look at /readyz and the limits of this machine: processes, open files, memory, disk.",
    ),
    ExitReason.HOSTILE: ReasonRow(
        whose="limit", is_clean=False, restart="never", is_death=True, limit="looked",
        has_line=True, worker_says=False, says_all=False, by_exception=False,
        by_source=False, message="", brief="hostile, killed",
        word="hostile", tone="bad", aftermath=_CALL_AGAIN,
        sentence="It tried what no agent does by accident.",
        cure='Look at what it was asked to do, and at the line above; at level="basic" such calls only fail.',
    ),
    ExitReason.IMPORT_ERROR: ReasonRow(
        whose="agent", is_clean=False, restart="failure", is_death=False, limit=None,
        has_line=False, worker_says=False, says_all=True, by_exception=True,
        by_source=False, message="", brief="import error",
        word="crashed", tone="bad", aftermath=_CALL_AGAIN,
        sentence="Its program could not be imported.",
        cure="Mend the line above and save; it is loaded again.",
    ),
    ExitReason.START_ERROR: ReasonRow(
        whose="agent", is_clean=False, restart="failure", is_death=True, limit=None,
        has_line=False, worker_says=False, says_all=True, by_exception=True,
        by_source=False, message="", brief="start error",
        word="crashed", tone="bad", aftermath=_CALL_AGAIN,
        sentence="It failed while it started.",
        cure="Mend the line above; the next call uses the saved code.",
    ),
    ExitReason.AGENT_ERROR: ReasonRow(
        whose="agent", is_clean=False, restart="failure", is_death=True, limit=None,
        has_line=False, worker_says=False, says_all=True, by_exception=True,
        by_source=False, message="", brief="crashed, reported",
        word="crashed", tone="bad", aftermath=_CALL_AGAIN,
        sentence="It failed while it ran.",
        cure="Catch what may fail at the line above, or mend it; the next call uses the saved code.",
    ),
    ExitReason.EXIT: ReasonRow(
        whose="agent", is_clean=False, restart="failure", is_death=True, limit=None,
        has_line=False, worker_says=False, says_all=False, by_exception=False,
        by_source=False, message="", brief="exited, reported",
        word="crashed", tone="bad", aftermath=_CALL_AGAIN,
        sentence="Its program ended the process.",
        cure="Return from start (and stop) instead of calling exit(); raise to say that something failed.",
    ),
    ExitReason.SIGNAL: ReasonRow(
        whose="agent", is_clean=False, restart="failure", is_death=True, limit=None,
        has_line=False, worker_says=False, says_all=False, by_exception=False,
        by_source=False, message="", brief="crashed, reported",
        word="crashed", tone="bad", aftermath=_CALL_AGAIN,
        sentence="A signal ended its process.",
        cure="Run it alone with `bulkhead service run` and look at what it does at the line above.",
    ),
    ExitReason.PROTOCOL_ERROR: ReasonRow(
        whose="agent", is_clean=False, restart="failure", is_death=True, limit=None,
        has_line=False, worker_says=False, says_all=True, by_exception=False,
        by_source=False, message="", brief="protocol error",
        word="crashed", tone="bad", aftermath=_CALL_AGAIN,
        sentence="It broke its control pipe.",
        cure="Leave descriptors alone that the agent did not open: "
             "os.closerange and raw writes are suspects.",
    ),
    ExitReason.FRONT_LOST: ReasonRow(
        whose="server", is_clean=False, restart="with_server", is_death=False, limit=None,
        has_line=False, worker_says=False, says_all=True, by_exception=False,
        by_source=False, message="", brief="front lost",
        word="lost", tone="bad", aftermath=_CALL_AGAIN,
        sentence="The server ended while it ran.",
        cure="Look at why the server ended (its log, the kernel's log for out of memory).",
    ),
    ExitReason.NODE_LOST: ReasonRow(
        whose="server", is_clean=False, restart="failure", is_death=False, limit=None,
        has_line=False, worker_says=False, says_all=False, by_exception=False,
        by_source=False, message="its server and its machine lost each other", brief="node lost",
        word="lost", tone="bad", aftermath=_CALL_AGAIN,
        sentence="The machine it ran on was lost, or told nothing of it any more.",
        cure="Look at that machine; call the agent again to run it elsewhere.",
    ),
    ExitReason.QUARANTINED: ReasonRow(
        whose="input", is_clean=False, restart="never", is_death=False, limit=None,
        has_line=False, worker_says=False, says_all=False, by_exception=False,
        by_source=False, message="", brief="quarantined",
        word="parked", tone="bad", aftermath=_PARKED,
        sentence="The same call ended its session several times and is not tried again.",
        cure="Mend what the reports of its attempts show, then send the call again.",
    ),
}
# fmt: on
