"""Which lines of a server's log somebody at the screen is told, and how."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.cli.serve.server_log import MAX_LINE_CHARS, ServerLog

pytestmark = pytest.mark.unit


def told(line: dict[str, Any], **more: Any) -> list[str]:
    return [text for text, _ in ServerLog(**more).tell(line)]


def test_what_agents_print_carries_their_name() -> None:
    line = {"event": "worker.printed", "level": "info", "identity": "chatbot", "line": "\x1b[2Jhello"}
    assert told(line) == ["  chatbot │ [2Jhello"]
    assert told(line, show_prints=False) == []


def test_a_bad_end_is_told_once_and_a_good_one_not_at_all() -> None:
    line = {
        "event": "session.exited",
        "level": "warning",
        "session_id": "s_1",
        "identity": "chatbot",
        "room": "demo",
        "duration_s": 3.21,
        "detail": "ended by signal 11 (SIGSEGV)",
    }
    chatter = ServerLog()
    assert chatter.tell(line) == [
        ("  ✗ session s_1 · chatbot in demo · crashed after 3.2 s · ended by signal 11 (SIGSEGV)", "red")
    ]
    assert chatter.tell({**line, "logger": "another"}) == []
    assert told({**line, "level": "info"}) == []


def test_a_session_that_may_be_ended_is_told_with_why_and_not_that_it_was_killed() -> None:
    about = {"level": "warning", "session_id": "s_1", "identity": "chatbot", "room": "demo"}
    busy = "is busy without a break for 2.0 s at /srv/agents/main.py:12 in on_chat"
    assert told({**about, "event": "worker.warned", "kind": "hang", "message": busy}) == [
        "  ! session s_1 · chatbot in demo · is busy without a break for 2.0 s at main.py:12 in on_chat"
    ]
    assert told({**about, "event": "worker.killed", "signal": "SIGKILL"}) == []


def test_the_end_of_each_attempt_is_told() -> None:
    line = {"event": "session.exited", "level": "warning", "session_id": "s_1", "reason": "signal"}
    again = {"event": "session.restarting", "level": "warning", "session_id": "s_1", "attempt": 1, "most": 5}
    log = ServerLog()
    assert [len(log.tell(one)) for one in (line, again, line, line, again, line)] == [1, 1, 1, 0, 1, 1]


def test_a_crash_tells_its_line_its_cure_and_what_to_do_next() -> None:
    line = {
        "event": "session.crashed",
        "level": "warning",
        "session_id": "s_1",
        "where": "/srv/agents/main.py:41 in on_chat",
        "cure": "Check for zero before dividing.",
        "siblings": 2,
    }
    chatter = ServerLog()
    assert [text for text, _ in chatter.tell(line)] == [
        "    main.py:41 in on_chat",
        "    likely: Check for zero before dividing.",
        "    siblings: 2 untouched · bulkhead crash show s_1",
    ]
    assert chatter.tell(line) == []
    assert told({**line, "where": "", "cure": "", "siblings": 0}) == ["    bulkhead crash show s_1"]


def test_a_restart_says_which_and_when() -> None:
    line = {
        "event": "session.restarting",
        "level": "warning",
        "session_id": "s_1",
        "reason": "signal",
        "restart": 1,
        "most": 5,
        "delay_s": 0.545,
    }
    assert told(line) == ["  ↻ session s_1 · signal · restart 1/5 in 0.5 s"]


def test_a_reload_is_told_and_the_first_load_is_not() -> None:
    line = {
        "event": "bundle.loaded",
        "level": "info",
        "bundle": "main",
        "code_generation": 4,
        "duration_s": 0.181,
    }
    assert told(line) == ["  ↻ main changed · generation 4 ready in 0.18 s · new calls use it"]
    assert told({**line, "code_generation": 1}) == []


def test_a_warning_says_what_and_what_to_do() -> None:
    line = {
        "event": "server.insecure",
        "level": "warning",
        "detail": "anybody may call.",
        "cure": "Set a secret.",
        "port": 1,
    }
    assert told(line) == ["  warning: server.insecure · anybody may call. Set a secret · port=1"]
    assert told(line, muted={"server.insecure"}) == []
    failed = {
        "event": "server.start_failed",
        "level": "error",
        "code": "x",
        "error": "it is taken",
        "cure": "Wait.",
    }
    assert told(failed) == ["  ✗ it is taken. Wait."]
    empty = {"event": "server.serves_nothing", "level": "error", "detail": "there is no agent", "failed": []}
    assert told(empty) == ["  ✗ there is no agent"]
    assert told({**empty, "failed": ["a"]}) == [], "why was told of each"


def test_ordinary_lines_are_not_told() -> None:
    assert told({"event": "webhook.accepted", "level": "info"}) == []


def test_what_is_no_log_line_is_shown_and_everything_has_a_bound() -> None:
    assert told({"event": "x" * 5000, "plain": True}) == ["x" * MAX_LINE_CHARS]


def loaded(generation: int) -> dict[str, Any]:
    return {
        "event": "bundle.loaded",
        "level": "info",
        "bundle": "main",
        "code_generation": generation,
        "duration_s": 0.18,
        "endpoints": ["/chat"],
    }


def test_a_new_generation_is_told_with_what_becomes_of_the_sessions() -> None:
    chatter = ServerLog()
    assert chatter.tell(loaded(1)) == []
    assert (
        chatter.tell(loaded(4))[0][0] == "  ↻ main changed · generation 4 ready in 0.18 s · new calls use it"
    )
    chatter.source, chatter.after_reload = "main.py", lambda paths: f"{paths} join anew"
    assert chatter.tell(loaded(5))[0][0].endswith(
        "main.py changed · generation 5 ready in 0.18 s · ['/chat'] join anew"
    )


def test_a_broken_file_is_told_with_its_line_and_with_what_serves_meanwhile() -> None:
    mend = "Mend that line and save; it is loaded again."
    error = f"SyntaxError: '(' was never closed (/srv/a/main.py:27). {mend}"
    line = {"event": "bundle.failed", "level": "error", "bundle": "main", "error": error}
    line |= {"code_generation": 0}
    chatter = ServerLog()
    assert chatter.tell(line)[0][0] == f"  ✗ main.py:27 SyntaxError: '(' was never closed. {mend}"
    line["code_generation"] = 4
    serves = "generation 4 keeps serving · fix and save again"
    assert chatter.tell(line)[0][0] == f"  ✗ main.py:27 SyntaxError: '(' was never closed · {serves}"
    other = "there is no module 'nowhere' (/srv/main.py:2 in <module>). Is it a file of yours?"
    assert chatter.tell({**line, "error": other})[0][0] == (
        "  ✗ main.py:2 there is no module 'nowhere'. Is it a file of yours?"
        " · generation 4 keeps serving · fix and save again"
    )


def test_of_a_long_traceback_the_end_is_told_too() -> None:
    lines = [f'  File "main.py", line {number}, in call' for number in range(100)]
    printed = "\n".join(["tool failed", *lines, "ZeroDivisionError: division by zero"])
    line = {"event": "worker.printed", "level": "info", "identity": "adder", "line": printed}
    (text,) = told(line)
    assert len(text) <= MAX_LINE_CHARS
    assert text.startswith("  adder │ tool failed\n")
    assert text.endswith("line 99, in call\nZeroDivisionError: division by zero")
    assert "in call\n…\n  File" in text


def test_a_refusal_is_told_with_what_would_allow_it() -> None:
    line = {
        "event": "confinement.refused",
        "level": "warning",
        "session_id": "s_9AT",
        "identity": "helper",
        "rule": "files.write",
        "what": "/app/data/x",
        "message": "helper may write its own folder and what it was granted",
        "cure": 'write=["data"] in @service.path, or write to $TMPDIR',
    }
    assert told(line) == [
        "  ✗ s_9AT · helper · refused files.write /app/data/x · helper may write its own folder and what it "
        'was granted · allow: write=["data"] in @service.path, or write to $TMPDIR'
    ]
