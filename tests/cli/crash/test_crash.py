"""``bulkhead crash``: the kinds, one report in full, and what a stranger wrote into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unit

REPORT: dict[str, Any] = {
    "session": "s_1",
    "endpoint": "/chat",
    "identity": "chatbot",
    "room": "myroom",
    "generation": 2,
    "pid": 4711,
    "exit": {
        "reason": "agent_error",
        "code": 71,
        "signal": None,
        "message": "no",
        "at": "2026-11-22T09:14:03.412Z",
    },
    "sentence": "A background task raised: ZeroDivisionError: division by zero",
    "cure": "Check for zero before dividing.",
    "fingerprint": "abcdef012345",
    "at": "2026-11-22T09:14:03.412Z",
    "after_s": 3.21,
    "where": "/srv/main.py:17 in fast_sum",
    "code": {
        "bundle": "main",
        "generation": 3,
        "file": "/srv/main.py",
        "sha256": "9c1f2aa" + "0" * 57,
        "modified_at": "2026-11-22T09:00:00.000Z",
    },
    "excerpt": {
        "file": "/srv/main.py",
        "first": 16,
        "marked": 17,
        "lines": ["def fast_sum(values):", "    return 1 / 0"],
    },
    "failure": {"stage": "run", "kind": "ZeroDivisionError", "message": "division by zero", "where": ""},
    "traceback": "Traceback …",
    "frames_omitted": 0,
    "frames": [
        {
            "file": "/srv/main.py",
            "line": 41,
            "function": "on_chat",
            "own": True,
            "locals": {"room": "<Room>"},
        },
        {"file": "/lib/json.py", "line": 1, "function": "dumps"},
        {
            "file": "/srv/main.py",
            "line": 17,
            "function": "fast_sum",
            "own": True,
            "locals": {"values": "[1.0, 2.0]", "api_key": "•••"},
            "source": "return 1 / 0",
        },
    ],
    "tasks": [
        {"name": "news", "own": True, "waits_for": "Future", "frames": ["/srv/main.py:9 in wait"]},
        {"name": "blocker", "own": True, "running": True, "frames": ["/srv/main.py:12 in block"]},
    ],
    "native": "",
    "log_lines_dropped": 4,
    "log": [
        {"seq": 1, "at": "2026-11-22T09:14:03.000Z", "stream": "output", "level": "", "text": "\x1b[2Jhello"}
    ],
    "messages": [
        {
            "direction": "in",
            "kind": "start",
            "at": "2026-11-22T09:14:00.000Z",
            "count": 1,
            "size_bytes": 1100,
        },
        {
            "direction": "out",
            "kind": "packet",
            "at": "2026-11-22T09:14:01.000Z",
            "count": 7,
            "size_bytes": 70,
        },
    ],
    "room_messages": [
        {
            "direction": "in",
            "kind": "messaging.send chat",
            "at": "2026-11-22T09:14:03.400Z",
            "count": 1,
            "bytes_count": 212,
        },
    ],
    "recorded": [
        {
            "kind": "messaging.send",
            "header": {"from_participant_id": "p", "type": "chat", "message": {"text": "sum these" * 30}},
            "data_bytes": 2048,
        },
        {"kind": "agent.tool_call.calc", "header": {"name": "add", "arguments": {"a": 1}}, "data_bytes": 0},
    ],
    "peak_rss_bytes": 222298112,
    "cpu_s": 0.94,
    "use": {
        "peak_processes": 3,
        "curve": [
            {"t_s": 0.0, "rss_bytes": 1 << 20, "pss_bytes": 0, "cpu_s": 0.0, "processes": 1},
            {"t_s": 3.0, "rss_bytes": 8 << 20, "pss_bytes": 0, "cpu_s": 0.9, "processes": 3},
        ],
    },
    "warnings": [],
    "process_tree": [],
    "arguments": {"shop": "north"},
    "unknown": {"native": "nothing was written"},
}
GROUP = {
    "fingerprint": "abcdef012345",
    "reason": "agent_error",
    "kind": "ZeroDivisionError",
    "endpoint": "/chat",
    "bundle": "main",
    "count": 12,
    "first_at": "2026-11-21T09:14:03.412Z",
    "last_at": "2026-11-22T09:14:03.412Z",
    "code_generation": 3,
    "code_sha256": "9c1f2aa" + "0" * 57,
    "session_id": "s_1",
    "sentence": "No.",
    "cure": "Check.",
    "where": "/srv/main.py:17 in fast_sum",
}


@pytest.fixture
def answering(server: Any, monkeypatch: pytest.MonkeyPatch, bulkhead: Any) -> Any:
    server.answer("GET /crashes", {"crashes": [GROUP]})
    server.answer("GET /crashes/abcdef012345", {**GROUP, "sessions": [], "report": REPORT})
    server.answer("GET /workers/s_1/crash", REPORT)
    monkeypatch.setenv("BULKHEAD_URL", server.url)
    return server


def section(out: str, label: str) -> list[str]:
    """The lines below a label."""
    found: list[str] = []
    for line in out.splitlines():
        if line.startswith(label) or (found and line.startswith(" " * 11)):
            found.append(line[11:])
        elif found:
            break
    return found


def test_the_kinds_are_a_table(answering: Any, bulkhead: Any) -> None:
    head, row = bulkhead("crash", "list").out.splitlines()
    assert head.split() == ["COUNT", "LAST", "REASON", "WHERE", "SESSION", "FINGERPRINT"]
    assert "agent_error: ZeroDivisionError" in row
    assert "main.py:17 in fast_sum" in row
    assert row.split()[0] == "12"
    assert "gen 3 9c1f2aa0" in bulkhead("crash", "list", "-o", "wide").out
    assert json.loads(bulkhead("crash", "list", "-o", "json").out) == [GROUP]
    answering.answer("GET /crashes", {"crashes": []})
    assert bulkhead("crash", "list").out == "no crashes\n"


def test_a_report_tells_what_happened_where_and_what_to_do(answering: Any, bulkhead: Any) -> None:
    out = bulkhead("crash", "show", "s_1").out
    assert section(out, "Reason") == [REPORT["sentence"]]
    assert section(out, "Likely") == [REPORT["cure"]]
    assert section(out, "When") == [
        "2026-11-22 09:14:03.412 UTC · after 3.2 s · peak 212 MiB · 0.9 cpu·s · 3 processes"
    ]
    assert "attempt 2" in section(out, "Session")[0]
    python = section(out, "Python")
    assert python[0] == "main.py:41 on_chat → main.py:17 fast_sum"
    assert python[1:] == ["  values = [1.0, 2.0]", "  api_key = •••"]
    assert section(out, "Source")[2] == "→   17      return 1 / 0"
    assert section(out, "Tasks") == ["2 asyncio tasks, 2 in this program (show --tasks)"]
    assert section(out, "Last log")[0] == "09:14:03.000 [2Jhello"
    assert "4 lines were dropped" in out
    assert section(out, "Last in") == ["messaging.send chat (212 B, 09:14:03.400)"]
    assert "Pipe" not in out
    long, short = section(out, "Recorded")
    assert long.startswith('chat {"text": "sum these')
    assert (long[-1], len(long)) == ("…", 100)
    assert short == 'calc.add {"a": 1}'
    assert "1 MiB → 8 MiB in 3 s" in section(out, "Memory")[0]
    assert "\x1b" not in out


def test_more_is_shown_when_asked_for(answering: Any, bulkhead: Any) -> None:
    assert section(bulkhead("crash", "show", "s_1", "--tasks").out, "Tasks") == [
        "news · awaits a Future",
        "  main.py:9 in wait",
        "blocker · is running",
        "  main.py:12 in block",
    ]
    full = bulkhead("crash", "show", "s_1", "--full").out
    assert "json.py:1 dumps" in full
    assert section(full, "Pipe out") == ["packet ×7 (70 B, 09:14:01.000)"]
    assert section(full, "Recorded")[0].endswith('these"} + 2 KiB')
    assert section(full, "Unknown") == ["native: nothing was written"]
    assert json.loads(bulkhead("crash", "show", "s_1", "-o", "json").out) == REPORT


def test_a_kind_shows_its_latest_report_while_it_is_kept(answering: Any, bulkhead: Any) -> None:
    assert bulkhead("crash", "show", "abcdef012345").out == bulkhead("crash", "show", "s_1").out
    answering.answer("GET /crashes/abcdef012345", {**GROUP, "sessions": [], "report": None})
    ran = bulkhead("crash", "show", "abcdef012345")
    assert ran.status == 1
    assert "dropped" in ran.err


def test_a_session_without_a_report_is_told_why(answering: Any, bulkhead: Any) -> None:
    problem = {"title": "There is no crash report", "detail": "It ended well: stopped."}
    answering.answer("GET /workers/s_2/crash", problem, 404)
    ran = bulkhead("crash", "show", "s_2")
    assert ran.status == 1
    assert "It ended well" in ran.err


def test_a_bundle_is_written_where_it_is_wanted(
    answering: Any, bulkhead: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answering.answer("GET /workers/s_1/crash/bundle", b"packed")
    assert bulkhead("crash", "bundle", "s_1").out == "crash-s_1.tar.gz\n"
    assert (tmp_path / "crash-s_1.tar.gz").read_bytes() == b"packed"
    assert bulkhead("crash", "bundle", "abcdef012345", "-o", "x.tgz").out == "x.tgz\n"
    assert (tmp_path / "x.tgz").read_bytes() == b"packed"
    nowhere = bulkhead("crash", "bundle", "s_1", "-o", "no/such/folder.tgz")
    assert nowhere.status == 1
    assert "cannot be written" in nowhere.err
    problem = {"title": "There is no crash report", "detail": "It ended well: stopped."}
    answering.answer("GET /workers/s_2/crash/bundle", problem, 404)
    assert "It ended well" in bulkhead("crash", "bundle", "s_2").err
    assert not (tmp_path / "crash-s_2.tar.gz").exists()


def test_a_report_of_nearly_nothing_is_shown(answering: Any, bulkhead: Any) -> None:
    bare: dict[str, Any] = {
        **REPORT,
        "frames": [],
        "tasks": [],
        "log": [],
        "messages": [],
        "excerpt": None,
        "where": "",
        "pid": None,
        "after_s": None,
        "use": {"curve": []},
        "peak_rss_bytes": 0,
        "cpu_s": 0.0,
        "arguments": {},
        "code": {"bundle": "", "generation": 0, "file": "", "sha256": "", "modified_at": None},
    }
    del bare["room_messages"], bare["recorded"]  # as a server says it that does not know them
    answering.answer("GET /workers/s_1/crash", bare)
    out = bulkhead("crash", "show", "s_1").out
    assert [line.split()[0] for line in out.splitlines()][:4] == ["Reason", "Likely", "Session", "When"]
