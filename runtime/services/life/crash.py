"""The report of a service's container that ended and was not to: as sessions have it, from outside."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from msgspec.structs import replace

from runtime.containers.contract import Box, BoxId
from runtime.containers.contract import Exit as Ended
from runtime.containers.errors import ContainerNotFound
from runtime.errors import RuntimeServiceError
from runtime.services.life.means import Means
from runtime.services.life.telling import NOT_BY_SIGNAL, how
from runtime.services.service import PROJECT, Service
from runtime.session.crash import Code, CrashReport, fingerprint
from runtime.session.cures.last_words import cure_of_missing, exception_in, missing_variable
from runtime.session.cures.of_ends import Case, cure_for, sentence_for
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import LogLine
from runtime.session.record import Exit
from runtime.session.spec import SessionId

LINES: Final = 50
"""The last ones of its log that a report has."""
_LINE_CHARS: Final = 2_000
_MAX_SIGNAL: Final = 64
_LIMITS: Final = {
    "memory": ExitReason.MEMORY,
    "pids": ExitReason.PIDS,
    "disk": ExitReason.DISK,
}
_MORE: Final = "Give it more: x-isolation in its manifest, or containers.{reason} for all."
_LOOK: Final = "Its last lines say it, if anything does: bulkhead service logs {name} --previous."
_FROM_OUTSIDE: Final = "it is a container: nobody looked into it"
_UNKNOWN: Final = ("frames", "tasks", "native", "messages", "room_messages", "use")


async def note_crash(
    means: Means, service: Service, room: str, box: BoxId, ended: Ended, began_at: float
) -> str:
    """Keep why a container failed; what there is to say of it beside how.  Nothing where it did not fail."""
    if ended.reason not in _LIMITS and (ended.reason != "exited" or not ended.code):
        return ""
    at, lines = means.clock.wall(), deque[str](maxlen=LINES)
    try:
        shown = means.boxes.box(room, box)
        async for line in means.boxes.logs(room, box, follow=False):
            lines.append(line)
    except ContainerNotFound:
        return ""
    except RuntimeServiceError:
        pass  # its engine does not answer
    report = report_of(service, room, shown, ended, lines, at=at, after_s=at - began_at, hide=means.hide)
    means.crashed(report)
    variable = missing_variable([line.text for line in report.log])
    return f" (it misses {variable})" if variable else ""


def report_of(
    service: Service,
    room: str,
    box: Box,
    ended: Ended,
    lines: Iterable[str],
    *,
    at: float,
    after_s: float,
    hide: Callable[[str], str],
) -> CrashReport:
    """The report.

    Args:
        lines: The last ones of its log.
        at: Of the end, seconds since the epoch.
        hide: Takes secrets out of a text.
    """
    said = [hide(line)[:_LINE_CHARS] for line in lines]
    failure = exception_in(said)
    signal = ended.code - NOT_BY_SIGNAL
    by_signal = ended.reason == "exited" and 0 < signal <= _MAX_SIGNAL
    reason = _LIMITS.get(ended.reason, ExitReason.SIGNAL if by_signal else ExitReason.EXIT)
    if reason is ExitReason.EXIT and failure is not None:
        reason = ExitReason.AGENT_ERROR
    message = hide(failure.message or failure.kind if failure is not None else how(ended))
    exit = Exit(
        reason=reason,
        message=message,
        code=None if by_signal else ended.code,
        signal=signal if by_signal else None,
        at=at,
        failure=failure,
    ).bounded()
    where = exit.failure.where if exit.failure is not None else ""
    case, variable = Case.of(exit), missing_variable(said)
    name = service.name
    if variable:
        whose = ("--global",) if service.room == PROJECT else ("--room", service.room)
        cure = cure_of_missing(variable, shlex.join([name, *whose]))
    elif ended.reason in _LIMITS:
        cure = _MORE.format(reason=ended.reason)
    else:
        cure = (
            cure_for(case)
            if failure is not None or by_signal
            else _LOOK.format(name=shlex.join([name, "--room", room]))
        )
    return CrashReport(
        session_id=SessionId(box.id),
        endpoint=name,
        identity=name,
        room=room,
        generation=1,
        exit=exit.recorded(),
        sentence=sentence_for(replace(case, where=where)),
        cure=cure,
        fingerprint=fingerprint(exit, where, folder="", fallback=name),
        at=at,
        code=Code(bundle=box.image),
        after_s=after_s,
        where=where,
        traceback=exit.failure.traceback if exit.failure is not None else "",
        log=tuple(
            LogLine(seq=number, at=at, stream="output", text=line) for number, line in enumerate(said, 1)
        ),
        process_tree=(hide(ended.process),) if ended.process else (),
        unknown=dict.fromkeys(_UNKNOWN, _FROM_OUTSIDE),
    )
