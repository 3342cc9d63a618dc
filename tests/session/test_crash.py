"""The report as data: its fingerprint, its JSON, its bound."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from runtime.session.crash import MAX_REPORT_BYTES, CrashReport, bare, fingerprint, from_json, to_json
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import LogLine
from runtime.session.record import Exit, Failure, SessionRecord
from runtime.session.spec import SessionId, SessionSpec
from runtime.session.use import Use, UsePoint
from runtime.wire.trace import Excerpt, Frame, TaskTrace

pytestmark = pytest.mark.unit


def failed(
    where: str = "/srv/a/main.py:41 in on_chat", kind: str = "ValueError", message: str = "no"
) -> Exit:
    failure = Failure(stage="run", kind=kind, message=message, where=where)
    return Exit(reason=ExitReason.AGENT_ERROR, message=message, at=9.0, failure=failure)


def print_of(exit: Exit, *, folder: str = "/srv/a", fallback: str = "/chat") -> str:
    return fingerprint(exit, exit.failure.where if exit.failure else "", folder=folder, fallback=fallback)


def report(**more: Any) -> CrashReport:
    given: dict[str, Any] = {
        "session_id": SessionId("s_1"),
        "endpoint": "/chat",
        "identity": "chatbot",
        "room": "myroom",
        "generation": 1,
        "exit": failed(),
        "sentence": "It failed.",
        "cure": "Mend it.",
        "fingerprint": "0" * 12,
        "at": 9.0,
        **more,
    }
    return CrashReport(**given)


def test_an_edit_above_the_line_and_another_message_make_no_new_kind_of_crash() -> None:
    first = print_of(failed())
    assert print_of(failed("/srv/a/main.py:57 in on_chat", message="something else")) == first
    assert len(first) == 12


def test_the_same_bundle_elsewhere_crashes_in_the_same_way() -> None:
    assert print_of(failed("/opt/b/main.py:1 in on_chat"), folder="/opt/b") == print_of(failed())


@pytest.mark.parametrize(
    "other",
    [
        failed("/srv/a/main.py:41 in other"),
        failed("/srv/a/tools/main.py:41 in on_chat"),
        failed(kind="KeyError"),
        replace(failed(), reason=ExitReason.START_ERROR),
    ],
)
def test_another_place_exception_or_reason_is_another_kind(other: Exit) -> None:
    assert print_of(other) != print_of(failed())


def test_without_a_line_the_endpoint_and_the_signal_tell_crashes_apart() -> None:
    killed = Exit(reason=ExitReason.SIGNAL, message="", signal=9)
    assert print_of(killed) != print_of(replace(killed, signal=11))
    assert print_of(killed) != print_of(killed, fallback="/other")
    hung = Exit(reason=ExitReason.HANG, message="", signal=9)
    assert print_of(hung) == print_of(replace(hung, signal=15))  # the signal was ours


def test_a_report_is_read_as_it_was_written() -> None:
    made = report(
        excerpt=Excerpt(file="main.py", first=1, marked=2, lines=["a", "b"]),
        frames=(Frame(file="main.py", line=2, function="f", own=True, locals={"x": "1"}),),
        tasks=(TaskTrace(name="t", waits_for="Future", frames=["main.py:2 in f"]),),
        log=(LogLine(seq=1, at=1.0, stream="output", text="hello"),),
        use=Use(curve=(UsePoint(0.0, 1, 1, 0.1, 1),)),
        arguments={"a": [1, None]},
        unknown={"native": "nothing was written"},
    )
    assert from_json(to_json(made)) == made


def test_a_report_has_a_bound_and_says_what_is_missing() -> None:
    # A control character is six in JSON, so bounds of characters alone would not do.
    noise = tuple(LogLine(seq=n, at=1.0, stream="output", text="\x00" * 2000) for n in range(50))
    made = report(log=noise, native="\x00" * 32_000)
    raw = to_json(made)
    assert len(raw) <= MAX_REPORT_BYTES
    read = from_json(raw)
    assert read.log == ()
    assert "too large" in read.unknown["log"]
    assert read.sentence == made.sentence


@pytest.mark.parametrize("reason", [reason for reason in ExitReason if not reason.is_clean])
def test_where_no_supervisor_saw_the_end_the_report_says_so(reason: ExitReason) -> None:
    spec = SessionSpec(
        session_id=SessionId("s_1"), bundle="b", endpoint="/a", identity="a", room="r", token="secret-token"
    )
    made = bare(SessionRecord(spec=spec), Exit(reason=reason, message="lost", at=3.0))
    assert made.sentence
    assert made.cure
    assert {"frames", "tasks", "native", "log", "messages", "use"} <= set(made.unknown)
    assert b"secret-token" not in to_json(made)
