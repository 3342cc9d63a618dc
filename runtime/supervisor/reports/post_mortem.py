"""Put together the report of a session that did not end well, from what was noted while it lived.

Whatever came from the worker is bounded and redacted here again: a worker may send what it likes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog
from msgspec.structs import replace

from runtime.process import procfs
from runtime.process.worker_process import WorkerProcess
from runtime.rooms.room import SERVER_ONLY
from runtime.session.crash import Code, CrashReport, Recorded, fingerprint
from runtime.session.cures.of_ends import Case, cure_for, sentence_for
from runtime.session.events import Warned
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import LogLine, MessageSeen
from runtime.session.native import library_in, own_frame, was_waiting
from runtime.session.record import Exit
from runtime.session.redaction import Redactor, secrets_in
from runtime.session.spec import SessionSpec
from runtime.session.use import Use
from runtime.supervisor.reports.refused import Refused
from runtime.supervisor.reports.source_excerpt import read_excerpt
from runtime.wire.control import Exiting, Failed
from runtime.wire.trace import Excerpt, Frame, TaskTrace, Trace

_events = structlog.get_logger("supervisor")

LOG_LINES: Final = 50
_LINE_CHARS: Final = 2_000
_STACK_CHARS: Final = 32_000
_TEXT_CHARS: Final = 2_000
_TRACEBACK_CHARS: Final = 24_000
_MAX_FRAMES: Final = 20
_MAX_LOCALS: Final = 20
_MAX_LOCALS_CHARS: Final = 32_000
_MAX_TASKS: Final = 40
_MAX_TASK_CHARS: Final = 24_000
_MAX_WARNINGS: Final = 10
_MAX_HIDDEN: Final = 100
_MAX_PROCESSES: Final = 50
_MAX_RECORDED: Final = 50
_MAX_RECORDED_BYTES: Final = 64 << 10
_RECORDED_CHARS: Final = 8_000
_SEEN_IN_A_PROCESS: Final = ("pid", "frames", "tasks", "native", "log", "messages", "room_messages", "use")


class PostMortem:
    """What is known of one session, in case it ends badly.

    Args:
        secrets: Tells the values that no report may show, such as those of the bundle's environment.
        refused: Explains what its confinement refused.
    """

    def __init__(
        self,
        spec: SessionSpec,
        generation: int,
        *,
        secrets: Callable[[], Iterable[str]] = tuple,
        refused: Refused | None = None,
    ) -> None:
        self._spec, self._generation = spec, generation
        self._refused = refused or Refused(spec.identity)
        self._known, self._secrets = secrets, tuple[str, ...]()
        self._worker: WorkerProcess | None = None
        self._pid: int | None = None
        self._code = Code(bundle=spec.bundle)
        self._loaded_at = 0.0
        self._folder = ""
        self._said: Failed | Exiting | None = None
        self._warnings: list[Warned] = []
        self._stack = ""
        self._tasks: list[TaskTrace] = []
        self._tree: tuple[str, ...] = ()

    # ---- while it lives

    def began(self, worker: WorkerProcess) -> None:
        """The session got its process."""
        self._worker, self._pid = worker, worker.pid
        self._refused.began(worker.policy, worker.ground)
        if worker.code is not None:
            self._code, self._loaded_at = worker.code.code, worker.code.loaded_at
            self._folder = str(worker.code.folder)
            self._secrets = (*self._secrets, *worker.code.secrets)

    def said(self, message: Failed | Exiting) -> None:
        """The worker told of a failure; the first one counts."""
        if self._said is None:
            self._said = message

    def warned(self, warning: Warned) -> None:
        """A limit or a hang came near; the newest warnings are kept."""
        self._warnings = [*self._warnings, warning][-_MAX_WARNINGS:]

    def wrote(self, stack: str, tasks: list[TaskTrace]) -> None:
        """What was written at the end: by faulthandler, and of the asyncio tasks."""
        self._stack = stack or self._stack
        self._tasks = tasks or self._tasks

    def saw_tasks(self, tasks: list[TaskTrace]) -> None:
        """What its tasks are doing while it hangs; none when it answers again."""
        self._tasks = tasks

    def look(self) -> None:
        """It is about to be killed: note which processes there are."""
        if self._worker is None or self._worker.process.has_exited:
            return
        found = sorted(procfs.tree(self._worker.pid), key=lambda one: -one.rss_bytes)
        shown = [
            f"{one.pid} {one.name} · {one.state} · {one.threads} threads · {one.rss_bytes >> 20} MiB"
            for one in found[:_MAX_PROCESSES]
        ]
        if len(found) > len(shown):
            shown.append(f"… {len(found) - len(shown)} more")
        self._tree = tuple(shown) if len(found) >= len(self._tree) else self._tree

    def redacted(self, text: str) -> str:
        """A text that the session sent, without what no report may show."""
        return Redactor(self._hidden()).text(text)

    def _hidden(self) -> list[str]:
        of_call = secrets_in(self._spec.arguments)
        return [*self._secrets, self._spec.token, *of_call, *self._known()]

    # ---- afterwards

    def report(
        self,
        exit: Exit,
        *,
        after_s: float | None,
        log: Sequence[LogLine],
        log_lines_dropped: int,
        use: Use,
    ) -> CrashReport | None:
        """The report for this end; None where it cannot be made: that must not keep the session."""
        try:
            return self._made(exit, after_s, log, log_lines_dropped, use)
        except Exception:  # noqa: BLE001 - a worker may have sent or written what nobody thought of
            _events.exception("crash.report_failed", session_id=self._spec.session_id)
            return None

    def _made(
        self, exit: Exit, after_s: float | None, log: Sequence[LogLine], log_lines_dropped: int, use: Use
    ) -> CrashReport:
        spec, said = self._spec, self._said
        trace = (said.trace if said is not None else None) or Trace()
        redactor = Redactor(self._hidden())
        redactor.learn(value[:_TEXT_CHARS] for value in trace.hide[:_MAX_HIDDEN])
        # The last word on a hang: one that answered again was told without a stack.
        stack = self._stack or next((w.stack for w in reversed(self._warnings) if w.kind == "hang"), "")
        native = _bounded(redactor, stack, _STACK_CHARS)
        where = self._where(exit, stack[:_STACK_CHARS])
        how = _cleaned(exit, redactor)
        fatal = stack[:_STACK_CHARS] if exit.reason is ExitReason.SIGNAL else ""
        excerpt = self._excerpt(where, trace.excerpt, redactor)
        case = replace(
            Case.of(how),
            where=where,
            bases=tuple(trace.bases[:8]),
            missing=trace.missing[:100],
            near=trace.near[:100],
            shared=trace.shared,
            variable=trace.variable[:100],
            refused=redactor.text(self._cure_of_refusal(trace)),
            library=library_in(fatal, self._folder),
            was_waiting=was_waiting(fatal),
            source=_marked(excerpt),
        )
        if exit.failure is None and said is not None:
            case = replace(case, kind=said.kind, message=redactor.text(said.message[:_TEXT_CHARS]))
        report = CrashReport(
            session_id=spec.session_id,
            endpoint=spec.endpoint,
            identity=spec.identity,
            room=spec.room,
            generation=self._generation,
            exit=how,
            sentence=sentence_for(case),
            cure=cure_for(case),
            fingerprint=fingerprint(how, where, folder=self._folder, fallback=spec.endpoint),
            at=exit.at,
            code=self._code,
            pid=self._pid,
            after_s=after_s,
            where=where,
            excerpt=excerpt,
            traceback=_bounded(redactor, self._traceback(exit), _TRACEBACK_CHARS),
            frames=tuple(_frames(trace, redactor)),
            frames_omitted=max(0, trace.omitted),
            tasks=tuple(_tasks(trace.tasks or self._tasks, redactor)),
            native=native,
            log=tuple(
                replace(line, text=_bounded(redactor, line.text, _LINE_CHARS)) for line in log[-LOG_LINES:]
            ),
            log_lines_dropped=log_lines_dropped,
            messages=self._worker.traffic.last() if self._worker is not None else (),
            room_messages=self._room_messages(redactor),
            recorded=self._recorded(redactor),
            use=use,
            warnings=tuple(redactor.text(warning.message[:500]) for warning in self._warnings),
            process_tree=tuple(redactor.text(line[:300]) for line in self._tree[:100]),
            arguments=redactor.plain(spec.arguments),
        )
        return replace(report, unknown=_unknown(report))

    def _cure_of_refusal(self, trace: Trace) -> str:
        explained = self._refused.explain(*trace.refused) if trace.refused is not None else None
        if trace.refused is None or explained is None:
            return ""
        return f"{explained.sentence} ({trace.refused[0]}); to allow more: {explained.cure}."

    def _where(self, exit: Exit, stack: str) -> str:
        told = exit.failure.where if exit.failure is not None else ""
        if not told and self._said is not None:
            told = self._said.where
        if told:
            return told[:700]
        frame = own_frame(stack, self._folder)
        return frame.where if frame is not None else ""

    def _excerpt(self, where: str, sent: Excerpt | None, redactor: Redactor) -> Excerpt | None:
        file, _, rest = where.rpartition(":")
        number = rest.partition(" ")[0]
        if sent is None and file and number.isdigit() and self._folder:
            sent = read_excerpt(file, int(number), Path(self._folder), loaded_at=self._loaded_at)
        if sent is None:
            return None
        lines = [redactor.text(line[:300]) for line in sent.lines[:11]]
        return Excerpt(
            file=sent.file[:500], first=sent.first, marked=sent.marked, lines=lines, note=sent.note[:200]
        )

    def _traceback(self, exit: Exit) -> str:
        if exit.failure is not None:
            return exit.failure.traceback
        return self._said.traceback if self._said is not None else ""

    def _room_messages(self, redactor: Redactor) -> tuple[MessageSeen, ...]:
        seen = self._worker.room_messages() if self._worker is not None else []
        return tuple(replace(one, kind=redactor.text(one.kind)) for one in seen)

    def _recorded(self, redactor: Redactor) -> tuple[Recorded, ...]:
        found = self._worker.recorded() if self._worker is not None else []
        made, left_bytes = list[Recorded](), _MAX_RECORDED_BYTES
        theirs = [message for message in found if str(message.header.get("type")) not in SERVER_ONLY]
        for message in reversed(theirs[-_MAX_RECORDED:]):
            header = redactor.plain(message.header, max_chars=_RECORDED_CHARS)
            left_bytes -= len(json.dumps(header))
            if left_bytes < 0:
                break
            made.append(Recorded(redactor.text(message.type), header, len(message.data)))
        return tuple(reversed(made))


def _frames(trace: Trace, redactor: Redactor) -> list[Frame]:
    left_chars, made = _MAX_LOCALS_CHARS, list[Frame]()
    for frame in reversed(trace.frames[-_MAX_FRAMES:]):
        shown = {
            name[:80]: redactor.text(value[:500]) for name, value in list(frame.locals.items())[:_MAX_LOCALS]
        }
        left_chars -= sum(len(name) + len(value) for name, value in shown.items())
        made.append(
            Frame(
                file=frame.file[:500],
                line=frame.line,
                function=frame.function[:200],
                own=frame.own,
                source=redactor.text(frame.source[:300]),
                locals=shown if left_chars > 0 else {},
                omitted=frame.omitted,
            )
        )
    return made[::-1]


def _tasks(tasks: Sequence[TaskTrace], redactor: Redactor) -> list[TaskTrace]:
    left_chars, made = _MAX_TASK_CHARS, list[TaskTrace]()
    for task in tasks[:_MAX_TASKS]:
        lines = [line[:700] for line in task.frames[:12]]
        left_chars -= sum(map(len, lines)) + 100
        if left_chars < 0:
            break
        name = redactor.text(task.name[:100])
        made.append(TaskTrace(name, task.waits_for[:100], lines, task.own, task.running))
    return made


def _cleaned(exit: Exit, redactor: Redactor) -> Exit:
    """The exit without secrets; the traceback has a section of its own."""
    failure = exit.failure
    if failure is not None:
        message = redactor.text(failure.message[:_TEXT_CHARS])
        failure = replace(failure, message=message, where=failure.where[:700], traceback="")
    return replace(exit, message=redactor.text(exit.message[:_TEXT_CHARS]), failure=failure)


def _bounded(redactor: Redactor, text: str, most_chars: int) -> str:
    # Cut, redact, cut again: what the first cut may have split in two is gone with the second.
    text = redactor.text(text[: 2 * most_chars])
    return text if len(text) <= most_chars else f"{text[:most_chars]} …(cut)"


def _marked(excerpt: Excerpt | None) -> str:
    if excerpt is None or not 0 <= excerpt.marked - excerpt.first < len(excerpt.lines):
        return ""
    return excerpt.lines[excerpt.marked - excerpt.first]


def _unknown(report: CrashReport) -> dict[str, str]:
    """Why a section is empty."""
    if report.pid is None:
        why = "it never got a process"
        return dict.fromkeys(_SEEN_IN_A_PROCESS, why)
    found: dict[str, str] = {}
    if not report.frames:
        found["frames"] = "no exception of the agent's code was told"
    if not report.tasks:
        found["tasks"] = "the process ended without a word" if not report.frames else "none was left"
    if not report.native:
        found["native"] = "nothing was written by the fault handler"
    if not report.log:
        found["log"] = "it wrote nothing"
    if not report.room_messages:
        found["room_messages"] = "none came and none went"
    if not report.use.curve:
        found["use"] = "it ended before the first reading"
    if report.excerpt is None:
        found["excerpt"] = (
            "no line of the agent is known" if not report.where else "its source could not be read"
        )
    if not report.process_tree:
        found["process_tree"] = "it ended by itself, before anybody looked"
    return found
