"""The table in a small terminal."""

from __future__ import annotations

import pytest

from runtime.cli.serve.agent_table import HEADER, Row
from runtime.cli.serve.agent_table_fit import MAX_ROWS, fit

pytestmark = pytest.mark.unit


def row(number: int = 1, state: str = "ready", text: str = "● in room demo  (joined 38 ms)") -> Row:
    since = f"2026-01-01T00:00:{number:02}Z" if state != "failed" else ""
    return Row(f"/chat{number}", "chatbot", "SimpleChatbot", "31022", state, text, f"s_{number}", since)


def test_all_of_it_where_there_is_room() -> None:
    fitted = fit([row()], width=80)
    assert fitted.header == HEADER
    assert fitted.rows == ((("/chat1", "chatbot", "SimpleChatbot", "31022", row().text), "green"),)
    assert (fitted.more, fitted.more_text) == (0, "")


def test_the_class_goes_first_then_the_identity_and_then_the_state_is_cut() -> None:
    assert fit([row()], width=70).header == ("endpoint", "identity", "process", "state")
    fitted = fit([row()], width=46)
    assert fitted.header == ("endpoint", "process", "state")
    assert fitted.rows[0][0] == ("/chat1", "31022", "● in room demo  (joined …")
    assert sum(map(len, fitted.header[:2])) + 6 + len(fitted.rows[0][0][2]) <= 46


@pytest.mark.parametrize("width", range(20, 130))
def test_it_never_gets_wider_than_the_terminal_and_headers_stay_whole(width: int) -> None:
    fitted = fit([row(), row(2, text="✗ " + "x" * 200)], width=width)
    lines = [fitted.header, *(cells for cells, _ in fitted.rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(fitted.header))]
    assert sum(widths) + 3 * (len(widths) - 1) <= max(width, 30)
    assert set(fitted.header) <= set(HEADER) or width < 30


def test_of_too_many_rows_the_newest_are_shown_and_the_others_counted() -> None:
    rows = [row(number) for number in range(20, 0, -1)]
    fitted = fit(rows, width=80, height=10)
    assert [cells[0] for cells, _ in fitted.rows] == [f"/chat{n}" for n in range(20, 12, -1)]
    assert fitted.more_text == "… and 12 more"
    assert fit(rows, width=80, height=21).more == 0


def test_what_cannot_serve_is_not_left_out() -> None:
    rows = [row(99, "failed", "✗ SyntaxError"), *(row(number) for number in range(1, 20))]
    assert "✗ SyntaxError" in [cells[-1] for cells, _ in fit(rows, width=80, height=6).rows]


def test_there_is_a_bound_without_a_terminal_too() -> None:
    fitted = fit([row(number) for number in range(50)])
    assert (len(fitted.rows), fitted.more) == (MAX_ROWS, 10)
