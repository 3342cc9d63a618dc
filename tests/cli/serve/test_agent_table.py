"""The table of agents: a row for whatever an endpoint is doing, and a line for whatever changed."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.cli.serve.agent_table import changes, end_text, rows

pytestmark = pytest.mark.unit


def endpoint(path: str = "/chat", **more: Any) -> dict[str, Any]:
    return {"path": path, "identity": path[1:], "state": "ready", "class_name": "Chat", **more}


def worker(state: str = "ready", id: str = "s_1", **more: Any) -> dict[str, Any]:
    about = {"id": id, "state": state, "endpoint": "/chat", "identity": "chat", "room": "demo", "pid": 7}
    return {**about, "exit": None, **more}


def ended(reason: str, at: str = "2026-01-01", **more: Any) -> dict[str, Any]:
    about = {"reason": reason, "code": None, "signal": None, "message": "", "at": at, **more}
    return worker("exited", exit=about)


def test_an_agent_in_its_room_says_so_with_the_time_it_took() -> None:
    (row,) = rows({"endpoints": [endpoint()], "workers": [worker()]}, {"s_1": 38.2})
    assert row.cells == ("/chat", "chat", "Chat", "7", "● in room demo  (joined 38 ms)")
    assert row.is_settled


def test_what_was_sent_here_goes_by_the_name_of_its_service() -> None:
    sent = "/deployed/0d3f2f0e-6a56-4e0a-9a70-3f4d6c1c9c11/chat"
    about = endpoint(sent, identity="greeter", bundle="greeter@1a2b3c4d")
    gone = worker(endpoint=sent, bundle="greeter@99999999")
    (waits,) = rows({"endpoints": [about], "workers": []}, {})
    (runs,) = rows({"endpoints": [], "workers": [gone]}, {})
    assert (waits.path, runs.path) == ("greeter/chat", "greeter/chat")


def test_an_endpoint_nobody_called_waits() -> None:
    (row,) = rows({"endpoints": [endpoint()], "workers": []}, {})
    assert (row.state, row.pid) == ("waiting", "-")


def test_a_crash_is_red_and_names_the_signal() -> None:
    (row,) = rows({"endpoints": [endpoint()], "workers": [ended("signal", signal=11)]}, {})
    assert (row.color, row.text) == ("red", "✗ signal 11 (SIGSEGV)")


def test_a_clean_end_is_not_a_crash() -> None:
    (row,) = rows({"endpoints": [endpoint()], "workers": [ended("stopped")]}, {})
    assert (row.state, row.color) == ("ended", "dim")


def test_living_sessions_hide_the_ended_ones_of_their_endpoint() -> None:
    old, new, other = ended("signal", signal=9), worker(id="s_2"), worker("starting", id="s_3")
    found = rows({"endpoints": [endpoint()], "workers": [old, new, other]}, {})
    assert [row.session for row in found] == ["s_2", "s_3"]


def test_of_several_ended_sessions_the_last_one_counts() -> None:
    first = {**ended("signal", at="2026-01-01", signal=11), "id": "s_a"}
    last = {**ended("stopped", at="2026-01-02"), "id": "s_b"}
    (row,) = rows({"endpoints": [endpoint()], "workers": [last, first]}, {})
    assert row.session == "s_b"


def test_a_bundle_that_failed_shows_the_first_line_of_its_error() -> None:
    failed = endpoint(state="failed", error="ModuleNotFoundError: No module named 'x'\nmore")
    (row,) = rows({"endpoints": [failed], "workers": []}, {})
    assert (row.color, row.text) == ("red", "✗ ModuleNotFoundError: No module named 'x'")


@pytest.mark.parametrize(
    ("state", "text", "is_settled"), [("failed", "✗ no", True), ("loading", "◌ is being loaded", False)]
)
def test_a_bundle_whose_endpoints_nobody_knows_has_a_row_with_its_name(
    state: str, text: str, is_settled: bool
) -> None:
    unknown = {"path": "", "identity": "", "bundle": "slow", "state": state, "error": "no"}
    (row,) = rows({"endpoints": [unknown], "workers": []}, {})
    assert (row.path, row.identity, row.text, row.is_settled) == ("-", "slow", text, is_settled)


def test_names_of_strangers_cannot_write_escape_sequences() -> None:
    (row,) = rows({"endpoints": [endpoint()], "workers": [worker(room="\x1b[2Jx", identity="\x9b1mi")]}, {})
    assert "\x1b" not in "".join(row.cells)
    assert "\x9b" not in "".join(row.cells)


def test_a_change_is_told_once() -> None:
    before = rows({"endpoints": [endpoint()], "workers": [worker()]}, {})
    after = rows({"endpoints": [endpoint()], "workers": [ended("signal", signal=11)]}, {})
    ((line, color),) = changes(before, after)
    assert line == "✗ /chat chat · session s_1 · pid 7 · signal 11 (SIGSEGV)"
    assert color == "red"
    assert changes(after, after) == []


def test_other_ends_give_their_reason_and_message() -> None:
    assert (
        end_text({"reason": "start_error", "message": "ValueError: no\nmore"})
        == "start_error: ValueError: no"
    )
    assert end_text({"reason": "memory", "signal": 9}) == "memory, signal 9 (SIGKILL)"


def test_one_that_failed_and_is_tried_again_says_so_and_keeps_nobody_waiting() -> None:
    last = {"reason": "signal", "code": None, "signal": 11, "message": "", "at": "2026-01-01"}
    again = worker("starting", attempt=2, restart={"policy": "on_failure", "at": None, "last_exit": last})
    (row,) = rows({"endpoints": [endpoint()], "workers": [again]}, {})
    assert (row.state, row.text, row.is_settled) == (
        "restarting",
        "↻ attempt 2 after signal 11 (SIGSEGV)",
        True,
    )
    first = worker("starting", restart={"policy": "on_failure", "at": None, "last_exit": None})
    (row,) = rows({"endpoints": [endpoint()], "workers": [first]}, {})
    assert (row.state, row.is_settled) == ("starting", False)


def test_a_session_whose_endpoint_is_gone_is_still_shown() -> None:
    gone, over = worker(endpoint="/two"), worker("exited", id="s_2", endpoint="/two")
    found = rows({"endpoints": [endpoint()], "workers": [gone, over]}, {})
    assert [(row.path, row.state, row.session) for row in found] == [
        ("/chat", "waiting", ""),
        ("/two", "ready", "s_1"),
    ]
