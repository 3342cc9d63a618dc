"""Commands that list and stop: ps, logs, stop, call, against a server that says what it is told to."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import jwt
import pytest

pytestmark = pytest.mark.unit

WORKER = {
    "id": "s_1", "state": "ready", "pid": 4711, "endpoint": "/chat", "identity": "chatbot", "room": "demo",
    "bundle": "main", "generation": 1, "uptime_s": 242.0, "cpu_s": 0.5, "rss_bytes": 42991616, "pss_bytes": 0,
    "fds": 14, "threads": 1, "children": 0, "lag_ms": 1.0, "restarts": 0, "limits": {}, "exit": None,
}  # fmt: skip
OTHER = {**WORKER, "id": "s_2", "identity": "adder", "room": "other", "pid": 4712}


@pytest.fixture
def answering(server: Any, monkeypatch: pytest.MonkeyPatch, bulkhead: Any) -> Any:
    for path in ("/workers", "/workers?all=1"):
        server.answer(f"GET {path}", {"endpoints": [], "workers": [WORKER, OTHER]})
    monkeypatch.setenv("BULKHEAD_URL", server.url)
    return server


def test_ps_is_a_table_for_people(answering: Any, bulkhead: Any) -> None:
    head, first, *_ = bulkhead("ps").out.splitlines()
    assert head.split() == ["SESSION", "IDENTITY", "ROOM", "STATE", "PID", "CPU", "MEMORY", "UP"]
    assert first.split() == ["s_1", "chatbot", "demo", "ready", "4711", "0.2", "%", "41", "MiB", "4m02"]


def test_ps_tells_in_wide_how_tightly_a_session_is_held(answering: Any, bulkhead: Any) -> None:
    held = {"level": "basic", "refused": {"files.write": 2, "files.read": 1}}
    answering.answer(
        "GET /workers",
        {"endpoints": [], "workers": [{**WORKER, "confinement": held}, {**OTHER, "confinement": None}]},
    )
    head, first, other = bulkhead("ps", "-o", "wide").out.splitlines()
    at = head.index("CONFINEMENT")
    assert first[at:].startswith("basic, 3 refused")
    assert other[at:].startswith("- ")


def test_ps_chooses_by_room_and_identity(answering: Any, bulkhead: Any) -> None:
    assert bulkhead("ps", "--room", "other", "-o", "name").out == "s_2\n"
    assert bulkhead("ps", "--identity", "chatbot", "-o", "name").out == "s_1\n"


def test_ps_as_json_is_what_the_server_said(answering: Any, bulkhead: Any) -> None:
    assert json.loads(bulkhead("ps", "-o", "json").out) == [WORKER, OTHER]


def test_ps_names_the_bundles_that_do_not_serve_with_what_to_do(answering: Any, bulkhead: Any) -> None:
    bundles = [
        {"name": "good", "state": "ready"},
        {"name": "slow", "state": "loading"},
        {"name": "bad", "state": "failed", "error": "SyntaxError: x (bad.py:3). Mend that line."},
        {"name": "old", "state": "ready", "error": "ValueError: y (old.py:7)"},
    ]
    answering.answer("GET /workers", {"endpoints": [], "workers": [], "bundles": bundles})
    assert bulkhead("ps").err.splitlines() == [
        "slow is being loaded",
        "bad cannot be loaded: SyntaxError: x (bad.py:3). Mend that line.",
        "old serves older code: ValueError: y (old.py:7)",
    ]
    assert bulkhead("ps", "-o", "json").err == ""


def test_of_no_sessions_it_says_what_was_looked_for(answering: Any, bulkhead: Any) -> None:
    told = "no sessions in the room nosuch; start one: bulkhead call /chat --room nosuch\n"
    assert bulkhead("ps", "--room", "nosuch").out == told
    assert bulkhead("ps", "--identity", "x").out == "no sessions of x; those of all: bulkhead ps\n"


def test_stop_all_stops_each_and_says_so(answering: Any, bulkhead: Any) -> None:
    answering.answer("DELETE /workers/s_1", {})
    answering.answer("DELETE /workers/s_2", {})
    ran = bulkhead("stop", "--all")
    assert (ran.status, ran.out) == (0, "stopped s_1\nstopped s_2\n")


def test_stop_goes_on_after_a_failure_and_ends_with_status_1(answering: Any, bulkhead: Any) -> None:
    answering.answer("GET /workers/s_2", {"state": "ready"})
    answering.answer("DELETE /workers/s_2", {})
    ran = bulkhead("stop", "s_9", "s_2")
    assert (ran.status, ran.out) == (1, "stopped s_2\n")
    assert "s_9" in ran.err


def test_stop_dry_run_stops_nothing(answering: Any, bulkhead: Any) -> None:
    assert bulkhead("stop", "--room", "demo", "--dry-run").out == "would stop s_1\n"
    assert not [method for method, *_ in answering.asked if method == "DELETE"]


def test_logs_are_in_order_of_time_over_sessions(answering: Any, bulkhead: Any) -> None:
    def line(seq: int, at: str, text: str) -> dict[str, Any]:
        return {"seq": seq, "at": at, "stream": "log", "level": "info", "text": text}

    answering.answer(
        "GET /workers/s_1/logs?after=0", {"lines": [line(1, "2026-01-01T00:00:02.000Z", "second")]}
    )
    answering.answer(
        "GET /workers/s_2/logs?after=0", {"lines": [line(1, "2026-01-01T00:00:01.000Z", "\x1bfirst")]}
    )
    ran = bulkhead("logs")
    assert ran.out.splitlines() == [
        "00:00:01.000 s_2 adder │ info    first",
        "00:00:02.000 s_1 chatbot │ info    second",
    ]


def test_call_posts_the_webhook_and_prints_the_answer(answering: Any, bulkhead: Any) -> None:
    answering.answer("POST /chat", {"ok": True, "session": "s_3"})
    ran = bulkhead("call", "chat", "--room", "myroom", "--arguments", '{"a": 1}', "--wait", "2")
    assert json.loads(ran.out) == {"ok": True, "session": "s_3"}
    _, _, headers, body = answering.asked[-1]
    assert json.loads(body) == {"event": "room.call", "data": {"room_name": "myroom", "arguments": {"a": 1}}}
    assert headers["prefer"] == "wait=2"
    assert "meshagent-signature" not in headers


def test_call_signs_when_a_secret_is_set(
    answering: Any, bulkhead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "s" * 32
    monkeypatch.setenv("MESHAGENT_WEBHOOK_SECRET", secret)
    answering.answer("POST /chat", {"ok": True})
    bulkhead("call", "/chat", "--room", "myroom")
    _, _, headers, body = answering.asked[-1]
    claims = jwt.decode(headers["meshagent-signature"].removeprefix("Bearer "), secret, algorithms=["HS256"])
    assert claims["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_wrong_path_says_which_there_are(answering: Any, bulkhead: Any) -> None:
    ran = bulkhead("call", "/wether", "--room", "myroom")
    assert ran.status == 1
    assert ran.err == "error: No agent at /wether\n  Known paths: /chat\n"


def test_input_that_is_no_json_is_a_usage_error(answering: Any, bulkhead: Any) -> None:
    ran = bulkhead("agents", "ask", "--room", "r", "--agent", "a", "--input", "{a: 1}")
    assert ran.status == 2
    assert "--input is not JSON" in ran.err
