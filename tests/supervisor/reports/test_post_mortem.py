"""A worker may send what it likes: the report is bounded and redacted all the same."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.process.traffic import Traffic
from runtime.session.crash import MAX_REPORT_BYTES, CrashReport, to_json
from runtime.session.events import Warned
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import LogLine, MessageSeen
from runtime.session.record import Exit, Failure
from runtime.session.spec import SessionId, SessionSpec
from runtime.session.use import Use
from runtime.supervisor.reports.post_mortem import LOG_LINES, PostMortem
from runtime.supervisor.reports.refused import Refused
from runtime.wire.control import Failed
from runtime.wire.room import Message
from runtime.wire.trace import Excerpt, Frame, TaskTrace, Trace

pytestmark = pytest.mark.unit

SPEC = SessionSpec(
    session_id=SessionId("s_1"),
    bundle="b",
    endpoint="/a",
    identity="a",
    room="r",
    token="token-of-the-participant",
    arguments={"api_key": "argument-secret", "n": 1},
)


def report(said: Failed | None = None, exit: Exit | None = None, **more: Any) -> CrashReport:
    post_mortem = PostMortem(SPEC, 1, secrets=lambda: ["env-secret-value"])
    if said is not None:
        post_mortem.said(said)
    for warning in more.pop("warnings", ()):
        post_mortem.warned(warning)
    post_mortem.wrote(more.pop("stack", ""), more.pop("tasks", []))
    given: dict[str, Any] = {"after_s": 1.0, "log": [], "log_lines_dropped": 0, "use": Use(), **more}
    how = exit or Exit(reason=ExitReason.AGENT_ERROR, message="no", at=2.0)
    made = post_mortem.report(how, **given)
    assert made is not None
    return made


def line(text: str, seq: int = 1) -> LogLine:
    return LogLine(seq=seq, at=1.0, stream="output", text=text)


def flood() -> Failed:
    long = "x" * 1_000_000
    frame = Frame(
        file=long, line=1, function=long, source=long, locals={f"{n}{long}": long for n in range(50)}
    )
    trace = Trace(
        frames=[frame] * 200,
        tasks=[TaskTrace(long, long, [long] * 100)] * 500,
        excerpt=Excerpt(file=long, first=1, marked=1, lines=[long] * 100, note=long),
        bases=[long] * 100,
        missing=long,
        variable=long,
        hide=[f"{n:06}" for n in range(10_000)],
    )
    return Failed("run", "ValueError", long, long, long, trace=trace)


def test_a_flood_is_cut() -> None:
    said = flood()
    failure = Failure(
        stage="run", kind="ValueError", message=said.message, where=said.where, traceback=said.traceback
    )
    how = Exit(reason=ExitReason.AGENT_ERROR, message=said.message, at=2.0, failure=failure)
    made = report(said, how, stack="y" * 1_000_000, log=[line("z" * 100_000, n) for n in range(500)])
    assert len(made.log) == LOG_LINES
    assert len(made.frames) <= 20
    assert len(made.tasks) <= 40
    assert len(made.native) < 33_000
    assert len(to_json(made)) <= MAX_REPORT_BYTES


def test_what_the_worker_did_not_redact_is_redacted_here() -> None:
    secrets = ("env-secret-value", "argument-secret", "token-of-the-participant", "told-by-worker")
    text = " ".join(secrets)
    trace = Trace(
        frames=[Frame(file="main.py", line=1, function="f", own=True, source=text, locals={"x": text})],
        tasks=[TaskTrace(text)],
        excerpt=Excerpt(file="main.py", first=1, marked=1, lines=[text]),
        hide=["told-by-worker"],
    )
    failure = Failure(stage="run", kind="ValueError", message=text, traceback=text)
    how = Exit(reason=ExitReason.AGENT_ERROR, message=text, at=2.0, failure=failure)
    warned = Warned(session_id=SPEC.session_id, at=1.0, kind="hang", message=text, stack=text)
    made = report(
        Failed("run", "ValueError", text, trace=trace), how, log=[line(text)], warnings=[warned], stack=text
    )
    stored = to_json(made).decode()
    assert [secret for secret in secrets if secret in stored] == []
    assert made.arguments == {"api_key": "•••", "n": 1}


def test_values_to_hide_are_used_and_not_kept() -> None:
    made = report(Failed("run", "ValueError", "no", trace=Trace(hide=["some-value-to-hide"])))
    assert b"some-value-to-hide" not in to_json(made)


def test_the_first_failure_counts_and_what_is_unknown_says_so() -> None:
    made = report()
    assert made.pid is None
    assert "never got a process" in made.unknown["frames"]


def test_the_stack_of_a_warning_stands_in_for_one_at_the_end() -> None:
    warned = Warned(
        session_id=SPEC.session_id, at=1.0, kind="hang", message="blocked for 2 s", stack="Thread 1 …"
    )
    made = report(exit=Exit(reason=ExitReason.HANG, message="blocked", at=2.0), warnings=[warned])
    assert made.native == "Thread 1 …"
    assert made.warnings == ("blocked for 2 s",)
    awake = Warned(session_id=SPEC.session_id, at=2.0, kind="hang", message="answers again")
    killed = Exit(reason=ExitReason.SIGNAL, message="ended by signal 9", signal=9, at=3.0)
    assert report(exit=killed, warnings=[warned, awake]).native == ""


def test_tasks_that_were_seen_before_the_end_are_shown_and_redacted() -> None:
    seen = [TaskTrace("news env-secret-value", "Future", ["main.py:9 in wait"], own=True)]
    made = report(exit=Exit(reason=ExitReason.HANG, message="blocked", at=2.0), tasks=seen)
    assert made.tasks == (TaskTrace("news •••", "Future", ["main.py:9 in wait"], own=True),)
    told = Failed("run", "ValueError", "no", trace=Trace(tasks=[TaskTrace("at the failure")]))
    assert [task.name for task in report(told, tasks=seen).tasks] == ["at the failure"]


def test_what_was_recorded_is_bounded_and_redacted() -> None:
    class Worker:
        pid, code, policy, ground = 1, None, Policy(), None
        traffic = Traffic()

        def room_messages(self) -> list[MessageSeen]:
            return [MessageSeen(1.0, "in", "messaging.send env-secret-value", 9)]

        def recorded(self) -> list[Message]:
            said = [{"type": "chat", "message": {"text": "x" * 9_000, "n": n}} for n in range(60)]
            said.append({"type": "participant.enabled", "message": {}})
            said.append({"type": "chat", "message": {"password": "hunter2", "text": "env-secret-value"}})
            return [Message(1, "messaging.send", header, b"12") for header in said]

    post_mortem = PostMortem(SPEC, 1, secrets=lambda: ["env-secret-value"])
    post_mortem.began(Worker())  # type: ignore[arg-type]
    how = Exit(reason=ExitReason.AGENT_ERROR, message="no", at=2.0)
    made = post_mortem.report(how, after_s=1.0, log=[], log_lines_dropped=0, use=Use())
    assert made.room_messages[0].kind == "messaging.send •••"
    assert made.recorded[-1].header["message"] == {"password": "•••", "text": "•••"}
    assert made.recorded[-1].data_bytes == 2
    assert [one.header["message"]["n"] for one in made.recorded[:-1]] == list(range(52, 60))
    assert len(to_json(made)) < MAX_REPORT_BYTES


def test_the_warnings_are_bounded() -> None:
    one = Warned(session_id=SPEC.session_id, at=1.0, kind="memory", message="m" * 10_000)
    made = report(warnings=[one] * 100)
    assert len(made.warnings) == 10
    assert all(len(text) <= 500 for text in made.warnings)


def test_what_a_worker_sends_can_be_stored_whatever_it_is() -> None:
    made = report(
        log=[line("half \ud800")], exit=Exit(reason=ExitReason.AGENT_ERROR, message="\udcff", at=2.0)
    )
    assert (made.log[0].text, made.exit.message) == ("half \ufffd", "\ufffd")
    assert to_json(made)


def test_a_report_that_cannot_be_made_keeps_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PostMortem, "_room_messages", lambda *_: 1 / 0)
    how = Exit(reason=ExitReason.AGENT_ERROR, message="no", at=2.0)
    post_mortem = PostMortem(SPEC, 1)
    assert post_mortem.report(how, after_s=1.0, log=[], log_lines_dropped=0, use=Use()) is None


def test_what_its_confinement_refused_is_the_cure() -> None:
    refused = Refused("helper")
    refused.began(
        Policy(Level.BASIC),
        Ground(folder="/srv/chat", home="/home/x", state="/srv/.bulkhead", real=str),
    )
    post_mortem = PostMortem(SPEC, 1, refused=refused)
    trace = Trace(bases=["builtins.PermissionError"], refused=("files.write", "/srv/chat/data/x"))
    failure = Failure(stage="run", kind="PermissionError", message="[Errno 13] Permission denied")
    post_mortem.said(Failed("run", failure.kind, failure.message, trace=trace))

    def cure(reason: ExitReason) -> str:
        how = Exit(reason=reason, message="no", at=2.0, failure=failure)
        made = post_mortem.report(how, after_s=1.0, log=[], log_lines_dropped=0, use=Use())
        assert made is not None
        return made.cure

    assert cure(ExitReason.AGENT_ERROR) == (
        "helper may write its own folder and what it was granted (files.write); to allow more: "
        'write=["data"] in @service.path, or write to $TMPDIR.'
    )
    assert "files.write" not in cure(ExitReason.HANG), "that has another cause"
